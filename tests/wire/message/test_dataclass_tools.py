"""What the standard library does with dataclasses works with messages and with the library's records."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from typing import Any

import pytest

import mxgateway
from mxgateway import Origin, TagUpdate, from_mx_value, proto, to_mx_value
from mxgateway.values import UnconvertedValue
from tests.rows import each_row
from tests.wire.conftest import Constructs

RAW = proto.MxValue(raw_value=b"x", variant_type="VT_RECORD", raw_diagnostic="no form", raw_data_type=99)
MESSAGES = [found for found in map(proto.__getattribute__, dir(proto)) if dataclasses.is_dataclass(found)]


def update(value: Any) -> TagUpdate:
    return TagUpdate("a.b", value, 192, None, 1, Origin.LIVE, (proto.MxStatusProxy(success=-1),))


@each_row("message_type", MESSAGES)
def test_every_message_is_a_dataclass_for_the_standard_library(message_type: type[Any]) -> None:
    message = message_type()
    assert isinstance(dataclasses.asdict(message), dict)
    assert isinstance(dataclasses.astuple(message), tuple)
    assert dataclasses.replace(message) == message


def test_a_message_with_a_oneof_becomes_a_dictionary_of_what_can_be_read() -> None:
    value = to_mx_value(1.5)
    event = proto.MxEvent(worker_sequence=3, value=value)
    found = dataclasses.asdict(event)
    assert (found["worker_sequence"], found["value"]["double_value"]) == (3, 1.5)
    assert not {"bool_value", "array_value"} & found["value"].keys()
    assert "on_data_change" not in found
    assert 1.5 in dataclasses.astuple(value)
    assert [field.name for field in dataclasses.fields(value)] == list(dataclasses.asdict(value))
    assert {"bool_value", "double_value"} < {field.name for field in dataclasses.fields(proto.MxValue)}
    assert "bool_value" in proto.MxValue.__match_args__


def test_a_field_of_a_message_with_a_oneof_is_replaced() -> None:
    value = to_mx_value(1.5)
    event = proto.MxEvent(worker_sequence=3, value=value)
    assert dataclasses.replace(event, worker_sequence=4) == proto.MxEvent(worker_sequence=4, value=value)
    assert dataclasses.replace(value, double_value=2.5).double_value == 2.5
    assert value.double_value == 1.5


def test_another_member_of_a_oneof_takes_the_place_of_the_first(constructs: Constructs) -> None:
    choices = constructs.ours.Choices(a_double=1.5, a_string="x")
    changed = choices.__replace__(an_int32=5)
    assert repr(changed) == "Choices(an_int32=5, a_string='x')"
    assert repr(choices) == "Choices(a_double=1.5, a_string='x')"
    assert changed.__replace__() == changed
    if hasattr(copy, "replace"):
        assert copy.replace(choices, an_int32=5) == changed
    with pytest.raises(TypeError, match="no field 'nonsense'"):
        choices.__replace__(nonsense=5)


@each_row("value", [from_mx_value(RAW), [1.5, 2.5], [[1], [2]], None, 5, float("nan")])
def test_a_record_becomes_a_dictionary_whatever_its_value_is(value: Any) -> None:
    record = update(value)
    found = dataclasses.asdict(record)
    assert (found["tag"], found["statuses"][0]["success"]) == ("a.b", -1)
    if isinstance(value, UnconvertedValue):
        assert found["value"]["message"]["raw_value"] == b"x"
    assert len(dataclasses.astuple(record)) == len(dataclasses.fields(TagUpdate))
    assert hash(record) == hash(copy.deepcopy(record))
    assert len({record, dataclasses.replace(record, tag="c")}) == 2


def test_a_message_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(RAW)


NEVER_HASHED = ("list", "Mapping", "dict", "proto.Mx", "MxValueOutput", "proto.Acknowledge", "Any")
RECORDS = [
    record for record in map(mxgateway.__getattribute__, mxgateway.__all__)
    if inspect.isclass(record) and dataclasses.is_dataclass(record)
]  # fmt: skip


@each_row("record", RECORDS)
def test_no_record_hashes_what_may_have_no_hash(record: type[Any]) -> None:
    hashed = {field.name: field.type for field in dataclasses.fields(record) if field.hash is not False}
    enums = {
        name
        for name, of in hashed.items()
        if str(of).startswith("proto.") and str(of).endswith(("Mode", "Kind", "State", "MxDataType"))
    }
    assert {
        name: of for name, of in hashed.items() if name not in enums and any(map(str(of).__contains__, NEVER_HASHED))
    } == {}
