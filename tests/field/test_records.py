"""Records and messages are dataclasses for every library: asdict, replace, hash, pickle, type hints, pydantic."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import mxgateway
from mxgateway import Endpoint, HttpProxy, values
from tests.field.behaviours import Behaviour
from tests.rows import each_row

BEHAVIOURS = [
    Behaviour(
        "asdict, astuple and replace work for every message, with a oneof or without",
        "wire/message/test_dataclass_tools.py::test_every_message_is_a_dataclass_for_the_standard_library",
        (
            "wire/message/test_dataclass_tools.py::test_a_message_with_a_oneof_becomes_a_dictionary_of_what_can_be_read",
            "wire/message/test_dataclass_tools.py::test_a_field_of_a_message_with_a_oneof_is_replaced",
            "wire/message/test_dataclass_tools.py::test_another_member_of_a_oneof_takes_the_place_of_the_first",
        ),
    ),
    Behaviour(
        "a record becomes a dictionary and has a hash, whatever its value is",
        "wire/message/test_dataclass_tools.py::test_a_record_becomes_a_dictionary_whatever_its_value_is",
        (
            "field/test_records.py::test_every_public_record_can_be_taken_apart_copied_and_pickled",
            "wire/message/test_dataclass_tools.py::test_no_record_hashes_what_may_have_no_hash",
            "wire/message/test_dataclass_tools.py::test_a_message_has_no_hash",
        ),
    ),
    Behaviour(
        "type hints of every public name resolve",
        "architecture/test_type_hints.py::test_the_type_hints_of_a_public_name_resolve",
        ("architecture/test_type_hints.py::test_methods_are_among_them",),
    ),
    Behaviour(
        "pydantic's TypeAdapter works for every public class, and writes every digit",
        "values/test_pydantic.py::test_pydantic_knows_every_record",
        (
            "values/test_pydantic.py::test_an_update_is_written_with_every_digit",
            "values/test_pydantic.py::test_every_kind_of_value_is_written",
            "values/test_pydantic.py::test_other_records_are_written",
            "values/test_pydantic.py::test_options_are_written_and_read",
            "values/test_pydantic.py::test_the_schema_of_an_update_says_what_is_written",
            "architecture/test_type_hints.py::test_pydantic_is_not_imported",
        ),
    ),
    Behaviour(
        "what pydantic writes holds no key and no password",
        "values/test_pydantic.py::test_no_secret_is_written",
    ),
]

FOUND = [*(getattr(mxgateway, name) for name in mxgateway.__all__), values.UnconvertedValue]
RECORDS = [record for record in FOUND if dataclasses.is_dataclass(record)]


CHECKED: dict[Any, Any] = {Endpoint: Endpoint("gw.plant", 5001), HttpProxy: HttpProxy.parse("http://proxy:3128")}
"""Those that take no None."""


def made(record: Any) -> Any:
    """Return an instance whose fields have their defaults, and None where there is none."""
    if record in CHECKED:
        return CHECKED[record]
    try:
        return record()
    except TypeError:
        return record(**{field.name: None for field in dataclasses.fields(record) if field.init})


@each_row(
    "record",
    [each for each in RECORDS if getattr(each, "__name__", "") not in ("Endpoint", "HttpProxy", "SparseArray")],
)
def test_every_public_record_can_be_taken_apart_copied_and_pickled(record: Any) -> None:
    instance = made(record)
    names = [field.name for field in dataclasses.fields(record)]
    assert list(dataclasses.asdict(instance)) == names
    assert len(dataclasses.astuple(instance)) == len(names)
    copies = [
        copy.copy(instance),
        copy.deepcopy(instance),
        pickle.loads(pickle.dumps(instance)),
        dataclasses.replace(instance),
    ]
    if hasattr(copy, "replace"):
        copies.append(copy.replace(instance))
    for each in copies:
        assert each == instance
        assert hash(each) == hash(instance)
        assert repr(each) == repr(instance)
