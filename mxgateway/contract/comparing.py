"""Compares two contracts.

A gateway publishes its contract as a FileDescriptorSet, as written by `protoc --descriptor_set_out`. `compare` compares
such a set with the client's own and names every difference. Contracts only grow, so an addition on the other side is a
note; everything else breaks a client that is not bound to it.
"""

from __future__ import annotations

import enum
import importlib.resources
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mxgateway import generated
from mxgateway.contract.facts import EnumFacts, FieldFacts, MessageFacts, MethodFacts, PackageFacts, packages_of


class DifferenceKind(enum.StrEnum):
    """The kind of a difference; the value is the displayed text."""

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
        """Whether the two sides still understand each other."""
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
    """The kind of the difference."""
    where: str
    """The full name of the differing element, such as ``mxaccess_gateway.v1.MxEvent.family``."""
    ours: str = ""
    """The client's side; empty if `kind` says everything."""
    theirs: str = ""
    """The other side; empty if `kind` says everything."""

    @property
    def is_breaking(self) -> bool:
        """Whether client and gateway would misunderstand each other; False for a note."""
        return not self.kind.is_note

    def __str__(self) -> str:
        sides = [f"{side} {text}" for side, text in (("ours", self.ours), ("theirs", self.theirs)) if text]
        return f"{self.kind}: {self.where}" + (f" ({', '.join(sides)})" if sides else "")


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """The size of one proto package of a contract."""

    name: str
    """The package, such as ``mxaccess_gateway.v1``."""
    messages: int
    """Messages, nested ones included."""
    enums: int
    """Enums, nested ones included."""
    rpcs: int
    """RPCs of all services."""


def own_descriptor_set() -> bytes:
    """Return the contract of the client's bindings, including imports, as a FileDescriptorSet."""
    return importlib.resources.files(generated).joinpath("contract.binpb").read_bytes()


def compare(own: bytes, other: bytes) -> list[Difference]:
    """Compare two contracts, each a serialized FileDescriptorSet.

    Only the packages of `own` are compared, without protobuf's own types. A client never sends messages of a package
    without a service, so such a package may be missing from `other`.

    Args:
        own: The client's contract, see `own_descriptor_set`.
        other: The contract to compare it with.

    Returns:
        The breaking differences in the order of `own`, then the notes. The contracts are compatible if no difference
        `is_breaking`.

    Raises:
        ContractError: One of the two is not a FileDescriptorSet.
    """
    return differences(packages_of(own, "the client's own contract"), packages_of(other, "the other contract"))


def differences(ours: Mapping[str, PackageFacts], theirs: Mapping[str, PackageFacts]) -> list[Difference]:
    """Compare two parsed contracts like `compare`."""
    found = [
        difference
        for name, package in ours.items()
        for difference in _compare_packages(name, package, theirs.get(name, PackageFacts()))
    ]
    return sorted(found, key=lambda difference: difference.kind.is_note)


def summarize(descriptor_set: bytes) -> list[PackageSummary]:
    """Count the definitions of each package in a serialized FileDescriptorSet, except protobuf's own.

    Raises:
        ContractError: It is not a FileDescriptorSet.
    """
    return summaries(packages_of(descriptor_set))


def summaries(packages: Mapping[str, PackageFacts]) -> list[PackageSummary]:
    """Summarize a parsed contract like `summarize`."""
    return [PackageSummary(name, len(it.messages), len(it.enums), len(it.methods)) for name, it in packages.items()]


def _compare_packages(name: str, ours: PackageFacts, theirs: PackageFacts) -> Iterator[Difference]:
    if theirs.is_empty:
        if not ours.is_empty:
            yield Difference(DifferenceKind.MISSING_PACKAGE if ours.methods else DifferenceKind.ABSENT_PACKAGE, name)
        return
    yield from _compare_messages(ours.messages, theirs.messages)
    yield from _compare_enums(ours.enums, theirs.enums)
    yield from _compare_methods(ours.methods, theirs.methods)


