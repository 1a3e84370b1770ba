"""The part of google/protobuf/descriptor.proto needed to read and write a contract.

betterproto's own classes have no presence, so they cannot write the 0 of an index or an enum value. The names are those
of descriptor.proto without `DescriptorProto`.
"""

from __future__ import annotations

import enum
from typing import Final

from mxgateway.wire.messages.betterproto_seam import betterproto
from mxgateway.wire.messages.message import Message, message_type


class Label(enum.IntEnum):
    """Whether a field is optional, required or repeated."""

    OPTIONAL = 1
    REQUIRED = 2
    REPEATED = 3


SCALARS: Final = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7, "bool": 8, "string": 9,
    "bytes": 12, "uint32": 13, "sfixed32": 15, "sfixed64": 16, "sint32": 17, "sint64": 18,
}  # fmt: skip
"""The number of each scalar type in `Field.type`, by its name in .proto files."""
MESSAGE_TYPE: Final = 11
ENUM_TYPE: Final = 14


@message_type
class FieldOptions(Message):
    """The options of a field that affect the wire format."""

    packed: bool | None = betterproto.bool_field(2, optional=True)


@message_type
class Field(Message):
    """A FieldDescriptorProto."""

    name: str | None = betterproto.string_field(1, optional=True)
    number: int | None = betterproto.int32_field(3, optional=True)
    label: int | None = betterproto.int32_field(4, optional=True)
    type: int | None = betterproto.int32_field(5, optional=True)
    type_name: str | None = betterproto.string_field(6, optional=True)
    options: FieldOptions | None = betterproto.message_field(8, optional=True)
    oneof_index: int | None = betterproto.int32_field(9, optional=True)
    json_name: str | None = betterproto.string_field(10, optional=True)
    proto3_optional: bool | None = betterproto.bool_field(17, optional=True)


@message_type
class Oneof(Message):
    """A OneofDescriptorProto."""

    name: str = betterproto.string_field(1)


@message_type
class EnumValue(Message):
    """An EnumValueDescriptorProto."""

    name: str = betterproto.string_field(1)
    number: int | None = betterproto.int32_field(2, optional=True)


@message_type
class EnumOptions(Message):
    """The options of an enum that affect the wire format."""

    allow_alias: bool | None = betterproto.bool_field(2, optional=True)


@message_type
class Enum(Message):
    """An EnumDescriptorProto."""

    name: str = betterproto.string_field(1)
    value: list[EnumValue] = betterproto.message_field(2)
    options: EnumOptions | None = betterproto.message_field(3, optional=True)


@message_type
class TypeOptions(Message):
    """The options of a message that affect the wire format."""

    map_entry: bool | None = betterproto.bool_field(7, optional=True)


@message_type
class Type(Message):
    """A DescriptorProto."""

    name: str = betterproto.string_field(1)
    field: list[Field] = betterproto.message_field(2)
    nested_type: list[Type] = betterproto.message_field(3)
    enum_type: list[Enum] = betterproto.message_field(4)
    options: TypeOptions | None = betterproto.message_field(7, optional=True)
    oneof_decl: list[Oneof] = betterproto.message_field(8)


@message_type
class Rpc(Message):
    """A MethodDescriptorProto."""

    name: str = betterproto.string_field(1)
    input_type: str = betterproto.string_field(2)
    output_type: str = betterproto.string_field(3)
    client_streaming: bool = betterproto.bool_field(5)
    server_streaming: bool = betterproto.bool_field(6)


@message_type
class Service(Message):
    """A ServiceDescriptorProto."""

    name: str = betterproto.string_field(1)
    method: list[Rpc] = betterproto.message_field(2)


@message_type
class File(Message):
    """A FileDescriptorProto."""

    name: str = betterproto.string_field(1)
    package: str = betterproto.string_field(2)
    dependency: list[str] = betterproto.string_field(3)
    message_type: list[Type] = betterproto.message_field(4)
    enum_type: list[Enum] = betterproto.message_field(5)
    service: list[Service] = betterproto.message_field(6)
    public_dependency: list[int] = betterproto.int32_field(10)
    syntax: str = betterproto.string_field(12)


@message_type
class FileSet(Message):
    """A FileDescriptorSet."""

    file: list[File] = betterproto.message_field(1)
