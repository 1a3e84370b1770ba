"""A confirmed write whose stream ends, whose session closes, or whose handle is given out again is never told a lie."""

from __future__ import annotations

import asyncio

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    GrpcStatus,
    MxAccessError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    Session,
)
from mxgateway.events.event_call import EventCall
from mxgateway.events.upkeep import PumpState
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.confirming import WRONG, accepted, confirm
from tests.client.support import (
    WRITE_COMPLETE,
    Item,
    advised,
    change,
    connect,
    is_streaming,
    kinds,
    opened,
    until,
)

# -- faults of the stream


async def test_a_write_that_waits_while_the_connection_is_lost_is_confirmed_by_the_stream_that_comes_back(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.hold_write_completions()
    tasks = [confirm(session, item, value) for value in (1, 2, 3)]
    await accepted(gateway, session, 3)
    gateway.drop_connections()
    await until(lambda: not is_streaming(gateway, session))
    gateway.release_write_completions()

    events = await asyncio.gather(*tasks)
    assert [event.family for event in events] == [WRITE_COMPLETE] * 3
    assert [event.worker_sequence for event in events] == sorted({event.worker_sequence for event in events})


async def test_a_write_whose_stream_does_not_come_back_ends_with_its_own_time(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.hold_write_completions()
    waiting = confirm(session, item, 1, timeout=0.3)
    await accepted(gateway, session, 1)
    gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now", times=10**6)
    gateway.drop_connections()
    with pytest.raises(MxGatewayTimeoutError, match="MXAccess accepted write"):
        await waiting


@pytest.mark.parametrize("reader", [False, True])
async def test_the_completions_of_before_a_lost_connection_do_not_pass_for_later_writes(
    gateway: SimulatedGateway, session: Session, item: Item, reader: bool
) -> None:
    await session.write_confirmed(*item.pair, 0)
    gateway.hold_write_completions()
    earlier = [confirm(session, item, value) for value in (1, 2)]
    await accepted(gateway, session, 2)
    gateway.drop_connections()
    await until(lambda: not is_streaming(gateway, session))

    events = session.stream_events()
    if reader:
        await events.__aenter__()
    failing = confirm(session, item, WRONG)
    await accepted(gateway, session, 3)
    gateway.release_write_completions()
    with pytest.raises(MxAccessError):
        await failing
    assert [event.family for event in await asyncio.gather(*earlier)] == [WRITE_COMPLETE] * 2
    assert (await session.write_confirmed(*item.pair, 3, timeout=10)).family == WRITE_COMPLETE
    await events.aclose()


async def test_a_reader_that_attaches_after_a_lost_connection_does_not_skip_a_completion_that_is_expected(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events() as events:
        await session.write_confirmed(*item.pair, 0)
        assert [(await anext(events)).worker_sequence for _ in range(3)] == [1, 2, 3]
    gateway.hold_write_completions()
    expected = confirm(session, item, 1)
    await accepted(gateway, session, 1)
    gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now", times=1)
    gateway.drop_connections()
    await until(lambda: not is_streaming(gateway, session))
    gateway.release_write_completions()

    async with session.stream_events(resume=True) as events:
        assert (await anext(events)).worker_sequence == 4
        assert (await expected).worker_sequence == 4
        assert (await session.write_confirmed(*item.pair, 2, timeout=10)).worker_sequence == 6


async def test_events_that_were_lost_before_a_write_was_sent_do_not_concern_it() -> None:
    async with opened(SimulatorOptions(replay_limit=2)) as (gateway, session):
        item = await advised(session)
        await session.write_confirmed(*item.pair, 0)
        gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now", times=1)
        gateway.drop_connections()
        await until(lambda: session.pump.state is PumpState.PAUSED)
        change(gateway, range(20))
        gateway.sessions[session.session_id].events.drain(1000)
        session.pump.wake()
        await until(lambda: (session.pump.newest or 0) >= 20)

        assert (await session.write_confirmed(*item.pair, 1, timeout=10)).family == WRITE_COMPLETE


async def test_a_write_whose_stream_ends_while_it_waits_for_its_turn_opens_another(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    await session.write_confirmed(*item.pair, 0)
    gateway.hold_commands()
    first = confirm(session, item, 1)
    await until(lambda: kinds(gateway).count("WRITE") == 2)
    second = confirm(session, item, 2, timeout=10)
    await asyncio.sleep(0)
    gateway.drop_connections()
    await asyncio.wait([first])
    gateway.release_commands()

    assert isinstance(first.exception(), MxGatewayTransportError)
    assert (await second).family == WRITE_COMPLETE


async def test_a_write_is_not_sent_when_its_stream_cannot_be_opened(
    gateway: SimulatedGateway, session: Session, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(stream: EventCall) -> None:
        raise MxGatewayTransportError("no stream", phase="stream")

    with monkeypatch.context() as patched:
        patched.setattr(EventCall, "open", refused)
        with pytest.raises(MxGatewayTransportError, match="no stream"):
            await session.write_confirmed(*item.pair, 1)
    assert "WRITE" not in kinds(gateway)
    assert (await session.write_confirmed(*item.pair, 2, timeout=10)).family == WRITE_COMPLETE


async def test_another_subscriber_elsewhere_is_a_session_error(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with connect(gateway) as other, other.attach_session(session.session_id).stream_events() as theirs:
        await anext(theirs)
        with pytest.raises(MxGatewaySessionError) as caught:
            await session.write_confirmed(*item.pair, 1, timeout=10)

    assert caught.value.grpc_status is GrpcStatus.ALREADY_EXISTS


async def test_closing_the_session_ends_whoever_waits(gateway: SimulatedGateway, client: GatewayClient) -> None:
    session = await client.open_session()
    item = await advised(session)
    gateway.hold_write_completions()
    waiting = confirm(session, item, 1)
    await accepted(gateway, session, 1)
    await session.close()

    with pytest.raises(MxGatewaySessionError, match="is closed"):
        await waiting


# -- handles that are given out again


@pytest.mark.parametrize("how", ["remove_item", "unregister"])
async def test_removing_an_item_ends_whoever_waits_for_its_writes(
    gateway: SimulatedGateway, session: Session, item: Item, how: str
) -> None:
    gateway.hold_write_completions()
    waiting = confirm(session, item, 1)
    await accepted(gateway, session, 1)
    if how == "remove_item":
        await session.remove_item(*item.pair)
    else:
        await session.unregister(item.server)

    with pytest.raises(MxGatewaySessionError, match="the item was removed before its write was confirmed"):
        await waiting
    assert not session._writes.pending
    assert not session._writes.waiting


async def test_a_handle_that_is_given_out_again_is_in_doubt_like_the_item_before_and_a_tag_added_anew_is_not(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.hold_write_completions()
    await session.write(*item.pair, 1)
    await session.write(*item.pair, 2)
    worker = gateway.sessions[session.session_id].worker
    worker._writes.clear()  # MXAccess completes no write of an item that is gone
    await session.remove_item(*item.pair)
    worker._last_handle = item.handle - 1
    gateway.release_write_completions()
    again = await session.add_item(item.server, "TestChildObject.TestInt")
    assert again == item.handle
    await session.advise(item.server, again)

    with pytest.raises(MxGatewaySessionError, match="in doubt"):
        await session.write_confirmed(item.server, again, 3, timeout=10)
    anew = await session.add_item(item.server, "TestChildObject.TestInt")
    await session.remove_item(item.server, again)
    await session.advise(item.server, anew)
    assert (await session.write_confirmed(item.server, anew, 3, timeout=10)).family == WRITE_COMPLETE
