"""Tags by name: reads that just read, and writes that are known to have happened."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    MxGatewayInvalidRequestError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    PartialBulk,
    Session,
    TagWrite,
    Timestamp,
    from_mx_value,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import (
    DENIED_TAG,
    REFUSED_TAG,
    TAG,
    advised_items,
    commands,
    is_streaming,
    kinds,
    opened,
    requests,
    until,
    written,
)

FLOAT_TAG, DOUBLE_TAG = "TestChildObject.TestFloat", "TestChildObject.TestDouble"
UNKNOWN_TAG = "Nowhere.AtAll"


# -- reading


async def test_each_tag_is_read_with_its_own_outcome_in_order(session: Session) -> None:
    tags = [FLOAT_TAG, UNKNOWN_TAG, "TestChildObject.BadInt", "TestChildObject.TestTime", FLOAT_TAG]
    values = await session.read(iter(tags))

    assert [value.tag for value in values] == tags
    assert [value.ok for value in values] == [True, False, True, True, True]
    assert [value.is_good for value in values] == [True, False, False, True, True]
    assert [value.value for value in values][0::4] == [1.5, 1.5]
    assert values[0].data_type == proto.MxDataType.FLOAT
    assert values[0].source_time is not None
    assert values[0].error == ""
    assert "configuration error" in values[1].error
    assert values[1].value is None
    assert values[1].statuses[0].detail == 1003
    assert isinstance(values[3].value, Timestamp)
    assert values[3].value.epoch_nanoseconds == 1_704_067_200_123_456_700


async def test_a_whole_array_and_one_element_are_read_by_name(session: Session) -> None:
    whole, element = await session.read(["TestChildObject.TestIntArray", "TestChildObject.TestIntArray[2]"])
    assert whole.value == [1, 2, 3, 4, 5]
    assert whole.data_type == proto.MxDataType.INTEGER
    assert element.value == 2


async def test_a_tag_without_a_value_fails_by_itself_within_its_own_bound(session: Session) -> None:
    silent, quick = await session.read(["TestChildObject.SilentInt", TAG], timeout_ms=20)
    assert not silent.ok
    assert "20 ms" in silent.error
    assert silent.source_time is None
    assert quick.ok


async def test_the_registration_is_made_once_however_many_read_at_the_same_time(
    gateway: SimulatedGateway, session: Session
) -> None:
    await asyncio.gather(*(session.read([TAG]) for _ in range(10)))
    assert Counter(kinds(gateway)) == {"REGISTER": 1, "READ_BULK": 10}


async def test_a_registration_that_was_ended_is_made_again(gateway: SimulatedGateway, session: Session) -> None:
    await session.read([TAG])
    (server,) = gateway.sessions[session.session_id].worker.servers
    await session.unregister(server)

    (value,) = await session.read([TAG])
    assert value.ok
    (write,) = await session.write_tags({TAG: 3}, confirm=True)
    assert write.ok


async def test_a_session_of_somebody_else_is_left_without_a_registration(
    gateway: SimulatedGateway, session: Session, client: GatewayClient
) -> None:
    async with client.attach_session(session.session_id) as attached:
        await attached.read([TAG])
        assert len(gateway.sessions[session.session_id].worker.servers) == 1
    assert gateway.sessions[session.session_id].worker.servers == {}


async def test_a_session_that_is_left_while_its_registration_is_made_is_left_without_one(
    gateway: SimulatedGateway, session: Session, client: GatewayClient
) -> None:
    gateway.hold("Invoke.Register")
    async with client.attach_session(session.session_id) as attached:
        reading = asyncio.create_task(attached.read([TAG]))
        await until(lambda: "REGISTER" in kinds(gateway))
        asyncio.get_running_loop().call_later(0.05, gateway.release, "Invoke.Register")
    await asyncio.wait([reading])
    with pytest.raises(MxGatewaySessionError, match="is closed"):
        await attached.read([TAG])
    assert gateway.sessions[session.session_id].worker.servers == {}


async def test_reading_is_bounded_as_a_whole(gateway: SimulatedGateway, session: Session) -> None:
    gateway.hold_commands()
    with pytest.raises(MxGatewayTimeoutError, match=r"0\.0[345]"):
        await session.read([TAG], timeout=0.05)
    gateway.release_commands()


# -- writing


async def test_a_confirmed_write_has_happened_when_it_returns(gateway: SimulatedGateway, session: Session) -> None:
    write, other = await session.write_tags({TAG: 42, "TestChildObject.TestString": "new"}, confirm=True)

    assert write == TagWrite(TAG, True, True, "", 0, write.statuses, write.event)
    assert write.event is not None
    assert write.event.family == proto.MxEventFamily.ON_WRITE_COMPLETE
    assert other.ok
    assert [value.value for value in await session.read([TAG, "TestChildObject.TestString"])] == [42, "new"]


async def test_a_plain_write_is_accepted_and_no_more(session: Session) -> None:
    (write,) = await session.write_tags({TAG: 42})
    assert (write.ok, write.confirmed, write.event) == (True, False, None)


async def test_a_plain_value_goes_out_as_the_tags_own_type(gateway: SimulatedGateway, session: Session) -> None:
    ready = proto.MxValue(data_type=proto.MxDataType.DOUBLE, variant_type="VT_R8", double_value=1.0)
    values: dict[str, Any] = {
        FLOAT_TAG: 5, DOUBLE_TAG: 5, TAG: 5, "TestChildObject.TestBigString": "b",
        "TestChildObject.TestWideInt": 2**40, "TestChildObject.TestFloatArray": [1, 2], "TestMachine_001.Speed": ready,
    }  # fmt: skip
    assert all(write.ok for write in await session.write_tags(values, confirm=True))

    names = [value.data_type.name for value in written(gateway)]
    assert names == ["FLOAT", "DOUBLE", "INTEGER", "BIG_STRING", "INTEGER", "FLOAT", "DOUBLE"]
    assert [from_mx_value(value) for value in written(gateway)] == [5.0, 5.0, 5, "b", 2**40, [1.0, 2.0], 1.0]


async def test_a_type_that_is_asked_for_wins_and_nothing_is_read(gateway: SimulatedGateway, session: Session) -> None:
    await session.write_tags({FLOAT_TAG: 5}, data_type=proto.MxDataType.DOUBLE)
    assert [value.data_type.name for value in written(gateway)] == ["DOUBLE"]
    assert "READ_BULK" not in kinds(gateway)


async def test_a_value_that_does_not_fit_its_tag_is_refused_by_name_before_anything_is_written(
    gateway: SimulatedGateway, session: Session
) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=r"values\['TestChildObject.TestInt'\] is of type str"):
        await session.write_tags({FLOAT_TAG: 1.0, TAG: "five"})
    assert "WRITE_BULK" not in kinds(gateway)
    assert "SUBSCRIBE_BULK" not in kinds(gateway)


@pytest.mark.parametrize("values", [{}, [TAG], None, {"a\0b": 1}, {1: 1}])
async def test_what_is_no_mapping_of_tags_is_refused(gateway: SimulatedGateway, session: Session, values: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=r"values"):
        await session.write_tags(values)
    assert commands(gateway) == []


async def test_each_write_fails_by_itself_and_says_why(session: Session) -> None:
    good, denied, refused, unknown = await session.write_tags(
        {TAG: 1, DENIED_TAG: 1, REFUSED_TAG: 1, UNKNOWN_TAG: 1}, confirm=True
    )
    assert good.ok
    assert (denied.ok, denied.confirmed, denied.event) == (False, False, None)
    assert "security error" in denied.error
    assert denied.hresult == -2147220992
    assert (refused.ok, refused.confirmed) == (False, True)
    assert "security error" in refused.error
    assert refused.event is not None
    assert (unknown.ok, unknown.confirmed) == (False, True)
    assert "1003" in unknown.error


async def test_a_tag_that_is_written_again_soon_costs_one_call(gateway: SimulatedGateway, session: Session) -> None:
    await session.write_tags({TAG: 1}, confirm=True)
    before = len(commands(gateway))
    await session.write_tags({TAG: 2}, confirm=True)
    assert kinds(gateway)[before:] == ["WRITE_BULK"]


@pytest.mark.usefixtures("no_linger")
async def test_a_tag_is_advised_only_while_it_is_written(gateway: SimulatedGateway, session: Session) -> None:
    await session.write_tags({TAG: 1, FLOAT_TAG: 1}, confirm=True)
    await until(lambda: not advised_items(gateway, session))

    assert all(write.ok for write in await session.write_tags({TAG: 2, DOUBLE_TAG: 2}, confirm=True))
    await until(lambda: not advised_items(gateway, session))
    assert Counter(kinds(gateway))["SUBSCRIBE_BULK"] == 2
    assert Counter(kinds(gateway))["ADVISE_ITEM_BULK"] == 1


@pytest.mark.usefixtures("no_linger")
async def test_a_tag_stays_advised_as_long_as_anybody_writes_it(gateway: SimulatedGateway, session: Session) -> None:
    await session.write_tags({TAG: 0})
    gateway.hold_write_completions()
    slow = asyncio.create_task(session.write_tags({TAG: 1}, confirm=True))
    await until(lambda: gateway.sessions[session.session_id].worker._writes_due == 1)
    for value in range(3):
        await session.write_tags({TAG: value})
    await asyncio.sleep(0.05)
    assert advised_items(gateway, session) == [TAG]

    gateway.release_write_completions()
    (write,) = await slow
    assert write.ok
    await until(lambda: not advised_items(gateway, session))


@pytest.mark.usefixtures("no_linger")
async def test_more_items_than_are_kept_are_removed(
    gateway: SimulatedGateway, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway.commands.item_cache.ITEM_LIMIT", 1)
    await session.write_tags({TAG: 1, FLOAT_TAG: 1, DOUBLE_TAG: 1})
    (server,) = gateway.sessions[session.session_id].worker.servers.values()
    await until(lambda: [item.definition for item in server.items.values()] == [DOUBLE_TAG])
    assert all(write.ok for write in await session.write_tags({TAG: 2, DOUBLE_TAG: 2}, confirm=True))


async def test_many_write_the_same_tag_and_each_has_its_own_confirmation(session: Session) -> None:
    outcomes = await asyncio.gather(*(session.write_tags({TAG: number}, confirm=True) for number in range(50)))
    events = [write.event for (write,) in outcomes]
    assert all(write.ok for (write,) in outcomes)
    assert len({event.worker_sequence for event in events if event is not None}) == 50


async def test_a_write_that_is_not_confirmed_in_time_says_so_and_the_next_one_is(
    gateway: SimulatedGateway, session: Session
) -> None:
    await session.read([TAG])
    gateway.hold_write_completions()
    (late,) = await session.write_tags({TAG: 1}, confirm=True, timeout=0.2)
    assert (late.ok, late.confirmed) == (False, False)
    assert "may still be carried out" in late.error

    gateway.release_write_completions()
    (write,) = await session.write_tags({TAG: 2}, confirm=True)
    assert write.ok
    assert not session._writes.pending


async def test_nobody_has_to_read_events_for_tags_to_be_written(caplog: pytest.LogCaptureFixture) -> None:
    async with opened(SimulatorOptions(event_queue_limit=20)) as (_, session):
        for value in range(100):
            (write,) = await session.write_tags({TAG: value})
            assert write.ok
        assert (await session.state()).state == proto.SessionState.READY


async def test_an_event_stream_elsewhere_lets_tags_be_written_but_not_confirmed(
    gateway: SimulatedGateway, session: Session, client: GatewayClient
) -> None:
    async with session.stream_events(), client.attach_session(session.session_id) as attached:
        await until(lambda: is_streaming(gateway, session))
        (write,) = await attached.write_tags({TAG: 1})
        assert write.ok
        assert len(requests(gateway, "StreamEvents")) == 1
        (write,) = await attached.write_tags({TAG: 1}, confirm=True)
        assert (write.ok, write.confirmed) == (False, False)
        assert "another event stream is attached" in write.error


# -- faults in the middle


async def test_what_a_lost_connection_leaves_in_doubt_is_told_tag_by_tag(
    gateway: SimulatedGateway, session: Session
) -> None:
    values = {f"TestMachine_{number:03}.SpeedSetpoint": 1.0 for number in range(1, 7)}
    await session.write_tags(values)
    gateway.fail_next("Invoke.WriteBulk", Status.RESOURCE_EXHAUSTED, "too much")
    with pytest.raises(MxGatewaySessionError) as caught:
        await session.write_tags(values, confirm=True)
    assert caught.value.partial is not None
    assert (caught.value.partial.results, len(caught.value.partial.not_sent)) == ((), 6)
    assert all(write.ok for write in await session.write_tags(values, confirm=True))


@pytest.mark.usefixtures("no_linger")
async def test_items_that_were_had_before_a_fault_are_let_go_of(gateway: SimulatedGateway, session: Session) -> None:
    values = {f"TestMachine_{number:03}.SpeedSetpoint": 1.0 for number in range(1, 1003)}
    await session.read([TAG])

    def fail_the_second(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        gateway.fail_next("Invoke.SubscribeBulk", Status.RESOURCE_EXHAUSTED, "too much")
        return reply

    gateway.reply_override("Invoke.SubscribeBulk", fail_the_second)
    with pytest.raises(MxGatewaySessionError) as caught:
        await session.write_tags(values, data_type=proto.MxDataType.DOUBLE)
    assert caught.value.partial == PartialBulk((), range(0), range(1002))
    assert "WRITE_BULK" not in kinds(gateway)
    await until(lambda: not advised_items(gateway, session))


@pytest.mark.usefixtures("no_linger")
async def test_a_cancelled_write_leaves_nothing_advised(gateway: SimulatedGateway, session: Session) -> None:
    await session.read([TAG])
    for hold, release in (
        (gateway.hold_commands, gateway.release_commands),
        (gateway.hold_write_completions, gateway.release_write_completions),
    ):
        hold()
        task = asyncio.create_task(session.write_tags({TAG: 1}, confirm=True))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release()
        await until(lambda: not advised_items(gateway, session))
    (write,) = await session.write_tags({TAG: 2}, confirm=True)
    assert write.ok


async def test_completions_that_are_drained_confirm_their_writes_as_well(
    gateway: SimulatedGateway, session: Session
) -> None:
    server = await session.register("tests")
    (result,) = await session.subscribe_bulk(server, [TAG])
    await session.write(server, result.item_handle, 1)
    assert session._writes.pending
    families = [event.family.name for event in await session.drain_events()]
    assert families.count("ON_WRITE_COMPLETE") == 1
    assert not session._writes.pending

    event = await session.write_confirmed(server, result.item_handle, 2, timeout=10)
    assert event.worker_sequence > len(families)
