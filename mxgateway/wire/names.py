"""The names that a contract gives its messages, fields and enum values, which betterproto changes for Python.

betterproto takes the prefix off an enum value and writes field names as Python does; JSON wants the names of the
.proto file. They are in the contract as a FileDescriptorSet, `contract.binpb`, which is generated into the package
that the generated packages lie in. For a class without one they are made up again by the rules that style guides
for .proto files agree on.
"""

from __future__ import annotations

import keyword
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from betterproto.casing import snake_case
from betterproto.compile.naming import pythonize_class_name

from .betterproto_seam import betterproto
from .decoder import decode
from .message import Message, message_type
from .schema import schema_of

DESCRIPTOR_SET: Final = "contract.binpb"


@dataclass(frozen=True, slots=True)
class MessageNames:
    """The names of a message type.

    Attributes:
        full_name: The type's name with its package, such as `mxaccess_gateway.v1.MxEvent`.
        json_names: The name in JSON of each field, by its name in Python.
        fields: The name in Python of each field, by its name in JSON and by that in the .proto file.
    """

    full_name: str
    json_names: Mapping[str, str]
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EnumNames:
    """The names of an enum's values.

    Attributes:
        full_name: The type's name with its package.
        by_number: The first name of each number.
        by_name: The number of each name.
    """

    full_name: str
    by_number: Mapping[int, str]
    by_name: Mapping[str, int]


def message_names(message_class: type[Any]) -> MessageNames:
    """Return the names of a message type."""
    names = _MESSAGE_NAMES.get(message_class)
    if names is None:
        names = _MESSAGE_NAMES[message_class] = _read_message_names(message_class)
    return names


def enum_names(enum_class: type[Any]) -> EnumNames:
    """Return the names of an enum's values."""
    names = _ENUM_NAMES.get(enum_class)
    if names is None:
        names = _ENUM_NAMES[enum_class] = _read_enum_names(enum_class)
    return names


_MESSAGE_NAMES: Final[dict[type[Any], MessageNames]] = {}
_ENUM_NAMES: Final[dict[type[Any], EnumNames]] = {}


def _read_message_names(message_class: type[Any]) -> MessageNames:
    known = _find(message_class)
    if isinstance(known, _DescribedMessage):
        described = {field.number: (field.name, field.json_name) for field in known.descriptor.field}
        pairs = {
            field.name: described.get(field.number) or _usual_names(field.name)
            for field in schema_of(message_class).fields
        }
        full_name = known.full_name
    else:
        pairs = {field.name: _usual_names(field.name) for field in schema_of(message_class).fields}
        full_name = message_class.__name__
    fields = {proto_name: name for name, (proto_name, _) in pairs.items()}
    fields.update({json_name: name for name, (_, json_name) in pairs.items()})
    return MessageNames(full_name, {name: json_name for name, (_, json_name) in pairs.items()}, fields)


def _read_enum_names(enum_class: type[betterproto.Enum]) -> EnumNames:
    known = _find(enum_class)
    if isinstance(known, _DescribedEnum):
        pairs = [(value.name, value.number) for value in known.descriptor.value]
        full_name = known.full_name
    else:
        prefix = snake_case(enum_class.__name__).upper()
        pairs = [(f"{prefix}_{member.name}", member.value) for member in enum_class]
        full_name = enum_class.__name__
    by_number: dict[int, str] = {}
    for name, number in pairs:
        by_number.setdefault(number, name)
    return EnumNames(full_name, by_number, dict(pairs))


# The part of google/protobuf/descriptor.proto that names need.


@message_type
class _EnumValue(Message):
    name: str = betterproto.string_field(1)
    number: int = betterproto.int32_field(2)


@message_type
class _Enum(Message):
    name: str = betterproto.string_field(1)
    value: list[_EnumValue] = betterproto.message_field(2)


@message_type
class _Field(Message):
    name: str = betterproto.string_field(1)
    number: int = betterproto.int32_field(3)
    json_name: str = betterproto.string_field(10)


@message_type
class _Type(Message):
    name: str = betterproto.string_field(1)
    field: list[_Field] = betterproto.message_field(2)
    nested_type: list[_Type] = betterproto.message_field(3)
    enum_type: list[_Enum] = betterproto.message_field(4)


@message_type
class _File(Message):
    package: str = betterproto.string_field(2)
    message_type: list[_Type] = betterproto.message_field(4)
    enum_type: list[_Enum] = betterproto.message_field(5)


@message_type
class _FileSet(Message):
    file: list[_File] = betterproto.message_field(1)


@dataclass(frozen=True, slots=True)
class _DescribedMessage:
    full_name: str
    descriptor: _Type


@dataclass(frozen=True, slots=True)
class _DescribedEnum:
    full_name: str
    descriptor: _Enum


_Described = _DescribedMessage | _DescribedEnum


def _find(generated_class: type[Any]) -> _Described | None:
    """Return a class's descriptor from the set in one of the packages around it."""
    root = generated_class.__module__
    while root:
        described = _read_set(root)
        if described is not None:
            package = generated_class.__module__[len(root) + 1 :]
            return described.get((package, generated_class.__name__))
        root = root.rpartition(".")[0]
    return None


@cache
def _read_set(package: str) -> Mapping[tuple[str, str], _Described] | None:
    """Return the types of a package's descriptor set by proto package and Python name; None when it has no set."""
    if not hasattr(sys.modules.get(package), "__path__"):
        return None
    try:
        data = pkgutil.get_data(package, DESCRIPTOR_SET)
    except OSError:
        return None
    if data is None:
        return None
    found: dict[tuple[str, str], _Described] = {}
    for file in decode(_FileSet, data).file:
        for full_name, python_name, descriptor in _types(file.message_type, file.enum_type, file.package, ""):
            described = _DescribedMessage if isinstance(descriptor, _Type) else _DescribedEnum
            found[file.package, python_name] = described(full_name, descriptor)  # type: ignore[arg-type]
    return found


def _types(
    messages: list[_Type], enums: list[_Enum], scope: str, prefix: str
) -> Iterator[tuple[str, str, _Type | _Enum]]:
    # A nested type's name in Python is made of the names around it.
    for enum in enums:
        yield f"{scope}.{enum.name}", pythonize_class_name(f"{prefix}_{enum.name}"), enum
    for message in messages:
        full_name, flat_name = f"{scope}.{message.name}", f"{prefix}_{message.name}"
        yield full_name, pythonize_class_name(flat_name), message
        yield from _types(message.nested_type, message.enum_type, full_name, flat_name)


def _usual_names(name: str) -> tuple[str, str]:
    proto_name = name[:-1] if name.endswith("_") and keyword.iskeyword(name[:-1]) else name
    first, *others = proto_name.split("_")
    return proto_name, first + "".join(other[:1].upper() + other[1:] for other in others)
