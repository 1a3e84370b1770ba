"""A Python scalar becomes exactly one kind of MxValue, with its data type and VARIANT type."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mxgateway import proto
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.values import from_mx_value, to_mx_value
from mxgateway.wire import Timestamp, which_one_of
from tests.rows import each_row

T = proto.MxDataType


class Mode(enum.IntEnum):
    AUTO = 3


class Colour(str, enum.Enum):  # noqa: UP042 - the kind whose str() is not its value
    RED = "red"


class Index:
    def __index__(self) -> int:
        return 7


def parts(message: proto.MxValue) -> tuple[str, object, str | None, str]:
    arm = which_one_of(message, "kind")
    return arm, getattr(message, arm) if arm else None, message.data_type.name, message.variant_type


@each_row(
    ("value", "expected"),
    [
        (True, ("bool_value", True, "BOOLEAN", "VT_BOOL")),
        (False, ("bool_value", False, "BOOLEAN", "VT_BOOL")),
        (0, ("int32_value", 0, "INTEGER", "VT_I4")),
        (2**31 - 1, ("int32_value", 2**31 - 1, "INTEGER", "VT_I4")),
        (-(2**31), ("int32_value", -(2**31), "INTEGER", "VT_I4")),
        (2**31, ("int64_value", 2**31, "INTEGER", "VT_I8")),
        (-(2**31) - 1, ("int64_value", -(2**31) - 1, "INTEGER", "VT_I8")),
        (2**63 - 1, ("int64_value", 2**63 - 1, "INTEGER", "VT_I8")),
        (-(2**63), ("int64_value", -(2**63), "INTEGER", "VT_I8")),
        (2.5, ("double_value", 2.5, "DOUBLE", "VT_R8")),
        ("Füllstand 🛢", ("string_value", "Füllstand 🛢", "STRING", "VT_BSTR")),
        ("", ("string_value", "", "STRING", "VT_BSTR")),
        (b"\x00\xff", ("raw_value", b"\x00\xff", "UNKNOWN", "VT_RECORD")),
        (timedelta(seconds=1.5), ("double_value", 1.5, "ELAPSED_TIME", "VT_R8")),
    ],
)
def test_a_python_scalar_takes_the_kind_of_its_type(value: object, expected: tuple[str, object, str, str]) -> None:
    assert parts(to_mx_value(value)) == expected  # type: ignore[arg-type]


def test_a_bool_is_looked_for_before_an_int() -> None:
    assert which_one_of(to_mx_value(True), "kind") == "bool_value"
    assert which_one_of(to_mx_value(1), "kind") == "int32_value"


def test_none_is_a_null_of_no_type() -> None:
    message = to_mx_value(None)
    assert message.is_null is True
    assert parts(message) == ("", None, "NO_DATA", "VT_EMPTY")


def test_none_is_a_null_of_no_type_whatever_type_is_asked_for() -> None:
    assert to_mx_value(None, data_type=T.INTEGER) == to_mx_value(None)


@each_row(
    ("value", "plain"),
    [(Mode.AUTO, 3), (Index(), 7), (Colour.RED, "red"), (bytearray(b"ab"), b"ab"), (memoryview(b"ab"), b"ab")],
)
def test_a_lookalike_is_sent_as_the_plain_type(value: object, plain: object) -> None:
    sent = parts(to_mx_value(value))[1]  # type: ignore[arg-type]
    assert sent == plain
    assert type(sent) is type(plain)


@each_row(
    ("value", "data_type", "expected"),
    [
        (1, T.FLOAT, ("float_value", 1.0, "FLOAT", "VT_R4")),
        (1.5, T.FLOAT, ("float_value", 1.5, "FLOAT", "VT_R4")),
        (1, T.DOUBLE, ("double_value", 1.0, "DOUBLE", "VT_R8")),
        (5, T.INTEGER, ("int32_value", 5, "INTEGER", "VT_I4")),
        (2**40, T.INTEGER, ("int64_value", 2**40, "INTEGER", "VT_I8")),
        (True, T.BOOLEAN, ("bool_value", True, "BOOLEAN", "VT_BOOL")),
        ("a", T.STRING, ("string_value", "a", "STRING", "VT_BSTR")),
        ("a", T.BIG_STRING, ("string_value", "a", "BIG_STRING", "VT_BSTR")),
        ("a", T.INTERNATIONALIZED_STRING, ("string_value", "a", "INTERNATIONALIZED_STRING", "VT_BSTR")),
        ("Tank.Level", T.REFERENCE_TYPE, ("string_value", "Tank.Level", "REFERENCE_TYPE", "VT_BSTR")),
        (timedelta(minutes=1), T.ELAPSED_TIME, ("double_value", 60.0, "ELAPSED_TIME", "VT_R8")),
        (2.5, T.ELAPSED_TIME, ("double_value", 2.5, "ELAPSED_TIME", "VT_R8")),
        (2, T.ELAPSED_TIME, ("double_value", 2.0, "ELAPSED_TIME", "VT_R8")),
        (2, T.ENUM, ("int32_value", 2, "ENUM", "VT_I4")),
        ("Auto", T.ENUM, ("string_value", "Auto", "ENUM", "VT_BSTR")),
        (2, T.QUALIFIED_ENUM, ("int32_value", 2, "QUALIFIED_ENUM", "VT_I4")),
        (4, T.SECURITY_CLASSIFICATION_ENUM, ("int32_value", 4, "SECURITY_CLASSIFICATION_ENUM", "VT_I4")),
        (192, T.DATA_QUALITY_TYPE, ("int32_value", 192, "DATA_QUALITY_TYPE", "VT_I4")),
        (b"ab", T.QUALIFIED_STRUCT, ("raw_value", b"ab", "QUALIFIED_STRUCT", "VT_RECORD")),
        (b"ab", T.STATUS_TYPE, ("raw_value", b"ab", "STATUS_TYPE", "VT_RECORD")),
        (7, T.UNSPECIFIED, ("int32_value", 7, "INTEGER", "VT_I4")),
    ],
)
def test_a_data_type_that_is_asked_for_decides_kind_and_type(
    value: object, data_type: proto.MxDataType, expected: tuple[str, object, str, str]
) -> None:
    assert parts(to_mx_value(value, data_type=data_type)) == expected  # type: ignore[arg-type]


def test_every_data_type_of_the_contract_can_be_asked_for_or_is_refused_by_name() -> None:
    samples = (True, 1, 1.5, "a", datetime(2026, 1, 1, tzinfo=UTC), b"a")
    for data_type in T:
        outcomes, refusals = [], []
        for sample in samples:
            try:
                outcomes.append(to_mx_value(sample, data_type=data_type).data_type)
            except MxGatewayInvalidRequestError as error:
                refusals.append(str(error))
        assert all(str(data_type.name) in refusal for refusal in refusals)
        if data_type.name == "NO_DATA":
            assert outcomes == []
        elif data_type.name != "UNSPECIFIED":
            assert set(outcomes) == {data_type}


def test_a_float_that_is_asked_for_is_rounded_to_32_bits() -> None:
    message = to_mx_value(0.1, data_type=T.FLOAT)
    assert message.float_value == 0.10000000149011612
    assert from_mx_value(message) == 0.10000000149011612


def test_a_time_of_any_zone_is_sent_as_the_same_moment_in_utc() -> None:
    local = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))
    message = to_mx_value(local)
    assert parts(message)[::2] == ("timestamp_value", "TIME")
    assert message.variant_type == "VT_DATE"
    assert message.timestamp_value == local
    assert message.timestamp_value.utcoffset() == timedelta(0)
    assert isinstance(message.timestamp_value, Timestamp)


def test_the_100_ns_digit_of_a_time_survives() -> None:
    moment = Timestamp.from_parts(1_772_353_800, 123_456_700)
    sent = to_mx_value(moment).timestamp_value
    assert (sent.microsecond, sent.nanosecond) == (123456, 700)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "moment",
    [datetime(1601, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)],
)
def test_the_first_and_the_last_moment_of_mxaccess_time_are_accepted(moment: datetime) -> None:
    assert to_mx_value(moment).timestamp_value == moment


def test_a_ready_message_is_sent_as_it_is() -> None:
    message = proto.MxValue(data_type=T.INTEGER, variant_type="VT_I2", int32_value=5)
    assert to_mx_value(message) is message
    assert to_mx_value(message, data_type=T.INTEGER) is message


def test_a_ready_message_of_another_type_than_asked_for_is_refused() -> None:
    message = proto.MxValue(data_type=T.INTEGER, int32_value=5)
    with pytest.raises(MxGatewayInvalidRequestError, match="message of data type INTEGER, but STRING was requested"):
        to_mx_value(message, data_type=T.STRING)
