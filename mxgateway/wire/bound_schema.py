"""Message schemas bound to a peer's contract: our names and Python types, the peer's numbers and wire types."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from operator import index
from typing import Any, Final

from .errors import LackingError
from .float32 import as_float32
from .schema import PACKABLE_KINDS, FieldSchema, Schemas, wire_type_of
from .varint import check_range

INTEGERS: Final = PACKABLE_KINDS - {"double", "float"}
"""The kinds whose values are integers."""
_FAMILIES: Final = (INTEGERS, frozenset({"double", "float"}), frozenset({"string", "bytes"}))

_SHIFT: Final = 1 << 30
_BEYOND: Final = 1 << 32


def converts(ours: str, theirs: str) -> bool:
    """Return whether values of one scalar kind convert to the other."""
    return ours == theirs or any(ours in family and theirs in family for family in _FAMILIES)


class BoundEnum(dict[int, Any]):
    """The members of an enum by the peer's numbers: the same name has the same meaning.

    A number with an unknown name becomes a separate member: it equals none of ours, carries the peer's name if there is
    one, and is sent back unchanged.

    Args:
        enum_type: Our enum.
        ours: Our numbers by name.
        theirs: The peer's numbers by name.
    """

    def __init__(self, enum_type: Any, ours: Mapping[str, int], theirs: Mapping[str, int]) -> None:
        super().__init__()
        self._enum_type = enum_type
        self._our_numbers = frozenset(ours.values())
        self._sent = {number: theirs[name] for name, number in reversed(list(ours.items())) if name in theirs}
        self._names = {number: name for name, number in reversed(list(ours.items()))}
        for name, number in theirs.items():
            if name in ours:
                self.setdefault(number, enum_type.try_value(ours[name]))
        for name, number in theirs.items():
            if number not in self:
                self[number] = self._foreign(number, name)

    def __missing__(self, number: int) -> Any:
        return self._foreign(number, None)

    def _foreign(self, number: int, name: str | None) -> Any:
        """Return a member that equals none of ours."""
        value = number
        if number in self._our_numbers:
            value = number ^ _SHIFT
        elif number ^ _SHIFT in self._our_numbers:
            value = number + _BEYOND
        member = self._enum_type.__new__(self._enum_type, name=name, value=value)
        object.__setattr__(member, "wire_number", number)
        return member

    def number_of(self, member: int) -> int:
        """Return the peer's number for a member or for a plain number.

        Raises:
            LackingError: The peer has no member of this name.
        """
        value = index(member)
        if value in self._sent:
            return self._sent[value]
        if value == 0:  # unset
            return 0
        if value in self._names:
            raise LackingError(f"the gateway's contract has no value {self._names[value]}")
        if value >= _BEYOND - (1 << 31):
            return value - _BEYOND
        return value ^ _SHIFT if value ^ _SHIFT in self._our_numbers else value


def bound_field(
    own: FieldSchema, *, number: int, kind: str, packed: bool, schemas: Schemas, members: BoundEnum | None = None
) -> FieldSchema:
    """Return a field with the peer's number and kind.

    Args:
        own: The field as our class declares it; its kind is the peer's, or converts to it.
        number: The peer's number.
        kind: The peer's kind.
        packed: Whether the peer writes lists of numbers packed.
        schemas: Returns the schema of the field's own message type.
        members: The members of the field's enum, if both kinds are enums.
    """
    field = copy.copy(own)
    state = vars(field)
    for computed in ("body", "take", "members", "wire_type"):
        state.pop(computed, None)
    field.number, field.packed, field.schemas = number, packed, schemas
    ours = own.kind
    if members is not None:
        state["members"], field.give = members, members.number_of
    elif kind != ours:
        kind = "int32" if kind == "enum" else kind
        state.update(kind=kind, wire_type=wire_type_of(kind), take=_from_peer(own, kind), zero_value=own.zero_value)
        field.give = _to_peer(ours, kind)
    return field


def bound_map(own: FieldSchema, *, number: int, key: FieldSchema, value: FieldSchema) -> FieldSchema:
    """Return a map with the peer's number and an already bound key and value."""
    field = copy.copy(own)
    vars(field).pop("body", None)
    vars(field).update(key=key, value=value)
    field.number = number
    return field


def _from_peer(own: FieldSchema, kind: str) -> Callable[[Any], Any]:
    """Return the conversion from the peer's values to ours; it can raise OverflowError or UnicodeDecodeError."""
    ours = own.kind
    if ours == "bool":
        return bool
    if ours == "enum":
        members = own.members
        return lambda value: members[_in_range("int32", int(value))]
    if ours in INTEGERS:
        return lambda value: _in_range(ours, int(value))
    if ours in ("double", "float"):
        return (lambda value: as_float32(float(value))) if ours == "float" else float
    return bytes.decode if ours == "string" else str.encode


def _to_peer(ours: str, kind: str) -> Callable[[Any], Any]:
    """Return the conversion from our values to the peer's."""
    if ours == "string":
        return str.encode
    if ours == "bytes":
        return lambda value: bytes(value).decode()
    if kind == "bool":
        return _as_bool
    return _same if ours in ("double", "float") else index


def _in_range(kind: str, number: int) -> int:
    try:
        check_range(kind, number)
    except ValueError as error:
        raise OverflowError(str(error)) from None
    return number


def _as_bool(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError(f"{value} is out of the range of bool")
    return bool(value)


def _same(value: Any) -> Any:
    return value
