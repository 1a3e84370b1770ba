"""What MXAccess cannot hold is refused before anything is sent, in one line: what, where, what to do."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from mxgateway import proto
from mxgateway.calling.argument_checks import check_time
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.values import UnconvertedValue, to_mx_array, to_mx_value
from mxgateway.wire import Timestamp
from tests.rows import each_row

T = proto.MxDataType


class FloatLike:
    def __float__(self) -> float:
        return 1.5


class NumpyArrayLike:
    """What has `__index__` but refuses to be one number."""

    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")


def refusal(value: object, data_type: proto.MxDataType | None = None) -> str:
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        to_mx_value(value, data_type=data_type)  # type: ignore[arg-type]
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.grpc_status is None
    assert error.hint, "a refusal says what to do"
    assert "\n" not in str(error)
    assert error.__suppress_context__ or error.__context__ is None
    return str(error)


@each_row("number", [float("nan"), float("inf"), float("-inf")])
@each_row("data_type", [None, T.DOUBLE, T.FLOAT, T.ELAPSED_TIME])
def test_nan_and_inf_are_refused(number: float, data_type: proto.MxDataType | None) -> None:
    assert refusal(number, data_type) == f"value is {number}, which no attribute can hold; write a finite number"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**100])
def test_an_int_beyond_64_bits_is_refused(number: int) -> None:
    assert "beyond 64 bits" in refusal(number)
    assert "value[1]" in refusal([1, number])


def test_an_int_too_long_to_print_is_refused_by_its_size() -> None:
    assert refusal(10**5000).startswith("value is an integer of 16610 bits, beyond 64 bits")


def test_a_naive_datetime_is_refused() -> None:
    assert refusal(datetime(2026, 3, 1)) == (
        "value is a datetime without a time zone; give it one, such as tzinfo=timezone.utc"
    )


@each_row(
    ("values", "place", "types"),
    [
        ([1, True], "value[1]", ("bool", "int")),
        ([1, "a"], "value[1]", ("str", "int")),
        ([1.5, 2.5, 3], "value[2]", ("int", "float")),
        ((b"a", "a"), "value[1]", ("str", "bytes")),
        ([datetime(2026, 1, 1, tzinfo=UTC), 1.5], "value[1]", ("float", "datetime")),
    ],
)
def test_a_mixed_list_is_refused_with_the_index_and_both_types(
    values: list[object], place: str, types: tuple[str, str]
) -> None:
    text = refusal(values)
    assert text.startswith(
        f"{place} is of type {types[0]}, but value[0] is of type {types[1]}, and an array has one type;"
    )


def test_a_list_of_ints_and_floats_is_accepted_when_double_is_asked_for() -> None:
    assert "or request DOUBLE" in refusal([1, 2.5])
    assert to_mx_value([1, 2.5], data_type=T.DOUBLE).array_value.double_values.values == [1.0, 2.5]


def test_none_inside_a_list_is_refused_with_its_index() -> None:
    assert refusal([1, None]).startswith("value[1] is None, but an array has no empty slots;")


def test_a_list_inside_a_list_is_refused_with_a_way_out() -> None:
    text = refusal([[1, 2], [3, 4]])
    assert text.startswith("value[0] is a list inside a list")
    assert "to_mx_array(flat, dimensions=...)" in text


def test_an_empty_list_needs_a_data_type() -> None:
    assert refusal([]) == "value is an empty list, which has no data type; give the data type of its elements"
    assert to_mx_value([], data_type=T.TIME).array_value.dimensions == [0]


def test_a_string_with_a_nul_is_refused_with_its_position() -> None:
    assert "NUL character at position 2" in refusal("ab\0c")


def test_half_a_surrogate_pair_is_refused_with_its_position() -> None:
    assert "half a surrogate pair at position 1" in refusal("ü\ud800")


def test_a_time_before_filetime_begins_is_refused() -> None:
    assert "before 1601-01-01T00:00:00Z" in refusal(datetime(1600, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
    assert "before 1601-01-01T00:00:00Z" in refusal(datetime(1601, 1, 1, tzinfo=timezone(timedelta(minutes=1))))


def test_a_time_that_is_after_the_year_9999_in_utc_is_refused() -> None:
    assert "after the year 9999" in refusal(datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))))


def test_the_smallest_datetimes_of_any_zone_are_refused_without_an_overflow() -> None:
    for hours in (-23, 0, 23):
        assert "1601" in refusal(datetime.min.replace(tzinfo=timezone(timedelta(hours=hours))))


def test_a_time_finer_than_100_ns_is_refused_not_rounded() -> None:
    text = refusal(Timestamp.from_parts(0, 1_000_050))
    assert text == "value ends in 50 ns, but MXAccess time counts steps of 100 ns; round the time to 100 ns"


def test_a_received_time_beyond_datetime_is_refused_and_not_sent_as_the_one_it_shows() -> None:
    assert "after the year 9999" in refusal(Timestamp.from_parts(910_692_730_085, 0))


@each_row("value", [Decimal("1.5"), Fraction(1, 2), FloatLike(), 1j])
def test_a_number_that_could_lose_digits_is_refused_with_a_hint(value: object) -> None:
    text = refusal(value)
    assert type(value).__name__ in text
    if not isinstance(value, complex):
        assert "pass float(value), int(value) or str(value)" in text


def test_an_array_of_a_numeric_library_is_refused_with_a_way_out() -> None:
    class ndarray:
        def tolist(self) -> list[float]:
            return [1.5]

    ndarray.__module__, ndarray.__qualname__ = "numpy", "ndarray"
    assert refusal(ndarray()) == "value is of type numpy.ndarray, which MXAccess does not know; pass value.tolist()"


class NumpyScalar:
    """Like a scalar of numpy, such as datetime64 and timedelta64 in nanoseconds, whose `tolist` returns a number."""

    def __init__(self, kind: str, char: str = "") -> None:
        self.dtype = SimpleNamespace(kind=kind, char=char or kind)

    def tolist(self) -> int:
        return 5_000_000_000


def test_a_time_of_numpy_is_not_refused_with_a_way_to_write_its_nanoseconds() -> None:
    assert refusal(NumpyScalar("m")).endswith("; pass a timedelta, such as value.astype('timedelta64[us]').tolist()")
    assert "; pass a datetime with a time zone; value.tolist() gives numbers" in refusal(NumpyScalar("M"))
    assert refusal(NumpyScalar("i")).endswith("; pass value.tolist()")


def test_a_number_of_numpy_whose_tolist_is_refused_too_gets_another_hint() -> None:
    assert refusal(NumpyScalar("f", "g")).endswith("; pass value.astype(float).tolist()")
    assert refusal(NumpyScalar("f", "f")).endswith("; pass value.tolist()")
    for char in "FDG":
        assert refusal(NumpyScalar("c", char)).endswith("; pass its real part or its absolute value")


def test_a_type_that_has_the_name_of_a_known_one_is_named_with_its_module() -> None:
    foreign = type("bool", (), {"__module__": "numpy", "tolist": lambda _: True})
    assert refusal(foreign()) == "value is of type numpy.bool, which MXAccess does not know; pass value.tolist()"


class NoTime(datetime):
    """Like pandas' NaT: a datetime by its class, whose methods raise."""

    def utcoffset(self) -> timedelta | None:
        raise ValueError("NaTType does not support utcoffset")


