"""A bulk call that fails in the middle tells exactly which entries were answered, which are in doubt, and which were not carried out."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    MxAccessError,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayMalformedReplyError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    MxGatewayWorkerError,
    PartialBulk,
    Session,
    proto,
)
from mxgateway.calling.time_budget import Budget
from mxgateway.commands.bulk import chunks as bulk_parts
from mxgateway.options.tracing import CallInfo
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.wire import encode
from tests.client.bulk_plants import BULKS, COUNT, PART, TAGS, Plant, built
from tests.client.command_rows import title
from tests.client.command_stage import E_INVALIDARG
from tests.client.support import TAG, advised, commands, connect, in_words, opened, until, written
from tests.peers.http2.http2_peer import Http2Peer, Request
from tests.peers.http2.http2_server import Http2Server, Script
from tests.peers.http2.scripts import hang_up, in_turn, on_request, reply, reset_connection, step
from tests.peers.misbehaving.bad_ends import goaway, goaway_then_hang_up, goaway_unseen, refuse_stream


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_parts, "CHUNK_LIMIT", PART)


@pytest.fixture
async def plant(gateway: SimulatedGateway, session: Session, short_parts: None) -> Plant:
    return await built(gateway, session, COUNT)


# -- a call in the middle fails


def when_answered(gateway: SimulatedGateway, kind: str, act: Callable[[], object]) -> None:
    """Do something when the next call of a kind is answered."""

    def replace(answer: proto.MxCommandReply) -> proto.MxCommandReply:
        act()
        return answer

    gateway.reply_override(title(kind), replace)


REFUSED: dict[Status, type[MxGatewayError]] = {
    Status.RESOURCE_EXHAUSTED: MxGatewaySessionError,
    Status.UNAUTHENTICATED: MxGatewayAuthenticationError,
    Status.PERMISSION_DENIED: MxGatewayAuthorizationError,
    Status.FAILED_PRECONDITION: MxGatewaySessionError,
    Status.NOT_FOUND: MxGatewaySessionError,
    Status.INVALID_ARGUMENT: MxGatewayInvalidRequestError,
}
"""What a gateway says of a command that it has not begun."""
LOST: dict[Status, type[MxGatewayError]] = {
    Status.UNAVAILABLE: MxGatewayWorkerError,
    Status.DEADLINE_EXCEEDED: MxGatewayTimeoutError,
    Status.INTERNAL: MxGatewayTransportError,
    Status.UNKNOWN: MxGatewayTransportError,
    Status.CANCELLED: MxGatewayTransportError,
}
"""What a gateway may say of a command that it has begun."""


def check_partial(plant: Plant, error: MxGatewayError, *, in_doubt: range, not_sent: range, calls: int = 2) -> None:
    """The entries of the first call were answered; the rest is told as it is, also in the text."""
    partial = error.partial
    assert isinstance(partial, PartialBulk)
    assert [result.item_handle for result in partial.results] == plant.items[:PART]
    assert (partial.in_doubt, partial.not_sent) == (in_doubt, not_sent)
    text = str(error)
    assert "\n" not in text
    assert f"of {COUNT} entries {PART} were answered" in text
    for part, what in ((in_doubt, "may have been carried out"), (not_sent, "were not carried out")):
        told = f"{len(part)} {what} ({part.start} to {part.stop - 1})"
        assert (told in text) is bool(part)
        assert (what in text) is bool(part)
    assert len(commands(plant.gateway)) == calls
    again = pickle.loads(pickle.dumps(error))
    assert (again.partial, str(again)) == (partial, text)


SECOND, THIRD = range(PART, 2 * PART), range(2 * PART, COUNT)
REST = range(SECOND.start, COUNT)
NONE = range(SECOND.start, SECOND.start)


async def failing_write(plant: Plant, error: type[MxGatewayError], **keywords: Any) -> MxGatewayError:
    with pytest.raises(error) as caught:
        await plant.session.write_bulk(plant.server, plant.items, plant.values, **keywords)
    assert type(caught.value) is error
    return caught.value


@pytest.mark.parametrize("status", REFUSED, ids=lambda status: status.name)
async def test_what_the_gateway_has_refused_was_surely_not_carried_out(plant: Plant, status: Status) -> None:
    when_answered(plant.gateway, "WRITE_BULK", lambda: plant.gateway.fail_next("Invoke.WriteBulk", status, "not now"))
    error = await failing_write(plant, REFUSED[status])

    check_partial(plant, error, in_doubt=NONE, not_sent=REST)
    assert error.message.startswith(f"{status.name} from")
    event = await plant.session.write_confirmed(plant.server, plant.items[15], 1, timeout=10)
    assert event.item_handle == plant.items[15]


@pytest.mark.parametrize("status", LOST, ids=lambda status: status.name)
async def test_what_the_gateway_has_lost_is_in_doubt(plant: Plant, status: Status) -> None:
    when_answered(plant.gateway, "WRITE_BULK", lambda: plant.gateway.fail_next("Invoke.WriteBulk", status, "lost"))
    error = await failing_write(plant, LOST[status])

    check_partial(plant, error, in_doubt=SECOND, not_sent=THIRD)


@pytest.mark.parametrize("kind", BULKS)
async def test_every_bulk_tells_how_far_it_came(plant: Plant, kind: str) -> None:
    name = title(kind)
    when_answered(plant.gateway, kind, lambda: plant.gateway.fail_next(name, Status.RESOURCE_EXHAUSTED))
    with pytest.raises(MxGatewaySessionError) as caught:
        await BULKS[kind](plant)

    partial = caught.value.partial
    assert partial is not None
    # Of a read the next part is on its way already, which does no harm.
    sent, not_sent = (REST, range(COUNT, COUNT)) if kind == "READ_BULK" else (NONE, REST)
    assert (len(partial.results), partial.in_doubt, partial.not_sent) == (PART, sent, not_sent)


async def test_what_mxaccess_has_refused_altogether_was_surely_not_carried_out(plant: Plant) -> None:
    failure = proto.ProtocolStatus(code=proto.ProtocolStatusCode.MXACCESS_FAILURE)
    refusal = proto.MxCommandReply(protocol_status=failure, hresult=E_INVALIDARG)
    when_answered(
        plant.gateway, "WRITE_BULK", lambda: plant.gateway.reply_override("Invoke.WriteBulk", lambda _: refusal)
    )
    error = await failing_write(plant, MxAccessError)

    check_partial(plant, error, in_doubt=NONE, not_sent=REST)


@pytest.mark.parametrize("results", [None, 0, PART - 1, PART + 1])
async def test_a_malformed_reply_leaves_its_entries_in_doubt(plant: Plant, results: int | None) -> None:
    ok = proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK)
    answer = proto.MxCommandReply(protocol_status=ok)
    if results is not None:
        answer.write_bulk = proto.BulkWriteReply(results=[proto.BulkWriteResult()] * results)
    when_answered(
        plant.gateway, "WRITE_BULK", lambda: plant.gateway.reply_override("Invoke.WriteBulk", lambda _: answer)
    )
    error = await failing_write(plant, MxGatewayMalformedReplyError)

    check_partial(plant, error, in_doubt=SECOND, not_sent=THIRD)


async def test_the_bound_is_that_of_all_calls_together(plant: Plant) -> None:
    def hold_the_next() -> None:
        time.sleep(0.01)  # so that the bound has become another one, also where a call takes less than its unit
        plant.gateway.hold_commands()

    when_answered(plant.gateway, "WRITE_BULK", hold_the_next)
    error = await failing_write(plant, MxGatewayTimeoutError, timeout=0.4)
    plant.gateway.release_commands()

    check_partial(plant, error, in_doubt=SECOND, not_sent=THIRD)
    bounds = [call.header("grpc-timeout") for call in plant.gateway.received if call.method == "Invoke"]
    assert all(bounds)
    assert bounds[0] != bounds[1]


class Dawdler:
    """Lets time pass when a bulk write was answered, before anybody can go on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.writing = False

    def call_started(self, call: CallInfo) -> Dawdler:
        return self

    def message_sent(self, size: int) -> None:
        self.writing = size > 150

    def messages_received(self, count: int) -> None:
        if self.writing:
            time.sleep(self.seconds)

    def retrying(self, error: MxGatewayError, delay: float) -> None: ...

    def ended(self, error: MxGatewayError | None, *, cancelled: bool) -> None: ...


