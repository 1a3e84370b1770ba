"""When the next attempt begins: pauses that grow and are drawn evenly, what the log is told, and when it is given up; with a clock that jumps."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from grpclib.const import Status

from mxgateway import (
    GrpcStatus,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewaySessionError,
    MxGatewayTransportError,
    MxGatewayWorkerError,
    RecoveryOptions,
    SubscriptionState,
)
from mxgateway.events.recovery import GivingUp, Recovery, is_rejection, is_session_lost
from mxgateway.simulator import SimulatedGateway
from tests.client.support import connect, until
from tests.rows import each_row
from tests.subscription.rig import consumed, options, publish, quiet_plant, tags_of

T = TypeVar("T")

LOST = MxGatewayTransportError("the connection was reset", grpc_status=GrpcStatus.UNAVAILABLE)
REJECTED = MxGatewayAuthenticationError("bad key", grpc_status=GrpcStatus.UNAUTHENTICATED)


class JumpingSelector(selectors.DefaultSelector):
    """Does not wait for a time: the clock is there already."""

    ahead = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass at once."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        self.ahead += timeout
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer when there is nothing else to do."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the time: only jumps move it."""
        return 1000.0 + self._jumping.ahead


def run(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run something that waits, and wait for nothing."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(test())


class HighestDraw(random.Random):
    """Draws the upper bound, and notes both."""

    def __init__(self) -> None:
        super().__init__(0)
        self.drawn: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        """Return `b`."""
        self.drawn.append((a, b))
        return b


def now() -> float:
    return asyncio.get_running_loop().time()


async def paused(recovery: Recovery, error: MxGatewayError = LOST) -> float:
    """Let an attempt fail; return how long the pause is."""
    begun = now()
    await recovery.pause(error)
    return now() - begun


class Open:
    """A client that nobody closes."""

    closing = False

    async def pause(self, seconds: float, awake: asyncio.Event | None = None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (awake or asyncio.Event()).wait()


def recovery(source: random.Random | None = None, **fields: Any) -> Recovery:
    return Recovery("the stream", RecoveryOptions(**fields), Open(), source)


def test_the_pauses_grow_to_their_cap_and_each_is_drawn_evenly_from_nothing_to_its_bound() -> None:
    async def main() -> None:
        source = HighestDraw()
        failing = recovery(source)
        pauses = [await paused(failing) for _ in range(10)]
        assert pauses == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30])
        assert [low for low, _ in source.drawn] == [0.0] * 10

    run(main)


def test_clients_that_lose_a_gateway_together_do_not_come_back_together() -> None:
    async def main() -> None:
        fleet = [recovery(random.Random(seed)) for seed in range(200)]
        for _ in range(6):
            pauses = [await paused(each) for each in fleet]
        assert 0 <= min(pauses) < 1.6
        assert 14.4 < max(pauses) <= 16
        assert 6.5 < sum(pauses) / len(pauses) < 9.5
        assert len(set(pauses)) == len(pauses)

    run(main)


@each_row(("lasted", "bound"), [(0.0, 4.0), (29.9, 4.0), (30.0, 0.5), (5000.0, 0.5)])
def test_only_a_success_that_lasts_lets_the_next_series_begin_with_the_first_pause(lasted: float, bound: float) -> None:
    async def main() -> None:
        failing = recovery(HighestDraw())
        for _ in range(3):
            await failing.pause(LOST)
        failing.succeeded()
        assert failing.is_unstable
        await asyncio.sleep(lasted)
        assert failing.is_unstable is (lasted < 30)
        assert await paused(failing) == pytest.approx(bound)
        assert not failing.is_unstable

    run(main)


def test_a_link_that_flaps_is_not_hammered() -> None:
    async def main() -> None:
        failing = recovery(HighestDraw())
        for _ in range(12):
            await failing.pause(LOST)
            failing.succeeded()
            await asyncio.sleep(20)
        assert await paused(failing) == pytest.approx(30)

    run(main)


