"""Every kind of command of the contract: accepted, refused by MXAccess, refused here, and answered without its payload."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import pytest

from mxgateway import (
    GatewayClient,
    MxAccessError,
    MxGatewayInvalidRequestError,
    MxGatewayMalformedReplyError,
    Session,
    proto,
    to_json_dict,
)
from mxgateway.simulator import ManualClock, SimulatedGateway
from mxgateway.wire import which_one_of
from mxgateway.wire.messages.betterproto_seam import FieldMetadata
from tests.client.command_rows import BULKS, NOT_ONE_COMMAND, ROWS, title
from tests.client.command_stage import CLOCK, E_INVALIDARG, STATUS_OK, STATUS_UNKNOWN_TAG, Prepared, Row, prepare
from tests.client.support import commands, connect, in_words
from tests.rows import each_row

WITH_METHOD = [kind for kind, row in ROWS.items() if not row.by_invoke]
WITH_PAYLOAD = [kind for kind in WITH_METHOD if not ROWS[kind].bare]


@pytest.fixture
async def prepared() -> AsyncIterator[Prepared]:
    async with SimulatedGateway(clock=ManualClock(CLOCK)) as gateway, connect(gateway) as client:
        yield await prepare(gateway, await client.open_session(), await client.open_session())


class Replacing:
    """A gateway whose replies are replaced. What it makes of a command does not matter: its sessions have no handles."""

    def __init__(self, gateway: SimulatedGateway, client: GatewayClient) -> None:
        self.gateway = gateway
        self._client = client

    @asynccontextmanager
    async def all_of(self, kind: str, reply: Callable[[proto.MxCommandReply], Any]) -> AsyncIterator[Prepared]:
        """Two sessions for a kind of command, each reply to which is replaced."""
        async with self._client.open_session() as session, self._client.open_session() as spare:
            self.gateway.received.clear()
            self.gateway.reply_override(title(kind), reply, times=None)
            yield Prepared(self.gateway, session, spare)
            self.gateway.switches.clear()


@pytest.fixture
async def replacing() -> AsyncIterator[Replacing]:
    async with SimulatedGateway() as gateway, connect(gateway) as client:
        yield Replacing(gateway, client)


def command(kind: str, row: Row) -> proto.MxCommand:
    """Return the whole command of a row."""
    arm: dict[str, Any] = {kind.lower(): row.payload}
    return proto.MxCommand(kind=proto.MxCommandKind.from_string(kind), **arm)


# -- the table itself


def test_every_kind_of_the_contract_has_its_row() -> None:
    assert set(ROWS) == {str(kind.name) for kind in proto.MxCommandKind} - {"UNSPECIFIED"}


def test_every_payload_of_the_contract_has_its_row() -> None:
    arms = {field.name for field in dataclasses.fields(proto.MxCommand) if FieldMetadata.get(field).group == "payload"}
    assert {kind.lower() for kind in ROWS} == arms


def test_every_method_of_a_session_has_its_row() -> None:
    methods = {name for name, method in inspect.getmembers(Session, inspect.isfunction) if not name.startswith("_")}
    assert {ROWS[kind].asked.method for kind in WITH_METHOD} | NOT_ONE_COMMAND == methods
    assert len({ROWS[kind].asked.method for kind in WITH_METHOD}) == len(WITH_METHOD)


def test_the_kinds_without_a_method_are_those_of_the_workers_alarm_feed() -> None:
    assert {kind for kind, row in ROWS.items() if row.by_invoke} == {
        "SUBSCRIBE_ALARMS", "UNSUBSCRIBE_ALARMS", "ACKNOWLEDGE_ALARM", "QUERY_ACTIVE_ALARMS", "ACKNOWLEDGE_ALARM_BY_NAME",
    }  # fmt: skip


def test_the_kinds_with_a_reply_of_their_own_are_not_bare() -> None:
    arms = {
        field.name for field in dataclasses.fields(proto.MxCommandReply) if FieldMetadata.get(field).group == "payload"
    }
    assert {row.arm or kind.lower() for kind, row in ROWS.items() if not row.bare} == arms


# -- accepted


@pytest.mark.parametrize("kind", ROWS)
async def test_a_command_arrives_as_it_was_asked_for_and_its_result_comes_back(prepared: Prepared, kind: str) -> None:
    row = ROWS[kind]
    result = await row.asked.of(prepared.session, correlation_id="order-4711")

    (request,) = commands(prepared.gateway)
    expected = proto.MxCommandRequest(prepared.session.session_id, "order-4711", command(kind, row))
    assert request == expected
    assert to_json_dict(request) == to_json_dict(expected)
    assert result == (row.result(prepared) if callable(row.result) else row.result)


@pytest.mark.parametrize("kind", BULKS)
async def test_entries_that_fail_are_results_at_their_own_index(prepared: Prepared, kind: str) -> None:
    asked, results = ROWS[kind].partly or pytest.fail("it has no entries")
    assert await asked.of(prepared.session) == results
    assert len(commands(prepared.gateway)) == 1


# -- MXAccess failures

HRESULT = 0x80040200 - 2**32
FAILURE = proto.ProtocolStatus(code=proto.ProtocolStatusCode.MXACCESS_FAILURE, message="MXAccess refused the command.")
STATUSES = [STATUS_OK, STATUS_UNKNOWN_TAG]


def refusal(reply: proto.MxCommandReply) -> proto.MxCommandReply:
    return answer(reply, protocol_status=FAILURE, hresult=HRESULT, statuses=STATUSES, diagnostic_message="not today")


def answer(reply: proto.MxCommandReply, **fields: Any) -> proto.MxCommandReply:
    """Return a reply to the same command that is OK, without what is not given."""
    kept = {
        "session_id": reply.session_id, "correlation_id": reply.correlation_id, "kind": reply.kind,
        "protocol_status": proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK),
    }  # fmt: skip
    return proto.MxCommandReply(**{**kept, **fields})


@each_row("kind", ROWS)
async def test_a_refusal_of_mxaccess_raises_with_all_that_it_says_and_is_data_for_invoke_raw(
    replacing: Replacing, kind: str
) -> None:
    row = ROWS[kind]
    async with replacing.all_of(kind, refusal) as world:
        with pytest.raises(MxAccessError) as caught:
            await row.asked.of(world.session, correlation_id="order-4711")
        raw = await world.spare.invoke_raw(command(kind, row), correlation_id="order-4711")
        assert len(commands(world.gateway)) == 2

    error = caught.value
    raw.session_id = world.session.session_id
    assert raw == error.reply
    assert raw.protocol_status == FAILURE
    assert error.hresult == raw.hresult == HRESULT
    assert error.statuses == tuple(raw.statuses) == tuple(STATUSES)
    assert error.correlation_id == "order-4711"
    assert error.session_id == world.session.session_id
    assert error.phase == "reply"
    assert error.grpc_status is None
    assert in_words(error, f"MXAccess refused {kind.lower()}", "0x80040200", "detail 1003", "not today")


@each_row("kind", [kind for kind, row in ROWS.items() if row.refused is not None])
async def test_what_mxaccess_does_not_take_is_an_mxaccess_error(prepared: Prepared, kind: str) -> None:
    refused = ROWS[kind].refused or pytest.fail("nothing to be refused")
    prepared.gateway.received.clear()
    with pytest.raises(MxAccessError) as caught:
        await refused.of(prepared.session)
    raw = await prepared.session.invoke_raw(commands(prepared.gateway)[0].command)

    assert caught.value.hresult == raw.hresult == E_INVALIDARG
    assert raw.protocol_status.code == proto.ProtocolStatusCode.MXACCESS_FAILURE


def test_every_command_on_a_handle_can_be_refused() -> None:
    without = {kind for kind, row in ROWS.items() if row.refused is None and row.partly is None and not row.by_invoke}
    assert without == {"REGISTER", "PING", "GET_SESSION_STATE", "GET_WORKER_INFO", "DRAIN_EVENTS", "SHUTDOWN_WORKER"}


# -- refused here


@each_row("kind", ROWS)
async def test_a_bad_argument_is_refused_and_nothing_is_sent(prepared: Prepared, kind: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=r"^[^\n]+; [^\n]+$") as caught:
        await ROWS[kind].wrong.of(prepared.session)

    assert caught.value.phase == "request"
    assert caught.value.grpc_status is None
    assert not prepared.gateway.received


# -- replies that do not fit


@each_row("kind", WITH_PAYLOAD)
async def test_an_ok_reply_without_its_payload_is_malformed(replacing: Replacing, kind: str) -> None:
    row = ROWS[kind]
    arm = row.arm or kind.lower()
    async with replacing.all_of(kind, answer) as world:
        with pytest.raises(MxGatewayMalformedReplyError, match=f"carries no {arm} payload") as caught:
            await row.asked.of(world.session, correlation_id="order-4711")

    assert not which_one_of(caught.value.reply, "payload")
    assert caught.value.correlation_id == "order-4711"
    assert in_words(caught.value, world.gateway.endpoint, "contract")


@each_row("kind", WITH_PAYLOAD)
async def test_an_ok_reply_with_the_payload_of_another_command_is_malformed(replacing: Replacing, kind: str) -> None:
    other = "add_item" if kind != "ADD_ITEM" else "add_item2"
    payload = {other: proto.AddItemReply(7) if other == "add_item" else proto.AddItem2Reply(7)}
    async with replacing.all_of(kind, lambda reply: answer(reply, **payload)) as world:
        with pytest.raises(MxGatewayMalformedReplyError, match=f"carries no {ROWS[kind].arm or kind.lower()} payload"):
            await ROWS[kind].asked.of(world.session)


@each_row("kind", [kind for kind in WITH_METHOD if ROWS[kind].bare])
async def test_a_bare_ok_is_all_that_some_commands_are_answered_with(replacing: Replacing, kind: str) -> None:
    async with replacing.all_of(kind, answer) as world:
        assert await ROWS[kind].asked.of(world.session) is None


@each_row("kind", [kind for kind, row in ROWS.items() if row.by_invoke])
async def test_invoke_returns_what_comes_and_leaves_the_payload_to_its_caller(replacing: Replacing, kind: str) -> None:
    async with replacing.all_of(kind, answer) as world:
        reply = await ROWS[kind].asked.of(world.session)
    assert isinstance(reply, proto.MxCommandReply)
    assert not which_one_of(reply, "payload")


@each_row(("kind", "count"), product(BULKS, [0, 1, 3]))
async def test_another_number_of_results_than_of_entries_is_malformed(
    prepared: Prepared, kind: str, count: int
) -> None:
    arm = kind.lower()

    def replace(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        payload = getattr(reply, arm)
        payload.results = (payload.results * 2)[:count]
        return reply

    prepared.gateway.reply_override(title(kind), replace)
    with pytest.raises(MxGatewayMalformedReplyError, match=f"carries {count} results for 2 entries"):
        await ROWS[kind].asked.of(prepared.session)


ZERO = {
    "REGISTER": proto.RegisterReply(),
    "ADD_ITEM": proto.AddItemReply(),
    "ADD_ITEM2": proto.AddItem2Reply(),
    "ADD_BUFFERED_ITEM": proto.AddBufferedItemReply(),
}


@each_row("kind", ZERO)
async def test_a_handle_of_zero_is_malformed(replacing: Replacing, kind: str) -> None:
    async with replacing.all_of(kind, lambda reply: answer(reply, **{kind.lower(): ZERO[kind]})) as world:
        with pytest.raises(MxGatewayMalformedReplyError, match="_handle 0"):
            await ROWS[kind].asked.of(world.session)


NO_USER = {
    "AUTHENTICATE_USER": proto.AuthenticateUserReply(),
    "ARCHESTRA_USER_TO_ID": proto.ArchestrAUserToIdReply(),
}


@each_row("kind", NO_USER)
async def test_a_user_id_of_zero_is_an_mxaccess_error(replacing: Replacing, kind: str) -> None:
    async with replacing.all_of(kind, lambda reply: answer(reply, **{kind.lower(): NO_USER[kind]})) as world:
        with pytest.raises(MxAccessError, match="no such user") as caught:
            await ROWS[kind].asked.of(world.session)

    assert isinstance(caught.value.reply, proto.MxCommandReply)