def _compare_messages(ours: dict[str, MessageFacts], theirs: dict[str, MessageFacts]) -> Iterator[Difference]:
    for name, message in ours.items():
        if name in theirs:
            yield from _compare_fields(name, message.fields, theirs[name].fields)
        else:
            yield Difference(DifferenceKind.MISSING_MESSAGE, name)
    yield from _added(DifferenceKind.ADDED_MESSAGE, ours, theirs)


def _compare_fields(message: str, ours: dict[str, FieldFacts], theirs: dict[str, FieldFacts]) -> Iterator[Difference]:
    holders = {facts.number: facts.name for facts in theirs.values()}
    for facts in ours.values():
        where = f"{message}.{facts.name}"
        if facts.name in theirs:
            yield from _compare_traits(where, _traits(facts), _traits(theirs[facts.name]))
            continue
        number, holder = f"number {facts.number}", holders.get(facts.number, "")
        yield Difference(DifferenceKind.MISSING_FIELD, where, number, holder and f"{number} is {holder}")
    yield from _added(
        DifferenceKind.ADDED_FIELD, (f"{message}.{name}" for name in ours), (f"{message}.{name}" for name in theirs)
    )


def _traits(facts: FieldFacts) -> dict[DifferenceKind, str]:
    """Return the properties of a field that must be equal on both sides."""
    return {
        DifferenceKind.FIELD_NUMBER: str(facts.number),
        DifferenceKind.FIELD_TYPE: facts.type,
        DifferenceKind.FIELD_LABEL: facts.label,
        DifferenceKind.FIELD_ONEOF: f"in {facts.oneof}" if facts.oneof else "in none",
        DifferenceKind.FIELD_PRESENCE: "explicit" if facts.has_presence else "implicit",
    }


def _compare_traits(
    where: str, ours: dict[DifferenceKind, str], theirs: dict[DifferenceKind, str]
) -> Iterator[Difference]:
    return (Difference(kind, where, ours[kind], theirs[kind]) for kind in ours if ours[kind] != theirs[kind])


def _compare_enums(ours: dict[str, EnumFacts], theirs: dict[str, EnumFacts]) -> Iterator[Difference]:
    for name, facts in ours.items():
        if name in theirs:
            yield from _compare_values(name, facts.numbers, theirs[name].numbers)
        else:
            yield Difference(DifferenceKind.MISSING_ENUM, name)
    yield from _added(DifferenceKind.ADDED_ENUM, ours, theirs)


def _compare_values(enum_name: str, ours: dict[str, int], theirs: dict[str, int]) -> Iterator[Difference]:
    for name, number in ours.items():
        where = f"{enum_name}.{name}"
        if name not in theirs:
            yield Difference(DifferenceKind.MISSING_ENUM_VALUE, where, str(number))
        elif theirs[name] != number:
            yield Difference(DifferenceKind.ENUM_VALUE_NUMBER, where, str(number), str(theirs[name]))
    yield from _added(
        DifferenceKind.ADDED_ENUM_VALUE, (f"{enum_name}.{name}" for name in ours), (f"{enum_name}.{name}" for name in theirs)
    )  # fmt: skip


def _compare_methods(ours: dict[str, MethodFacts], theirs: dict[str, MethodFacts]) -> Iterator[Difference]:
    for name, facts in ours.items():
        if name in theirs:
            yield from _compare_traits(name, _sides(facts), _sides(theirs[name]))
        else:
            yield Difference(DifferenceKind.MISSING_RPC, name)
    yield from _added(DifferenceKind.ADDED_RPC, ours, theirs)


def _sides(facts: MethodFacts) -> dict[DifferenceKind, str]:
    return {
        DifferenceKind.RPC_REQUEST: facts.request,
        DifferenceKind.RPC_REPLY: facts.reply,
        DifferenceKind.RPC_STREAMING: facts.streaming,
    }


def _added(kind: DifferenceKind, ours: Iterable[str], theirs: Iterable[str]) -> Iterator[Difference]:
    known = set(ours)
    return (Difference(kind, name) for name in theirs if name not in known)
