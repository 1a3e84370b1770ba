"""A confirmed write returns its own OnWriteComplete, whatever else is in flight."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    GrpcStatus,
    MxAccessError,
    MxGatewayError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    Session,
    from_mx_value,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.confirming import WRONG, accepted, completions, confirm
from tests.client.support import (
    DENIED_TAG,
    REFUSED_TAG,
    WRITE_COMPLETE,
    Item,
    advised,
    change,
    connect,
    in_words,
    is_streaming,
    kinds,
    requests,
    until,
)

# -- one write


async def test_a_confirmed_write_returns_its_completion_and_the_value_is_there(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    event = await session.write_confirmed(*item.pair, 42, user_id=3, timeout=5)

    assert event.family == WRITE_COMPLETE
    assert (event.server_handle, event.item_handle) == item.pair
    assert event.statuses[0].category == proto.MxStatusCategory.OK
    assert gateway.tag("TestChildObject.TestInt").sample.native == 42


async def test_a_write_that_fails_later_raises_with_what_the_completion_said(session: Session) -> None:
    item = await advised(session, REFUSED_TAG)
    with pytest.raises(MxAccessError) as caught:
        await session.write_confirmed(*item.pair, 1)

    error = caught.value
    assert error.hresult == 0x80040200 - 2**32
    assert [status.detail for status in error.statuses] == [321]
    assert error.reply.protocol_status.code == proto.ProtocolStatusCode.OK
    assert error.correlation_id == error.reply.correlation_id
    assert in_words(error, "MXAccess refused write", "after accepting it", "Write denied by provider security.")


async def test_a_write_that_is_refused_at_once_raises_and_leaves_nothing_behind(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    denied = await session.add_item(item.server, DENIED_TAG)
    await session.advise(item.server, denied)
    for _ in range(3):
        with pytest.raises(MxAccessError, match="refused write"):
            await session.write_confirmed(item.server, denied, 1)
    assert not session._writes.pending


async def test_the_stream_stays_open_for_the_next_confirmed_write(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    for value in range(20):
        await session.write_confirmed(*item.pair, value)

    assert len(requests(gateway, "StreamEvents")) == 1
    assert is_streaming(gateway, session)


# -- many writes

SCRIPT: list[tuple[str, Any]] = [
    ("confirmed", 1),
    ("plain", 2),
    ("confirmed", WRONG),
    ("plain", WRONG),
    ("raw", WRONG),
    ("confirmed", 3),
    ("plain", 4),
    ("confirmed", WRONG),
    ("confirmed", 5),
]


async def test_each_of_several_writes_in_flight_on_one_item_gets_its_own_completion(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.hold_write_completions()
    confirmations: dict[int, asyncio.Task[proto.MxEvent]] = {}
    for number, (how, value) in enumerate(SCRIPT):
        if how == "confirmed":
            confirmations[number] = confirm(session, item, value)
        elif how == "plain":
            await session.write(*item.pair, value)
        else:
            await session.invoke_raw(write_command(item, value))
        await accepted(gateway, session, number + 1)
    gateway.release_write_completions()
    outcomes = dict(
        zip(confirmations, await asyncio.gather(*confirmations.values(), return_exceptions=True), strict=True)
    )

    in_order = list(await completions(session))
    assert len(in_order) == len(SCRIPT)
    for number, outcome in outcomes.items():
        if SCRIPT[number][1] == WRONG:
            assert isinstance(outcome, MxAccessError)
        else:
            assert isinstance(outcome, proto.MxEvent)
            assert outcome.worker_sequence == in_order[number]
    assert not session._writes.pending


def write_command(item: Item, value: Any) -> proto.MxCommand:
    message = proto.MxValue(data_type=proto.MxDataType.STRING, variant_type="VT_BSTR", string_value=value)
    body = proto.WriteCommand(server_handle=item.server, item_handle=item.handle, value=message)
    return proto.MxCommand(kind=proto.MxCommandKind.WRITE, write=body)


async def test_writes_of_many_items_at_once_get_their_own_completions(
    gateway: SimulatedGateway, session: Session
) -> None:
    server = await session.register("tests")
    items = []
    for _ in range(10):
        handle = await session.add_item(server, "TestChildObject.TestInt")
        await session.advise(server, handle)
        items.append(Item(server, handle))
    writes = [
        (item, WRONG if (number + turn) % 3 == 0 else turn) for turn in range(5) for number, item in enumerate(items)
    ]
    outcomes = await asyncio.gather(
        *(session.write_confirmed(*item.pair, value) for item, value in writes), return_exceptions=True
    )

    for (item, value), outcome in zip(writes, outcomes, strict=True):
        if value == WRONG:
            assert isinstance(outcome, MxAccessError)
        else:
            assert isinstance(outcome, proto.MxEvent)
            assert outcome.item_handle == item.handle


async def test_writes_of_one_item_keep_their_order(gateway: SimulatedGateway, session: Session, item: Item) -> None:
    events = await asyncio.gather(*(session.write_confirmed(*item.pair, value) for value in range(50)))

    sequences = [event.worker_sequence for event in events]
    assert sequences == sorted(sequences)
    sent = [call.request.command.write for call in gateway.received if kind_of(call) == "WRITE"]
    assert [from_mx_value(write.value) for write in sent] == list(range(50))


def kind_of(call: Any) -> str | None:
    return call.request.command.kind.name if call.method == "Invoke" else None


# -- beside readers


async def test_a_confirmed_write_inside_a_loop_over_the_events_of_its_session(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    sequences, confirmed = list[int](), list[int]()
    async for event in session.stream_events():
        sequences.append(event.worker_sequence)
        if event.family != WRITE_COMPLETE and len(confirmed) < 5:
            confirmed.append((await session.write_confirmed(*item.pair, len(confirmed))).worker_sequence)
        if len(sequences) == 11:
            break

    assert sequences == list(range(1, 12))
    assert confirmed == [2, 4, 6, 8, 10]
    assert len(requests(gateway, "StreamEvents")) == 1


async def test_events_that_nobody_read_are_kept_for_the_next_reader(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    for value in range(5):
        await session.write_confirmed(*item.pair, value)
    change(gateway, range(9))
    await session.ping()
    async with session.stream_events() as events:
        received = [(await anext(events)).worker_sequence for _ in range(20)]
        change(gateway, [1])
        received.append((await anext(events)).worker_sequence)

    assert received == list(range(1, 22))
    assert len(requests(gateway, "StreamEvents")) == 1


async def test_events_that_were_kept_are_not_repeated_for_a_reader_that_resumes(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    for value in range(5):
        await session.write_confirmed(*item.pair, value)
    async with session.stream_events(4) as events:
        assert [(await anext(events)).worker_sequence for _ in range(7)] == list(range(5, 12))


async def test_what_exceeds_the_bound_of_kept_events_is_told_as_a_gap(
    gateway: SimulatedGateway, session: Session, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway.events.backlog.KEPT_LIMIT", 10)
    await session.write_confirmed(*item.pair, 1)
    for value in range(30):
        change(gateway, [value])
        await session.ping()
    async with session.stream_events() as events:
        sentinel, *rest = [await anext(events) for _ in range(11)]

    assert sentinel.replay_gap == proto.ReplayGap(requested_after_sequence=0, oldest_available_sequence=24)
    assert [event.worker_sequence for event in rest] == list(range(24, 34))


async def test_kept_events_survive_an_attempt_to_read_them_that_fails(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client:
        session = await client.open_session()
        item = await advised(session)
        await session.write_confirmed(*item.pair, 1)
        await session.ping()
        await gateway.stop()
        with pytest.raises(MxGatewayTransportError, match="connection refused"):
            await anext(session.stream_events())
        await gateway.start()
        events = session.stream_events()
        assert [(await anext(events)).worker_sequence for _ in range(3)] == [1, 2, 3]
        with pytest.raises(MxGatewaySessionError):
            await anext(events)


# -- in vain


async def test_a_confirmation_that_does_not_come_is_a_timeout_that_says_that_the_write_was_accepted(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.hold_write_completions()
    with pytest.raises(MxGatewayTimeoutError) as caught:
        await session.write_confirmed(*item.pair, 1, timeout=0.05, correlation_id="mine")

    error = caught.value
    assert isinstance(error, TimeoutError)
    assert error.grpc_status is GrpcStatus.DEADLINE_EXCEEDED
    assert error.correlation_id == "mine"
    assert error.session_id == session.session_id
    assert in_words(error, "accepted write", f"item handle {item.handle}", "OnWriteComplete", "0.05 s", "read the tag")


async def test_a_write_that_is_not_answered_is_a_timeout_of_the_call(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.hold_commands()
    with pytest.raises(MxGatewayTimeoutError, match=r"no answer from .* within 0.05 s|DEADLINE_EXCEEDED"):
        await session.write_confirmed(*item.pair, 1, timeout=0.05)
    gateway.release_commands()
    with pytest.raises(MxAccessError):
        await session.write_confirmed(*item.pair, WRONG)
    await session.write_confirmed(*item.pair, 2)


async def test_the_bound_is_the_clients_when_none_is_given(gateway: SimulatedGateway) -> None:
    async with connect(gateway, call_timeout=0.5) as client, client.open_session() as session:
        item = await advised(session)
        gateway.hold_write_completions()
        with pytest.raises(MxGatewayTimeoutError, match=r"within 0\.5 s"):
            await session.write_confirmed(*item.pair, 1)


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_completion_that_nobody_waits_for_any_more_does_not_pass_for_the_next_writes(
    gateway: SimulatedGateway, session: Session, item: Item, how: str
) -> None:
    gateway.hold_write_completions()
    given_up = [confirm(session, item, value, timeout=None if how == "cancel" else 0.3) for value in (1, 2)]
    await accepted(gateway, session, 2)
    if how == "cancel":
        for task in given_up:
            task.cancel()
    await asyncio.wait(given_up)
    for task in given_up:
        assert task.cancelled() if how == "cancel" else isinstance(task.exception(), MxGatewayTimeoutError)

    failing, good = confirm(session, item, WRONG), confirm(session, item, 3)
    await accepted(gateway, session, 4)
    gateway.release_write_completions()
    outcome = (await asyncio.gather(failing, good, return_exceptions=True))[0]
    assert isinstance(outcome, MxAccessError)
    assert good.result().worker_sequence == list(await completions(session))[3]
    assert not session._writes.pending


async def test_a_cancelled_plain_write_counts_as_well(gateway: SimulatedGateway, session: Session, item: Item) -> None:
    gateway.hold_commands()
    plain = asyncio.create_task(session.write(*item.pair, 1))
    await until(lambda: "WRITE" in kinds(gateway))
    plain.cancel()
    await asyncio.wait([plain])
    gateway.release_commands()

    with pytest.raises(MxAccessError):
        await session.write_confirmed(*item.pair, WRONG)
    await session.write_confirmed(*item.pair, 2)


NOT_ACCEPTED = [Status.RESOURCE_EXHAUSTED, Status.PERMISSION_DENIED, Status.UNAUTHENTICATED, Status.INVALID_ARGUMENT]


@pytest.mark.parametrize("status", NOT_ACCEPTED, ids=lambda status: status.name)
async def test_a_write_that_the_gateway_refused_is_not_waited_for_by_the_next_one(
    gateway: SimulatedGateway, session: Session, item: Item, status: Status
) -> None:
    for write in (session.write, session.write_confirmed):
        gateway.fail_next("Invoke.Write", status)
        with pytest.raises(MxGatewayError):
            await write(*item.pair, 1)

    assert (await session.write_confirmed(*item.pair, 2, timeout=10)).family == WRITE_COMPLETE


async def test_a_write_that_found_no_connection_is_not_waited_for_by_the_next_one(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client:
        session = await client.open_session()
        await gateway.stop()
        with pytest.raises(MxGatewayTransportError, match="connection refused"):
            await session.write(1, 2, 3)
        with pytest.raises(MxGatewayTransportError, match="connection refused"):
            await session.write_confirmed(1, 2, 3)
        assert not session._writes.pending
        await gateway.start()


async def test_a_write_with_a_refused_raw_reply_is_not_waited_for_by_the_next_one(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    await session.unadvise(*item.pair)
    refused = await session.invoke_raw(write_command(item, WRONG))
    assert refused.protocol_status.code == proto.ProtocolStatusCode.MXACCESS_FAILURE
    await session.advise(*item.pair)

    assert (await session.write_confirmed(*item.pair, 2, timeout=10)).family == WRITE_COMPLETE