@pytest.mark.parametrize("error", [REJECTED, MxGatewayAuthorizationError("no scope")])
def test_a_key_that_is_refused_is_tried_in_the_slow_lane_and_does_not_lengthen_the_other_pauses(
    error: MxGatewayError,
) -> None:
    async def main() -> None:
        source = HighestDraw()
        failing = recovery(source)
        assert [await paused(failing, error) for _ in range(3)] == pytest.approx([60, 60, 60])
        assert source.drawn == [(0.5, 1.0)] * 3
        assert await paused(failing) == pytest.approx(0.5)

    assert is_rejection(error)
    run(main)


def test_it_is_given_up_when_attempts_have_failed_for_so_long_and_the_last_error_says_why() -> None:
    async def main() -> None:
        failing = recovery(HighestDraw(), give_up_after=7.0)
        errors = [MxGatewayTransportError(f"attempt {number}") for number in range(10)]
        begun, pauses = now(), 0
        with pytest.raises(GivingUp) as end:
            for error in errors:
                await failing.pause(error)
                pauses += 1
        assert end.value.error is errors[4]
        assert pauses == 4
        assert now() - begun == pytest.approx(7.5)

    run(main)


def test_success_ends_the_time_that_counts_for_giving_up_and_without_a_limit_it_never_ends() -> None:
    async def main() -> None:
        failing = recovery(HighestDraw(), give_up_after=100.0)
        for _ in range(50):
            await failing.pause(LOST)
            await failing.pause(LOST)
            failing.succeeded()
            await asyncio.sleep(1000)
        for_ever = recovery(HighestDraw())
        begun = now()
        for _ in range(3000):
            await for_ever.pause(LOST)
        assert now() - begun > 80_000

    run(main)


def test_the_first_failure_is_a_warning_and_the_rest_are_not_until_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        failing = recovery()
        for _ in range(2):
            for _ in range(4):
                await failing.pause(LOST)
            failing.succeeded()

    with caplog.at_level(logging.DEBUG, "mxgateway.recovery"):
        run(main)
    series = [logging.WARNING, logging.DEBUG, logging.DEBUG, logging.DEBUG, logging.INFO]
    assert [record.levelno for record in caplog.records] == series * 2
    assert "the stream is lost, next attempt in" in caplog.records[0].getMessage()
    assert "the connection was reset" in caplog.records[0].getMessage()
    assert "the stream is back" in caplog.records[4].getMessage()


def test_success_without_a_failure_before_it_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        recovery().succeeded()

    with caplog.at_level(logging.DEBUG, "mxgateway.recovery"):
        run(main)
    assert caplog.records == []


def test_wake_ends_the_present_pause_and_no_later_one() -> None:
    async def main() -> None:
        failing = recovery(HighestDraw(), initial_backoff=20.0)
        failing.wake()
        assert await paused(failing) == pytest.approx(20)
        asyncio.get_running_loop().call_later(3, failing.wake)
        assert await paused(failing) == pytest.approx(3)
        assert await paused(failing) == pytest.approx(30)

    run(main)


def test_a_pause_can_be_cancelled() -> None:
    async def main() -> None:
        pausing = asyncio.create_task(recovery(HighestDraw()).pause(LOST))
        await asyncio.sleep(0.1)
        pausing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pausing

    run(main)


@each_row(
    ("error", "lost"),
    [
        (MxGatewaySessionError("unknown", grpc_status=GrpcStatus.NOT_FOUND), True),
        (MxGatewaySessionError("faulted", grpc_status=GrpcStatus.FAILED_PRECONDITION), True),
        (MxGatewaySessionError("closed here"), True),
        (MxGatewaySessionError("taken", grpc_status=GrpcStatus.ALREADY_EXISTS), False),
        (MxGatewaySessionError("overflow", grpc_status=GrpcStatus.RESOURCE_EXHAUSTED), False),
        (MxGatewayWorkerError("crashed", grpc_status=GrpcStatus.UNAVAILABLE), False),
        (LOST, False),
        (REJECTED, False),
    ],
)
def test_only_what_says_that_the_session_is_unknown_or_not_ready_ends_it(error: MxGatewayError, lost: bool) -> None:
    assert is_session_lost(error) is lost