class NoDifference(datetime):
    """A datetime that cannot be subtracted."""

    def __sub__(self, other: object) -> Any:
        raise OverflowError("no")


class NoIndex:
    """A number whose conversion raises what it likes."""

    def __index__(self) -> int:
        raise ArithmeticError("no")


@each_row("missing", [NoTime(2026, 1, 1, tzinfo=UTC), NoDifference(2026, 1, 1, tzinfo=UTC)])
@each_row("data_type", [None, T.TIME])
def test_a_datetime_whose_methods_raise_is_refused(missing: datetime, data_type: proto.MxDataType | None) -> None:
    said = f"is of type {__name__}.{type(missing).__name__} and not a point in time; leave it out, or pass"
    assert refusal(missing, data_type).startswith(f"value {said}")
    assert refusal([datetime(2026, 1, 1, tzinfo=UTC), missing], data_type).startswith(f"value[1] {said}")


def test_a_datetime_whose_methods_raise_is_no_argument() -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="give a datetime with a time zone"):
        check_time("timestamp", NoTime(2026, 1, 1, tzinfo=UTC))


def test_a_number_whose_conversion_raises_is_refused() -> None:
    assert f"is of type {__name__}.NoIndex, which MXAccess does not know" in refusal(NoIndex())


@pytest.mark.parametrize("value", [date(2026, 3, 1), time(8, 30)])
def test_a_date_or_a_clock_time_is_refused_as_no_moment(value: object) -> None:
    assert "which is not a point in time; pass a datetime with a time zone" in refusal(value)


