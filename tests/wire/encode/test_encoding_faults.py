"""Messages that have no bytes: refused with the field that is wrong, never sent as something else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from mxgateway import wire
from tests.rows import each_row
from tests.wire.conftest import Constructs


@each_row(
    ("name", "fields", "message_name", "field", "reason"),
    [
        ("Scalars", {"an_int32": 2**31}, "Scalars", "an_int32", "2147483648 is out of the range of int32"),
        ("Scalars", {"an_int32": -(2**31) - 1}, "Scalars", "an_int32", "out of the range of int32"),
        ("Scalars", {"an_int64": 2**63}, "Scalars", "an_int64", "out of the range of int64"),
        ("Scalars", {"a_uint32": -1}, "Scalars", "a_uint32", "out of the range of uint32"),
        ("Scalars", {"a_uint64": 2**64}, "Scalars", "a_uint64", "out of the range of uint64"),
        ("Scalars", {"a_sint32": 2**31}, "Scalars", "a_sint32", "out of the range of sint32"),
        ("Scalars", {"a_fixed32": -1}, "Scalars", "a_fixed32", "-1 is out of the range of fixed32"),
        ("Scalars", {"a_sfixed64": 2**63}, "Scalars", "a_sfixed64", "out of the range of sfixed64"),
        ("Scalars", {"a_float": 1e39}, "Scalars", "a_float", "float"),
        ("Scalars", {"an_int32": "5"}, "Scalars", "an_int32", "str"),
        ("Scalars", {"an_int32": 1.5}, "Scalars", "an_int32", "float"),
        ("Scalars", {"a_bool": "no"}, "Scalars", "a_bool", "str"),
        ("Scalars", {"a_double": "1"}, "Scalars", "a_double", "float|real number"),
        ("Scalars", {"a_string": b"x"}, "Scalars", "a_string", "needs a str, not a bytes"),
        ("Scalars", {"a_string": "\ud800"}, "Scalars", "a_string", "surrogates not allowed"),
        ("Scalars", {"some_bytes": "x"}, "Scalars", "some_bytes", "needs a bytes, not a str"),
        ("Scalars", {"a_color": 2**40}, "Scalars", "a_color", "out of the range of enum"),
        ("Optionals", {"a_message": 5}, "Optionals", "a_message", "needs a Scalars, not a int"),
        ("Tree", {"left": "x"}, "Tree", "left", "needs a Tree, not a str"),
        ("Tree", {"others": 5}, "Tree", "others", "not iterable"),
        ("Tree", {"others": [None]}, "Tree", "others", "needs a Tree, not a NoneType"),
        ("Lists", {"int32_s": [1, None]}, "Lists", "int32_s", "NoneType"),
        ("Lists", {"doubles": ["x"]}, "Lists", "doubles", "float|real number"),
        ("Lists", {"strings": ["a", 5]}, "Lists", "strings", "needs a str, not a int"),
        ("Lists", {"timestamps": [datetime(2024, 1, 1)]}, "Lists", "timestamps", "no time zone"),
        ("WellKnown", {"a_timestamp": datetime(2024, 1, 1)}, "WellKnown", "a_timestamp", "no time zone"),
        ("WellKnown", {"a_timestamp": 5}, "WellKnown", "a_timestamp", "needs a datetime, not a int"),
        ("WellKnown", {"a_duration": 5}, "WellKnown", "a_duration", "needs a timedelta, not a int"),
        ("WellKnown", {"an_int32": 2**31}, "WellKnown", "an_int32", "out of the range of int32"),
        ("Maps", {"by_string": {"a": 2**31}}, "Maps", "by_string", "out of the range of int32"),
        ("Maps", {"by_string": {5: 1}}, "Maps", "by_string", "needs a str, not a int"),
        ("Maps", {"by_string": {"a": 1, 5: 1}}, "Maps", "by_string", "not supported between"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_field(
    constructs: Constructs, name: str, fields: dict[str, Any], message_name: str, field: str, reason: str
) -> None:
    for classes in (constructs.ours, constructs.stock):
        with pytest.raises(wire.WireError, match=reason) as caught:
            wire.encode(getattr(classes, name)(**fields))
        assert (caught.value.message_name, caught.value.field, caught.value.offset) == (message_name, field, None)
        assert str(caught.value).startswith(f"{message_name}.{field}: ")


def test_the_innermost_field_is_named(constructs: Constructs) -> None:
    ours = constructs.ours
    tree = ours.Tree(others=[ours.Tree(), ours.Tree(left=ours.Tree(label=5))])
    with pytest.raises(wire.WireError, match=r"^Tree\.label: needs a str, not a int$"):
        wire.encode(tree)
    choices = ours.ManyChoices(scalars=ours.Scalars(an_int32=2**31))
    with pytest.raises(wire.WireError, match=r"^Scalars\.an_int32: "):
        wire.encode(choices)


def test_a_message_of_another_type_is_refused(constructs: Constructs) -> None:
    ours = constructs.ours
    with pytest.raises(wire.WireError, match=r"Tree\.left: needs a Tree, not a Scalars"):
        wire.encode(ours.Tree(left=ours.Scalars()))
    with pytest.raises(wire.WireError, match=r"ManyChoices\.tree: needs a Tree, not a Scalars"):
        wire.encode(ours.ManyChoices(tree=ours.Scalars()))


def test_a_message_of_a_derived_class_is_taken(constructs: Constructs) -> None:
    ours = constructs.ours

    class Fir(ours.Tree):  # type: ignore[misc, name-defined]
        pass

    assert wire.encode(ours.Tree(left=Fir(label="x"))) == wire.encode(ours.Tree(left=ours.Tree(label="x")))


def test_a_message_in_itself_is_refused(constructs: Constructs) -> None:
    tree = constructs.ours.Tree()
    tree.left = tree
    with pytest.raises(wire.WireError, match=r"Tree\.left: messages are nested more than 100 levels deep"):
        wire.encode(tree)


def test_a_message_above_the_size_limit_is_refused(constructs: Constructs) -> None:
    tree = constructs.ours.Tree(label="x" * 10)
    assert len(wire.encode(tree, size_limit=12)) == 12
    with pytest.raises(wire.WireError, match="Tree: 12 bytes are more than the limit of 11"):
        wire.encode(tree, size_limit=11)


def test_what_is_no_message_is_a_type_error() -> None:
    for thing in (5, None, object()):
        with pytest.raises(TypeError, match="not a betterproto message type"):
            wire.encode(thing)
    with pytest.raises(TypeError, match="not a betterproto message type"):
        wire.decode(int, b"")


def test_none_is_not_set(constructs: Constructs) -> None:
    ours = constructs.ours
    for classes in (constructs.ours, constructs.stock):
        assert wire.encode(classes.Scalars(an_int32=None, a_double=None, a_string=None)) == b""
        assert wire.encode(classes.WellKnown(an_int32=None, a_timestamp=None, a_string=None)) == b""
        assert wire.encode(classes.Choices(a_double=None, a_message=None)) == b""
        assert wire.encode(classes.ManyChoices(tree=None)) == b""
        assert wire.encode(classes.Lists(strings=None, int32_s=None)) == b""
    assert wire.encode(ours.Lists(wrapped_numbers=[None, 1])) == bytes.fromhex("aa0100" + "aa01020801")


def test_whole_floats_and_bools_are_numbers(constructs: Constructs) -> None:
    scalars = constructs.ours.Scalars
    for _ in range(2):  # the second time from the tables
        assert wire.encode(scalars(an_int32=1.0, a_uint64=True)) == wire.encode(scalars(an_int32=1, a_uint64=1))
        assert wire.encode(scalars(a_bool=2)) == wire.encode(scalars(a_bool=True))


def test_lists_may_be_any_sequence_and_bytes_any_buffer(constructs: Constructs) -> None:
    ours = constructs.ours
    assert wire.encode(ours.Lists(int32_s=(1, 2), strings=("a",))) == wire.encode(
        ours.Lists(int32_s=[1, 2], strings=["a"])
    )
    for data in (bytearray(b"ab"), memoryview(b"ab")):
        assert wire.encode(ours.Scalars(some_bytes=data)) == wire.encode(ours.Scalars(some_bytes=b"ab"))


def test_a_negative_duration_is_written_right(constructs: Constructs) -> None:
    google = constructs.google("WellKnown")
    for span in (timedelta(seconds=-1.5), timedelta(microseconds=-1), timedelta(days=-3, microseconds=5)):
        expected = google()
        expected.a_duration.FromTimedelta(span)
        assert wire.encode(constructs.ours.WellKnown(a_duration=span)) == expected.SerializeToString()
