"""The content of a contract: messages, enums and methods by full name, read from a FileDescriptorSet.

A descriptor set is untrusted input: its size and counts are limited, every name is an identifier, and nothing in it is
ever used as source code.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from mxgateway.contract.descriptor_messages import (
    ENUM_TYPE,
    MESSAGE_TYPE,
    SCALARS,
    Enum,
    Field,
    File,
    FileSet,
    Label,
    Service,
    Type,
)
from mxgateway.errors import MxGatewayContractError
from mxgateway.wire import WireError, decode
from mxgateway.wire.schema import PACKABLE_KINDS

SIZE_LIMIT: Final = 2 * 1024 * 1024
"""Most bytes of a descriptor set; the gateway's own has some 40 KiB."""
TYPES_LIMIT: Final = 10_000
"""Most messages, enums and services of a descriptor set; the gateway's own has some 150."""
MEMBERS_LIMIT: Final = 100_000
"""Most fields, oneofs, values and calls of a descriptor set; the gateway's own has some 900."""
NAME_LIMIT: Final = 1000
"""Most characters of a full name."""
LARGEST_NUMBER: Final = 2**29 - 1
"""The largest valid field number."""

PROTOBUF: Final = "google.protobuf"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_KINDS: Final = {**{number: kind for kind, number in SCALARS.items()}, MESSAGE_TYPE: "message", ENUM_TYPE: "enum"}
_LABELS: Final[dict[int, str]] = {Label.REPEATED: "repeated", Label.REQUIRED: "required"}
KEY_KINDS: Final = SCALARS.keys() - {"double", "float", "bytes"}


ContractError = MxGatewayContractError
"""Not a contract: not a FileDescriptorSet, or one that contradicts itself."""


class FieldFacts(NamedTuple):
    """One field of a message."""

    name: str
    number: int
    kind: str
    """The proto type, such as ``int32``; ``message`` and ``enum`` have a `type_name`."""
    type_name: str
    """The full name of the message or enum; empty for a scalar."""
    label: str
    """``singular``, ``repeated`` or ``required``."""
    oneof: str
    """The oneof that contains it; empty if none."""
    optional: bool
    """True if declared ``optional``."""
    packed: bool
    """True if a list of numbers is packed."""
    json_name: str

    @property
    def unpacked(self) -> bool:
        """True if a list of numbers is not packed."""
        return self.label == "repeated" and self.kind in PACKABLE_KINDS and not self.packed

    @property
    def type(self) -> str:
        """The type for display."""
        return f"{self.kind} {self.type_name}" if self.type_name else self.kind

    @property
    def has_presence(self) -> bool:
        """True if zero differs from unset."""
        return bool(self.oneof or self.optional) or (self.kind == "message" and self.label != "repeated")


class MessageFacts(NamedTuple):
    """One message."""

    name: str
    """Including the package, like all type names here."""
    fields: dict[str, FieldFacts]
    is_map_entry: bool


class EnumFacts(NamedTuple):
    """One enum."""

    name: str
    numbers: dict[str, int]
    """By value name, in the order of the file."""


