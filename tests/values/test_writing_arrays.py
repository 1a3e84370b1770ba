"""A list becomes one typed array; a sparse array names some slots of one."""

from __future__ import annotations

from array import array as machine_array
from datetime import UTC, datetime, timedelta

import pytest

from mxgateway import proto
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.values import to_mx_array, to_mx_sparse_array, to_mx_value
from mxgateway.wire import which_one_of
from tests.rows import each_row

T = proto.MxDataType
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


@each_row(
    ("values", "arm", "data_type", "variant"),
    [
        ([True, False], "bool_values", "BOOLEAN", "VT_ARRAY|VT_BOOL"),
        ([1, 2], "int32_values", "INTEGER", "VT_ARRAY|VT_I4"),
        ([1, 2**40], "int64_values", "INTEGER", "VT_ARRAY|VT_I8"),
        ([1.5, 2.5], "double_values", "DOUBLE", "VT_ARRAY|VT_R8"),
        (["a", ""], "string_values", "STRING", "VT_ARRAY|VT_BSTR"),
        ([MOMENT], "timestamp_values", "TIME", "VT_ARRAY|VT_DATE"),
        ([b"a", b""], "raw_values", "UNKNOWN", "VT_ARRAY|VT_RECORD"),
    ],
)
@each_row("sequence", [list, tuple])
def test_a_list_or_tuple_of_one_type_takes_the_array_of_its_type(
    values: list[object], arm: str, data_type: str, variant: str, sequence: type
) -> None:
    message = to_mx_value(sequence(values))
    array = message.array_value
    assert (message.data_type.name, message.variant_type) == (data_type, variant)
    assert (array.element_data_type.name, array.variant_type) == (data_type, variant)
    assert array.dimensions == [len(values)]
    assert which_one_of(array, "values") == arm
    assert getattr(array, arm).values == values


def test_any_other_sequence_is_written_as_a_list_is() -> None:
    assert to_mx_value(range(3)) == to_mx_value([0, 1, 2])
    assert to_mx_value(machine_array("d", [1.5, 2.5])) == to_mx_value([1.5, 2.5])


def test_a_list_of_timedeltas_is_an_array_of_seconds() -> None:
    array = to_mx_value([timedelta(seconds=1), timedelta(milliseconds=500)]).array_value
    assert array.element_data_type is T.ELAPSED_TIME
    assert array.double_values.values == [1.0, 0.5]


def test_a_float_array_is_asked_for_by_type() -> None:
    array = to_mx_value([0.1, 2], data_type=T.FLOAT).array_value
    assert array.variant_type == "VT_ARRAY|VT_R4"
    assert array.float_values.values == [0.10000000149011612, 2.0]


@each_row(
    ("data_type", "arm"),
    [
        (T.BOOLEAN, "bool_values"), (T.INTEGER, "int32_values"), (T.FLOAT, "float_values"), (T.DOUBLE, "double_values"),
        (T.STRING, "string_values"), (T.TIME, "timestamp_values"), (T.ELAPSED_TIME, "double_values"), (T.ENUM, "int32_values"),
        (T.BIG_STRING, "string_values"), (T.UNKNOWN, "raw_values"),
    ],
)  # fmt: skip
def test_an_empty_list_takes_the_array_of_the_type_that_is_asked_for(data_type: proto.MxDataType, arm: str) -> None:
    array = to_mx_value([], data_type=data_type).array_value
    assert which_one_of(array, "values") == arm
    assert (array.element_data_type, array.dimensions) == (data_type, [0])


def test_dimensions_are_carried_beside_the_row_of_elements() -> None:
    array = to_mx_array([1, 2, 3, 4, 5, 6], dimensions=(2, 3))
    assert (array.dimensions, array.int32_values.values) == ([2, 3], [1, 2, 3, 4, 5, 6])
    assert to_mx_value(array).array_value is array