async def test_when_the_bound_is_over_before_the_next_call_it_is_not_made(
    gateway: SimulatedGateway, short_parts: None
) -> None:
    async with connect(gateway, tracer=Dawdler(1.0)) as client, client.open_session() as session:
        with pytest.raises(MxGatewayTimeoutError, match=r"within 1 s") as caught:
            await session.write_bulk(1, range(1, COUNT + 1), [5] * COUNT, timeout=1)

    assert caught.value.partial is not None
    assert (caught.value.partial.in_doubt, caught.value.partial.not_sent) == (NONE, REST)
    assert len(commands(gateway)) == 1


async def test_a_pending_command_limit_refuses_the_whole_call(short_parts: None) -> None:
    async with opened(SimulatorOptions(pending_command_limit=2)) as (gateway, session):
        gateway.hold_commands()
        pings = [asyncio.create_task(session.ping()) for _ in range(2)]
        await until(lambda: len(commands(gateway)) == 2)
        with pytest.raises(MxGatewaySessionError, match=r"2 pending commands.*of 25 entries 25 were not") as caught:
            await session.add_item_bulk(1, TAGS[:COUNT])
        gateway.release_commands()
        await asyncio.gather(*pings)

    assert caught.value.partial == PartialBulk((), range(0), range(COUNT))
    assert caught.value.retryable


