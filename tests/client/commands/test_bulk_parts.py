"""How entries become calls: all of them, in order, within the limits, in as few calls as that takes; and no size is underestimated."""

from __future__ import annotations

import asyncio
import math
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import MxGatewayInvalidRequestError, Timestamp, proto, to_mx_value
from mxgateway.calling.requests import wrap
from mxgateway.commands.bulk.chunks import (
    CHUNK_LIMIT,
    HANDLE_WEIGHT,
    Prefetch,
    chunks,
    for_each,
    frame_weight,
    text_weight,
    write_weight,
)
from mxgateway.values import to_mx_sparse_array, write_values
from mxgateway.values.write_values import check_value, message_of
from mxgateway.wire import decode, encode
from tests.client.support import until
from tests.rows import each_row
from tests.wire import compiling
from tests.wire.messages import google_messages
from tests.wire.profiles import bounded

# -- parts

FRAME = 100


def place(index: int) -> str:
    return f"values[{index}]"


@given(
    st.lists(st.tuples(st.integers(1, 900), st.integers(1, 700)), min_size=1, max_size=12),
    st.integers(1_000, 100_000),
)
@bounded(150)
def test_parts_hold_all_entries_in_order_within_the_limits_and_are_as_few_as_can_be(
    runs: list[tuple[int, int]], limit: int
) -> None:
    weights = [weight for weight, count in runs for _ in range(count)]
    found = chunks(weights, limit, FRAME, place)

    assert [index for part in found for index in part] == list(range(len(weights)))
    for part in found:
        assert 0 < len(part) <= CHUNK_LIMIT
        assert FRAME + sum(weights[index] for index in part) <= limit
    for part, following in pairwise(found):
        load = sum(weights[index] for index in part)
        assert len(part) == CHUNK_LIMIT or FRAME + load + weights[following.start] > limit
    assert len(found) == fewest(weights, limit - FRAME)


def fewest(weights: list[int], room: int) -> int:
    """Return how many parts it takes, by filling them from the end: another way, which comes to the same number."""
    count = 1
    length = used = 0
    for weight in reversed(weights):
        if length == CHUNK_LIMIT or used + weight > room:
            count, length, used = count + 1, 0, 0
        length, used = length + 1, used + weight
    return count


@each_row(("count", "expected"), [(1, 1), (999, 1), (1_000, 1), (1_001, 2), (2_000, 2), (2_500, 3)])
def test_a_part_has_a_thousand_entries_at_most(count: int, expected: int) -> None:
    assert len(chunks([1] * count, 10**6, FRAME, place)) == expected


def test_an_entry_that_just_fits_is_a_part_and_one_that_does_not_is_refused_by_its_place() -> None:
    assert chunks([900, 900, 900], 1_000, FRAME, place) == [range(1), range(1, 2), range(2, 3)]
    with pytest.raises(
        MxGatewayInvalidRequestError, match=r"^values\[2\] takes 901 bytes, but a message may have 1000,"
    ):
        chunks([900, 900, 901], 1_000, FRAME, place)


async def test_for_each_gives_others_their_turn() -> None:
    assert await for_each("abc", lambda index, letter: f"{index}{letter}") == ["0a", "1b", "2c"]


# -- weights

HANDLES = st.sampled_from([1, 127, 128, 2**31 - 1])
USERS = st.sampled_from([0, 1, -1, -(2**31), 2**31 - 1])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(["", "x" * 300, "→" * 300])
MOMENTS = st.sampled_from(
    [
        Timestamp.from_parts(-11_644_473_600, 0),
        Timestamp.from_parts(-1, 999_999_900),
        Timestamp.from_parts(253_402_300_799, 999_999_900),
        datetime(2024, 1, 1, tzinfo=UTC),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]),
    st.sampled_from([0.0, -0.0, 0.1, 1e308, math.pi]),
    TEXTS.filter(lambda text: "\0" not in text),
    MOMENTS,
    st.just(timedelta(days=5)),
    st.binary(max_size=300),
)
ARRAYS = st.one_of(
    st.lists(st.booleans(), min_size=1, max_size=40),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40),
    st.lists(st.sampled_from(["", "é" * 20, "x"]), min_size=1, max_size=40),
    st.lists(MOMENTS, min_size=1, max_size=40),
    st.lists(st.binary(max_size=20), min_size=1, max_size=10),
)
SPARSE = st.dictionaries(st.integers(0, 2**31), st.integers(-(2**31), 2**31 - 1), max_size=20).map(
    lambda slots: to_mx_sparse_array(proto.MxDataType.INTEGER, 2**32 - 1, slots)
)
GOOGLE_VALUE = compiling.Google(FileDescriptorSet.FromString(compiling.CONTRACT.read_bytes()))(
    "mxaccess_gateway.v1.MxValue"
)


@st.composite
def ready_made(draw: st.DrawFn) -> proto.MxValue:
    """Any message at all, with fields that a newer gateway may have added."""
    data = draw(google_messages(GOOGLE_VALUE, depth=2)).SerializeToString()
    unknown = draw(st.sampled_from([b"", b"\xfa\x07\x03abc", b"\xfa\x07\xc8\x01" + b"x" * 200]))
    return decode(proto.MxValue, data + unknown)


WRITTEN = st.one_of(st.one_of(SCALARS, ARRAYS, SPARSE).map(to_mx_value), ready_made())
IDS = st.sampled_from(["", "session-0123456789abcdef0123456789abcdef", "é" * 500, "x" * 1_000])


def check_size(ids: tuple[str, str], body: Any, weights: list[int]) -> None:
    """The whole request is no larger than what was reckoned for it."""
    request = proto.MxCommandRequest(*ids, wrap(body))
    assert len(encode(request)) <= frame_weight(*ids) + sum(weights)


