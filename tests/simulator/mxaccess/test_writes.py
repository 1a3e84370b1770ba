from __future__ import annotations

from typing import Any

import pytest

from mxgateway.simulator import ManualClock, Security, SimulatedGateway, SimulatorOptions
from tests.rows import each_row
from tests.simulator.peer import (
    CONTRACT,
    E_INVALIDARG,
    E_PROVIDER_SECURITY,
    Peer,
    PeerSession,
    integer,
    ok,
    refused,
    take,
)

WRITE_COMPLETE = CONTRACT.number("MX_EVENT_FAMILY_ON_WRITE_COMPLETE")
SECURITY_ERROR = CONTRACT.number("MX_STATUS_CATEGORY_SECURITY_ERROR")
OK = CONTRACT.number("MX_STATUS_CATEGORY_OK")


async def completions(session: PeerSession) -> list[Any]:
    return [event for event in await session.drain() if event.family == WRITE_COMPLETE]


async def write(session: PeerSession, item: int, value: dict[str, Any], **fields: Any) -> Any:
    return await session.on_server("write", item_handle=item, value=value, **fields)


async def test_a_write_is_accepted_completed_and_told_as_a_new_value(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    stream = await session.attach()
    item = await session.advise("TestChildObject.TestInt")
    reply = ok(await write(session, item, integer(42)))
    assert reply.WhichOneof("payload") is None
    _, complete, change = await take(stream, 3)
    assert complete.WhichOneof("body") == "on_write_complete"
    assert (complete.server_handle, complete.item_handle) == (session.server, item)
    assert complete.hresult == 0
    assert complete.HasField("hresult")
    assert [status.category for status in complete.statuses] == [OK]
    assert change.value.int32_value == 42
    assert gateway.tag("TestChildObject.TestInt").sample.native == 42


async def test_every_write_has_one_completion_in_order(gateway: SimulatedGateway, session: PeerSession) -> None:
    items = [await session.advise(f"TestChildObject.{name}") for name in ("TestInt", "TestDouble", "RefusedInt")]
    await session.drain()
    gateway.hold_write_completions()
    order = [items[index % 3] for index in range(30)]
    for item in order:
        ok(await write(session, item, integer(item)))
    assert await session.drain() == []
    assert gateway.tag("TestChildObject.TestInt").sample.native == 17
    gateway.release_write_completions()
    assert [event.item_handle for event in await completions(session)] == order


async def test_a_write_takes_its_time() -> None:
    clock = ManualClock()
    async with (
        SimulatedGateway(clock=clock, options=SimulatorOptions(write_time=0.5)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        session = await peer.open()
        item = await session.advise("TestChildObject.TestInt")
        ok(await write(session, item, integer(1)))
        assert await completions(session) == []
        clock.advance(0.5)
        assert len(await completions(session)) == 1


async def test_writes_of_one_moment_complete_together_and_later_ones_in_their_own_time() -> None:
    clock = ManualClock()
    async with (
        SimulatedGateway(clock=clock, options=SimulatorOptions(write_time=0.5)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        session = await peer.open()
        item = await session.advise("TestChildObject.TestInt")
        timers = clock.pending
        ok(await write(session, item, integer(1)))
        ok(await write(session, item, integer(2)))
        clock.advance(0.2)
        ok(await write(session, item, integer(3)))
        assert clock.pending == timers + 2
        clock.advance(0.3)
        assert len(await completions(session)) == 2
        clock.advance(0.2)
        assert len(await completions(session)) == 1


A_TIME = {"timestamp_value": {"timestamp_value": {"seconds": 1}}}


@pytest.mark.parametrize("arm", ["write", "write2", "write_secured", "write_secured2"])
@pytest.mark.parametrize("was_advised", [False, True])
async def test_an_item_that_is_not_advised_takes_no_write(session: PeerSession, arm: str, was_advised: bool) -> None:
    item = await session.add("TestChildObject.TestInt")
    if was_advised:
        ok(await session.on_server("advise", item_handle=item))
        ok(await session.on_server("un_advise", item_handle=item))
        await session.drain()
    fields: dict[str, Any] = A_TIME if "2" in arm else {}
    if "secured" in arm:
        user = await operator(session)
        fields = {**fields, "current_user_id": user, "verifier_user_id": user}
    reply = refused(await session.on_server(arm, item_handle=item, value=integer(1), **fields))
    assert reply.hresult == E_INVALIDARG
    assert "Value does not fall within the expected range" in reply.diagnostic_message
    assert await session.drain() == []


async def test_a_driven_attribute_does_not_echo_the_written_value(session: PeerSession) -> None:
    item = await session.advise("TestMachine_001.TestChangingInt")
    ok(await write(session, item, integer(4711)))
    await session.invoke("ping")
    events = await session.drain()
    assert [event.value.int32_value for event in events if event.family != WRITE_COMPLETE] == [1]
    assert [event.statuses[0].category for event in events if event.family == WRITE_COMPLETE] == [OK]


async def test_write2_gives_the_value_its_own_time_exact_to_100_ns(session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    await session.drain()
    moment = {"seconds": 1_700_000_000, "nanos": 123_456_700}
    ok(
        await session.on_server(
            "write2", item_handle=item, value=integer(8), timestamp_value={"timestamp_value": moment}
        )
    )
    await session.invoke("ping")
    _, change = await session.drain()
    assert (change.source_timestamp.seconds, change.source_timestamp.nanos) == (1_700_000_000, 123_456_700)


async def test_write2_cuts_a_time_to_the_steps_of_a_filetime(gateway: SimulatedGateway, session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    moment = {"timestamp_value": {"seconds": 1, "nanos": 199}}
    ok(await session.on_server("write2", item_handle=item, value=integer(8), timestamp_value=moment))
    await session.invoke("ping")
    assert gateway.tag("TestChildObject.TestInt").sample.time_ns == 1_000_000_100


@each_row(
    "time",
    [
        {},
        integer(1),
        {"is_null": True},
        {"timestamp_value": {"seconds": -11_644_473_601}},
        {"sparse_array_value": {"element_data_type": "MX_DATA_TYPE_TIME", "total_length": 1}},
    ],
)
@each_row("arm", ["write2", "write_secured2"])
async def test_a_write_whose_time_is_no_time_is_refused_by_mxaccess(
    session: PeerSession, arm: str, time: dict[str, Any]
) -> None:
    item = await session.advise("TestChildObject.TestInt")
    user = await operator(session)
    users = {"current_user_id": user, "verifier_user_id": user} if "secured" in arm else {}
    reply = refused(await session.on_server(arm, item_handle=item, value=integer(8), timestamp_value=time, **users))
    assert reply.hresult == E_INVALIDARG


async def test_provider_security_can_refuse_at_once_as_data(session: PeerSession) -> None:
    item = await session.advise("TestChildObject.DeniedInt")
    reply = refused(await write(session, item, integer(1)))
    assert reply.hresult == E_PROVIDER_SECURITY
    assert reply.diagnostic_message == "Write denied by provider security."
    [status] = reply.statuses
    assert (status.success, status.category, status.detail) == (0, SECURITY_ERROR, 321)
    assert status.detected_by == CONTRACT.number("MX_STATUS_SOURCE_RESPONDING_LMX")
    assert status.diagnostic_text == "Write denied by provider security."
    assert await completions(session) == []


async def test_provider_security_can_refuse_on_completion(gateway: SimulatedGateway, session: PeerSession) -> None:
    item = await session.advise("TestChildObject.RefusedInt")
    ok(await write(session, item, integer(1)))
    await session.invoke("ping")
    [complete] = await completions(session)
    assert complete.hresult == E_PROVIDER_SECURITY
    assert [(status.category, status.detail) for status in complete.statuses] == [(SECURITY_ERROR, 321)]
    assert gateway.tag("TestChildObject.RefusedInt").sample.native == 0


async def test_an_unknown_tag_completes_with_a_configuration_error(session: PeerSession) -> None:
    item = await session.advise("Nowhere.Nothing")
    ok(await write(session, item, integer(1)))
    await session.invoke("ping")
    [complete] = await completions(session)
    assert complete.statuses[0].category == CONTRACT.number("MX_STATUS_CATEGORY_CONFIGURATION_ERROR")
    assert complete.statuses[0].detail == 1003


@pytest.mark.parametrize("arm", ["write", "write2", "write_bulk", "write2_bulk"])
async def test_the_user_of_a_plain_write_is_recorded_only_under_supervisory_advise(
    gateway: SimulatedGateway, session: PeerSession, arm: str
) -> None:
    async def write_as(user_id: int) -> None:
        fields = {"item_handle": item, "value": integer(1), "user_id": user_id, **(A_TIME if "2" in arm else {})}
        ok(await session.on_server(arm, **({"entries": [fields]} if "bulk" in arm else fields)))
        await session.invoke("ping")

    tag = gateway.tag("TestChildObject.TestInt")
    item = await session.advise("TestChildObject.TestInt")
    await write_as(5)
    assert tag.last_user_id == 0
    ok(await session.on_server("advise_supervisory", item_handle=item))
    await write_as(5)
    assert tag.last_user_id == 5
    for again in ("un_advise", "advise"):
        ok(await session.on_server(again, item_handle=item))
    await write_as(6)
    assert tag.last_user_id == 5


async def test_a_user_is_recorded_by_the_advise_that_the_item_has_when_the_write_is_made(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    item = await session.advise("TestChildObject.TestInt")
    gateway.hold_write_completions()
    ok(await write(session, item, integer(1), user_id=5))
    ok(await session.on_server("advise_supervisory", item_handle=item))
    gateway.release_write_completions()
    await session.invoke("ping")
    assert gateway.tag("TestChildObject.TestInt").sample.native == 1
    assert gateway.tag("TestChildObject.TestInt").last_user_id == 0


async def test_the_user_of_a_secured_write_is_always_recorded(gateway: SimulatedGateway, session: PeerSession) -> None:
    item = await session.advise("TestSecurity.VerifiedWriteInt")
    users = {"current_user_id": await operator(session), "verifier_user_id": await operator(session, "supervisor")}
    ok(await session.on_server("write_secured", item_handle=item, value=integer(1), **users))
    await session.invoke("ping")
    assert gateway.tag("TestSecurity.VerifiedWriteInt").last_user_id == users["current_user_id"]


async def test_an_element_that_the_array_has_not_any_more_fails_on_completion(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    whole = await session.advise("TestChildObject.TestIntArray")
    fifth = await session.advise("TestChildObject.TestIntArray[5]")
    await session.drain()
    gateway.hold_write_completions()
    shorter = {"array_value": {"int32_values": {"values": [7, 8]}}}
    ok(await write(session, whole, shorter))
    ok(await write(session, fifth, integer(50)))
    gateway.release_write_completions()
    first, second = await completions(session)
    assert (first.hresult, first.statuses[0].category) == (0, OK)
    assert second.hresult != 0
    assert second.statuses[0].category == CONTRACT.number("MX_STATUS_CATEGORY_OPERATIONAL_ERROR")
    assert "2 elements" in second.statuses[0].diagnostic_text
    assert gateway.tag("TestChildObject.TestIntArray").sample.native == [7, 8]


class TestUsers:
    async def test_right_credentials_give_an_id_and_wrong_ones_zero(self, session: PeerSession) -> None:
        async def authenticate(user: str, password: str) -> int:
            reply = await session.on_server("authenticate_user", verify_user=user, verify_user_password=password)
            user_id: int = ok(reply).authenticate_user.user_id
            return user_id

        assert await authenticate("Operator", "operator-password") > 0
        assert await authenticate("operator", "operator-password") == await authenticate(
            "operator", "operator-password"
        )
        assert await authenticate("operator", "OPERATOR-PASSWORD") == 0
        assert await authenticate("nobody", "operator-password") == 0

    async def test_a_guid_gives_the_id_of_its_user(self, gateway: SimulatedGateway, session: PeerSession) -> None:
        user = gateway.options.users[1]
        reply = ok(await session.on_server("archestra_user_to_id", user_id_guid=f"{{{user.guid.upper()}}}"))
        assert reply.archestra_user_to_id.user_id > 0
        reply = ok(await session.on_server("archestra_user_to_id", user_id_guid="0"))
        assert reply.WhichOneof("payload") == "archestra_user_to_id"
        assert reply.archestra_user_to_id.user_id == 0

    async def test_a_user_id_is_valid_for_its_server_handle_only(self, session: PeerSession) -> None:
        user = await operator(session)
        other = ok(await session.invoke("register", client_name="other")).register.server_handle
        own = await session.invoke(
            "authenticate_user",
            server_handle=other,
            verify_user="operator",
            verify_user_password="operator-password",
        )
        assert 0 != own.authenticate_user.user_id != user
        added = await session.invoke("add_item", server_handle=other, item_definition="TestSecurity.SecuredWriteInt")
        item = added.add_item.item_handle
        ok(await session.invoke("advise", server_handle=other, item_handle=item))
        fields = {"server_handle": other, "item_handle": item, "value": integer(1)}
        reply = await session.invoke("write_secured", current_user_id=user, verifier_user_id=user, **fields)
        assert refused(reply).hresult == E_INVALIDARG

    async def test_the_user_id_of_a_guid_is_good_for_a_secured_write(
        self, gateway: SimulatedGateway, session: PeerSession
    ) -> None:
        item = await session.advise("TestSecurity.SecuredWriteInt")
        guid = gateway.options.users[0].guid
        user = ok(await session.on_server("archestra_user_to_id", user_id_guid=guid)).archestra_user_to_id.user_id
        assert user == await operator(session)
        users = {"current_user_id": user, "verifier_user_id": user}
        ok(await session.on_server("write_secured", item_handle=item, value=integer(1), **users))
        await session.invoke("ping")
        assert [event.hresult for event in await completions(session)] == [0]

    @pytest.mark.parametrize("missing", ["current_user_id", "verifier_user_id"])
    async def test_a_secured_write_needs_both_of_its_users(self, session: PeerSession, missing: str) -> None:
        item = await session.advise("TestChildObject.TestInt")
        user = await operator(session)
        users = {"current_user_id": user, "verifier_user_id": user, missing: 0}
        reply = await session.on_server("write_secured", item_handle=item, value=integer(1), **users)
        assert refused(reply).hresult == E_INVALIDARG


async def operator(session: PeerSession, name: str = "operator") -> int:
    reply = await session.on_server("authenticate_user", verify_user=name, verify_user_password=f"{name}-password")
    user_id: int = reply.authenticate_user.user_id
    return user_id


# What each classification says to a plain write, to a secured one by one user, and to one by two.
CLASSES = {
    Security.FREE_ACCESS: (True, True, True),
    Security.OPERATE: (True, True, True),
    Security.SECURED_WRITE: (False, True, True),
    Security.VERIFIED_WRITE: (False, False, True),
    Security.TUNE: (True, True, True),
    Security.CONFIGURE: (True, True, True),
    Security.VIEW_ONLY: (False, False, False),
}


@pytest.mark.parametrize("security", Security)
async def test_each_security_classification_takes_its_own_writes(session: PeerSession, security: Security) -> None:
    name = "".join(part.title() for part in security.name.split("_"))
    item = await session.advise(f"TestSecurity.{name}Int")
    one, two = await operator(session), await operator(session, "supervisor")
    time = {"timestamp_value": {"timestamp_value": {"seconds": 1}}}
    ok(await write(session, item, integer(1)))
    for secured, extra in (("write_secured", {}), ("write_secured2", time)):
        for verifier in (one, two):
            users = {"current_user_id": one, "verifier_user_id": verifier}
            ok(await session.on_server(secured, item_handle=item, value=integer(2), **users, **extra))
    await session.invoke("ping")
    plain, *secured_writes = [event.statuses[0].category == OK for event in await completions(session)]
    assert (plain, *secured_writes) == (CLASSES[security][0], *CLASSES[security][1:], *CLASSES[security][1:])


async def test_a_refused_classification_is_a_security_error(session: PeerSession) -> None:
    item = await session.advise("TestSecurity.SecuredWriteInt")
    ok(await write(session, item, integer(1)))
    await session.invoke("ping")
    [complete] = await completions(session)
    assert complete.hresult == E_PROVIDER_SECURITY
    assert complete.statuses[0].category == SECURITY_ERROR