async def test_a_bulk_of_one_call_tells_what_became_of_it_as_well(gateway: SimulatedGateway, session: Session) -> None:
    gateway.fail_next("Invoke.AddItemBulk", Status.INTERNAL, "lost")
    with pytest.raises(MxGatewayTransportError, match=r"of 1 entries 1 may have been carried out \(0\)") as caught:
        await session.add_item_bulk(1, ["A.B"])

    assert caught.value.partial == PartialBulk((), range(1), range(1, 1))


async def test_a_caller_that_is_cancelled_in_the_middle_makes_no_further_call(plant: Plant) -> None:
    when_answered(plant.gateway, "WRITE_BULK", plant.gateway.hold_commands)
    writing = asyncio.create_task(plant.session.write_bulk(plant.server, plant.items, plant.values))
    await until(lambda: len(commands(plant.gateway)) == 2)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    plant.gateway.release_commands()
    event = await plant.session.write_confirmed(plant.server, plant.items[15], 1, timeout=10)

    assert event.item_handle == plant.items[15]
    assert [request.command.kind.name for request in commands(plant.gateway)] == ["WRITE_BULK"] * 2 + ["WRITE"]


# -- the connection is cut

ANSWERED = encode(
    proto.MxCommandReply(
        protocol_status=proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK),
        add_item_bulk=proto.BulkSubscribeReply(
            results=[proto.SubscribeResult(item_handle=i + 1, was_successful=True) for i in range(PART)]
        ),
    )
)


@step
async def last_connection(peer: Http2Peer, request: Request, servers: list[Http2Server]) -> None:
    """Accept no more connections."""
    assert servers[0]._server is not None
    servers[0]._server.close()


def cut_before(servers: list[Http2Server]) -> Iterator[Script]:
    """Answer the first call as the last one of the connection, and let no other be made."""
    yield on_request(last_connection(servers), goaway(), reply(ANSWERED))


def cut_unseen(servers: list[Http2Server]) -> Iterator[Script]:
    """Answer the first call, say of the second one that it was not looked at, and let it not be made again."""
    yield on_request(reply(ANSWERED))
    yield on_request(last_connection(servers), goaway_unseen(), hang_up())


