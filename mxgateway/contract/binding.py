"""Binds our message types to a contract: fields match by name, whatever their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeGuard

from mxgateway.contract.descriptor_set import PROTOBUF, ContractError, EnumFacts, FieldFacts, MessageFacts, PackageFacts
from mxgateway.contract.extra_fields import Extras
from mxgateway.wire.bound_schema import BoundEnum, bound_field, bound_map, converts
from mxgateway.wire.errors import LackingError
from mxgateway.wire.messages.names import message_names
from mxgateway.wire.schema import FieldSchema, MessageSchema, UnknownFields, schema_of

Packages = Mapping[str, PackageFacts]


class Binding:
    """Our message types with the numbers of a gateway's contract.

    Args:
        ours: The contract that our classes were generated from.
        theirs: The gateway's contract.
        leaves_out: Omit what the gateway's contract lacks, as that gateway would, instead of raising.

    Raises:
        ContractError: Some fields have incompatible types; all of them are named.
    """

    def __init__(self, ours: Packages, theirs: Packages, *, leaves_out: bool = False) -> None:
        self._leaves_out = leaves_out
        self._ours = messages_of(ours)
        self._our_enums = enums_of(ours)
        self._theirs = messages_of(theirs)
        self._their_enums = enums_of(theirs)
        self.extras = Extras(self._theirs, self._their_enums)
        self._schemas: dict[type[Any], MessageSchema] = {}
        self._members: dict[type[Any], BoundEnum] = {}
        spoken = [(ours[name], theirs[name]) for name in ours if ours[name].methods and name in theirs]
        if faults := list(dict.fromkeys(fault for pair in spoken for fault in self._faults(*pair))):
            raise ContractError("the contract does not fit this client: " + "; ".join(faults))

    def schema_of(self, message_type: type[Any]) -> MessageSchema:
        """Return the schema of a message type with the contract's numbers.

        Raises:
            LackingError: The contract has no such message.
        """
        schema = self._schemas.get(message_type)
        if schema is None:
            schema = self._schemas[message_type] = self._bind(message_type)
        return schema

    def _bind(self, message_type: type[Any]) -> MessageSchema:
        own, name = schema_of(message_type), message_names(message_type).full_name
        facts = self._ours.get(name)
        if facts is None:  # not in the contract, such as protobuf's own
            return own
        if name not in self._theirs and not self._leaves_out:
            raise LackingError(f"the gateway's contract has no message {name}")
        their_fields = self._theirs[name].fields if name in self._theirs else {}
        pairs = [(own.by_number[each.number], each, their_fields.get(each.name)) for each in facts.fields.values()]
        fields = [self._field(field, mine, other) for field, mine, other in pairs if other is not None]
        lacking = [field for field, _, other in pairs if other is None and not self._leaves_out]
        schema = MessageSchema(message_type, fields, own.name, lacking)
        schema.keep = partial(self._unknown, name, frozenset(each.number for each in their_fields.values()))
        return schema

    def _unknown(self, name: str, named: frozenset[int], data: bytes) -> UnknownFields:
        unknown = UnknownFields(data)
        unknown.named = named
        unknown.in_json = partial(self.extras.read_json, name, data)
        return unknown

    def _field(self, own: FieldSchema, mine: FieldFacts, other: FieldFacts) -> FieldSchema:
        entry = self._theirs.get(other.type_name)
        if entry is not None and entry.is_map_entry:
            our_entry = self._ours[mine.type_name]
            key, value = (
                self._field(part, our_entry.fields[name], entry.fields[name])
                for name, part in (("key", own.key), ("value", own.value))
            )
            return bound_map(own, number=other.number, key=key, value=value)
        return bound_field(
            own, number=other.number, kind=own.kind if other.kind == "message" else other.kind, packed=other.packed,
            schemas=self.schema_of, members=self._enum(own.python_type, mine, other),
        )  # fmt: skip

    def _enum(self, enum_type: type[Any], mine: FieldFacts, other: FieldFacts) -> BoundEnum | None:
        if mine.kind != "enum" or other.kind != "enum" or other.type_name not in self._their_enums:
            return None
        members = self._members.get(enum_type)
        if members is None:
            ours, theirs = self._our_enums[mine.type_name].numbers, self._their_enums[other.type_name].numbers
            members = self._members[enum_type] = BoundEnum(enum_type, ours, theirs)
        return members

    def _faults(self, ours: PackageFacts, theirs: PackageFacts) -> Iterator[str]:
        """Yield the reasons why a package cannot be bound."""
        for method in ours.methods.values():
            if theirs.methods.get(method.name) == method:
                for name in (method.request, method.reply):
                    yield from self._undefined(name, self._theirs)
        for name, message in ours.messages.items():
            if name in theirs.messages:
                mine, others = message.fields, theirs.messages[name].fields
                pairs = [(mine[each], others[each]) for each in mine if each in others]
                for one, other in pairs:
                    yield from self._field_faults(f"{name}.{one.name}", one, other)
                yield from _oneof_faults(name, pairs)

    def _field_faults(self, where: str, mine: FieldFacts, other: FieldFacts) -> Iterator[str]:
        if not self._fits(mine, other):
            lists = (f"{each.label} {each.type}" for each in (mine, other))
            yield f"{where} is {' here and '.join(lists)} there"
        elif other.kind == "enum":
            yield from self._undefined(other.type_name, self._their_enums)
            if mine.kind == "enum" and other.type_name in self._their_enums:
                yield from _enum_faults(self._our_enums[mine.type_name], self._their_enums[other.type_name])
        elif other.kind == "message":
            yield from self._undefined(other.type_name, self._theirs)

    def _undefined(self, name: str, known: Mapping[str, Any]) -> Iterator[str]:
        if name not in known and not name.startswith(f"{PROTOBUF}."):
            yield f"it uses {name} but does not define it"

    def _fits(self, mine: FieldFacts, other: FieldFacts) -> bool:
        if (mine.label == "repeated") != (other.label == "repeated"):
            return False
        our_entry, their_entry = (
            each.get(facts.type_name) for each, facts in ((self._ours, mine), (self._theirs, other))
        )
        if _is_entry(our_entry) or _is_entry(their_entry):
            return (
                _is_entry(our_entry)
                and _is_entry(their_entry)
                and all(self._fits(our_entry.fields[name], their_entry.fields[name]) for name in ("key", "value"))
            )
        if "message" in (mine.kind, other.kind):
            return mine.kind == other.kind and mine.type_name == other.type_name
        return converts(mine.kind, other.kind)


def _is_entry(facts: MessageFacts | None) -> TypeGuard[MessageFacts]:
    return facts is not None and facts.is_map_entry and facts.fields.keys() >= {"key", "value"}


def _oneof_faults(message: str, pairs: Sequence[tuple[FieldFacts, FieldFacts]]) -> Iterator[str]:
    """Yield fields that exclude each other on one side only: the other side could set both, and one would be lost."""
    for of, to in ((0, 1), (1, 0)):
        joint: dict[str, FieldFacts] = {}
        for pair in pairs:
            if pair[of].oneof:
                first = joint.setdefault(pair[of].oneof, pair[to])
                if pair[to].oneof != first.oneof or (first is not pair[to] and not first.oneof):
                    here, there = ("here", "there") if of == 0 else ("there", "here")
                    yield f"{message}.{first.name} and {pair[to].name} exclude each other {here} and not {there}"


def _enum_faults(ours: EnumFacts, theirs: EnumFacts) -> Iterator[str]:
    """Yield ambiguous values: two of ours share a number there, or the value of an unset field differs."""
    meant: dict[int, str] = {0: next((name for name, number in ours.numbers.items() if number == 0), "")}
    for name, number in theirs.numbers.items():
        if name in ours.numbers:
            other = meant.setdefault(number, name)
            if ours.numbers.get(other, 0) != ours.numbers[name]:
                yield f"{theirs.name}.{name} has the number of {other} there"
    zero = meant[0]
    if theirs.numbers.get(zero, 0) != 0:
        yield f"{theirs.name}.{zero} is {theirs.numbers[zero]} there and must be 0, which is what an absent value means"


def messages_of(packages: Packages) -> dict[str, MessageFacts]:
    """Return the messages of all packages by their full names."""
    return {name: facts for package in packages.values() for name, facts in package.messages.items()}


def enums_of(packages: Packages) -> dict[str, EnumFacts]:
    """Return the enums of all packages by their full names."""
    return {name: facts for package in packages.values() for name, facts in package.enums.items()}
