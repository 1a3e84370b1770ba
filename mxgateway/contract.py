"""The contract that this client was generated from, and how another one differs from it.

A gateway publishes its contract as a FileDescriptorSet, which is what `protoc --descriptor_set_out`
writes. `compare` reads such a set beside the client's own and names every difference. Contracts
grow by addition only, so what the other side adds is a note; everything else breaks a client.
"""

from __future__ import annotations

import enum
import importlib.resources
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from betterproto.lib.google.protobuf import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from mxgateway import generated
from mxgateway.wire import WireError, decode

__all__ = [
    "ContractError",
    "Difference",
    "DifferenceKind",
    "PackageSummary",
    "compare",
    "own_descriptor_set",
    "summarize",
]

_PROTOBUF: Final = "google.protobuf"


class ContractError(ValueError):
    """What was given is no FileDescriptorSet."""


class DifferenceKind(enum.StrEnum):
    """What is different; the value is what is shown."""

    MISSING_PACKAGE = "missing package"
    MISSING_MESSAGE = "missing message"
    MISSING_FIELD = "missing field"
    FIELD_NUMBER = "other number"
    FIELD_TYPE = "other type"
    FIELD_LABEL = "other label"
    FIELD_ONEOF = "other oneof"
    FIELD_PRESENCE = "other presence"
    MISSING_ENUM = "missing enum"
    MISSING_ENUM_VALUE = "missing enum value"
    ENUM_VALUE_NUMBER = "other enum value"
    MISSING_RPC = "missing RPC"
    RPC_REQUEST = "other request"
    RPC_REPLY = "other reply"
    RPC_STREAMING = "other streaming"
    ABSENT_PACKAGE = "package not compared"
    ADDED_MESSAGE = "added message"
    ADDED_FIELD = "added field"
    ADDED_ENUM = "added enum"
    ADDED_ENUM_VALUE = "added enum value"
    ADDED_RPC = "added RPC"

    @property
    def is_note(self) -> bool:
        """Whether two sides with this difference still understand each other."""
        return self in _NOTES


