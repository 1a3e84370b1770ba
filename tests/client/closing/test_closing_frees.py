"""Closing a client frees whoever waits for anything at once, whatever it waits for and whatever the gateway does; only the closing itself waits."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from grpclib.const import Status

from mxgateway import (
    DeployWatch,
    MxGatewayError,
    MxGatewayTimeoutError,
    Overflow,
    RecoveryOptions,
    RetryOptions,
    Subscription,
    SubscriptionOptions,
)
from mxgateway.calling import rpcs as methods
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.testing.network.fault_proxy import FaultProxy
from mxgateway.transport.calls.method import Method
from tests.client.public_calls import CALLS
from tests.client.stage import QUICK, Call, Stage, set_stage
from tests.client.support import TAG, change, connect, until
from tests.client.virtual_time import LoopClock, run
from tests.rows import each_row

eager_task_factory = getattr(asyncio, "eager_task_factory", None)
FACTORIES: Final = [None] if eager_task_factory is None else [None, eager_task_factory]

CLOSING_BOUND: Final = 6.0
"""Seconds: the sessions have 5, what the connection has not sent yet 1 more."""

LONG: Final = RecoveryOptions(initial_backoff=3600.0, max_backoff=3600.0)
RETRY_LATE: Final = RetryOptions(initial_backoff=3600.0, max_backoff=3600.0)
HELD: Final = [each.name for each in vars(methods).values() if isinstance(each, Method) and each.name != "CloseSession"]


class Answer(enum.Enum):
    """What the gateway does when the client closes."""

    ANSWERS = "answers"
    """It closes the sessions."""
    IS_SILENT = "does not answer CloseSession"
    BLACK_HOLE = "is a black hole"
    """The connection stands, and nothing comes through."""
    OUT_OF_REACH = "is out of reach"
    """The connection is lost, and another one does not come about."""

    async def befall(self, stage: Stage) -> None:
        """Let the gateway answer nothing from now on, or nothing but CloseSession."""
        for name in HELD:
            stage.gateway.hold(name)
        stage.gateway.hold_commands()
        if self is Answer.IS_SILENT:
            stage.gateway.hold("CloseSession")
        elif self is not Answer.ANSWERS:
            network(stage).both.freeze()
        if self is Answer.OUT_OF_REACH:
            network(stage).reset_all()
            await until(lambda: stage.client._channel.current is None)


def network(stage: Stage) -> FaultProxy:
    assert stage.network is not None
    return stage.network


def now() -> float:
    return asyncio.get_running_loop().time()


def in_a_world(
    scene: Callable[[Stage], Awaitable[None]], factory: Any, options: SimulatorOptions | None = None, **fields: Any
) -> None:
    """Play a scene with a gateway, a client behind a proxy and a session, in virtual time."""

    async def play() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        async with SimulatedGateway(options=options, clock=LoopClock()) as gateway, FaultProxy(gateway.port) as proxy:
            before = asyncio.all_tasks()
            client = await connect(gateway, endpoint=proxy.endpoint, call_timeout=None, **fields)
            stage = await set_stage(gateway, client)
            stage.network = proxy
            await scene(stage)
            assert not client._channel._connections
            await until(lambda: not own_tasks(before))
            gateway.switches.clear()

    run(play())


def own_tasks(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Return the tasks that were made since, without the gateway's and the proxy's."""
    return {
        task
        for task in asyncio.all_tasks() - before
        if not task.get_name().startswith(("apartment of ", "call from ")) and "FaultProxy" not in repr(task.get_coro())
    }


async def freed_at_once(stage: Stage, waiting: asyncio.Task[object]) -> None:
    """Close the client and see that a task that waits is freed in the same instant, and told why."""
    begin, waits = now(), not waiting.done()
    closing = asyncio.create_task(stage.client.close())
    await asyncio.wait([waiting], timeout=0.001)
    assert waiting.done()
    assert now() == begin
    error = waiting.exception()
    assert error is None or not waits or (isinstance(error, MxGatewayError) and "closed" in str(error)), repr(error)
    await closing
    assert now() - begin <= CLOSING_BOUND


# -- every public call

CLOSERS: Final = {
    "Session.close", "Session.__aexit__", "Subscription.aclose", "Subscription.__aexit__", "GatewayClient.close_session_raw",
    "Opening.__aexit__",
}  # fmt: skip
"""What waits for the reply to a CloseSession of its own: closing the client neither hastens nor delays that."""
OF_OTHERS: Final = {
    f"{cls}.{name}" for cls in ("GatewayClient", "GalaxyRepositoryClient") for name in ("connect", "close", "__aexit__")
}
"""Calls of another client."""


