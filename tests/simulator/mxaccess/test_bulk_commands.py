from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.simulator.conftest import Until
from tests.simulator.peer import E_INVALIDARG, E_PROVIDER_SECURITY, Peer, PeerSession, integer, ok

TAGS = ["TestChildObject.TestInt", "", "Tank01.Level", "Nowhere.Nothing"]


@pytest.mark.parametrize("arm", ["add_item_bulk", "subscribe_bulk"])
async def test_adding_in_bulk_has_one_result_per_address_in_order(session: PeerSession, arm: str) -> None:
    reply = ok(await session.on_server(arm, tag_addresses=TAGS))
    results = getattr(reply, arm).results
    assert [result.tag_address for result in results] == TAGS
    assert [result.was_successful for result in results] == [True, False, True, True]
    assert [result.item_handle > 0 for result in results] == [True, False, True, True]
    assert [bool(result.error_message) for result in results] == [False, True, False, False]
    assert {result.server_handle for result in results} == {session.server}
    assert len(await session.drain()) == (3 if arm == "subscribe_bulk" else 0)


async def test_handles_in_bulk_have_one_result_each_in_order(session: PeerSession) -> None:
    first, second = await session.add(TAGS[0]), await session.add(TAGS[2])
    for arm in ("advise_item_bulk", "un_advise_item_bulk", "remove_item_bulk"):
        reply = ok(await session.on_server(arm, item_handles=[first, 999, second]))
        results = getattr(reply, arm).results
        assert [result.item_handle for result in results] == [first, 0, second]
        assert [result.was_successful for result in results] == [True, False, True]
        assert [result.tag_address for result in results] == [TAGS[0], "", TAGS[2]]
        assert results[1].error_message
    assert [event.item_handle for event in await session.drain()] == [first, second]


async def test_unsubscribe_in_bulk_unadvises_and_removes(gateway: SimulatedGateway, session: PeerSession) -> None:
    reply = await session.on_server("subscribe_bulk", tag_addresses=TAGS[:1])
    handle = reply.subscribe_bulk.results[0].item_handle
    reply = ok(await session.on_server("unsubscribe_bulk", item_handles=[handle, handle]))
    assert [result.was_successful for result in reply.unsubscribe_bulk.results] == [True, False]
    await session.drain()
    gateway.set_tag(TAGS[0], 5)
    assert await session.drain() == []


@pytest.mark.parametrize("arm", ["write_bulk", "write2_bulk", "write_secured_bulk", "write_secured2_bulk"])
async def test_writes_in_bulk_fail_one_by_one_and_complete_in_order(session: PeerSession, arm: str) -> None:
    good, denied = await session.advise("TestChildObject.TestInt"), await session.advise("TestChildObject.DeniedInt")
    idle = await session.add("TestChildObject.TestDouble")
    user = (
        await session.on_server("authenticate_user", verify_user="operator", verify_user_password="operator-password")
    ).authenticate_user.user_id
    extra: dict[str, Any] = {"current_user_id": user, "verifier_user_id": user} if "secured" in arm else {"user_id": 0}
    if "2" in arm:
        extra["timestamp_value"] = {"timestamp_value": {"seconds": 5}}
    await session.drain()
    handles = [good, 999, denied, idle, good]
    entries = [{"item_handle": handle, "value": integer(index), **extra} for index, handle in enumerate(handles)]
    results = getattr(ok(await session.on_server(arm, entries=entries)), arm).results
    assert [result.was_successful for result in results] == [True, False, False, False, True]
    assert [result.item_handle for result in results] == [good, 0, 0, 0, good]
    assert [result.hresult for result in results] == [0, E_INVALIDARG, E_PROVIDER_SECURITY, E_INVALIDARG, 0]
    assert [bool(result.error_message) for result in results] == [False, True, True, True, False]
    assert results[2].statuses[0].detail == 321
    await session.invoke("ping")
    events = await session.drain()
    assert [event.item_handle for event in events] == [good] * 4
    assert [event.value.int32_value for event in events if event.HasField("on_data_change")] == [0, 4]