_NOTES: Final = frozenset(
    {
        DifferenceKind.ABSENT_PACKAGE,
        DifferenceKind.ADDED_MESSAGE,
        DifferenceKind.ADDED_FIELD,
        DifferenceKind.ADDED_ENUM,
        DifferenceKind.ADDED_ENUM_VALUE,
        DifferenceKind.ADDED_RPC,
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the client's contract and another one."""

    kind: DifferenceKind
    """What is different."""
    where: str
    """The full name of what differs, such as ``mxaccess_gateway.v1.MxEvent.family``."""
    ours: str = ""
    """What the client's contract says; empty when `kind` says it all."""
    theirs: str = ""
    """What the other contract says; empty when `kind` says it all."""

    @property
    def is_breaking(self) -> bool:
        """Whether client and gateway would misunderstand each other; False for a note."""
        return not self.kind.is_note

    def __str__(self) -> str:
        sides = [f"{side} {text}" for side, text in (("ours", self.ours), ("theirs", self.theirs)) if text]
        return f"{self.kind}: {self.where}" + (f" ({', '.join(sides)})" if sides else "")


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """How much one proto package of a contract defines."""

    name: str
    """The package, such as ``mxaccess_gateway.v1``."""
    messages: int
    """Messages, nested ones included."""
    enums: int
    """Enums, nested ones included."""
    rpcs: int
    """Calls of all services."""


def own_descriptor_set() -> bytes:
    """Return the contract of the client's bindings, with its imports, as a FileDescriptorSet."""
    return importlib.resources.files(generated).joinpath("contract.binpb").read_bytes()


def compare(own: bytes, other: bytes) -> list[Difference]:
    """Compare two contracts, each a serialized FileDescriptorSet.

    Only the packages of `own` are compared; protobuf's own types are not. What a package without a
    service holds is never spoken by a client, so such a package may be absent from `other`.

    Args:
        own: The client's contract, see `own_descriptor_set`.
        other: The contract to compare it with.

    Returns:
        What breaks a client, in the order of `own`, then the notes. The contracts are compatible
        when no difference `is_breaking`.

    Raises:
        ContractError: One of the two is no FileDescriptorSet.
    """
    ours = _read(own, "the client's own contract")
    theirs = _read(other, "the other contract")
    found = [
        difference
        for name, package in ours.items()
        for difference in _compare_packages(name, package, theirs.get(name, _Package()))
    ]
    return sorted(found, key=lambda difference: difference.kind.is_note)


def summarize(descriptor_set: bytes) -> list[PackageSummary]:
    """Count what each package of a serialized FileDescriptorSet defines, protobuf's own apart.

    Raises:
        ContractError: It is no FileDescriptorSet.
    """
    packages = _read(descriptor_set, "the contract")
    return [PackageSummary(name, len(it.messages), len(it.enums), len(it.rpcs)) for name, it in packages.items()]


@dataclass(slots=True)
class _Package:
    """What the files of one proto package define, by full name."""

    messages: dict[str, DescriptorProto] = field(default_factory=dict)
    enums: dict[str, EnumDescriptorProto] = field(default_factory=dict)
    rpcs: dict[str, MethodDescriptorProto] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.messages or self.enums or self.rpcs)

    def add_file(self, file: FileDescriptorProto) -> None:
        self.add_enums(file.package, file.enum_type)
        self.add_messages(file.package, file.message_type)
        self.add_services(file.package, file.service)

    def add_messages(self, scope: str, messages: Iterable[DescriptorProto]) -> None:
        for message in messages:
            name = f"{scope}.{message.name}"
            self.messages[name] = message
            self.add_enums(name, message.enum_type)
            self.add_messages(name, message.nested_type)

    def add_enums(self, scope: str, enums: Iterable[EnumDescriptorProto]) -> None:
        self.enums.update((f"{scope}.{item.name}", item) for item in enums)

    def add_services(self, scope: str, services: Iterable[ServiceDescriptorProto]) -> None:
        for service in services:
            self.rpcs.update((f"{scope}.{service.name}/{rpc.name}", rpc) for rpc in service.method)


def _read(data: bytes, what: str) -> dict[str, _Package]:
    try:
        files = decode(FileDescriptorSet, data).file
    except WireError as error:
        raise ContractError(
            f"{what} is no FileDescriptorSet, as protoc --descriptor_set_out writes it: {error}"
        ) from error
    if not files or not all(file.name for file in files):
        raise ContractError(
            f"{what} is no FileDescriptorSet, as protoc --descriptor_set_out writes it: it names no file"
        )
    packages: dict[str, _Package] = {}
    for file in files:
        if file.package != _PROTOBUF:
            packages.setdefault(file.package, _Package()).add_file(file)
    return packages


def _compare_packages(name: str, ours: _Package, theirs: _Package) -> Iterator[Difference]:
    if theirs.is_empty:
        if not ours.is_empty:
            yield Difference(DifferenceKind.MISSING_PACKAGE if ours.rpcs else DifferenceKind.ABSENT_PACKAGE, name)
        return
    yield from _compare_messages(ours, theirs)
    yield from _compare_enums(ours, theirs)
    yield from _compare_rpcs(ours, theirs)


def _compare_messages(ours: _Package, theirs: _Package) -> Iterator[Difference]:
    for name, message in ours.messages.items():
        if name in theirs.messages:
            yield from _compare_fields(name, message, theirs.messages[name])
        else:
            yield Difference(DifferenceKind.MISSING_MESSAGE, name)
    yield from _added(DifferenceKind.ADDED_MESSAGE, ours.messages, theirs.messages)


def _compare_fields(message: str, ours: DescriptorProto, theirs: DescriptorProto) -> Iterator[Difference]:
    our_fields = _fields(message, ours)
    their_fields = _fields(message, theirs)
    holders = {traits.number: name for name, traits in their_fields.items()}
    for name, traits in our_fields.items():
        if name in their_fields:
            yield from traits.differences(name, their_fields[name])
        else:
            holder = holders.get(traits.number, "")
            number = f"number {traits.number}"
            yield Difference(
                DifferenceKind.MISSING_FIELD, name, number, holder and f"{number} is {holder.rpartition('.')[2]}"
            )
    yield from _added(DifferenceKind.ADDED_FIELD, our_fields, their_fields)


@dataclass(frozen=True, slots=True)
class _FieldTraits:
    """What both sides have to agree on about a field."""

    number: int
    type: str
    label: str
    oneof: str
    presence: str

    def differences(self, name: str, theirs: _FieldTraits) -> Iterator[Difference]:
        for kind, our_trait, their_trait in (
            (DifferenceKind.FIELD_NUMBER, str(self.number), str(theirs.number)),
            (DifferenceKind.FIELD_TYPE, self.type, theirs.type),
            (DifferenceKind.FIELD_LABEL, self.label, theirs.label),
            (DifferenceKind.FIELD_ONEOF, self.oneof, theirs.oneof),
            (DifferenceKind.FIELD_PRESENCE, self.presence, theirs.presence),
        ):
            if our_trait != their_trait:
                yield Difference(kind, name, our_trait, their_trait)


def _fields(message: str, descriptor: DescriptorProto) -> dict[str, _FieldTraits]:
    return {f"{message}.{item.name}": _traits(item, descriptor) for item in descriptor.field}


def _traits(item: FieldDescriptorProto, message: DescriptorProto) -> _FieldTraits:
    # protobuf keeps `optional` as a oneof of its own making, which nobody sees; and asking for the index before
    # asking whether it is set would set it.
    in_oneof = item.is_set("oneof_index") and not item.proto3_optional
    is_message = item.type_name != "" and _word(item.type) != "enum" and _word(item.label) != "repeated"
    return _FieldTraits(
        number=item.number,
        type=" ".join(filter(None, (_word(item.type), item.type_name.removeprefix(".")))),
        label="singular" if _word(item.label) == "optional" else _word(item.label),
        oneof=f"in {message.oneof_decl[item.oneof_index].name}" if in_oneof else "in none",
        presence="explicit" if in_oneof or item.proto3_optional or is_message else "implicit",
    )


def _word(member: enum.IntEnum) -> str:
    """Turn TYPE_INT32 into int32 and LABEL_REPEATED into repeated."""
    return (member.name or str(member.value)).partition("_")[2].lower()


def _compare_enums(ours: _Package, theirs: _Package) -> Iterator[Difference]:
    for name, item in ours.enums.items():
        if name in theirs.enums:
            yield from _compare_values(_values(name, item), _values(name, theirs.enums[name]))
        else:
            yield Difference(DifferenceKind.MISSING_ENUM, name)
    yield from _added(DifferenceKind.ADDED_ENUM, ours.enums, theirs.enums)


def _values(name: str, item: EnumDescriptorProto) -> dict[str, int]:
    return {f"{name}.{value.name}": value.number for value in item.value}


def _compare_values(ours: dict[str, int], theirs: dict[str, int]) -> Iterator[Difference]:
    for name, number in ours.items():
        if name not in theirs:
            yield Difference(DifferenceKind.MISSING_ENUM_VALUE, name, str(number))
        elif theirs[name] != number:
            yield Difference(DifferenceKind.ENUM_VALUE_NUMBER, name, str(number), str(theirs[name]))
    yield from _added(DifferenceKind.ADDED_ENUM_VALUE, ours, theirs)


def _compare_rpcs(ours: _Package, theirs: _Package) -> Iterator[Difference]:
    for name, rpc in ours.rpcs.items():
        if name not in theirs.rpcs:
            yield Difference(DifferenceKind.MISSING_RPC, name)
            continue
        other = theirs.rpcs[name]
        for kind, our_side, their_side in (
            (DifferenceKind.RPC_REQUEST, rpc.input_type.removeprefix("."), other.input_type.removeprefix(".")),
            (DifferenceKind.RPC_REPLY, rpc.output_type.removeprefix("."), other.output_type.removeprefix(".")),
            (DifferenceKind.RPC_STREAMING, _streaming(rpc), _streaming(other)),
        ):
            if our_side != their_side:
                yield Difference(kind, name, our_side, their_side)
    yield from _added(DifferenceKind.ADDED_RPC, ours.rpcs, theirs.rpcs)


def _streaming(rpc: MethodDescriptorProto) -> str:
    return f"{'stream' if rpc.client_streaming else 'unary'}-{'stream' if rpc.server_streaming else 'unary'}"


def _added(kind: DifferenceKind, ours: Iterable[str], theirs: Iterable[str]) -> Iterator[Difference]:
    known = set(ours)
    return (Difference(kind, name) for name in theirs if name not in known)