class MethodFacts(NamedTuple):
    """One RPC."""

    name: str
    """``package.Service/Method``."""
    request: str
    reply: str
    streaming: str
    """The call type, such as ``unary-stream``."""


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """The definitions of one proto package, by full name."""

    messages: dict[str, MessageFacts] = dataclasses.field(default_factory=dict)
    enums: dict[str, EnumFacts] = dataclasses.field(default_factory=dict)
    methods: dict[str, MethodFacts] = dataclasses.field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True if nothing is defined."""
        return not (self.messages or self.enums or self.methods)


def packages_of(descriptor_set: bytes, what: str = "the contract") -> dict[str, PackageFacts]:
    """Read a serialized FileDescriptorSet, without protobuf's own types.

    Args:
        descriptor_set: As written by ``protoc --descriptor_set_out``.
        what: Its name in errors.

    Raises:
        ContractError: It is not a FileDescriptorSet, or its content is invalid.
    """
    if len(descriptor_set) > SIZE_LIMIT:
        raise ContractError(f"{what} has {len(descriptor_set)} bytes, more than the limit of {SIZE_LIMIT}")
    none = f"{what} is not a FileDescriptorSet as written by protoc --descriptor_set_out"
    try:
        files = decode(FileSet, descriptor_set).file
    except WireError as error:
        raise ContractError(f"{none}: {error}") from error
    if not files or not all(file.name for file in files):
        raise ContractError(f"{none}: it names no file")
    return _Reading(what).of_files(files)


def usual_json_name(name: str) -> str:
    """Return the name in JSON of a field that declares no other."""
    first, *others = name.split("_")
    return first + capitalized(others)


def capitalized(words: Iterable[str]) -> str:
    """Return words joined, each with its first letter in upper case."""
    return "".join(word[:1].upper() + word[1:] for word in words)


class _Reading:
    """One descriptor set being read."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._packages: dict[str, PackageFacts] = {}
        self._defined: dict[str, str] = {}
        """The kind of each type: message, entry (of a map), enum or service."""
        self._members = 0

    def of_files(self, files: Iterable[File]) -> dict[str, PackageFacts]:
        for file in files:
            if file.package != PROTOBUF:
                if file.package:
                    self._check_name(file.package)
                package = self._packages.setdefault(file.package, PackageFacts())
                self._enums(package, file.package, file.enum_type)
                self._messages(package, file.package, file.message_type, packs=file.syntax not in ("", "proto2"))
                self._services(package, file.package, file.service)
        for package in self._packages.values():
            for message in package.messages.values():
                self._check_fields(message)
        return self._packages

    def _messages(self, package: PackageFacts, scope: str, messages: Iterable[Type], *, packs: bool) -> None:
        for message in messages:
            is_entry = message.options is not None and bool(message.options.map_entry)
            name = self._define(scope, message.name, "entry" if is_entry else "message")
            self._count(len(message.field) + len(message.oneof_decl))
            fields = {each.name: each for each in self._fields(name, message, packs=packs)}
            numbers = {each.number for each in fields.values()}
            if len(fields) != len(message.field) or len(numbers) != len(message.field):
                raise ContractError(f"{self._what} gives a name or a number of {name} twice")
            package.messages[name] = MessageFacts(name, fields, is_entry)
            self._enums(package, name, message.enum_type)
            self._messages(package, name, message.nested_type, packs=packs)

    def _fields(self, message: str, descriptor: Type, *, packs: bool) -> Iterator[FieldFacts]:
        for each in descriptor.field:
            name, number, kind = each.name or "", each.number or 0, _KINDS.get(each.type or 0, "")
            self._check_part(name)
            where = f"{message}.{name}"
            if not 0 < number <= LARGEST_NUMBER:
                raise ContractError(f"{self._what} gives {where} the number {number}")
            if not kind:
                raise ContractError(f"{self._what} gives {where} a type that proto3 does not have")
            type_name = (each.type_name or "").removeprefix(".") if kind in ("message", "enum") else ""
            if kind in ("message", "enum"):
                self._check_name(type_name)
            label = _LABELS.get(each.label or 0, "singular")
            options = each.options
            packed = packs if options is None or options.packed is None else options.packed
            yield FieldFacts(
                name, number, kind, type_name, label, self._oneof(descriptor, each, where), bool(each.proto3_optional),
                packed and label == "repeated" and kind in PACKABLE_KINDS, self._json_name(each, where),
            )  # fmt: skip

    def _oneof(self, message: Type, field: Field, where: str) -> str:
        index = field.oneof_index
        # protobuf represents `optional` by a synthetic oneof, which stays hidden.
        if index is None or field.proto3_optional:
            return ""
        if not 0 <= index < len(message.oneof_decl):
            raise ContractError(f"{self._what} puts {where} in a oneof that its message does not have")
        name = message.oneof_decl[index].name
        self._check_part(name)
        return name

    def _json_name(self, field: Field, where: str) -> str:
        name = field.json_name or usual_json_name(field.name or "")
        if not name.isprintable() or len(name) > NAME_LIMIT:
            raise ContractError(f"{self._what} gives {where} a name in JSON that cannot be shown")
        return name

    def _check_fields(self, message: MessageFacts) -> None:
        """Raise if the kind of a field's type is wrong."""
        if message.is_map_entry:
            key, value = (message.fields.get(name) for name in ("key", "value"))
            if (
                key is None or value is None or len(message.fields) != 2 or key.kind not in KEY_KINDS
                or "repeated" in (key.label, value.label)
            ):  # fmt: skip
                raise ContractError(f"{self._what} defines {message.name} as a map's entry, which it is not")
        for field in message.fields.values():
            # An undefined type is from an import that was left out.
            found = self._defined.get(field.type_name, field.kind)
            said = "entry" if found == "entry" and (field.label, field.kind) == ("repeated", "message") else field.kind
            if found != said:
                raise ContractError(
                    f"{self._what} says that {message.name}.{field.name} is {field.label} {field.type}, which it is not"
                )

    def _enums(self, package: PackageFacts, scope: str, enums: Iterable[Enum]) -> None:
        for enum in enums:
            name = self._define(scope, enum.name, "enum")
            self._count(len(enum.value))
            for value in enum.value:
                self._check_part(value.name)
            numbers = {value.name: value.number or 0 for value in enum.value}
            if len(numbers) != len(enum.value):
                raise ContractError(f"{self._what} gives a name of {name} twice")
            package.enums[name] = EnumFacts(name, numbers)

    def _services(self, package: PackageFacts, scope: str, services: Iterable[Service]) -> None:
        for service in services:
            service_name = self._define(scope, service.name, "service")
            self._count(len(service.method))
            for rpc in service.method:
                self._check_part(rpc.name)
                name = f"{service_name}/{rpc.name}"
                if name in package.methods:
                    raise ContractError(f"{self._what} defines {name} twice")
                request, reply = rpc.input_type.removeprefix("."), rpc.output_type.removeprefix(".")
                self._check_name(request)
                self._check_name(reply)
                streaming = "-".join(
                    "stream" if many else "unary" for many in (rpc.client_streaming, rpc.server_streaming)
                )
                package.methods[name] = MethodFacts(name, request, reply, streaming)

    def _define(self, scope: str, name: str, kind: str) -> str:
        """Return the full name of a type defined in a scope."""
        self._check_part(name)
        full_name = f"{scope}.{name}" if scope else name
        if len(full_name) > NAME_LIMIT:
            raise ContractError(f"{self._what} has a name of more than {NAME_LIMIT} characters, {name[:40]!r}")
        if full_name in self._defined:
            raise ContractError(f"{self._what} defines {full_name} twice")
        if len(self._defined) == TYPES_LIMIT:
            raise ContractError(f"{self._what} defines more than {TYPES_LIMIT} types")
        self._defined[full_name] = kind
        return full_name

    def _count(self, members: int) -> None:
        self._members += members
        if self._members > MEMBERS_LIMIT:
            raise ContractError(f"{self._what} defines more than {MEMBERS_LIMIT} fields, values and calls")

    def _check_part(self, name: str) -> None:
        """Raise unless the name is an identifier: names go into messages, logs and paths."""
        if not _NAME.fullmatch(name):
            raise ContractError(f"{self._what} contains {name[:40]!a}, which is not a valid name")

    def _check_name(self, name: str) -> None:
        """Raise unless the name consists of identifiers joined with dots."""
        if len(name) > NAME_LIMIT or not all(map(_NAME.fullmatch, name.split("."))):
            raise ContractError(f"{self._what} contains {name[:40]!a}, which is not a valid name")