@each_row("value", [{}, {1}, object(), uuid.uuid4(), NumpyArrayLike(), iter([1]), int])
def test_a_foreign_type_is_refused_by_name(value: object) -> None:
    name = re.escape(type(value).__name__)
    assert re.match(rf"value is of type ([\w.]+\.)?{name}, which MXAccess does not know;", refusal(value))


def test_an_unconverted_value_cannot_be_written_back() -> None:
    value = UnconvertedValue(36, "VT_DISPATCH", "no conversion", b"", proto.MxValue())
    assert "UnconvertedValue" in refusal(value)


@each_row(
    ("value", "data_type", "said"),
    [
        (1, T.BOOLEAN, "value is of type int, but BOOLEAN was requested; pass True or False"),
        (True, T.INTEGER, "value is of type bool, but INTEGER was requested; pass an int"),
        (1.0, T.INTEGER, "value is of type float, but INTEGER was requested; pass an int"),
        (1, T.STRING, "value is of type int, but STRING was requested; pass a str"),
        ("1", T.DOUBLE, "value is of type str, but DOUBLE was requested; pass a float or an int"),
        ("2026-03-01", T.TIME, "value is of type str, but TIME was requested; pass a datetime with a time zone"),
        (2**31, T.ENUM, "value is 2147483648, beyond 32 bits; use 64 bits (INTEGER, int64), or a smaller number"),
        (3.5e38, T.FLOAT, "value is 3.5e+38, beyond the range of a 32-bit float; use 64 bits (DOUBLE)"),
        (2**53 + 1, T.DOUBLE, "value is 9007199254740993, which a float cannot hold exactly; pass float(value) to have it rounded"),
        (10**309, T.DOUBLE, "value is an integer of 1027 bits, beyond the range of a float; send a smaller number"),
        (1, T.STATUS_TYPE, "value is of type int, but STATUS_TYPE was requested; pass bytes, or a proto.MxValue that you built"),
        ([1, "a"], T.INTEGER, "value[1] is of type str, but INTEGER was requested; pass an int"),
        (["Auto", 1], T.ENUM, "value[1] is of type int, but value[0] is of type str, and an array has one type; pass values of one type"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_the_asked_type_is_refused(
    value: object, data_type: proto.MxDataType, said: str
) -> None:
    assert refusal(value, data_type) == said


def test_a_data_type_that_the_contract_does_not_name_is_refused() -> None:
    assert "cannot be sent as data type number 4711" in refusal(1, T.try_value(4711))
    assert "cannot be sent as data type NO_DATA" in refusal(1, T.NO_DATA)


def test_the_caller_may_name_the_value_in_the_message() -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=r"^timestamp is a datetime without a time zone"):
        to_mx_value(datetime(2026, 1, 1), name="timestamp")
    with pytest.raises(MxGatewayInvalidRequestError, match=r"^setpoints\[1\] is nan"):
        to_mx_array([1.0, float("nan")], name="setpoints")
