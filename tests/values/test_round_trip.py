"""For every value that is accepted: what is written, sent and received is read back equal."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mxgateway import proto
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.values import (
    UnconvertedValue,
    from_mx_array,
    from_mx_value,
    to_mx_array,
    to_mx_sparse_array,
    to_mx_value,
)
from mxgateway.wire import Timestamp, decode, encode

T = proto.MxDataType

# A shared machine may be slow at any moment: time is no part of what is tested.
unhurried = settings(deadline=None, max_examples=150)

int64s = st.integers(-(2**63), 2**63 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
datetimes = st.datetimes(datetime(1601, 1, 3), datetime(9999, 12, 29), timezones=zones)
moments = st.builds(
    Timestamp.from_parts,
    st.integers(-11_644_473_600, 253_402_300_799),
    st.integers(0, 9_999_999).map(lambda n: n * 100),
)
scalars = st.one_of(st.booleans(), int64s, finite, texts, datetimes, moments, st.binary())
lists = st.one_of(
    *(st.lists(one, min_size=1) for one in (st.booleans(), int64s, finite, texts, datetimes, moments, st.binary()))
)


def sent(message: proto.MxValue) -> proto.MxValue:
    return decode(proto.MxValue, encode(message))


def shape(value: object) -> object:
    """Return what tells two values apart: type, digits and sign."""
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, datetime):
        since = value - datetime(1970, 1, 1, tzinfo=UTC)
        return "time", since, getattr(value, "nanosecond", 0)
    if isinstance(value, float):
        return "float", struct.pack("<d", value)
    return type(value), value


@unhurried
@given(st.one_of(scalars, st.none()))
def test_every_accepted_scalar_comes_back_equal(value: bool | int | float | str | datetime | bytes | None) -> None:
    message = to_mx_value(value)
    assert shape(from_mx_value(message)) == shape(value)
    assert shape(from_mx_value(sent(message))) == shape(value)


@unhurried
@given(lists)
def test_every_accepted_list_comes_back_equal(values: list[int]) -> None:
    message = to_mx_value(values)
    assert shape(from_mx_value(message)) == shape(values)
    assert shape(from_mx_value(sent(message))) == shape(values)


@unhurried
@given(st.one_of(scalars, lists))
def test_what_was_read_can_be_written_again_as_the_same_message(value: int) -> None:
    once = sent(to_mx_value(value))
    read = from_mx_value(once)
    assert not isinstance(read, UnconvertedValue)
    assert encode(to_mx_value(read)) == encode(once)  # type: ignore[arg-type]


@unhurried
@given(st.timedeltas())
def test_an_elapsed_time_is_sent_as_its_seconds(span: timedelta) -> None:
    assert from_mx_value(sent(to_mx_value(span))) == span.total_seconds()


@unhurried
@given(finite)
def test_a_32_bit_float_comes_back_as_the_nearest_one_or_is_refused(number: float) -> None:
    try:
        (nearest,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        nearest = None
    try:
        read = from_mx_value(sent(to_mx_value(number, data_type=T.FLOAT)))
    except MxGatewayInvalidRequestError:
        read = None
    assert read == nearest


@unhurried
@given(st.integers())
def test_an_int_is_accepted_exactly_within_64_bits(number: int) -> None:
    try:
        accepted = from_mx_value(sent(to_mx_value(number))) == number
    except MxGatewayInvalidRequestError:
        accepted = False
    assert accepted == (-(2**63) <= number < 2**63)


@unhurried
@given(st.integers())
def test_an_int_is_sent_as_a_double_exactly_or_is_refused(number: int) -> None:
    try:
        read = from_mx_value(to_mx_value(number, data_type=T.DOUBLE))
    except MxGatewayInvalidRequestError:
        return
    assert isinstance(read, float)
    assert int(read) == number


@unhurried
@given(st.text())
def test_a_string_comes_back_or_is_refused_before_it_is_encoded(text: str) -> None:
    carried = "\0" not in text and not any(0xD800 <= ord(character) < 0xE000 for character in text)
    try:
        read = from_mx_value(sent(to_mx_value(text)))
    except MxGatewayInvalidRequestError:
        assert not carried
    else:
        assert carried
        assert read == text


@unhurried
@given(st.datetimes(timezones=zones))
def test_a_time_is_accepted_exactly_from_1601_to_9999_in_utc(moment: datetime) -> None:
    begin, end = datetime(1601, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    try:
        accepted = from_mx_value(sent(to_mx_value(moment))) == moment
    except MxGatewayInvalidRequestError:
        accepted = False
    assert accepted == (begin <= moment <= end)


@unhurried
@given(st.lists(int64s, min_size=1), st.data())
def test_an_array_of_any_dimensions_is_read_in_its_shape(values: list[int], data: st.DataObject) -> None:
    rows = data.draw(st.sampled_from([n for n in range(1, len(values) + 1) if len(values) % n == 0]))
    array = to_mx_array(values, dimensions=[rows, len(values) // rows])
    read = from_mx_array(array)
    assert isinstance(read, list)
    assert len(read) == rows
    assert [item for row in read for item in row] == values  # type: ignore[union-attr]


@unhurried
@given(st.dictionaries(st.integers(0, 99), st.one_of(texts)))
def test_a_sparse_array_carries_every_slot_it_was_given(elements: dict[int, str]) -> None:
    message = sent(to_mx_value(to_mx_sparse_array(T.STRING, 100, elements)))
    carried = {e.index: from_mx_value(e.value) for e in message.sparse_array_value.elements}
    assert carried == elements
    assert from_mx_value(message) is None


names = st.sampled_from(list(T))
texts_or_none = st.one_of(st.just(""), st.sampled_from(["VT_EMPTY", "VT_I4", "VT_DISPATCH"]))
arrays = st.builds(
    proto.MxArray,
    element_data_type=names,
    dimensions=st.lists(st.integers(0, 4) | st.integers(0, 2**32 - 1), max_size=40),
    raw_diagnostic=texts_or_none,
    raw_element_data_type=st.integers(0, 2),
) | st.builds(
    proto.MxArray,
    dimensions=st.lists(st.integers(0, 4) | st.integers(0, 2**32 - 1), max_size=4),
    int32_values=st.builds(proto.Int32Array, st.lists(st.integers(-5, 5))),
)
messages = st.one_of(
    st.builds(
        proto.MxValue,
        data_type=names,
        variant_type=texts_or_none,
        is_null=st.booleans(),
        raw_diagnostic=texts_or_none,
        raw_data_type=st.integers(0, 2),
    ),
    st.builds(proto.MxValue, raw_value=st.binary(), raw_diagnostic=texts_or_none, raw_data_type=st.integers(0, 2)),
    st.builds(proto.MxValue, array_value=arrays, raw_diagnostic=texts_or_none),
    st.builds(proto.MxValue, double_value=st.floats()),
    st.builds(proto.MxValue, sparse_array_value=st.builds(proto.MxSparseArray, total_length=st.integers(0, 2**32 - 1))),
)


@unhurried
@given(messages)
def test_reading_never_raises_and_drops_nothing(message: proto.MxValue) -> None:
    read = from_mx_value(sent(message))
    told = bool(message.raw_diagnostic or message.raw_data_type)
    if isinstance(read, UnconvertedValue):
        assert encode(read.message) == encode(message)
    elif read is None:
        assert message.is_null or not told


@unhurried
@given(finite)
def test_a_finite_float_is_never_refused(number: float) -> None:
    assume(math.isfinite(number))
    assert to_mx_value(number).double_value == number
