"""Text on a command line or in a file becomes a value of the named type, strictly."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxgateway import proto
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.values import from_mx_value
from mxgateway.values.text import VALUE_TYPES, data_type_of, parse_mx_value, parse_value
from mxgateway.wire import Timestamp, which_one_of
from tests.rows import each_row

# A shared machine may be slow at any moment: time is no part of what is tested.
unhurried = settings(deadline=None, max_examples=150)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@each_row(
    ("type_name", "text", "value"),
    [
        ("bool", "true", True), ("bool", "FALSE", False), ("bool", "1", True), ("bool", " 0 ", False),
        ("int32", "123", 123), ("int32", "-0", 0), ("int32", "+7", 7), ("int32", "0x1F", 31), ("int32", "007", 7),
        ("int64", "-9223372036854775808", -(2**63)),
        ("float", "0.1", 0.1), ("double", "-3e8", -3e8), ("double", ".5", 0.5), ("double", "5.", 5.0), ("double", "7", 7.0),
        ("string", " a, b ", " a, b "), ("string", "", ""),
        ("time", "2026-03-01T08:30:00Z", at("2026-03-01T08:30:00")),
        ("time", "2026-03-01 08:30:00.5+01:30", at("2026-03-01T07:00:00.5")),
        ("time", "2026-03-01t08:30:00-01:00", at("2026-03-01T09:30:00")),
        ("elapsed", "1.5", timedelta(seconds=1.5)), ("elapsed", "-1.25", timedelta(seconds=-1.25)),
        ("elapsed", "02:03:04.000001", timedelta(hours=2, minutes=3, seconds=4, microseconds=1)),
        ("elapsed", "-1.02:03:04", -timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("bytes", "0AfF", b"\x0a\xff"), ("bytes", "0a ff", b"\x0a\xff"), ("bytes", "base64:AAE=", b"\x00\x01"), ("bytes", "", b""),
        ("null", "", None), ("null", "null", None),
        ("bool[]", "true,0", [True, False]), ("int32[]", "1, 2,3", [1, 2, 3]), ("int32[]", "[1, 2]", [1, 2]), ("int32[]", "", []),
        ("int64[]", "1", [1]), ("double[]", "[1, 2.5]", [1.0, 2.5]), ("float[]", "1,2", [1.0, 2.0]),
        ("string[]", "a, b,", ["a", " b", ""]), ("string[]", '["a,b", ""]', ["a,b", ""]), ("string[]", " [] ", []),
        ("time[]", '["2026-03-01T08:30:00Z"]', [at("2026-03-01T08:30:00")]),
        ("elapsed[]", '[1, 0.5, "00:01:00"]', [timedelta(seconds=1), timedelta(seconds=0.5), timedelta(minutes=1)]),
        ("bytes[]", "00,ff", [b"\x00", b"\xff"]), ("bytes[]", '["base64:AA=="]', [b"\x00"]),
    ],
)  # fmt: skip
def test_a_text_becomes_the_value_of_the_named_type(type_name: str, text: str, value: object) -> None:
    parsed = parse_value(type_name, text)
    assert parsed == value
    assert type(parsed) is type(value) or isinstance(parsed, Timestamp)
    if isinstance(parsed, list):
        assert [type(item) for item in parsed] == [type(item) for item in value] or type_name == "time[]"  # type: ignore[attr-defined]


@each_row(
    ("type_name", "text", "arm", "variant"),
    [
        ("int64", "5", "int64_value", "VT_I8"),
        ("int32", "5", "int32_value", "VT_I4"),
        ("float", "5", "float_value", "VT_R4"),
        ("double", "5", "double_value", "VT_R8"),
        ("elapsed", "5", "double_value", "VT_R8"),
        ("int64[]", "5", "array_value", "VT_ARRAY|VT_I8"),
        ("float[]", "5", "array_value", "VT_ARRAY|VT_R4"),
        ("bytes", "00", "raw_value", "VT_RECORD"),
        ("null", "", "", "VT_EMPTY"),
    ],
)
def test_the_message_for_a_text_is_of_exactly_the_named_type(type_name: str, text: str, arm: str, variant: str) -> None:
    message = parse_mx_value(type_name, text)
    assert (which_one_of(message, "kind"), message.variant_type) == (arm, variant)
    assert message.data_type == data_type_of(type_name)


def test_seven_decimals_of_a_time_survive() -> None:
    moment = parse_value("time", "2026-03-01T08:30:00.1234567Z")
    assert isinstance(moment, Timestamp)
    assert (moment.microsecond, moment.nanosecond) == (123456, 700)
    assert parse_value("time", "2026-03-01T08:30:00.123456700Z") == moment


@each_row(
    ("type_name", "text", "said"),
    [
        ("bool", "yes", "value is 'yes', not a bool; write true or false"),
        ("int32", "2147483648", "value is 2147483648, beyond 32 bits; use 64 bits (INTEGER, int64), or a smaller number"),
        ("int64", "9223372036854775808", "value is 9223372036854775808, beyond 64 bits; send it as a float or a str"),
        ("int32", "1.0", "value is '1.0', not a whole number; write decimal digits, or hexadecimal digits after 0x"),
        ("int32", "1_000", "value is '1_000', not a whole number; write decimal digits, or hexadecimal digits after 0x"),
        ("int32", "٣", "value is '٣', not a whole number; write decimal digits, or hexadecimal digits after 0x"),
        ("int32", "", "value is '', not a whole number; write decimal digits, or hexadecimal digits after 0x"),
        ("double", "nan", "value is 'nan', not a finite number; write a number such as 12.5 or -3e8"),
        ("double", "1e999", "value is inf, which no attribute can hold; write a finite number"),
        ("float", "1e39", "value is 1e+39, beyond the range of a 32-bit float; use 64 bits (DOUBLE)"),
        ("double", "1,5", "value is '1,5', not a finite number; write a number such as 12.5 or -3e8"),
        ("string", "a\0", "value has a NUL character at position 1, which ends a COM string; remove it"),
        ("time", "2026-03-01T08:30:00", "value is '2026-03-01T08:30:00', without a time zone; end it with Z, or with an offset such as +01:00"),
        ("time", "2026-02-30T08:30:00Z", "value is '2026-02-30T08:30:00Z', not a valid time (day is out of range for month); correct the day or the hour"),
        ("time", "2026-03-01", "value is '2026-03-01', not an RFC 3339 time; write it as 2026-03-01T08:30:00Z"),
        ("time", "2026-03-01T24:00:00Z", "value is '2026-03-01T24:00:00Z', not an RFC 3339 time; write it as 2026-03-01T08:30:00Z"),
        ("time", "2026-03-01T08:30:00+24:00", "value is '2026-03-01T08:30:00+24:00', with an invalid time zone; offsets go from -23:59 to +23:59"),
        ("time", "2026-03-01T08:30:00.12345678Z", "value ends in 80 ns, but MXAccess time counts steps of 100 ns; round the time to 100 ns"),
        ("time", "0001-01-01T00:00:00+23:00", "value is before 1601-01-01T00:00:00Z, where MXAccess time (FILETIME) begins; send a later time"),
        ("time", "9999-12-31T23:59:59-00:01", "value is after the year 9999 in UTC, where MXAccess time ends; send an earlier time"),
        ("elapsed", "1h", "value is '1h', not an elapsed time; write seconds, such as 1.5, or [days.]hh:mm:ss"),
        ("bytes", "0", "value is '0', not bytes; write pairs of hexadecimal digits, or base64 after base64:"),
        ("bytes", "base64:A", "value is 'base64:A', not bytes; write pairs of hexadecimal digits, or base64 after base64:"),
        ("null", "0", "value is '0', but null has no value; leave the text empty"),
        ("int32[]", "1,,2", "value[1] is '', not a whole number; write decimal digits, or hexadecimal digits after 0x"),
        ("int32[]", "[1, 2.5]", "value[1] is of type float, but int32 was requested; write a whole number"),
        ("int32[]", "[1, true]", "value[1] is of type bool, but int32 was requested; write a whole number"),
        ("bool[]", "[1]", "value[0] is of type int, but bool was requested; write true or false"),
        ("string[]", "[1]", "value[0] is of type int, but string was requested; write a string in quotes"),
        ("time[]", "[1]", "value[0] is of type int, but time was requested; write a time in quotes"),
        ("double[]", "[1, NaN]", "value[1] is nan, which no attribute can hold; write a finite number"),
        ("int32[]", "[1", "value is not a JSON array: Expecting ',' delimiter; text that begins with [ is read as a JSON array; put strings in double quotes"),
        ("string[]", "[" * 100_000, "value is not a JSON array: a number or its nesting is too large; text that begins with [ is read as a JSON array; put strings in double quotes"),
        ("int64[]", f"[{'9' * 5000}]", "value is not a JSON array: a number or its nesting is too large; text that begins with [ is read as a JSON array; put strings in double quotes"),
        ("int64", "9" * 5000, f"value is '{'9' * 37}...', beyond 64 bits; write a smaller number"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_value_of_the_type_is_refused_with_place_and_remedy(
    type_name: str, text: str, said: str
) -> None:
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        parse_value(type_name, text)
    assert str(caught.value) == said


def test_null_elements_and_inner_lists_of_a_json_array_are_refused() -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=r"^value\[1\] is None"):
        parse_value("int32[]", "[1, null]")
    with pytest.raises(MxGatewayInvalidRequestError, match=r"^value\[0\] is a list inside a list"):
        parse_value("int32[]", "[[1]]")


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    for parse in (parse_value, parse_mx_value):
        with pytest.raises(MxGatewayInvalidRequestError, match=r"^type 'int' is unknown; use one of bool, int32, "):
            parse("int", "1")
    with pytest.raises(MxGatewayInvalidRequestError, match="is unknown"):
        data_type_of("int32[][]")


def test_the_caller_may_name_the_value_in_the_message() -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=r"^--values\[1\] is 'x', not a whole number"):
        parse_value("int32[]", "1,x", name="--values")


def test_every_listed_type_has_a_data_type_and_a_parser() -> None:
    assert len(set(VALUE_TYPES)) == len(VALUE_TYPES)
    samples = {"bool": "1", "string": "1", "time": "2026-03-01T08:30:00Z", "bytes": "01", "null": ""}
    for type_name in VALUE_TYPES:
        scalar = type_name.removesuffix("[]")
        message = parse_mx_value(type_name, samples.get(scalar, "1"))
        assert message.data_type == data_type_of(type_name) != proto.MxDataType.UNSPECIFIED


@unhurried
@given(st.integers(-(2**63), 2**63 - 1))
def test_every_64_bit_integer_is_parsed_exactly(number: int) -> None:
    assert parse_value("int64", str(number)) == number
    assert from_mx_value(parse_mx_value("int64[]", f"[{number}]")) == [number]


@unhurried
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_double_is_parsed_exactly(number: float) -> None:
    assert parse_value("double", repr(number)) == number


@unhurried
@given(st.datetimes(datetime(1601, 1, 1)), st.integers(0, 9))
def test_every_time_is_parsed_exactly(moment: datetime, digit: int) -> None:
    parsed = parse_value("time", f"{moment.isoformat(timespec='microseconds')}{digit}Z")
    assert parsed == Timestamp.from_datetime(moment.replace(tzinfo=UTC), nanosecond=digit * 100)


@unhurried
@given(st.sampled_from(VALUE_TYPES), st.text())
def test_any_other_text_is_refused_with_the_one_error(type_name: str, text: str) -> None:
    with contextlib.suppress(MxGatewayInvalidRequestError):
        assert parse_mx_value(type_name, text).data_type == data_type_of(type_name)


def test_listing_the_types_loads_no_message_classes() -> None:
    script = (
        "import sys; from mxgateway.values.text import VALUE_TYPES; "
        "assert VALUE_TYPES; print([m for m in ('betterproto', 'grpclib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