def cut_refused(servers: list[Http2Server]) -> Iterator[Script]:
    """Answer the first call, and refuse the second one, and again."""
    yield on_request(reply(ANSWERED))
    yield on_request(refuse_stream())
    yield on_request(refuse_stream())


def cut_refused_and_sent_again(servers: list[Http2Server]) -> Iterator[Script]:
    """Answer the first call, refuse the second one, and cut the connection when it comes again."""
    yield on_request(reply(ANSWERED))
    yield on_request(refuse_stream())
    yield on_request(reset_connection())


def cut_afterwards(servers: list[Http2Server]) -> Iterator[Script]:
    """Answer the first call, and cut the connection under the second one."""
    yield on_request(reply(ANSWERED))
    yield on_request(reset_connection())


def cut_promised(servers: list[Http2Server]) -> Iterator[Script]:
    """Answer the first call, and hang up on the second one after having promised to carry it out."""
    yield on_request(reply(ANSWERED))
    yield on_request(goaway_then_hang_up())


@pytest.mark.parametrize(
    ("cut", "in_doubt", "not_sent"),
    [
        (cut_before, NONE, REST),
        (cut_unseen, NONE, REST),
        (cut_refused, NONE, REST),
        (cut_refused_and_sent_again, SECOND, THIRD),
        (cut_afterwards, SECOND, THIRD),
        (cut_promised, SECOND, THIRD),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
async def test_a_connection_that_is_cut_leaves_in_doubt_what_was_sent_on_it(
    cut: Callable[[list[Http2Server]], Iterator[Script]], in_doubt: range, not_sent: range, short_parts: None
) -> None:
    servers: list[Http2Server] = []
    server = Http2Server(in_turn(*cut(servers)), credits=True)
    servers.append(server)
    async with server, GatewayClient.connect(server.endpoint, plaintext=True, connect_timeout=5) as client:
        session = client.attach_session("session-1")
        with pytest.raises(MxGatewayTransportError) as caught:
            await session.add_item_bulk(1, TAGS[:COUNT])

    partial = caught.value.partial
    assert partial is not None
    assert [result.item_handle for result in partial.results] == [*range(1, PART + 1)]
    assert (partial.in_doubt, partial.not_sent) == (in_doubt, not_sent)
    counts: dict[Callable[..., Any], int] = {cut_before: 1, cut_refused: 3, cut_refused_and_sent_again: 3}
    assert sum(len(peer.requests) for peer in server.peers) == counts.get(cut, 2)


async def test_an_item_of_a_part_that_was_answered_is_known(
    gateway: SimulatedGateway, session: Session, short_parts: None
) -> None:
    """The results in `partial` are real: their handles can be used."""
    item = await advised(session)
    when_answered(gateway, "SUBSCRIBE_BULK", lambda: gateway.fail_next("Invoke.SubscribeBulk", Status.INTERNAL))
    with pytest.raises(MxGatewayTransportError) as caught:
        await session.subscribe_bulk(item.server, TAGS[:COUNT])

    assert caught.value.partial is not None
    handles = [result.item_handle for result in caught.value.partial.results]
    removed = await session.unsubscribe_bulk(item.server, handles)
    assert [result.item_handle for result in removed] == handles


async def test_tags_for_whose_write_no_time_is_left_were_not_written_and_the_error_says_so(
    gateway: SimulatedGateway, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = session._lease

    async def slow(tags: list[str], budget: Budget) -> Any:
        leased = await lease(tags, budget)
        await asyncio.sleep(0.3)
        return leased

    monkeypatch.setattr(session, "_lease", slow)
    with pytest.raises(MxGatewayTimeoutError) as caught:
        await session.write_tags({TAG: 1}, data_type=proto.MxDataType.INTEGER, timeout=0.3)
    assert caught.value.partial == PartialBulk((), range(0), range(1))
    assert in_words(caught.value, "the next call was not sent within 0.3 s", "of 1 entries 1 were not carried out")
    assert not written(gateway)
