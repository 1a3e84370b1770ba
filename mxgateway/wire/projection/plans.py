"""What is to be read of a message, for the functions that read only a part of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

Read = Callable[[bytes, int, int], Any]
"""Reads what stands at a place in the bytes: from the first position up to the second one."""

_NOTHING: Final[Mapping[str, Any]] = {}


class Plan(NamedTuple):
    """What is read of a message, and what becomes of it.

    Fields are given by their names. A field that is not in the plan is checked, and passed over.
    """

    result: type[Any]
    """The class of what is made; it is made without a call of its constructor."""
    slots: Mapping[str, str]
    """The attribute that gets a field's value, by field: a plain value, a time, or a tuple of messages. Members of oneofs are not taken."""
    readers: Mapping[str, Read] = _NOTHING
    """What makes a value of a sub-message's bytes, by field."""
    absent: Mapping[str, Any] = _NOTHING
    """What stands for a field that is not there; None for any other than a plain value or a list."""
    steady: Sequence[str] = ()
    """The fields that are nearly always the same, or not there: plain ones, and others that are passed over."""
    needs: Mapping[str, int] = _NOTHING
    """The numbers that fields must have: any other message is left to the whole decoder."""
    leaves: Sequence[str] = ()
    """The fields that make a message one for the whole decoder."""


class Choice(NamedTuple):
    """A oneof that is read in place of its message. Fields are given by their names."""

    members: Sequence[str]
    """The members that are read, the most frequent one first: plain values and times."""
    number: str
    """The field that comes first, a number below 128, such as a type's."""
    text: str
    """The one that comes next, a short text; like the number it is passed over."""
    null: str
    """The flag that says that there is no value."""
