"""A subscription that cannot go on says so to whoever waits for it, and leaves nothing behind at the gateway."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from mxgateway import (
    EventStream,
    GatewayClient,
    MxGatewayError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    Overflow,
    Subscription,
    SubscriptionState,
)
from mxgateway.events.pump import StreamPump
from mxgateway.events.sequence_order import StreamOrder
from mxgateway.simulator import SimulatedGateway
from mxgateway.subscription.epoch import SessionEpoch
from mxgateway.subscription.supervisor import Supervisor
from mxgateway.testing import FaultProxy
from tests.client.confirming import accepted, confirm
from tests.client.support import advised, advised_items, connect, kinds, until
from tests.subscription.rig import consumed, options, publish, quiet_plant, tags_of

CLOSED: Final = re.compile("the client (is|was) closed")
"""A call that is out says the one, and who comes afterwards the other."""
TAGS: Final = tags_of(5)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sessions be opened without the stagger."""
    monkeypatch.setattr("mxgateway.commands.session.opener.OPEN_INTERVAL", 0.0)


@pytest.fixture
async def gateway() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(plant=quiet_plant(10)) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: SimulatedGateway) -> AsyncIterator[GatewayClient]:
    async with connect(gateway) as client:
        yield client


class Defect(Exception):
    """What nobody has expected."""


def broken(*args: Any, **fields: Any) -> Any:
    raise Defect("ordered by the test")


async def read(events: EventStream) -> None:
    async for _ in events:
        pass


@pytest.mark.parametrize(("of", "name"), [(SessionEpoch, "take"), (StreamOrder, "deliver")])
async def test_a_defect_in_the_delivery_of_events_ends_everybody_who_is_attached(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch, of: type, name: str
) -> None:
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        await until(lambda: len(consumer.updates) == len(TAGS))
        async with await consumer.subscription.session() as session, session.stream_events() as events:
            reading = asyncio.create_task(read(events))
            await asyncio.sleep(0)
            monkeypatch.setattr(of, name, broken)
            publish(gateway, TAGS[:1], 7)
            await until(lambda: consumer.error is not None and reading.done())
            for error in (consumer.error, reading.exception()):
                assert isinstance(error, MxGatewayError)
                assert isinstance(error.__cause__, Defect)
                assert str(error).startswith("Defect: ordered by the test")
        assert consumer.subscription.state is SubscriptionState.FAILED
        await until(lambda: not gateway.sessions)
        assert len([call for call in gateway.received if call.method == "OpenSession"]) == 1