@given(
    st.tuples(IDS, IDS), HANDLES, st.lists(st.tuples(HANDLES, WRITTEN, USERS, USERS, MOMENTS), min_size=1, max_size=5)
)
@bounded(200)
def test_the_weight_of_a_write_is_never_too_small(
    ids: tuple[str, str], server: int, rows: list[tuple[int, proto.MxValue, int, int, datetime]]
) -> None:
    weights = [write_weight(value) for _, value, _, _, _ in rows]
    times = [to_mx_value(moment) for *_, moment in rows]
    plain = [proto.WriteBulkEntry(handle, value, user) for handle, value, user, _, _ in rows]
    timed = [
        proto.Write2BulkEntry(handle, value, time, user)
        for (handle, value, user, _, _), time in zip(rows, times, strict=True)
    ]
    secured = [proto.WriteSecuredBulkEntry(handle, user, other, value) for handle, value, user, other, _ in rows]
    both = [
        proto.WriteSecured2BulkEntry(handle, user, other, value, time)
        for (handle, value, user, other, _), time in zip(rows, times, strict=True)
    ]
    for body in (
        proto.WriteBulkCommand(server, plain),
        proto.Write2BulkCommand(server, timed),
        proto.WriteSecuredBulkCommand(server, secured),
        proto.WriteSecured2BulkCommand(server, both),
    ):
        check_size(ids, body, weights)


TAG_BULKS = (proto.AddItemBulkCommand, proto.SubscribeBulkCommand, proto.ReadBulkCommand)
HANDLE_BULKS = (
    proto.AdviseItemBulkCommand,
    proto.UnAdviseItemBulkCommand,
    proto.RemoveItemBulkCommand,
    proto.UnsubscribeBulkCommand,
)


@given(st.tuples(IDS, IDS), HANDLES, st.lists(TEXTS, min_size=1, max_size=20))
@bounded(50)
def test_the_weight_of_a_tag_is_never_too_small(ids: tuple[str, str], server: int, tags: list[str]) -> None:
    for kind in TAG_BULKS:
        check_size(ids, kind(server, tags), [text_weight(tag) for tag in tags])
    check_size(ids, proto.ReadBulkCommand(server, tags, 2**32 - 1), [text_weight(tag) for tag in tags])


@given(st.tuples(IDS, IDS), HANDLES, st.lists(HANDLES, min_size=1, max_size=20))
@bounded(50)
def test_the_weight_of_a_handle_is_never_too_small(ids: tuple[str, str], server: int, handles: list[int]) -> None:
    for kind in HANDLE_BULKS:
        check_size(ids, kind(server, handles), [HANDLE_WEIGHT] * len(handles))


def test_the_bulks_whose_weights_are_tested_are_all_that_there_are() -> None:
    tested = {kind.__name__ for kind in (*TAG_BULKS, *HANDLE_BULKS)}
    tested |= {f"Write{kind}BulkCommand" for kind in ("", "2", "Secured", "Secured2")}
    assert tested == {name for name in vars(proto) if re.fullmatch(r"\w+BulkCommand", name)}


@pytest.mark.parametrize("value", [5, True, 2.5, None, datetime(2024, 1, 1, tzinfo=UTC)])
def test_a_scalar_is_not_encoded_to_be_weighed(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    message = to_mx_value(value)
    monkeypatch.setattr(write_values, "encode", pytest.fail)
    assert write_weight(message) < 256


@each_row(
    "message",
    [
        proto.MxValue(variant_type="→" * 16, int32_value=1),
        proto.MxValue(variant_type="V" * 500, int32_value=1),
        proto.MxValue(raw_diagnostic="why" * 500, bool_value=True),
        decode(proto.MxValue, b"\xfa\x07\xc8\x01" + b"x" * 200),
    ],
)
def test_what_makes_a_scalar_large_counts(message: proto.MxValue) -> None:
    assert write_weight(message) >= len(encode(message)) + 100


@given(
    st.one_of(
        st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.binary(max_size=300),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300),
        st.datetimes(datetime(1601, 1, 1), timezones=st.just(UTC)), st.timedeltas(), st.none(), st.lists(st.integers(-9, 9), min_size=1, max_size=50),
    )
)  # fmt: skip
@bounded(150)
def test_a_value_that_is_no_message_yet_weighs_as_much_as_its_message_at_least(value: Any) -> None:
    checked = check_value(value, None, "value")
    assert message_of(checked) == to_mx_value(value)
    assert write_weight(checked) >= len(encode(message_of(checked))) + 100


# -- made ahead

PIECES = [range(2), range(2, 4), range(4, 5)]


async def test_the_next_part_is_made_while_the_one_before_is_under_way() -> None:
    made: list[range] = []
    ahead: list[list[range]] = []
    with Prefetch(PIECES, lambda part: made.append(part) or part) as parts_made:  # type: ignore[func-returns-value]
        for part, made_of_it in parts_made:
            assert made_of_it is part
            await until(lambda: len(made) == min(len(ahead) + 2, len(PIECES)))
            ahead.append(list(made))
    assert ahead == [PIECES[:2], PIECES, PIECES]


async def test_a_part_that_is_needed_at_once_is_made_at_once_and_once() -> None:
    made: list[range] = []
    with Prefetch(PIECES, lambda part: made.append(part) or part) as parts_made:  # type: ignore[func-returns-value]
        assert [part for part, _ in parts_made] == PIECES
    await asyncio.sleep(0.02)
    assert made == PIECES


async def test_nothing_more_is_made_after_the_block() -> None:
    made: list[range] = []
    with Prefetch(PIECES, lambda part: made.append(part) or part) as parts_made:  # type: ignore[func-returns-value]
        next(parts_made)
    await asyncio.sleep(0.02)
    assert made == PIECES[:1]
