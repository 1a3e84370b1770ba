"""A file's descriptor as the text of a .proto file, from which protoc makes the same descriptor again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

SCALARS: Final = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7, "bool": 8, "string": 9, "bytes": 12,
    "uint32": 13, "sfixed32": 15, "sfixed64": 16, "sint32": 17, "sint64": 18,
}  # fmt: skip
"""The numbers of the scalar types by name."""
_NAMES: Final = {number: name for name, number in SCALARS.items()}


def proto_text(file: FileDescriptorProto) -> str:
    """Return a file of syntax proto3 as text; it may use no options but those of fields and allow_alias."""
    assert file.syntax == "proto3"
    assert not file.options.ListFields()
    lines = ['syntax = "proto3";', f"package {file.package};", *(f'import "{name}";' for name in file.dependency)]
    for enum in file.enum_type:
        lines += _enum(enum)
    for message in file.message_type:
        lines += _message(message)
    for service in file.service:
        lines += _service(service)
    return "\n".join(lines) + "\n"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"enum {enum.name} {{"
    if enum.options.allow_alias:
        yield "  option allow_alias = true;"
    yield from (f"  {value.name} = {value.number};" for value in enum.value)
    yield "}"


def _service(service: ServiceDescriptorProto) -> Iterator[str]:
    yield f"service {service.name} {{"
    for rpc in service.method:
        request, reply = (
            f"({'stream ' if streaming else ''}{name})"
            for streaming, name in ((rpc.client_streaming, rpc.input_type), (rpc.server_streaming, rpc.output_type))
        )
        yield f"  rpc {rpc.name}{request} returns {reply};"
    yield "}"


def _message(message: DescriptorProto) -> Iterator[str]:
    entries = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    yield f"message {message.name} {{"
    for enum in message.enum_type:
        yield from _indented(_enum(enum))
    for nested in message.nested_type:
        if nested.name not in entries:
            yield from _indented(_message(nested))
    written: set[int] = set()
    for field in message.field:
        if not field.HasField("oneof_index") or field.proto3_optional:
            yield f"  {_field(field, entries)}"
        elif field.oneof_index not in written:
            written.add(field.oneof_index)
            yield f"  oneof {message.oneof_decl[field.oneof_index].name} {{"
            for member in message.field:
                if member.HasField("oneof_index") and member.oneof_index == field.oneof_index:
                    yield f"    {_field(member, entries)}"
            yield "  }"
    yield "}"


def _field(field: FieldDescriptorProto, entries: dict[str, DescriptorProto]) -> str:
    entry = entries.get(field.type_name.rpartition(".")[2]) if field.label == field.LABEL_REPEATED else None
    if entry is not None:
        what = f"map<{_type(entry.field[0])}, {_type(entry.field[1])}>"
    else:
        label = "optional " if field.proto3_optional else "repeated " if field.label == field.LABEL_REPEATED else ""
        what = label + _type(field)
    options = {option.name: str(value).lower() for option, value in field.options.ListFields()}
    listed = f" [{', '.join(f'{name} = {value}' for name, value in options.items())}]" if options else ""
    return f"{what} {field.name} = {field.number}{listed};"


def _type(field: FieldDescriptorProto) -> str:
    return field.type_name or _NAMES[field.type]
