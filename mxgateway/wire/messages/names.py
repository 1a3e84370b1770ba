"""The contract's own names of messages, fields and enum values, which betterproto changes for Python.

betterproto strips the prefix of enum values and converts field names to Python style; JSON needs the names of the
.proto file. They come from the FileDescriptorSet `contract.binpb` in the parent package of the generated packages.
Without such a file, they are derived by the usual .proto style rules.
"""

from __future__ import annotations

import keyword
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from betterproto.casing import snake_case
from betterproto.compile.naming import pythonize_class_name

from mxgateway.wire.decode.decoder import decode
from mxgateway.wire.schema import schema_of

from .betterproto_seam import betterproto
from .message import Message, message_type

DESCRIPTOR_SET: Final = "contract.binpb"


class MessageNames(NamedTuple):
    """The names of a message type.

    Attributes:
        full_name: The type's name with its package, such as `mxaccess_gateway.v1.MxEvent`.
        json_names: The JSON name of each field, by its Python name.
        fields: The Python name of each field, by its JSON name and by its name in the .proto file.
    """

    full_name: str
    json_names: Mapping[str, str]
    fields: Mapping[str, str]


class EnumNames(NamedTuple):
    """The names of an enum's values.

    Attributes:
        full_name: The type's name with its package.
        by_number: The first name with each number.
        by_name: The number with each name.
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
    full_name, descriptor = _find(message_class) or (message_class.__name__, _Type())
    described = {field.number: (field.name, field.json_name) for field in descriptor.field}
    pairs = {
        field.name: described.get(field.number) or _usual_names(field.name) for field in schema_of(message_class).fields
    }
    fields = {proto_name: name for name, (proto_name, _) in pairs.items()}
    fields.update({json_name: name for name, (_, json_name) in pairs.items()})
    return MessageNames(full_name, {name: json_name for name, (_, json_name) in pairs.items()}, fields)


def _read_enum_names(enum_class: type[betterproto.Enum]) -> EnumNames:
    full_name, descriptor = _find(enum_class) or (enum_class.__name__, None)
    if descriptor is not None:
        pairs = [(value.name, value.number) for value in descriptor.value]
    else:
        prefix = snake_case(enum_class.__name__).upper()
        pairs = [(f"{prefix}_{member.name}", member.value) for member in enum_class]
    by_number: dict[int, str] = {}
    for name, number in pairs:
        by_number.setdefault(number, name)
    return EnumNames(full_name, by_number, dict(pairs))


# The part of google/protobuf/descriptor.proto that contains names.


@message_type
class _Named(Message):
    name: str = betterproto.string_field(1)


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
    # As bytes: a set has some hundred types, and few of them are looked up.
    message_type: list[bytes] = betterproto.bytes_field(4)
    enum_type: list[bytes] = betterproto.bytes_field(5)


@message_type
class _FileSet(Message):
    file: list[_File] = betterproto.message_field(1)


_Described = tuple[str, Any]
"""A type's full name, and its descriptor: a `_Type` or an `_Enum`."""


def _find(generated_class: type[Any]) -> _Described | None:
    """Return a class's descriptor from the set in one of its parent packages."""
    root = generated_class.__module__
    while root:
        files = _read_set(root)
        if files is not None:
            package = generated_class.__module__[len(root) + 1 :]
            python_name = generated_class.__name__
            return _find_outer(files, package, python_name) or _inner_types(root, package).get(python_name)
        root = root.rpartition(".")[0]
    return None


@cache
def _read_set(package: str) -> list[_File] | None:
    """Return the files of a package's descriptor set; None if it has none."""
    if not hasattr(sys.modules.get(package), "__path__"):
        return None
    try:
        data = pkgutil.get_data(package, DESCRIPTOR_SET)
    except OSError:
        return None
    return None if data is None else decode(_FileSet, data).file


def _find_outer(files: list[_File], package: str, python_name: str) -> _Described | None:
    """Return a top-level type."""
    for file in files:
        if file.package == package:
            for encoded in (each for each in file.message_type if _is_called(each, python_name)):
                message = decode(_Type, encoded)
                return f"{package}.{message.name}", message
            for encoded in (each for each in file.enum_type if _is_called(each, python_name)):
                enum = decode(_Enum, encoded)
                return f"{package}.{enum.name}", enum
    return None


def _is_called(descriptor: bytes, python_name: str) -> bool:
    """Return whether a type has the given Python name."""
    # The name is field 1, so every writer writes it first.
    begins = descriptor[:1] == b"\x0a" and descriptor[1] < 128
    name = descriptor[2 : 2 + descriptor[1]].decode() if begins else decode(_Named, descriptor).name
    # The names can differ only in capitals and underscores.
    return _folded(name) == _folded(python_name) and pythonize_class_name(name) == python_name


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


@cache
def _inner_types(root: str, package: str) -> Mapping[str, _Described]:
    """Return the nested types by their Python names."""
    found: dict[str, _Described] = {}
    for file in _read_set(root) or ():
        if file.package == package:
            for encoded in file.message_type:
                message = decode(_Type, encoded)
                found.update(_types_in(message, f"{package}.{message.name}", f"_{message.name}"))
    return found


def _types_in(outer: _Type, scope: str, prefix: str) -> Iterator[tuple[str, _Described]]:
    # A nested type's Python name includes the names of its outer types.
    for enum in outer.enum_type:
        yield pythonize_class_name(f"{prefix}_{enum.name}"), (f"{scope}.{enum.name}", enum)
    for message in outer.nested_type:
        full_name, flat_name = f"{scope}.{message.name}", f"{prefix}_{message.name}"
        yield pythonize_class_name(flat_name), (full_name, message)
        yield from _types_in(message, full_name, flat_name)


def _usual_names(name: str) -> tuple[str, str]:
    proto_name = name[:-1] if name.endswith("_") and keyword.iskeyword(name[:-1]) else name
    first, *others = proto_name.split("_")
    return proto_name, first + "".join(other[:1].upper() + other[1:] for other in others)
