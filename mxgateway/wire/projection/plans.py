"""Plans: what a function that reads only a part of a message reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

Read = Callable[[bytes, int, int], Any]
"""Reads a value from bytes, from the first position up to the second one."""

_NOTHING: Final[Mapping[str, Any]] = {}


class Plan(NamedTuple):
    """What to read of a message, and where the values go.

    Fields are given by name. A field that is not in the plan is validated and skipped.
    """

    result: type[Any]
    """The class of the result; instances are made without calling its constructor."""
    slots: Mapping[str, str]
    """The attribute for each field: a plain value, a time, or a tuple of messages. Oneof members are not supported."""
    readers: Mapping[str, Read] = _NOTHING
    """The function that turns a sub-message's bytes into a value, by field."""
    absent: Mapping[str, Any] = _NOTHING
    """The value of an absent field; by default the zero value of a plain field, an empty list, and None for others."""
    steady: Sequence[str] = ()
    """The fields that are nearly always the same or absent: plain ones, and others that are skipped."""
    needs: Mapping[str, int] = _NOTHING
    """The required values of fields; any other message is left to the full decoder."""
    leaves: Sequence[str] = ()
    """The fields whose presence leaves a message to the full decoder."""


class Choice(NamedTuple):
    """A oneof that is read instead of its message. Fields are given by name."""

    members: Sequence[str]
    """The members that are read, the most frequent one first: plain values and times."""
    number: str
    """The field that comes first, a number below 128, such as a type's; it is skipped."""
    text: str
    """The field that comes next, a short text; it is skipped as well."""
    null: str
    """The flag that marks a missing value."""
