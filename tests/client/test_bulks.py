"""Bulk calls of any length: split, in order, one result for each entry, and a failure in the middle told exactly."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
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
    Timestamp,
    bulk_parts,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.tracing import CallInfo
from mxgateway.wire import encode
from tests.client.command_rows import BULKS as KINDS_OF_BULKS
from tests.client.command_rows import E_INVALIDARG, NOON, OPERATOR, title
from tests.client.support import TAG, advised, commands, connect, opened, until
from tests.peers.bad_ends import goaway, goaway_then_hang_up, goaway_unseen
from tests.peers.http2_peer import Http2Peer, Request
from tests.peers.http2_server import Http2Server, Script
from tests.peers.scripts import hang_up, in_turn, on_request, reply, reset_connection, step

PART = 10
"""Entries of one call in most of these tests, where the library's own thousand would only take longer."""
COUNT = 25
TAGS = [TAG if i == 15 else f"Nowhere.Tag{i}" for i in range(2_500)]
EVERY = 4
"""Every so many entries, from the first one on, one fails."""


@dataclass
class Plant:
    """A session with an advised item for each of so many tags."""

    gateway: SimulatedGateway
    session: Session
    server: int
    items: list[int]
    user: int

    @property
    def some_blank(self) -> list[str]:
        """The tags, with some among them that are none."""
        return [" " if i % EVERY == 0 else tag for i, tag in enumerate(TAGS[: len(self.items)])]

    @property
    def some_unknown(self) -> list[int]:
        """The items, with handles among them that were never given out."""
        return [10**6 + i if i % EVERY == 0 else handle for i, handle in enumerate(self.items)]

    @property
    def values(self) -> list[int]:
        """A value for each."""
        return [number % 7 for number in range(len(self.items))]


async def built(gateway: SimulatedGateway, session: Session, count: int) -> Plant:
    server = await session.register("tests")
    user = await session.authenticate_user(server, OPERATOR.name, OPERATOR.password)
    items = [result.item_handle for result in await session.subscribe_bulk(server, TAGS[:count])]
    gateway.received.clear()
    return Plant(gateway, session, server, items, user)


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_parts, "PART_LIMIT", PART)


@pytest.fixture
async def plant(gateway: SimulatedGateway, session: Session, short_parts: None) -> Plant:
    return await built(gateway, session, COUNT)


# -- calls, order, results

BULKS: dict[str, Callable[[Plant], Awaitable[list[Any]]]] = {
    "ADD_ITEM_BULK": lambda p: p.session.add_item_bulk(p.server, p.some_blank),
    "SUBSCRIBE_BULK": lambda p: p.session.subscribe_bulk(p.server, iter(p.some_blank)),
    "READ_BULK": lambda p: p.session.read_bulk(p.server, p.some_blank, timeout_ms=50),
    "ADVISE_ITEM_BULK": lambda p: p.session.advise_item_bulk(p.server, p.some_unknown),
    "UN_ADVISE_ITEM_BULK": lambda p: p.session.unadvise_item_bulk(p.server, iter(p.some_unknown)),
    "REMOVE_ITEM_BULK": lambda p: p.session.remove_item_bulk(p.server, p.some_unknown),
    "UNSUBSCRIBE_BULK": lambda p: p.session.unsubscribe_bulk(p.server, p.some_unknown),
    "WRITE_BULK": lambda p: p.session.write_bulk(p.server, p.some_unknown, p.values, user_id=range(len(p.items))),
    "WRITE2_BULK": lambda p: p.session.write2_bulk(p.server, p.some_unknown, iter(p.values), [NOON] * len(p.items)),
    "WRITE_SECURED_BULK": lambda p: p.session.write_secured_bulk(
        p.server, p.some_unknown, p.values, current_user_id=p.user
    ),
    "WRITE_SECURED2_BULK": lambda p: p.session.write_secured2_bulk(
        p.server, p.some_unknown, p.values, NOON, current_user_id=[p.user] * len(p.items), verifier_user_id=p.user
    ),
}


def test_every_bulk_of_the_contract_is_here() -> None:
    assert set(BULKS) == set(KINDS_OF_BULKS)


