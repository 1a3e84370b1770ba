"""Bulk calls of any length: split, in order, one result for each entry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import pytest

from mxgateway import MxGatewayInvalidRequestError, MxGatewaySessionError, Session, Timestamp
from mxgateway.commands.bulk import chunks as bulk_parts
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.wire import encode
from tests.client.bulk_plants import BULKS, COUNT, EVERY, PART, TAGS, Plant, built, entries
from tests.client.command_rows import BULKS as KINDS_OF_BULKS
from tests.client.command_stage import E_INVALIDARG
from tests.client.support import commands, connect, opened


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_parts, "CHUNK_LIMIT", PART)


@pytest.fixture
async def plant(gateway: SimulatedGateway, session: Session, short_parts: None) -> Plant:
    return await built(gateway, session, COUNT)


# -- calls, order, results


def test_every_bulk_of_the_contract_is_here() -> None:
    assert set(BULKS) == set(KINDS_OF_BULKS)


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
            MxGatewayInvalidRequestError, match=rf"^values\[{index}\] takes 20\d+ bytes, but a message may have"
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
