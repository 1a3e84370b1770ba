"""Every kind of field that a gateway may add to a message."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from tests.contract.proto_text import SCALARS

_KEYS: Final = tuple(name for name in SCALARS if name not in ("double", "float", "bytes"))
Label = FieldDescriptorProto


@dataclass
class Types:
    """What added fields may hold."""

    messages: list[str]
    enums: list[str]


Kind = Callable[[Random, DescriptorProto, str, str, Types], object]
"""Adds a field: takes the message, its full name, the field's name and the types to choose from."""


def json_name(name: str) -> str:
    """Return the name that a field has in JSON."""
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def without_twins(names: Iterable[str]) -> list[str]:
    """Leave out names that are one in JSON, but for their case."""
    return list({json_name(name).lower(): name for name in names}.values())


def add_field(
    message: DescriptorProto, name: str, kind: Any, *, label: Any = Label.LABEL_OPTIONAL, type_name: str = "", oneof: int | None = None
) -> FieldDescriptorProto:  # fmt: skip
    """Add a field without a number."""
    made = message.field.add(name=name, label=label, type=kind, json_name=json_name(name))
    if type_name:
        made.type_name = type_name
    if oneof is not None:
        made.oneof_index = oneof
    return made


def _scalar(kind: int, *, repeated: bool = False, optional: bool = False, packed: bool | None = None) -> Kind:
    def add(random: Random, message: DescriptorProto, full_name: str, name: str, types: Types) -> None:
        made = add_field(message, name, kind, label=Label.LABEL_REPEATED if repeated else Label.LABEL_OPTIONAL)
        if optional:
            made.proto3_optional = True
        if packed is not None:
            made.options.packed = packed

    return add


def _typed(kind: int, *, repeated: bool = False, optional: bool = False) -> Kind:
    def add(random: Random, message: DescriptorProto, full_name: str, name: str, types: Types) -> None:
        names = types.enums if kind == Label.TYPE_ENUM else types.messages
        if not names:
            return
        made = add_field(
            message, name, kind, label=Label.LABEL_REPEATED if repeated else Label.LABEL_OPTIONAL, type_name=random.choice(names)
        )  # fmt: skip
        if optional:
            made.proto3_optional = True

    return add


def _itself(random: Random, message: DescriptorProto, full_name: str, name: str, types: Types) -> None:
    add_field(message, name, Label.TYPE_MESSAGE, type_name=full_name)


def _map(value: str) -> Kind:
    def add(random: Random, message: DescriptorProto, full_name: str, name: str, types: Types) -> None:
        entry = DescriptorProto(name="".join(word[:1].upper() + word[1:] for word in name.split("_")) + "Entry")
        entry.options.map_entry = True
        add_field(entry, "key", SCALARS[random.choice(_KEYS)]).number = 1
        if value == "message":
            add_field(entry, "value", Label.TYPE_MESSAGE, type_name=random.choice(types.messages)).number = 2
        elif value == "enum" and types.enums:
            add_field(entry, "value", Label.TYPE_ENUM, type_name=random.choice(types.enums)).number = 2
        else:
            add_field(entry, "value", SCALARS[random.choice(list(SCALARS))]).number = 2
        message.nested_type.append(entry)
        type_name = f"{full_name}.{entry.name}"
        add_field(message, name, Label.TYPE_MESSAGE, label=Label.LABEL_REPEATED, type_name=type_name)

    return add


KINDS: Final[list[Kind]] = [
    *(_scalar(kind) for kind in SCALARS.values()),
    *(_scalar(kind, optional=True) for kind in SCALARS.values()),
    *(_scalar(kind, repeated=True) for kind in SCALARS.values()),
    _scalar(SCALARS["int32"], repeated=True, packed=False),
    _scalar(SCALARS["double"], repeated=True, packed=True),
    *(
        _typed(kind, **label)
        for kind in (Label.TYPE_MESSAGE, Label.TYPE_ENUM)
        for label in ({}, {"repeated": True}, {"optional": True})
    ),
    _itself,
    *(_map(value) for value in ("scalar", "message", "enum")),
]