@each_row("factory", FACTORIES)
@each_row("answer", Answer)
@each_row("call", [call for call in CALLS if call.method not in CLOSERS | OF_OTHERS])
def test_a_public_call_is_freed(call: Call, answer: Answer, factory: Any) -> None:
    async def scene(stage: Stage) -> None:
        stage.prepared = await call.prepare(stage)
        if stage._timer is not None:
            stage._timer.cancel()
        await answer.befall(stage)
        waiting = asyncio.create_task(call.begin(stage))
        await asyncio.sleep(0.1)
        await freed_at_once(stage, waiting)

    in_a_world(scene, factory)


# -- situations


@dataclass(frozen=True)
class Situation:
    """Somebody who waits for something."""

    name: str
    begin: Callable[[Stage], Awaitable[Coroutine[Any, Any, object]]]
    """Brings the situation about and returns who then waits."""
    options: SimulatorOptions | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    """Options of the client."""


async def read(iterator: AsyncIterable[object]) -> None:
    async for _ in iterator:
        pass


async def read_in_its_block(context: Any) -> None:
    async with context as iterator:
        await read(iterator)


async def entered(context: Any) -> Any:
    return await context.__aenter__()


def own(stage: Stage, **fields: Any) -> Subscription:
    stage.subscriptions.append(subscription := stage.client.subscribe([TAG], SubscriptionOptions(**fields)))
    return subscription


def shared(stage: Stage, **fields: Any) -> Subscription:
    stage.subscriptions.append(subscription := stage.session.subscribe([TAG], SubscriptionOptions(**fields)))
    return subscription


def watch(stage: Stage) -> DeployWatch:
    return stage.client.galaxy.watch_deploy_events(recovery=LONG)


def reading(make: Callable[[Stage], Any]) -> Callable[[Stage], Awaitable[Coroutine[Any, Any, object]]]:
    """Return how somebody comes to read in a block of its own."""

    async def begin(stage: Stage) -> Coroutine[Any, Any, object]:
        return read_in_its_block(make(stage))

    return begin


def states(make: Callable[[Stage], Subscription]) -> Callable[[Stage], Awaitable[Coroutine[Any, Any, object]]]:
    """Return how somebody comes to read the states of a subscription."""

    async def begin(stage: Stage) -> Coroutine[Any, Any, object]:
        return read((await entered(make(stage))).states())

    return begin


async def batches(stage: Stage) -> Coroutine[Any, Any, object]:
    return read((await entered(shared(stage))).batches())


async def batches_of_events(stage: Stage) -> Coroutine[Any, Any, object]:
    return read((await entered(stage.events())).batches())


async def in_a_session(stage: Stage) -> Coroutine[Any, Any, object]:
    async def ping() -> None:
        async with stage.client.open_session() as session:
            stage.gateway.hold_commands()
            await session.ping()

    return ping()


async def in_an_attached_session(stage: Stage) -> Coroutine[Any, Any, object]:
    async def ping() -> None:
        async with stage.client.attach_session(stage.session.session_id) as session:
            await session.read([TAG])
            stage.gateway.hold_commands()
            await session.ping()

    return ping()


async def in_the_queue_of_openings(stage: Stage) -> Coroutine[Any, Any, object]:
    stage.gateway.hold("OpenSession")
    stage.others += [asyncio.create_task(read_in_its_block(own(stage))) for _ in range(3)]
    await asyncio.sleep(5)
    return read_in_its_block(own(stage))


async def lost(stage: Stage, method: str) -> None:
    """Lose the connection, and have no further stream."""
    stage.gateway.fail_next(method, Status.UNAVAILABLE, times=1000)
    stage.gateway.drop_connections()
    await until(lambda: stage.client._channel.current is None)


def paused(make: Callable[..., Subscription]) -> Callable[[Stage], Awaitable[Coroutine[Any, Any, object]]]:
    """Return how somebody comes to read a subscription whose stream is lost."""

    async def begin(stage: Stage) -> Coroutine[Any, Any, object]:
        subscription = await entered(make(stage, recovery=LONG))
        await lost(stage, "StreamEvents")
        return read(subscription)

    return begin


async def paused_board(stage: Stage) -> Coroutine[Any, Any, object]:
    board = await entered(stage.client.alarm_board(recovery=LONG))
    await lost(stage, "StreamAlarms")
    return read(board)


async def paused_watch(stage: Stage) -> Coroutine[Any, Any, object]:
    deployments = watch(stage)
    await anext(deployments)
    await lost(stage, "WatchDeployEvents")
    return read(deployments)


