"""A received MxValue becomes a Python value; what cannot be converted stays visible, and nothing raises."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime

import pytest

from mxgateway import proto
from mxgateway.values import UnconvertedValue, from_mx_array, from_mx_value, to_mx_array
from mxgateway.wire import Timestamp, decode, encode
from tests.rows import each_row

T = proto.MxDataType
MOMENT = Timestamp.from_parts(1_772_353_800, 123_456_700)


def received(message: proto.MxValue) -> proto.MxValue:
    """Return the message as a receiver has it."""
    return decode(proto.MxValue, encode(message))


@each_row(
    ("message", "value"),
    [
        (proto.MxValue(data_type=T.BOOLEAN, bool_value=False), False),
        (proto.MxValue(data_type=T.INTEGER, int32_value=0), 0),
        (proto.MxValue(data_type=T.ENUM, int32_value=-5), -5),
        (proto.MxValue(data_type=T.INTEGER, int64_value=2**62), 2**62),
        (proto.MxValue(data_type=T.FLOAT, float_value=0.5), 0.5),
        (proto.MxValue(data_type=T.DOUBLE, double_value=0.1), 0.1),
        (proto.MxValue(data_type=T.ELAPSED_TIME, double_value=1.5), 1.5),
        (proto.MxValue(data_type=T.STRING, string_value=""), ""),
        (proto.MxValue(data_type=T.REFERENCE_TYPE, string_value="Tank01"), "Tank01"),
        (proto.MxValue(data_type=T.UNKNOWN, variant_type="VT_RECORD", raw_value=b"\x00\x01"), b"\x00\x01"),
        (proto.MxValue(raw_value=b""), b""),
    ],
)
def test_a_scalar_is_read_as_its_python_type(message: proto.MxValue, value: object) -> None:
    read = from_mx_value(received(message))
    assert read == value
    assert type(read) is type(value)


def test_a_time_is_read_with_its_100_ns_digit() -> None:
    read = from_mx_value(received(proto.MxValue(data_type=T.TIME, timestamp_value=MOMENT)))
    assert isinstance(read, Timestamp)
    assert (read, read.nanosecond) == (MOMENT, 700)


def test_the_epoch_is_a_time_and_not_nothing() -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert from_mx_value(received(proto.MxValue(timestamp_value=epoch))) == epoch


def test_a_nan_from_the_plant_is_read_as_it_is() -> None:
    read = from_mx_value(received(proto.MxValue(double_value=math.nan)))
    assert isinstance(read, float)
    assert math.isnan(read)


@each_row(
    "message",
    [
        proto.MxValue(data_type=T.NO_DATA, variant_type="VT_EMPTY", is_null=True),
        proto.MxValue(data_type=T.INTEGER, variant_type="VT_NULL", is_null=True),
        proto.MxValue(is_null=True, raw_diagnostic="MXAccess returned no value.", raw_data_type=2),
        proto.MxValue(is_null=True, int32_value=0),
    ],
)
def test_a_null_is_none(message: proto.MxValue) -> None:
    assert from_mx_value(received(message)) is None


@pytest.mark.parametrize(
    "message",
    [proto.MxValue(), proto.MxValue(data_type=T.NO_DATA), proto.MxValue(variant_type="VT_EMPTY")],
)
def test_a_message_that_holds_nothing_is_none(message: proto.MxValue) -> None:
    assert from_mx_value(received(message)) is None


def test_a_sparse_array_on_a_read_path_counts_as_unset() -> None:
    sparse = proto.MxSparseArray(element_data_type=T.INTEGER, total_length=3)
    message = proto.MxValue(data_type=T.INTEGER, variant_type="VT_ARRAY|VT_I4", sparse_array_value=sparse)
    assert from_mx_value(received(message)) is None


@each_row(
    "message",
    [
        proto.MxValue(
            variant_type="VT_DISPATCH", raw_data_type=36, raw_diagnostic="no conversion", raw_value=b"\x01\x02"
        ),
        proto.MxValue(data_type=T.UNKNOWN, raw_diagnostic="no conversion", raw_value=b""),
        proto.MxValue(raw_data_type=36, raw_value=b"\x01"),
        proto.MxValue(raw_data_type=36),
        proto.MxValue(raw_diagnostic="no conversion"),
        proto.MxValue(variant_type="VT_UNKNOWN"),
        proto.MxValue(data_type=T.QUALIFIED_STRUCT),
        proto.MxValue(sparse_array_value=proto.MxSparseArray(), raw_diagnostic="no conversion"),
    ],
)
def test_what_cannot_be_converted_stays_visible(message: proto.MxValue) -> None:
    read = from_mx_value(received(message))
    assert isinstance(read, UnconvertedValue)
    assert (read.raw_data_type, read.variant_type, read.raw_diagnostic) == (
        message.raw_data_type,
        message.variant_type,
        message.raw_diagnostic,
    )
    assert read.message == received(message)


def test_an_unconverted_value_keeps_the_raw_bytes_and_says_what_it_is() -> None:
    read = from_mx_value(proto.MxValue(variant_type="VT_DISPATCH", raw_data_type=36, raw_value=b"\x01\x02"))
    assert isinstance(read, UnconvertedValue)
    assert read.raw_value == b"\x01\x02"
    assert str(read) == "unconverted VT_DISPATCH of MXAccess type 36: 2 bytes"
    assert str(dataclasses.replace(read, raw_diagnostic="no rule")).endswith("type 36: no rule")


def test_an_unconverted_value_is_frozen_and_slotted() -> None:
    read = UnconvertedValue(1, "", "", b"", proto.MxValue())
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.raw_data_type = 2  # type: ignore[misc]
    assert not hasattr(read, "__dict__")


def test_a_diagnostic_beside_a_converted_value_does_not_hide_the_value() -> None:
    assert from_mx_value(proto.MxValue(int32_value=5, raw_data_type=4, raw_diagnostic="widened from VT_I2")) == 5


@each_row(
    ("array", "values"),
    [
        (proto.MxArray(bool_values=proto.BoolArray([True, False])), [True, False]),
        (proto.MxArray(int32_values=proto.Int32Array([1, -1])), [1, -1]),
        (proto.MxArray(int64_values=proto.Int64Array([2**40])), [2**40]),
        (proto.MxArray(float_values=proto.FloatArray([0.5])), [0.5]),
        (proto.MxArray(double_values=proto.DoubleArray([0.1])), [0.1]),
        (proto.MxArray(string_values=proto.StringArray(["", "a"])), ["", "a"]),
        (proto.MxArray(timestamp_values=proto.TimestampArray([MOMENT, MOMENT])), [MOMENT, MOMENT]),
        (proto.MxArray(raw_values=proto.RawArray([b"", b"a"])), [b"", b"a"]),
        (proto.MxArray(int32_values=proto.Int32Array([])), []),
        (proto.MxArray(element_data_type=T.INTEGER, dimensions=[0]), []),
        (proto.MxArray(), []),
    ],
)
def test_an_array_is_read_as_a_list(array: proto.MxArray, values: list[object]) -> None:
    assert from_mx_array(array) == values
    assert from_mx_value(received(proto.MxValue(array_value=array))) == values


def test_the_list_that_was_read_is_the_callers_own() -> None:
    array = to_mx_array([1, 2, 3])
    read = from_mx_array(array)
    assert isinstance(read, list)
    read.clear()
    assert array.int32_values.values == [1, 2, 3]


@each_row(
    ("dimensions", "shaped"),
    [
        ([2, 3], [[1, 2, 3], [4, 5, 6]]),
        ([3, 2], [[1, 2], [3, 4], [5, 6]]),
        ([1, 2, 3], [[[1, 2, 3], [4, 5, 6]]]),
        ([6, 1], [[1], [2], [3], [4], [5], [6]]),
        ([6], [1, 2, 3, 4, 5, 6]),
        ([], [1, 2, 3, 4, 5, 6]),
    ],
)
def test_several_dimensions_are_read_as_lists_inside_lists_row_by_row(
    dimensions: list[int], shaped: list[object]
) -> None:
    array = proto.MxArray(dimensions=dimensions, int32_values=proto.Int32Array([1, 2, 3, 4, 5, 6]))
    assert from_mx_array(array) == shaped


def test_an_array_with_an_empty_dimension_is_read_as_an_empty_list_however_long_the_others_are() -> None:
    array = proto.MxArray(dimensions=[2**32 - 1, 0], int32_values=proto.Int32Array([]))
    assert from_mx_array(array) == []


@pytest.mark.parametrize("dimensions", [[2, 2], [2**32 - 1, 2**32 - 1], [1] * 33])
def test_elements_that_do_not_fill_the_dimensions_stay_visible_unconverted(dimensions: list[int]) -> None:
    array = proto.MxArray(dimensions=dimensions, int32_values=proto.Int32Array([1, 2, 3]))
    read = from_mx_value(proto.MxValue(array_value=array))
    assert isinstance(read, UnconvertedValue)
    assert isinstance(read.message, proto.MxValue)
    assert read.message.array_value.int32_values.values == [1, 2, 3]


@each_row(
    "array",
    [
        proto.MxArray(raw_diagnostic="no conversion", variant_type="VT_ARRAY|VT_DISPATCH"),
        proto.MxArray(raw_element_data_type=36),
        proto.MxArray(raw_element_data_type=36, raw_values=proto.RawArray([b"\x01"])),
        proto.MxArray(dimensions=[4]),
    ],
)
def test_an_array_that_cannot_be_converted_stays_visible(array: proto.MxArray) -> None:
    alone = from_mx_array(array)
    inside = from_mx_value(proto.MxValue(array_value=array))
    assert isinstance(alone, UnconvertedValue)
    assert isinstance(inside, UnconvertedValue)
    assert alone.message is array
    for read in (alone, inside):
        assert (read.raw_data_type, read.raw_diagnostic, read.variant_type) == (
            array.raw_element_data_type,
            array.raw_diagnostic,
            array.variant_type,
        )