@each_row("dimensions", [(2, 2), (), (-1, -6), (1,) * 33, (2**32, 0)])
def test_dimensions_that_do_not_hold_the_elements_are_refused(dimensions: tuple[int, ...]) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="dimensions"):
        to_mx_array([1, 2, 3, 4, 5, 6], dimensions=dimensions)


def test_a_ready_array_of_another_type_than_asked_for_is_refused() -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="INTEGER, but STRING was requested"):
        to_mx_value(to_mx_array([1]), data_type=T.STRING)


def test_a_sparse_array_names_its_slots_and_their_values() -> None:
    sparse = to_mx_sparse_array(T.INTEGER, 10, {3: 7, 0: 8})
    message = to_mx_value(sparse)
    assert which_one_of(message, "kind") == "sparse_array_value"
    assert (message.data_type, message.variant_type) == (T.INTEGER, "VT_ARRAY|VT_I4")
    assert (sparse.element_data_type, sparse.total_length) == (T.INTEGER, 10)
    assert [(e.index, e.value.int32_value, e.value.data_type) for e in sparse.elements] == [
        (3, 7, T.INTEGER),
        (0, 8, T.INTEGER),
    ]


def test_a_wide_number_in_a_sparse_array_widens_all_its_elements() -> None:
    sparse = to_mx_sparse_array(T.INTEGER, 10, {3: 7, 4: 2**40})
    assert [which_one_of(e.value, "kind") for e in sparse.elements] == ["int64_value", "int64_value"]


def test_a_sparse_array_may_name_no_slot_at_all() -> None:
    assert to_mx_value(to_mx_sparse_array(T.STRING, 3, {})).sparse_array_value.elements == []


@each_row(
    ("total_length", "elements", "said"),
    [
        (3, {3: 1}, r"^value\[3\] is outside the array; indexes are counted from 0; the array has 3 elements$"),
        (3, {-1: 1}, r"^value\[-1\] is outside the array"),
        (3, {1: "a"}, r"^value\[1\] is of type str, but INTEGER was requested"),
        (3, {1: None}, r"^value\[1\] is None"),
        (3, {1: [1]}, r"^value\[1\] is a list inside a list"),
        (2**32, {}, r"^value has total length 4294967296"),
        (-1, {}, r"^value has total length -1"),
    ],
)
def test_a_sparse_array_that_the_gateway_would_refuse_is_refused_here(
    total_length: int, elements: dict[int, object], said: str
) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=said):
        to_mx_sparse_array(T.INTEGER, total_length, elements)  # type: ignore[arg-type]


def test_a_sparse_array_needs_a_data_type() -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="value has no data type"):
        to_mx_sparse_array(T.UNSPECIFIED, 3, {0: 1})


def sparse_message(*elements: tuple[int, proto.MxValue]) -> proto.MxSparseArray:
    return proto.MxSparseArray(
        element_data_type=T.INTEGER,
        total_length=3,
        elements=[proto.MxSparseElement(index=index, value=value) for index, value in elements],
    )


@each_row(
    ("sparse", "said"),
    [
        (sparse_message((0, to_mx_value(1)), (0, to_mx_value(2))), r"value\[0\] is given twice"),
        (sparse_message((3, to_mx_value(1))), r"value\[3\] is outside the array"),
        (sparse_message((0, to_mx_value([1]))), r"value\[0\] has array_value, which is not a scalar of INTEGER"),
        (sparse_message((0, to_mx_value("a"))), r"value\[0\] has string_value, which is not a scalar of INTEGER"),
        (sparse_message((0, to_mx_value(None))), r"value\[0\] has no value"),
        (sparse_message((0, to_mx_value(1)), (1, to_mx_value(2**40))), r"value has elements of several VARIANT types"),
    ],
)
def test_a_ready_sparse_array_is_checked_as_well(sparse: proto.MxSparseArray, said: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=said):
        to_mx_value(sparse)
