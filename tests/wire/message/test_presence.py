"""What is set can be told from what is zero, and from what was only looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mxgateway.wire import Timestamp, decode, encode, has_field, which_one_of
from tests.wire.conftest import Constructs

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_the_epoch_is_told_from_no_time(constructs: Constructs) -> None:
    for classes in (constructs.ours, constructs.stock):
        absent = decode(classes.WellKnown, b"")
        epoch = decode(classes.WellKnown, bytes.fromhex("0a00"))
        assert absent.a_timestamp == epoch.a_timestamp == EPOCH
        assert not has_field(absent, "a_timestamp")
        assert has_field(epoch, "a_timestamp")
        assert encode(absent) == b""
        assert encode(epoch) == bytes.fromhex("0a00")


def test_a_zero_that_was_set_is_sent(constructs: Constructs) -> None:
    ours = constructs.ours
    for zero in (EPOCH, Timestamp.from_parts(0, 0)):
        assert encode(ours.WellKnown(a_timestamp=zero)) == bytes.fromhex("0a00")
    assert encode(ours.WellKnown(a_duration=timedelta(0))) == bytes.fromhex("1200")
    # betterproto's own class cannot know, and does as it always did.
    looked_at = constructs.stock.WellKnown()
    assert looked_at.a_timestamp == EPOCH
    assert looked_at.a_duration == timedelta(0)
    assert encode(looked_at) == b""
    assert not has_field(looked_at, "a_timestamp")


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_a_sub_message_that_was_only_looked_at_is_not_set(constructs: Constructs, kind: str) -> None:
    classes: Any = getattr(constructs, kind)
    tree = classes.Tree()
    assert tree.left.right.label == ""
    assert not has_field(tree, "left")
    assert encode(tree) == b""
    tree.left.right.label = "x"
    assert has_field(tree, "left")
    assert encode(tree) == encode(classes.Tree(left=classes.Tree(right=classes.Tree(label="x"))))


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_an_empty_sub_message_that_was_received_is_set(constructs: Constructs, kind: str) -> None:
    classes: Any = getattr(constructs, kind)
    tree = decode(classes.Tree, bytes.fromhex("1200"))
    assert has_field(tree, "left")
    assert not has_field(tree, "right")
    assert encode(tree) == bytes.fromhex("1200")


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_optional_zeros_wrappers_and_members_of_oneofs_are_set(constructs: Constructs, kind: str) -> None:
    classes: Any = getattr(constructs, kind)
    optionals = classes.Optionals(an_int32=0, a_string="", a_message=classes.Scalars())
    assert [name for name in ("an_int32", "a_string", "a_message", "a_bool") if has_field(optionals, name)] == [
        "an_int32",
        "a_string",
        "a_message",
    ]
    assert has_field(classes.WellKnown(an_int32=0), "an_int32")
    assert not has_field(classes.WellKnown(), "an_int32")
    choices = classes.Choices(a_double=0.0)
    assert has_field(choices, "a_double")
    assert not has_field(choices, "an_int32")


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_the_set_member_of_a_oneof_is_named(constructs: Constructs, kind: str) -> None:
    classes: Any = getattr(constructs, kind)
    choices = classes.Choices(an_int32=0)
    assert which_one_of(choices, "number") == "an_int32"
    assert which_one_of(choices, "anything") == ""
    choices.a_double = 1.0
    choices.a_message = classes.Scalars()
    assert which_one_of(choices, "number") == "a_double"
    assert which_one_of(choices, "anything") == "a_message"


def test_a_field_without_presence_is_refused(constructs: Constructs) -> None:
    ours = constructs.ours
    for message, name in ((ours.Scalars(), "an_int32"), (ours.Lists(), "strings"), (ours.Maps(), "by_string")):
        with pytest.raises(ValueError, match=f"{name} has no presence"):
            has_field(message, name)
    with pytest.raises(ValueError, match="Scalars has no field 'unheard_of'"):
        has_field(ours.Scalars(), "unheard_of")
    with pytest.raises(ValueError, match="Choices has no oneof 'unheard_of'"):
        which_one_of(ours.Choices(), "unheard_of")