async def test_a_defect_while_the_stream_comes_back_ends_the_subscription(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        monkeypatch.setattr(StreamPump, "_prove", broken)
        gateway.drop_connections()
        await until(lambda: consumer.error is not None)
        assert isinstance(consumer.error, MxGatewayError)
        assert isinstance(consumer.error.__cause__, Defect)


@pytest.mark.parametrize(
    ("of", "name"),
    [(Supervisor, "_connect"), (Supervisor, "subscribe"), (StreamPump, "_serve")],
    ids=["session", "items", "stream"],
)
async def test_a_defect_at_the_beginning_is_raised_there(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch, of: type, name: str
) -> None:
    monkeypatch.setattr(of, name, broken)
    subscription = client.subscribe(TAGS, options())
    with pytest.raises(MxGatewayError, match="Defect") as caught:
        async with subscription:
            raise AssertionError("never entered")
    assert isinstance(caught.value.__cause__, Defect)
    assert subscription.state is SubscriptionState.FAILED
    assert not gateway.sessions


async def test_a_defect_while_a_session_is_replaced_ends_the_subscription(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        await until(lambda: len(consumer.updates) == len(TAGS))
        monkeypatch.setattr(Supervisor, "_connect", broken)
        gateway.crash_worker(next(iter(gateway.sessions)))
        await until(lambda: consumer.error is not None)
        assert isinstance(consumer.error, MxGatewayError)
        assert isinstance(consumer.error.__cause__, Defect)
        assert consumer.subscription.state is SubscriptionState.FAILED


@pytest.mark.parametrize("shared", [False, True], ids=["own session", "shared session"])
async def test_closing_the_client_ends_its_subscriptions(gateway: SimulatedGateway, shared: bool) -> None:
    async with connect(gateway) as owner, owner.open_session() as opened:
        client = await connect(gateway)
        session = client.attach_session(opened.session_id)
        subscription = session.subscribe(TAGS, options()) if shared else client.subscribe(TAGS, options())
        async with consumed(subscription) as consumer:
            await until(lambda: len(consumer.updates) == len(TAGS))
            await client.close()
            await until(lambda: consumer.error is not None)
            assert isinstance(consumer.error, MxGatewayTransportError)
            assert "closed" in str(consumer.error)
            assert subscription.state is SubscriptionState.FAILED


async def test_closing_the_client_ends_its_iterators_that_resume(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as owner, owner.open_session() as opened:
        client = await connect(gateway)
        async with client.attach_session(opened.session_id).stream_events(resume=True) as events:
            await client.close()
            with pytest.raises(MxGatewayTransportError, match="closed"):
                await asyncio.wait_for(anext(events), 5)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("shared", [False, True], ids=["own session", "shared session"])
async def test_a_subscription_that_is_closed_while_it_fails_leaves_nothing_at_the_gateway(
    gateway: SimulatedGateway, client: GatewayClient, shared: bool, turns: int
) -> None:
    async with client.open_session() as session:
        wanted = options(Overflow.FAIL, max_items=20)
        subscription = session.subscribe(TAGS, wanted) if shared else client.subscribe(TAGS, wanted)
        states = subscription.states()
        async with subscription:
            publish(gateway, TAGS * 10, 1)
            assert SubscriptionState.FAILED in [state async for state in states]
            for _ in range(turns):
                await asyncio.sleep(0)
        await until(lambda: gateway.sessions.keys() == {session.session_id})
        assert not gateway.sessions[session.session_id].worker.servers


# -- who has ended it


async def ending(subscription: Subscription) -> str:
    """Read a subscription until it fails, and return why."""
    with pytest.raises(MxGatewayError) as caught:
        async for _ in subscription:
            pass
    return str(caught.value)


@pytest.mark.parametrize("how", ["closed", "left"])
async def test_a_session_that_ends_here_ends_its_subscriptions_and_nobody_blames_the_gateway(
    gateway: SimulatedGateway, client: GatewayClient, how: str
) -> None:
    async with client.open_session() as owner, connect(gateway) as other:
        attached = other.attach_session(owner.session_id)
        async with attached.subscribe(TAGS, options()) as subscription:
            if how == "closed":
                await attached.close()
            else:
                async with attached:
                    pass
            assert await ending(subscription) == f"{owner.session_id} is closed; open a new session"


async def test_a_client_that_is_closed_says_so_to_the_subscriptions_in_its_sessions(gateway: SimulatedGateway) -> None:
    client = await connect(gateway)
    session = await client.open_session()
    async with session.subscribe(TAGS, options()) as shared, client.subscribe(TAGS, options()) as own:
        item = await advised(session, TAGS[0])
        gateway.hold_write_completions()
        writing = confirm(session, item, 5)
        await accepted(gateway, session, 1)
        await client.close()
        for subscription in (shared, own):
            assert CLOSED.search(await ending(subscription))
        with pytest.raises(MxGatewayError, match=CLOSED):
            await writing


async def test_the_session_of_a_subscription_that_is_closed_here_is_replaced_and_that_is_told_as_it_is(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        session = await consumer.subscription.session()
        await session.close()
        await until(lambda: consumer.subscription.stats().rebuilds == 1)
        (cause,) = [change.cause for change in consumer.changes if change.cause is not None]
        assert str(cause) == f"{session.session_id} is closed; open a new session"


async def test_a_session_that_the_gateway_ends_is_not_said_to_be_closed_here(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with client.open_session() as session, session.subscribe(TAGS, options()) as subscription:
        item = await advised(session, TAGS[0])
        gateway.hold_write_completions()
        writing = confirm(session, item, 5)
        await accepted(gateway, session, 1)
        await client.close_session_raw(session.session_id)
        assert "the gateway has ended the event stream" in await ending(subscription)
        with pytest.raises(MxGatewayError, match="the gateway has ended the event stream"):
            await writing
        assert not session.closed


async def test_a_barrier_in_a_session_that_is_closed_says_so(gateway: SimulatedGateway, client: GatewayClient) -> None:
    session = await client.open_session()
    gateway.hold("Invoke.Advise")
    waiting = asyncio.create_task(session.event_barrier.wait(TAGS[0]))
    await until(lambda: "ADVISE" in kinds(gateway))
    (marker,) = [reader for reader in session.pump._readers.present if type(reader).__name__ == "_Marker"]
    await session.close()
    with pytest.raises(MxGatewayError, match=f"{session.session_id} is closed"):
        await marker.seen  # type: ignore[attr-defined]
    gateway.release("Invoke.Advise")
    with pytest.raises(MxGatewayError):
        await waiting


async def test_a_barrier_that_is_cancelled_anywhere_leaves_no_registration_behind(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    session = await client.open_session()
    servers = gateway.sessions[session.session_id].worker.servers
    steps = 0
    while True:
        waiting = asyncio.create_task(session.event_barrier.wait(TAGS[0]))
        for _ in range(steps):
            await asyncio.sleep(0)
        if waiting.done():
            break
        waiting.cancel()
        await asyncio.wait([waiting])
        await until(lambda: not client.stats().calls_open)
        await session.ping()
        await until(lambda: not servers)  # a late answer is undone by a call that may begin only now
        steps += 1
    await waiting
    assert steps > 5
    assert not servers


async def test_a_barrier_that_fails_twice_leaves_no_exception_that_nobody_takes(
    gateway: SimulatedGateway, client: GatewayClient, caplog: pytest.LogCaptureFixture
) -> None:
    session = await client.open_session()
    gateway.hold("Invoke.Advise")
    waiting = asyncio.create_task(session.event_barrier.wait(TAGS[0]))
    await until(lambda: "ADVISE" in kinds(gateway))
    gateway.crash_worker(session.session_id)  # the stream ends, then the call
    await until(lambda: not session.pump._readers.wanted)
    gateway.release("Invoke.Advise")
    await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), MxGatewayError)
    del waiting
    await session.close()
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_closing_an_iterator_frees_who_attaches_it_also_while_no_connection_comes_about(
    gateway: SimulatedGateway,
) -> None:
    async with FaultProxy(gateway.port) as proxy, connect(gateway, endpoint=proxy.endpoint) as client:
        session = await client.open_session()
        async with session.subscribe(TAGS, options()) as subscription:
            proxy.to_client.freeze()
            proxy.reset_all()
            await until(lambda: subscription.state is SubscriptionState.RECOVERING)
            events = session.stream_events()
            attaching = asyncio.create_task(anext(events))
            await until(lambda: events._reader in session.pump._openers.values())
            await events.aclose()
            async with asyncio.timeout(5):  # the connection has ten
                with pytest.raises(StopAsyncIteration):
                    await attaching
            proxy.both.heal()


async def test_tags_whose_subscription_is_answered_too_late_do_not_stay_advised(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    session = await client.open_session()
    async with session.subscribe(TAGS[:1], options()) as subscription:
        gateway.delay_replies(0.2)
        client.call_timeout = 0.05
        with pytest.raises(MxGatewayTimeoutError, match=r"within 0\.05 s"):
            await subscription.add(TAGS[1:])
        assert subscription.tags == (TAGS[0],)
        await until(lambda: len(advised_items(gateway, session)) == len(TAGS))
        gateway.delay_replies(0.0)
        await until(lambda: advised_items(gateway, session) == TAGS[:1])
        client.call_timeout = 30.0
        assert await subscription.add(TAGS[1:]) == {}
        assert advised_items(gateway, session) == TAGS


async def test_a_call_to_a_subscription_that_a_timeout_has_ended_tells_of_that_timeout(
    gateway: SimulatedGateway,
) -> None:
    async with connect(gateway, call_timeout=0.2) as client:
        gateway.hold_commands()
        subscription = client.subscribe(TAGS, options(call_wait=30))
        with pytest.raises(MxGatewayTimeoutError) as ended:
            async for _ in subscription:
                pass
        for call in (subscription.add(TAGS), subscription.remove(TAGS), subscription.session()):
            with pytest.raises(MxGatewayTimeoutError) as told:
                await call
            assert str(told.value) == str(ended.value)
        gateway.release_commands()
        await subscription.aclose()
