"""A client that speaks another contract than its gateway says so, names the command that mends it, and shows nothing that it has not been told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

from mxgateway import GatewayClient, MxGatewayContractError, MxGatewayError, MxGatewayInvalidRequestError, proto
from mxgateway.contract import Contract, own_descriptor_set
from mxgateway.simulator import SimulatedGateway
from mxgateway.wire import encode
from mxgateway.wire.varint import encode_varint
from tests.client.support import TAG
from tests.contract.permuted import permuted
from tests.peers.grpcio_gateway import GrpcioGateway
from tests.rows import each_row

REMEDY = "mxgw-py contract --from-gateway"
BOUND = 20.0
"""Seconds that nothing may take; each call has one of its own."""


@cache
def contract(seed: int) -> Contract:
    """Return a contract: the built-in one for 0."""
    return Contract.load(permuted(seed)) if seed else Contract.builtin()


async def main_job(client: GatewayClient) -> str:
    async with client.open_session(client_session_name="svc") as session:
        server = await session.register("svc")
        item = await session.add_item(server, TAG)
        await session.advise(server, item)
        await session.write_confirmed(server, item, 3, timeout=2)
    return "done"


OTHERS: dict[str, Callable[[GatewayClient], Awaitable[Any]]] = {
    "query_active_alarms": lambda client: client.query_active_alarms(timeout=1),
    "acknowledge_alarm": lambda client: client.acknowledge_alarm("Galaxy!Area.Tank.HiHi", operator="op"),
    "test_connection": lambda client: client.galaxy.test_connection(),
    "get_last_deploy_time": lambda client: client.galaxy.get_last_deploy_time(),
    "discover_hierarchy": lambda client: client.galaxy.discover_hierarchy(),
    "browse": lambda client: client.galaxy.browse(),
}


@each_row("place", range(50))
async def test_whatever_two_contracts_make_of_each_other_it_ends_in_an_error_of_ours(place: int) -> None:
    mine, theirs = place % 8, (place + 1 + place // 8) % 8
    if mine == theirs:
        theirs = 8
    async with (
        asyncio.timeout(BOUND),
        SimulatedGateway(contract=contract(theirs)) as gateway,
        GatewayClient.connect(
            gateway.endpoint,
            plaintext=True,
            api_key=gateway.api_key,
            contract=contract(mine),
            call_timeout=1,
            retry=None,
        ) as client,
    ):
        with pytest.raises(MxGatewayError) as caught:
            await main_job(client)
        # A gateway that takes one field for another refuses its content, and cannot know better.
        assert REMEDY in str(caught.value) or type(caught.value) is MxGatewayInvalidRequestError, caught.value
        for call in OTHERS.values():
            try:
                await call(client)
            except MxGatewayError as error:
                assert str(error).isprintable()


# -- one fault at a time, told by a peer that is not ours


def open_reply(**fields: Any) -> bytes:
    return encode(
        proto.OpenSessionReply(protocol_status=proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK), **fields)
    )


def number_of(message: str, field: str) -> int:
    files = FileDescriptorSet.FromString(own_descriptor_set())
    (found,) = (each for file in files.file for each in file.message_type if each.name == message)
    return next(each.number for each in found.field if each.name == field)


STRANGE = encode_varint(1999 << 3 | 2) + b"\x05hello"
REPLIES = {
    "no session id and unknown fields": (open_reply() + STRANGE, "no session id but has unknown fields"),
    "unknown fields and nothing else": (STRANGE, "all of its fields are unknown, such as number 1999"),
    "a known number of another type": (
        open_reply(session_id="s") + encode_varint(number_of("OpenSessionReply", "capabilities") << 3) + b"\x07",
        "has another wire type than capabilities",
    ),
    "bytes that are no message": (open_reply(session_id="s") + b"\x0f\x0f\x0f", "a reply cannot be read"),
    "text that is none": (
        encode_varint(number_of("OpenSessionReply", "session_id") << 3 | 2) + b"\x02\xff\xfe", "a reply cannot be read",
    ),
}  # fmt: skip


@each_row("name", REPLIES)
async def test_a_reply_that_does_not_fit_names_the_remedy(name: str) -> None:
    reply, text = REPLIES[name]

    async def answer(exchange: Any, context: Any) -> bytes:
        return reply

    async with GrpcioGateway() as gateway, GatewayClient.connect(gateway.endpoint, plaintext=True) as client:
        gateway.answer = answer
        with pytest.raises(MxGatewayError) as caught:
            await client.open_session()
        assert text in str(caught.value)
        assert REMEDY in str(caught.value)
        assert caught.value.endpoint == gateway.endpoint
        assert type(caught.value) is MxGatewayContractError or text == "a reply cannot be read"
        assert not caught.value.retryable


async def test_fields_that_are_not_known_beside_those_that_are_harm_nothing() -> None:
    async def answer(exchange: Any, context: Any) -> bytes | None:
        known = open_reply(session_id="session-1", gateway_protocol_version=3)
        return known + STRANGE if exchange.method == "OpenSession" else None

    async with GrpcioGateway() as gateway, GatewayClient.connect(gateway.endpoint, plaintext=True) as client:
        gateway.answer = answer
        session = await client.open_session()
        assert session.session_id == "session-1"
        assert session.gateway_protocol_version == 3


def added_to(message: str) -> Contract:
    files = FileDescriptorSet.FromString(own_descriptor_set())
    (found,) = (each for file in files.file for each in file.message_type if each.name == message)
    found.field.add(
        name="reason", number=1999, type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL
    )
    return Contract.load(files.SerializeToString())


async def test_a_reply_of_nothing_but_what_the_contract_adds_fits() -> None:
    """A connection that is not there, and the reason: `False` is all that the client has a name for."""
    bound = added_to("TestConnectionReply")
    reply = bound.decode(proto.TestConnectionReply, STRANGE)
    assert bound.codec.decoder_of(proto.TestConnectionReply)(STRANGE) == reply
    assert bound.extra(reply) == {"reason": "hello"}
    with pytest.raises(ValueError, match="fields are unknown"):
        Contract.builtin().codec.decoder_of(proto.TestConnectionReply)(STRANGE)


async def test_a_call_that_the_gateway_does_not_have_names_the_remedy() -> None:
    async with GrpcioGateway() as gateway, GatewayClient.connect(gateway.endpoint, plaintext=True) as client:
        with pytest.raises(MxGatewayContractError, match="the gateway has no such call") as caught:
            await client.galaxy.test_connection()
        assert REMEDY in str(caught.value)


async def test_events_by_another_contract_end_the_stream_with_the_remedy() -> None:
    strange = encode_varint(number_of("MxEvent", "item_handle") << 3 | 2) + b"\x01x"
    event = (
        encode(proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE, worker_sequence=1, session_id="s")) + strange
    )
    async with (
        GrpcioGateway(prepared=[event] * 300) as gateway,
        GatewayClient.connect(gateway.endpoint, plaintext=True) as client,
        client.open_session() as session,
    ):
        with pytest.raises(MxGatewayContractError, match="another wire type than item_handle") as caught:
            async for _ in session.stream_events():
                pass
        assert REMEDY in str(caught.value)


async def test_a_gateway_that_does_not_tell_its_contract_is_spoken_to_by_the_built_in_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "mxgateway"):
        async with SimulatedGateway() as gateway:
            async with GatewayClient.connect(
                gateway.endpoint, plaintext=True, api_key=gateway.api_key, contract="auto"
            ) as client:
                assert await main_job(client) == "done"
    (line,) = [each.getMessage() for each in caplog.records if each.name == "mxgateway.contract"]
    assert line.startswith(f"{gateway.endpoint} does not publish its contract, using the built-in one")
