"""A read of any length: in parts, one at a time, each with the next one on its way while it is decoded."""

from __future__ import annotations

from typing import Final

import pytest
from grpclib import Status

from mxgateway import (
    CallInfo,
    MxGatewayError,
    MxGatewayMalformedReplyError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    PartialBulk,
    Session,
    TagValue,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import TAG, commands, connect

PART: Final = 1000
TAGS: Final = [f"TestMachine_{number:03}.SpeedSetpoint" if number % 2 else TAG for number in range(3 * PART)]
TEXT_TAG: Final = "TestChildObject.TestBigString"


def reads(gateway: SimulatedGateway) -> list[int]:
    """Return of how many tags each ReadBulk was that the gateway has received."""
    return [
        len(request.command.read_bulk.tag_addresses)
        for request in commands(gateway)
        if request.command.kind == proto.MxCommandKind.READ_BULK
    ]


async def test_every_tag_has_its_result_in_order(gateway: SimulatedGateway, session: Session) -> None:
    results = await session.read_bulk(await session.register("tests"), TAGS[:-1])

    assert [result.tag_address for result in results] == TAGS[:-1]
    assert reads(gateway) == [PART, PART, PART - 1]
    assert [value.tag for value in await session.read(TAGS)] == TAGS


async def test_there_may_be_more_parts_than_streams(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mxgateway.commands.bulk.chunks.CHUNK_LIMIT", 1)
    streams = SimulatorOptions().streams_per_connection

    assert len(await session.read([TAG] * (streams + 20), timeout=30)) == streams + 20


async def test_the_gateway_has_two_parts_at_once_at_most(gateway: SimulatedGateway, session: Session) -> None:
    received: list[int] = []

    def note(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        received.append(len(reads(gateway)))
        return reply

    gateway.reply_override("Invoke.ReadBulk", note, times=None)
    await session.read(TAGS)

    assert len(received) == 3
    assert all(count <= answered + 2 for answered, count in enumerate(received))


async def test_replies_of_megabytes_are_read(session: Session) -> None:
    values = await session.read([TEXT_TAG] * (2 * PART))

    assert len(values) == 2 * PART
    assert {len(str(value.value)) for value in values} == {4096}


class Diary:
    """A tracer of calls one after another; it writes down when requests leave and replies are read."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def call_started(self, call: CallInfo) -> Diary:
        return self

    def message_sent(self, size: int) -> None:
        self.entries.append("sent")

    def messages_received(self, count: int) -> None:
        self.entries.append("read")

    def retrying(self, error: MxGatewayError, delay: float) -> None:
        raise AssertionError(error)

    def ended(self, error: MxGatewayError | None, *, cancelled: bool) -> None:
        pass


async def test_the_next_part_is_on_its_way_before_the_reply_is_decoded(gateway: SimulatedGateway) -> None:
    diary = Diary()
    async with connect(gateway, tracer=diary) as client, client.open_session() as session:
        await session.read([TAG])
        diary.entries.clear()
        await session.read(TAGS)
        told = diary.entries.copy()

    assert told == ["sent", "sent", "read", "sent", "read", "read"]


async def test_after_a_reply_that_cannot_be_used_the_part_ahead_is_in_doubt(
    gateway: SimulatedGateway, session: Session
) -> None:
    def drop_the_results(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        return proto.MxCommandReply(kind=reply.kind, protocol_status=reply.protocol_status)

    gateway.reply_override("Invoke.ReadBulk", drop_the_results)
    with pytest.raises(MxGatewayMalformedReplyError) as caught:
        await session.read(TAGS)

    assert caught.value.partial == PartialBulk((), range(2 * PART), range(2 * PART, 3 * PART))
    assert all(value.ok for value in await session.read([TAG]))


async def test_after_a_refusal_the_part_ahead_is_in_doubt_and_no_other_is_sent(
    gateway: SimulatedGateway, session: Session
) -> None:
    def refuse_the_second(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        gateway.fail_next("Invoke.ReadBulk", Status.RESOURCE_EXHAUSTED, "too much")
        return reply

    gateway.reply_override("Invoke.ReadBulk", refuse_the_second)
    with pytest.raises(MxGatewaySessionError, match="too much") as caught:
        await session.read([*TAGS, *TAGS[:PART]])

    partial = caught.value.partial
    assert partial is not None
    done = len(partial.results)
    assert done in (PART, 2 * PART), "the second or the third part was refused: one of them was at the gateway already"
    assert [value.tag for value in partial.results if isinstance(value, TagValue)] == TAGS[:done]
    assert (partial.in_doubt, partial.not_sent) == (range(done, done + 2 * PART), range(done + 2 * PART, 4 * PART))
    assert len(reads(gateway)) == done // PART + 2


async def test_the_bound_is_that_of_all_parts_together(gateway: SimulatedGateway, session: Session) -> None:
    def hold_the_second(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        gateway.hold_commands()
        return reply

    await session.read([TAG])
    gateway.reply_override("Invoke.ReadBulk", hold_the_second)
    try:
        with pytest.raises(MxGatewayTimeoutError) as caught:
            await session.read(TAGS, timeout=2)
    finally:
        gateway.release_commands()

    partial = caught.value.partial
    assert partial is not None
    assert len(partial.results) in (PART, 2 * PART)
    assert partial.in_doubt == range(len(partial.results), 3 * PART)
