"""What is read is read, whatever its size: a reply that is too large is asked for in halves, and a tag that fits into none says so by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    MxGatewayProtocolError,
    MxGatewaySessionError,
    MxGatewayWorkerError,
    PartialBulk,
    Session,
    from_mx_value,
    proto,
)
from mxgateway.commands.bulk import chunks as bulk_parts
from mxgateway.errors import GrpcStatus
from mxgateway.simulator import Attribute, DataType, Plant, PlantObject, SimulatedGateway, SimulatorOptions, Template
from tests.client.support import commands, connect

COUNT = 20
DOCS = [f"Unit.Doc{number:02}" for number in range(COUNT)]
SIZES = {"Unit.Huge": 40_000, **dict.fromkeys(DOCS, 3_000)}
LIMIT = 16_384
"""Bytes of the largest reply: it holds five of the texts, and not the huge one."""


def plant() -> Plant:
    attributes = tuple(
        Attribute(name=tag.partition(".")[2], data_type=DataType.BIG_STRING, value="x" * size)
        for tag, size in SIZES.items()
    )
    return Plant([PlantObject(1, "Unit", Template("$Unit", attributes=attributes))])


LIMITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the client's limit": ({}, {"max_receive_bytes": LIMIT}),
    "the gateway's limit": ({"message_limit": LIMIT}, {}),
}
REASONS = {
    "the client's limit": "exceeds the limit of 16384 bytes (max_receive_bytes)",
    "the gateway's limit": "Sending message exceeds the maximum configured message size.",
}


class Stage:
    """A gateway whose texts fit into few replies, and a session of it."""

    def __init__(self, gateway: SimulatedGateway, session: Session, reason: str) -> None:
        self.gateway = gateway
        self.session = session
        self.reason = reason

    @property
    def reads(self) -> list[int]:
        """Of how many tags each ReadBulk was that the gateway has received."""
        bodies = [request.command for request in commands(self.gateway)]
        return [len(each.read_bulk.tag_addresses) for each in bodies if each.kind == proto.MxCommandKind.READ_BULK]


@pytest.fixture(params=LIMITS)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    of_gateway, of_client = LIMITS[request.param]
    async with (
        SimulatedGateway(plant=plant(), options=SimulatorOptions(**of_gateway)) as gateway,
        connect(gateway, **of_client) as client,
        client.open_session() as session,
    ):
        yield Stage(gateway, session, REASONS[request.param])


async def test_a_read_whose_reply_is_too_large_is_halved_until_it_fits(stage: Stage) -> None:
    values = await stage.session.read(DOCS)

    assert [value.tag for value in values] == DOCS
    assert all(value.ok and value.value == "x" * 3_000 for value in values)
    assert stage.reads == [20, 10, 5, 5, 10, 5, 5]


async def test_a_bulk_read_whose_reply_is_too_large_is_halved_until_it_fits(stage: Stage) -> None:
    results = await stage.session.read_bulk(await stage.session.register("tests"), DOCS)

    assert [result.tag_address for result in results] == DOCS
    assert all(result.was_successful for result in results)
    assert {from_mx_value(result.value) for result in results} == {"x" * 3_000}


async def test_a_tag_that_fits_into_no_reply_is_a_result_of_its_own(stage: Stage) -> None:
    tags = [*DOCS[:3], "Unit.Huge", *DOCS[3:5]]
    values = await stage.session.read(tags)
    results = await stage.session.read_bulk(await stage.session.register("tests"), tags)

    assert [value.tag for value in values] == [result.tag_address for result in results] == tags
    assert [value.ok for value in values] == [result.was_successful for result in results] == [
        tag != "Unit.Huge" for tag in tags
    ]  # fmt: skip
    huge = values[3]
    assert (huge.value, huge.quality, huge.was_cached) == (None, 0, False)
    assert stage.reason in huge.error
    assert stage.reason in results[3].error_message
    assert stage.session.session_id in huge.error


async def test_the_type_of_a_tag_that_fits_into_no_reply_need_not_be_known_to_write_it(stage: Stage) -> None:
    writes = await stage.session.write_tags({"Unit.Huge": "short", DOCS[0]: "short"}, confirm=True, timeout=10)

    assert [(write.tag, write.ok) for write in writes] == [("Unit.Huge", True), (DOCS[0], True)]
    assert [value.value for value in await stage.session.read(["Unit.Huge", DOCS[0]])] == ["short", "short"]


async def test_the_parts_behind_one_that_is_halved_keep_their_places(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_parts, "CHUNK_LIMIT", 8)
    values = await stage.session.read(DOCS)

    assert [value.tag for value in values] == DOCS
    assert all(value.ok for value in values)
    assert sorted(stage.reads) == [4, 4, 4, 4, 4, 8, 8]


async def test_another_fault_among_the_halves_tells_how_far_the_read_came(stage: Stage) -> None:
    def lose_the_next(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        if len(stage.reads) == 3:
            stage.gateway.fail_next("Invoke.ReadBulk", Status.UNAVAILABLE, "the worker is gone")
        return reply

    stage.gateway.reply_override("Invoke.ReadBulk", lose_the_next, times=None)
    with pytest.raises(MxGatewayWorkerError) as caught:
        await stage.session.read_bulk(await stage.session.register("tests"), DOCS)

    partial = caught.value.partial
    assert partial is not None
    assert [result.tag_address for result in partial.results] == DOCS[:5]
    assert (partial.in_doubt, partial.not_sent) == (range(5, 10), range(10, 20))


async def test_a_gateway_that_is_too_busy_is_not_asked_for_halves(stage: Stage) -> None:
    stage.gateway.fail_next(
        "Invoke.ReadBulk", Status.RESOURCE_EXHAUSTED, "session has 128 pending commands, the limit."
    )
    with pytest.raises(MxGatewaySessionError, match="pending commands") as caught:
        await stage.session.read_bulk(await stage.session.register("tests"), DOCS)

    assert caught.value.partial == PartialBulk((), range(0), range(COUNT))
    assert stage.reads == [COUNT]


async def test_a_command_whose_reply_was_too_large_may_have_been_carried_out() -> None:
    async with SimulatedGateway() as gateway, connect(gateway) as client, client.open_session() as session:
        text = "Sending message exceeds the maximum configured message size."
        gateway.fail_next("Invoke.SubscribeBulk", Status.RESOURCE_EXHAUSTED, text)
        with pytest.raises(MxGatewayProtocolError, match="request less at once") as caught:
            await session.subscribe_bulk(await session.register("tests"), ["A.B", "A.C"])

    assert (caught.value.grpc_status, caught.value.retryable) == (GrpcStatus.RESOURCE_EXHAUSTED, False)
    assert caught.value.partial == PartialBulk((), range(2), range(2, 2))