@pytest.mark.parametrize(
    ("arm", "fields"),
    [
        ("add_item_bulk", {"tag_addresses": TAGS}),
        ("subscribe_bulk", {"tag_addresses": TAGS}),
        ("read_bulk", {"tag_addresses": TAGS}),
        ("advise_item_bulk", {"item_handles": [1, 2, 3, 4]}),
        ("write_bulk", {"entries": [{"item_handle": 1, "value": integer(1)}] * 4}),
    ],
)
async def test_an_unknown_server_handle_fails_every_entry_and_not_the_call(
    session: PeerSession, arm: str, fields: dict[str, Any]
) -> None:
    results = getattr(ok(await session.invoke(arm, server_handle=77, **fields)), arm).results
    assert [result.was_successful for result in results] == [False] * 4


@pytest.mark.parametrize("arm", ["add_item_bulk", "advise_item_bulk", "write_bulk", "read_bulk"])
async def test_an_empty_bulk_has_no_results(session: PeerSession, arm: str) -> None:
    reply = ok(await session.on_server(arm))
    assert reply.WhichOneof("payload") == arm
    assert list(getattr(reply, arm).results) == []


class TestReadBulk:
    async def test_a_subscribed_tag_is_answered_from_its_last_data_change(
        self, clock: ManualClock, session: PeerSession
    ) -> None:
        item = await session.advise("TestMachine_001.TestChangingInt")
        clock.advance(3)
        await session.drain()
        reply = ok(await session.on_server("read_bulk", tag_addresses=["testmachine_001.testchangingint"]))
        [result] = reply.read_bulk.results
        assert result.was_successful
        assert result.was_cached
        assert (result.item_handle, result.value.int32_value, result.quality) == (item, 4, 192)
        assert result.source_timestamp.ToNanoseconds() == clock.now_ns()
        assert result.statuses[0].success == -1
        clock.advance(1)
        assert len(await session.drain()) == 1, "the subscription goes on"

    async def test_a_tag_that_another_registration_of_the_session_subscribed_is_answered_from_there(
        self, session: PeerSession
    ) -> None:
        item = await session.advise("TestChildObject.TestInt")
        await session.drain()
        other = ok(await session.invoke("register", client_name="other")).register.server_handle
        tags = ["TestChildObject.TestInt"]
        [result] = ok(await session.invoke("read_bulk", server_handle=other, tag_addresses=tags)).read_bulk.results
        assert (result.was_cached, result.server_handle, result.item_handle) == (True, session.server, item)
        assert await session.drain() == []

    async def test_a_tag_that_another_session_subscribed_is_fetched(self, peer: Peer, session: PeerSession) -> None:
        await session.advise("TestChildObject.TestInt")
        tags = ["TestChildObject.TestInt"]
        [result] = ok(await (await peer.open()).on_server("read_bulk", tag_addresses=tags)).read_bulk.results
        assert (result.was_successful, result.was_cached, result.item_handle) == (True, False, 0)

    async def test_a_whole_array_has_two_names_and_its_elements_are_tags_of_their_own(
        self, session: PeerSession
    ) -> None:
        await session.advise("TestChildObject.TestIntArray")
        tags = [f"TestChildObject.TestIntArray{suffix}" for suffix in ("", "[]", "[2]")]
        results = ok(await session.on_server("read_bulk", tag_addresses=tags)).read_bulk.results
        assert [result.was_cached for result in results] == [True, True, False]
        assert [result.value.WhichOneof("kind") for result in results] == ["array_value", "array_value", "int32_value"]

    @pytest.mark.parametrize("ending", ["un_advise", "remove_item"])
    async def test_a_subscription_that_has_ended_answers_no_more(self, session: PeerSession, ending: str) -> None:
        items = [await session.advise("TestChildObject.TestInt") for _ in range(2)]
        for item, is_left in zip(items, (True, False), strict=True):
            ok(await session.on_server(ending, item_handle=item))
            reply = await session.on_server("read_bulk", tag_addresses=["TestChildObject.TestInt"])
            assert ok(reply).read_bulk.results[0].was_cached is is_left

    async def test_a_suspended_item_answers_with_what_it_told_last_unless_another_one_knows_more(
        self, gateway: SimulatedGateway, session: PeerSession
    ) -> None:
        item = await session.advise("TestChildObject.TestInt")
        ok(await session.on_server("suspend", item_handle=item))
        gateway.set_tag("TestChildObject.TestInt", 18)

        async def read() -> tuple[bool, int]:
            reply = ok(await session.on_server("read_bulk", tag_addresses=["TestChildObject.TestInt"]))
            return reply.read_bulk.results[0].was_cached, reply.read_bulk.results[0].value.int32_value

        assert await read() == (True, 17)
        await session.advise("TestChildObject.TestInt")
        assert await read() == (True, 18)

    async def test_a_buffered_item_has_no_data_change_to_answer_with(
        self, clock: ManualClock, session: PeerSession
    ) -> None:
        ok(await session.on_server("add_buffered_item", item_definition="TestChildObject.TestInt"))
        clock.advance(1)
        reply = ok(await session.on_server("read_bulk", tag_addresses=["TestChildObject.TestInt"]))
        assert [result.was_cached for result in reply.read_bulk.results] == [False]

    async def test_a_subscription_that_waits_for_its_first_value_answers_nothing_yet(
        self, clock: ManualClock, session: PeerSession, until: Until
    ) -> None:
        await session.advise("TestChildObject.SlowInt")
        clock.advance(1)
        idle = clock.pending
        reading = asyncio.create_task(
            session.on_server("read_bulk", tag_addresses=["TestChildObject.SlowInt"], timeout_ms=1000)
        )
        await until(lambda: clock.pending == idle + 3)
        clock.advance(1)
        [result] = ok(await reading).read_bulk.results
        assert (result.was_successful, result.was_cached, result.item_handle) == (False, False, 0)
        clock.advance(3)
        assert [event.value.int32_value for event in await session.drain()] == [7], "the subscription goes on"

    async def test_another_tag_is_read_without_a_trace(
        self, gateway: SimulatedGateway, clock: ManualClock, session: PeerSession
    ) -> None:
        added = await session.add("TestChildObject.TestInt")
        tags = ["TestChildObject.TestInt", "TestMachine_002.TestChangingInt", "TestChildObject.TestIntArray[3]"]
        clock.advance(5)
        reply = ok(await session.on_server("read_bulk", tag_addresses=tags))
        results = reply.read_bulk.results
        assert [result.value.int32_value for result in results] == [17, 6, 3]
        assert not any(result.was_cached for result in results)
        assert [result.item_handle for result in results] == [0, 0, 0]
        clock.advance(5)
        assert await session.drain() == []
        assert list(gateway.sessions[session.session_id].worker.servers[session.server].items) == [added]

    async def test_bad_and_unknown_tags_are_results_of_their_own(self, session: PeerSession) -> None:
        tags = ["TestChildObject.BadInt", "Nowhere.Nothing", "TestChildObject.TestInt"]
        bad, unknown, good = ok(await session.on_server("read_bulk", tag_addresses=tags)).read_bulk.results
        assert (bad.was_successful, bad.quality, bad.value.is_null) == (True, 0, True)
        assert (unknown.was_successful, unknown.quality) == (False, 0)
        assert unknown.statuses[0].detail == 1003
        assert unknown.error_message
        assert good.was_successful

    @pytest.mark.parametrize(("timeout_ms", "given_up"), [(1500, 1.5), (0, 2.0)])
    async def test_a_first_value_is_waited_for_as_long_as_asked(
        self,
        gateway: SimulatedGateway,
        clock: ManualClock,
        session: PeerSession,
        until: Until,
        timeout_ms: int,
        given_up: float,
    ) -> None:
        await session.add("TestChildObject.TestInt")
        tags = ["TestChildObject.SlowInt", "TestChildObject.TestInt", "TestChildObject.SilentInt"]
        idle = clock.pending
        reading = asyncio.create_task(session.on_server("read_bulk", tag_addresses=tags, timeout_ms=timeout_ms))
        # The late value, the limit of the read and the limit of the command.
        await until(lambda: clock.pending == idle + 3)
        clock.advance(given_up - 0.1)
        assert not reading.done()
        clock.advance(0.1)
        slow, good, silent = ok(await reading).read_bulk.results
        assert good.was_successful
        for late in (slow, silent):
            assert not late.was_successful
            assert f"{round(given_up * 1000)} ms" in late.error_message
        assert clock.pending == idle

    async def test_a_late_first_value_is_read_when_there_is_time(
        self, clock: ManualClock, session: PeerSession, until: Until
    ) -> None:
        await session.add("TestChildObject.TestInt")
        idle = clock.pending
        reading = asyncio.create_task(
            session.on_server("read_bulk", tag_addresses=["TestChildObject.SlowInt"], timeout_ms=10_000)
        )
        await until(lambda: clock.pending == idle + 3)
        clock.advance(5)
        [slow] = ok(await reading).read_bulk.results
        assert (slow.was_successful, slow.value.int32_value) == (True, 7)