# --------------------------------------------------------------------------------------------------------------------
# As a subscription has it


async def test_a_subscription_that_gives_up_fails_with_the_last_error_and_tries_no_new_session() -> None:
    limited = RecoveryOptions(initial_backoff=0.02, max_backoff=0.03, give_up_after=0.15)
    async with SimulatedGateway(plant=quiet_plant(3)) as gateway:
        async with connect(gateway) as client:
            async with consumed(client.subscribe(tags_of(3), options(recovery=limited))) as consumer:
                await until(lambda: len(consumer.updates) == 3)
                gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "down for maintenance", times=1000)
                gateway.drop_connections()
                await until(lambda: consumer.error is not None)
                assert isinstance(consumer.error, MxGatewayError)
                assert "down for maintenance" in str(consumer.error)
                assert consumer.subscription.state is SubscriptionState.FAILED
                assert [change.state.value for change in consumer.changes][2:] == ["recovering"]
                assert len([call for call in gateway.received if call.method == "OpenSession"]) == 1


async def test_a_worker_that_crashes_again_and_again_is_replaced_with_longer_and_longer_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mxgateway.commands.session.opener.OPEN_INTERVAL", 0.0)
    pauses: list[float] = []
    whole = Recovery._delay

    def noted(self: Recovery, error: MxGatewayError) -> float:
        if self._what.startswith("the session"):
            pauses.append(self._backoff.limit)
        return min(0.01, whole(self, error))

    monkeypatch.setattr(Recovery, "_delay", noted)
    async with SimulatedGateway(plant=quiet_plant(1)) as gateway, connect(gateway) as client:
        async with consumed(client.subscribe(tags_of(1), options(recovery=RecoveryOptions()))) as consumer:
            for crashes in range(5):
                await until(lambda: consumer.subscription.stats().rebuilds == crashes)  # noqa: B023 - called within the iteration
                gateway.crash_worker(next(iter(gateway.sessions)))
            await until(lambda: consumer.subscription.stats().rebuilds == 5)
    assert pauses == [0.5, 1.0, 2.0, 4.0]


async def test_a_subscription_whose_beginning_has_failed_is_over() -> None:
    async with SimulatedGateway(plant=quiet_plant(1)) as gateway, connect(gateway) as client:
        gateway.fail_next("Invoke.Register", Status.UNAVAILABLE, "ordered by the test")
        refused = client.subscribe(tags_of(1), options())
        with pytest.raises(MxGatewayError, match="ordered by the test"):
            while True:
                await anext(refused)
        assert refused.state is SubscriptionState.FAILED
        with pytest.raises(StopAsyncIteration):
            await anext(refused)
        await until(lambda: not gateway.sessions)


async def test_reads_that_have_failed_once_each_and_then_succeeded_do_not_add_up_to_giving_up() -> None:
    limited = RecoveryOptions(initial_backoff=0.02, max_backoff=0.03, give_up_after=0.3)
    async with SimulatedGateway(plant=quiet_plant(3)) as gateway, connect(gateway) as client:
        async with consumed(client.subscribe(tags_of(3), options(recovery=limited))) as consumer:
            await until(lambda: len(consumer.updates) == 3)
            (session,) = gateway.sessions.values()
            for number in (1, 2):
                gateway.fail_next("Invoke.ReadBulk", Status.INTERNAL, "ordered by the test")
                publish(gateway, tags_of(3), number)
                session.events.drain(1000)  # as if another reader had taken them
                session.events._ring.clear()
                gateway.drop_connections()
                await until(lambda: consumer.values == dict.fromkeys(tags_of(3), number))  # noqa: B023 - called within the iteration
                await asyncio.sleep(0.4)
            assert consumer.error is None