def entries(request: proto.MxCommandRequest) -> list[Any]:
    """Return the entries of one call: tags, handles, or writes."""
    body = getattr(request.command, str(request.command.kind.name).lower())
    for name in ("tag_addresses", "item_handles", "entries"):
        if hasattr(body, name):
            return list(getattr(body, name))
    raise AssertionError("no bulk")


@pytest.mark.parametrize("kind", ["ADD_ITEM_BULK", "ADVISE_ITEM_BULK", "WRITE_SECURED2_BULK"])
async def test_2500_entries_are_three_calls(gateway: SimulatedGateway, session: Session, kind: str) -> None:
    await check_split(await built(gateway, session, 2_500), kind, [1_000, 1_000, 500])


@pytest.mark.parametrize("kind", BULKS)
async def test_every_bulk_is_split_in_order_with_one_result_for_each_entry(plant: Plant, kind: str) -> None:
    await check_split(plant, kind, [10, 10, 5])


async def check_split(plant: Plant, kind: str, lengths: list[int]) -> None:
    results = await BULKS[kind](plant)

    requests = commands(plant.gateway)
    assert [request.command.kind.name for request in requests] == [kind] * len(lengths)
    assert [len(entries(request)) for request in requests] == lengths
    assert len({request.client_correlation_id for request in requests}) == 1
    sent = [entry for request in requests for entry in entries(request)]
    if kind in BY_TAG:
        assert sent == plant.some_blank
        assert [result.tag_address for result in results] == plant.some_blank
    elif "WRITE" not in kind:
        assert sent == plant.some_unknown
    else:
        assert [entry.item_handle for entry in sent] == plant.some_unknown
        assert [entry.value.int32_value for entry in sent] == plant.values
    check_results(plant, kind, results)


BY_TAG = ("ADD_ITEM_BULK", "SUBSCRIBE_BULK", "READ_BULK")


def check_results(plant: Plant, kind: str, results: list[Any]) -> None:
    """What fails has failed at its own index, and nothing else has."""
    failed = [index for index in range(len(plant.items)) if index % EVERY == 0]
    assert len(results) == len(plant.items)
    if (
        kind == "READ_BULK"
    ):  # of a tag that the galaxy does not know that much can be told, and of what is no tag nothing
        assert [i for i, result in enumerate(results) if not result.statuses] == failed
        return
    assert [i for i, result in enumerate(results) if not result.was_successful] == failed
    assert all(results[i].item_handle == 0 and results[i].error_message for i in failed)
    if kind not in BY_TAG:
        assert [result.item_handle for result in results] == [
            0 if i % EVERY == 0 else handle for i, handle in enumerate(plant.items)
        ]
    if "WRITE" in kind:
        assert {results[i].hresult for i in failed} == {E_INVALIDARG}


async def test_users_and_times_stay_with_their_entries(plant: Plant) -> None:
    users = [number % 5 + 1 for number in range(COUNT)]
    times = [Timestamp.from_parts(1_700_000_000 + number, 100) for number in range(COUNT)]
    await plant.session.write_secured2_bulk(
        plant.server, plant.items, plant.values, times, current_user_id=users, verifier_user_id=reversed(users)
    )

    sent = [entry for request in commands(plant.gateway) for entry in entries(request)]
    assert [entry.current_user_id for entry in sent] == users
    assert [entry.verifier_user_id for entry in sent] == users[::-1]
    assert [entry.timestamp_value.timestamp_value for entry in sent] == times


async def test_a_thousand_entries_are_one_call_and_one_more_are_two(
    gateway: SimulatedGateway, session: Session
) -> None:
    for count in (1_000, 1_001):
        await session.advise_item_bulk(1, range(1, count + 1))

    assert [len(entries(request)) for request in commands(gateway)] == [1_000, 1_000, 1]


async def test_one_call_after_another_takes_one_place_among_the_pending_commands(short_parts: None) -> None:
    async with opened(SimulatorOptions(pending_command_limit=1)) as (gateway, session):
        server = await session.register("tests")
        assert len(await session.add_item_bulk(server, TAGS[:COUNT])) == COUNT
        assert len(commands(gateway)) == 4