async def rebuilt_subscription(stage: Stage) -> Coroutine[Any, Any, object]:
    subscription = await entered(own(stage, recovery=QUICK))
    stage.gateway.hold("OpenSession")
    for session_id in set(stage.gateway.sessions) - {stage.session.session_id}:
        stage.gateway.crash_worker(session_id)
    return read(subscription)


async def write_in_line(stage: Stage) -> Coroutine[Any, Any, object]:
    stage.gateway.hold_commands()
    stage.others.append(asyncio.create_task(stage.session.write(*stage.item.pair, 1)))
    return stage.session.write_confirmed(*stage.item.pair, 2)


async def completion(stage: Stage) -> Coroutine[Any, Any, object]:
    stage.gateway.hold_write_completions()
    return stage.session.write_confirmed(*stage.item.pair, 2)


async def completion_behind_events_that_nobody_takes(stage: Stage) -> Coroutine[Any, Any, object]:
    await entered(shared(stage, overflow=Overflow.BLOCK, max_items=10, block_timeout=3600.0))
    change(stage.gateway, range(100))
    return stage.session.write_confirmed(*stage.item.pair, 2)


async def end_of_a_doubt(stage: Stage) -> Coroutine[Any, Any, object]:
    stage.gateway.hold("Invoke.Write")
    with contextlib.suppress(MxGatewayTimeoutError):
        await stage.session.write(*stage.item.pair, 1, timeout=0.1)
    return stage.session.write_confirmed(*stage.item.pair, 2)


async def tag_completions(stage: Stage) -> Coroutine[Any, Any, object]:
    stage.gateway.hold_write_completions()
    return stage.session.write_tags({TAG: 1}, confirm=True)


async def pause_between_attempts(stage: Stage) -> Coroutine[Any, Any, object]:
    stage.gateway.fail_next("Invoke.Ping", Status.UNAVAILABLE, times=1000)
    return stage.session.ping()


async def no_free_stream(stage: Stage) -> Coroutine[Any, Any, object]:
    stage.gateway.hold_commands()
    stage.others.append(asyncio.create_task(stage.session.ping()))
    return stage.session.ping()


async def no_room_for_the_request(stage: Stage) -> Coroutine[Any, Any, object]:
    network(stage).both.freeze()
    return stage.session.write(*stage.item.pair, "x" * 3_000_000)


SITUATIONS: Final = [
    Situation("a subscription in its block", reading(own)),
    Situation("a subscription of a session in its block", reading(shared)),
    Situation("states", states(own)),
    Situation("states of a subscription of a session", states(shared)),
    Situation("batches", batches),
    Situation("events in their block", reading(lambda stage: stage.session.stream_events())),
    Situation("events that resume in their block", reading(lambda stage: stage.session.stream_events(resume=True))),
    Situation("batches of events", batches_of_events),
    Situation("an alarm feed in its block", reading(lambda stage: stage.client.stream_alarms())),
    Situation("an alarm board in its block", reading(lambda stage: stage.client.alarm_board())),
    Situation("deployments in their block", reading(watch)),
    Situation("a call in the block of a session", in_a_session),
    Situation("a call in the block of an attached session", in_an_attached_session),
    Situation("the queue of openings", in_the_queue_of_openings),
    Situation("a subscription that pauses", paused(own)),
    Situation("a subscription of a session that pauses", paused(shared)),
    Situation("an alarm board that pauses", paused_board),
    Situation("deployments that pause", paused_watch),
    Situation("a subscription that is rebuilt", rebuilt_subscription),
    Situation("a write in line", write_in_line),
    Situation("a completion", completion),
    Situation("a completion behind events that nobody takes", completion_behind_events_that_nobody_takes),
    Situation("the end of a doubt", end_of_a_doubt),
    Situation("completions of tags", tag_completions),
    Situation("the pause between two attempts", pause_between_attempts, fields={"retry": RETRY_LATE}),
    Situation("no free stream", no_free_stream, SimulatorOptions(streams_per_connection=1)),
    Situation("no room for the request", no_room_for_the_request),
]


@each_row("factory", FACTORIES)
@each_row("answer", Answer)
@each_row("situation", SITUATIONS)
def test_whoever_waits_is_freed(situation: Situation, answer: Answer, factory: Any) -> None:
    async def scene(stage: Stage) -> None:
        waiting = asyncio.create_task(await situation.begin(stage))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await answer.befall(stage)
        await freed_at_once(stage, waiting)
        await asyncio.wait([waiting, *stage.others])

    in_a_world(scene, factory, situation.options, **situation.fields)
