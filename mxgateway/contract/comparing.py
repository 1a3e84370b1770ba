"""Compares two contracts.

A gateway publishes its contract as a FileDescriptorSet, as written by `protoc --descriptor_set_out`. `compare` compares
such a set with the client's own and names every difference. Contracts only grow, so an addition on the other side is a
note; everything else breaks a client that is not bound to it.
"""

from __future__ import annotations

import enum
import importlib.resources
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mxgateway import generated
from mxgateway.contract.descriptor_set import (
    EnumFacts,
    FieldFacts,
    MessageFacts,
    MethodFacts,
    PackageFacts,
    packages_of,
)

F = TypeVar("F")


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
        return self is DifferenceKind.ABSENT_PACKAGE or self.name.startswith("ADDED_")


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
    kinds = DifferenceKind
    yield from _compare_each(
        ours.messages, theirs.messages, _compare_fields, kinds.MISSING_MESSAGE, kinds.ADDED_MESSAGE
    )
    yield from _compare_each(ours.enums, theirs.enums, _compare_values, kinds.MISSING_ENUM, kinds.ADDED_ENUM)
    yield from _compare_each(ours.methods, theirs.methods, _compare_sides, kinds.MISSING_RPC, kinds.ADDED_RPC)


def _compare_each(
    ours: Mapping[str, F],
    theirs: Mapping[str, F],
    compare_both: Callable[[F, F], Iterator[Difference]],
    missing: DifferenceKind,
    added: DifferenceKind,
) -> Iterator[Difference]:
    """Compare what has the same name, and yield what only one side has."""
    for name, facts in ours.items():
        if name not in theirs:
            yield Difference(missing, name)
        elif facts != theirs[name]:
            yield from compare_both(facts, theirs[name])
    yield from _added(added, ours, theirs)


def _compare_fields(ours: MessageFacts, theirs: MessageFacts) -> Iterator[Difference]:
    holders = {facts.number: facts.name for facts in theirs.fields.values()}
    for facts in ours.fields.values():
        where = f"{ours.name}.{facts.name}"
        if facts.name in theirs.fields:
            yield from _compare_traits(where, _traits(facts), _traits(theirs.fields[facts.name]))
            continue
        number, holder = f"number {facts.number}", holders.get(facts.number, "")
        yield Difference(DifferenceKind.MISSING_FIELD, where, number, holder and f"{number} is {holder}")
    yield from _added(DifferenceKind.ADDED_FIELD, ours.fields, theirs.fields, f"{ours.name}.")


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


def _compare_values(ours: EnumFacts, theirs: EnumFacts) -> Iterator[Difference]:
    for name, number in ours.numbers.items():
        where = f"{ours.name}.{name}"
        if name not in theirs.numbers:
            yield Difference(DifferenceKind.MISSING_ENUM_VALUE, where, str(number))
        elif theirs.numbers[name] != number:
            yield Difference(DifferenceKind.ENUM_VALUE_NUMBER, where, str(number), str(theirs.numbers[name]))
    yield from _added(DifferenceKind.ADDED_ENUM_VALUE, ours.numbers, theirs.numbers, f"{ours.name}.")


def _compare_sides(ours: MethodFacts, theirs: MethodFacts) -> Iterator[Difference]:
    return _compare_traits(ours.name, _sides(ours), _sides(theirs))


def _sides(facts: MethodFacts) -> dict[DifferenceKind, str]:
    return {
        DifferenceKind.RPC_REQUEST: facts.request,
        DifferenceKind.RPC_REPLY: facts.reply,
        DifferenceKind.RPC_STREAMING: facts.streaming,
    }


def _added(kind: DifferenceKind, ours: Container[str], theirs: Iterable[str], prefix: str = "") -> Iterator[Difference]:
    return (Difference(kind, f"{prefix}{name}") for name in theirs if name not in ours)