# -- heavy in bytes

LIMIT = 20_000


@pytest.fixture
async def narrow(gateway: SimulatedGateway) -> AsyncIterator[Session]:
    """A session of a client that may send little at once."""
    async with connect(gateway, max_send_bytes=LIMIT) as client, client.open_session() as session:
        yield session


def check_parts(gateway: SimulatedGateway, expected: list[Any], size: Callable[[Any], int]) -> list[list[Any]]:
    """Every call is within the limit, none could have taken the next one's first entry, and all entries come in order."""
    requests = commands(gateway)
    parts = [entries(request) for request in requests]
    assert [entry for part in parts for entry in part] == expected
    assert max(len(encode(request)) for request in requests) <= LIMIT
    for request, (_, following) in zip(requests, pairwise(parts), strict=False):
        assert len(encode(request)) + size(following[0]) > LIMIT * 0.75
    return parts


async def test_long_tags_are_split_by_the_message_limit(gateway: SimulatedGateway, narrow: Session) -> None:
    tags = [character * (500 + 37 * (i % 60)) for i, character in enumerate("aé→😀" * 20)]
    results = await narrow.add_item_bulk(await narrow.register("tests"), tags)
    gateway.received.popleft()
    while commands(gateway)[0].command.kind.name != "ADD_ITEM_BULK":
        gateway.received.popleft()

    assert [result.tag_address for result in results] == tags
    parts = check_parts(gateway, tags, lambda tag: len(tag.encode()))
    assert len(parts) > 5
    assert len({len(part) for part in parts}) > 1


async def test_large_values_are_split_by_the_message_limit(gateway: SimulatedGateway, narrow: Session) -> None:
    values: list[Any] = [
        value
        for i in range(10, 40)
        for value in ("x" * (i * 500), list(range(i * 40 + 1)), bytes(i * 300), i, None, ["é" * i] * 20)
    ]
    results = await narrow.write_bulk(1, range(1, len(values) + 1), values)

    written = [entry for request in commands(gateway) for entry in entries(request)]
    assert [entry.item_handle for entry in written] == [*range(1, len(values) + 1)]
    assert len(results) == len(values)
    assert len(check_parts(gateway, written, lambda entry: len(encode(entry)))) > 10


async def test_an_entry_above_the_limit_is_refused_wherever_it_stands(
    gateway: SimulatedGateway, narrow: Session
) -> None:
    for index in (0, 1, 1_500):
        values: list[Any] = [5] * 1_501
        values[index] = "x" * LIMIT
        with pytest.raises(
            MxGatewayInvalidRequestError, match=rf"^values\[{index}\] takes 20\d+ bytes, but one"
        ) as caught:
            await narrow.write_bulk(1, range(1, 1_502), values)
        assert caught.value.partial is None
    assert not commands(gateway)


async def test_long_ids_leave_room_for_fewer_entries(gateway: SimulatedGateway) -> None:
    tags = ["x" * 500] * 20
    async with connect(gateway, max_send_bytes=5_000) as client:
        session = client.attach_session("s" * 3_000)
        with pytest.raises(MxGatewaySessionError) as caught:
            await session.add_item_bulk(1, tags, correlation_id="c" * 1_000)

    (request,) = commands(gateway)
    assert caught.value.grpc_status is not None
    assert len(encode(request)) <= 5_000
    assert len(entries(request)) == 1


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
    for part, what in ((in_doubt, "may have been carried out"), (not_sent, "were surely not carried out")):
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
    assert (len(partial.results), partial.in_doubt, partial.not_sent) == (PART, NONE, REST)


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
    when_answered(plant.gateway, "WRITE_BULK", plant.gateway.hold_commands)
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
        with pytest.raises(
            MxGatewaySessionError, match=r"2 pending commands.*of 25 entries 25 were surely not"
        ) as caught:
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
    """Answer the first call, and say of the second one that it was not looked at."""
    yield on_request(reply(ANSWERED))
    yield on_request(goaway_unseen(), hang_up())


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
    assert sum(len(peer.requests) for peer in server.peers) == (1 if cut is cut_before else 2)


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
