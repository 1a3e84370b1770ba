"""A contract of the same names with every number changed, files split otherwise, and things added, as a gateway's own may be.

From a seed and the shipped contract, `permuted` makes a FileDescriptorSet that a client can be bound to, and
`write_protos` the .proto files of one, from which protoc makes the same set again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from mxgateway.contract import own_descriptor_set
from tests.contract.added_fields import KINDS, Kind, Types, add_field, json_name, without_twins
from tests.contract.proto_text import SCALARS, proto_text
from tests.contract.split_files import Package, assemble, put_in_order

FIELD_BANDS: Final = ((1, 15), (16, 2047), (2048, 18_999), (20_000, 2**29 - 1))
"""Field numbers by the length of their tags; the gap is protobuf's own."""
ENUM_BANDS: Final = ((1, 15), (16, 2047), (2048, 2**31 - 1), (-(2**31), -1))
_WEIGHTS: Final = (3, 4, 2, 1)
_FIELD_NAMES: Final = (
    "class", "from", "lambda", "None", "self", "parse", "added", "added_by_plant", "addedCamel", "ADDED", "added_2_go", "unknown_fields",
    "sub_type", "schema", "decode", "kind_2",
)  # fmt: skip
"""Names of added fields: Python's own words, betterproto's methods, and unusual spellings among them."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is changed."""

    field_numbers: bool = True
    """Every field has another number; the order in which fields stand changes too."""
    enum_numbers: bool = True
    """Every enum value but the 0 has another number."""
    files: bool = True
    """The types of a package stand in several files of other names."""
    fields: bool = True
    """Messages have further fields of all kinds, oneofs further members."""
    values: bool = True
    """Enums have further values."""
    messages: bool = True
    """Packages have further messages and enums."""
    rpcs: bool = True
    """Services have further methods."""


ALL: Final = Changes()


def permuted(seed: int, changes: Changes = ALL, source: bytes | None = None) -> bytes:
    """Return a contract with changes.

    Args:
        seed: The same one gives the same contract.
        changes: What to change.
        source: The contract to begin with, a FileDescriptorSet with its imports; the shipped one by default.

    Returns:
        A FileDescriptorSet with its imports, each file behind its own.
    """
    files = FileDescriptorSet.FromString(own_descriptor_set() if source is None else source).file
    others = [file for file in files if file.package == "google.protobuf"]
    packages: dict[str, Package] = {}
    for file in files:
        if file.package != "google.protobuf":
            packages.setdefault(file.package, Package(file.package)).take(file)
    permutation = _Permutation(Random(seed), changes)
    for package in packages.values():
        permutation.change(package)
    return assemble(others, list(packages.values()), Random(seed), split=changes.files)


def write_protos(descriptor_set: bytes, folder: Path) -> Path:
    """Write the .proto file of each file of a set, protobuf's own apart, below a folder; return the folder."""
    for file in FileDescriptorSet.FromString(descriptor_set).file:
        if file.package != "google.protobuf":
            path = folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(proto_text(file), encoding="utf-8")
    return folder


class _Permutation:
    """Changes packages one after the other."""

    def __init__(self, random: Random, changes: Changes) -> None:
        self._random = random
        self._changes = changes
        self._made = 0
        self._kinds: Iterator[Kind] = iter(())

    def change(self, package: Package) -> None:
        random, changes = self._random, self._changes
        if changes.messages:
            self._add_types(package)
        self._kinds = cycle(random.sample(KINDS, len(KINDS)))
        types = Types(
            messages=[name for name, _ in package.all_messages()], enums=[f".{package.name}.{enum.name}" for enum in package.enums]
        )  # fmt: skip
        if changes.fields:
            for name, message in list(package.all_messages()):
                self._add_fields(name, message, types)
        if changes.values:
            for enum in package.all_enums():
                self._add_values(enum)
        if changes.rpcs:
            for service in package.services:
                self._add_rpcs(service, types)
        for _, message in package.all_messages():
            self._number_fields(message)
        for enum in package.all_enums():
            self._number_values(enum)

    # -- what is added; the 0 stands for a number that is still to be given

    def _next(self) -> int:
        self._made += 1
        return self._made

    def _add_types(self, package: Package) -> None:
        """Add a message that holds every kind of field, one that holds types of its own, and an enum."""
        scope = f".{package.name}"
        enum = EnumDescriptorProto(name=f"AddedKind{self._next()}")
        prefix = f"ADDED_KIND_{self._made}"
        enum.value.add(name=f"{prefix}_UNSPECIFIED", number=0)
        for word in ("FIRST", "SECOND", "None"):
            enum.value.add(name=f"{prefix}_{word}", number=0)
        package.enums.append(enum)
        outer = DescriptorProto(name=f"AddedOuter{self._next()}")
        inner = outer.nested_type.add(name="Inner")
        mode = inner.enum_type.add(name="Mode")
        for word in ("MODE_OFF", "MODE_ON"):
            mode.value.add(name=word, number=0)
        package.messages.append(outer)
        full = DescriptorProto(name=f"AddedFull{self._next()}")
        full.oneof_decl.add(name="choice")
        package.messages.append(full)
        types = Types(messages=[f"{scope}.{outer.name}", f"{scope}.{outer.name}.Inner"], enums=[f"{scope}.{enum.name}"])
        for kind in KINDS:
            kind(self._random, full, f"{scope}.{full.name}", f"of_kind_{self._next()}", types)
        for member in ("Mode", ""):
            name = f"{scope}.{outer.name}.Inner" + (f".{member}" if member else "")
            add_field(
                outer,
                f"field_{self._next()}",
                FieldDescriptorProto.TYPE_ENUM if member else FieldDescriptorProto.TYPE_MESSAGE,
                type_name=name,
            )

    def _add_fields(self, full_name: str, message: DescriptorProto, types: Types) -> None:
        random = self._random
        taken = {each.json_name.lower() for each in message.field}
        taken |= {
            each.name.lower() for holder in (message.field, message.oneof_decl, message.nested_type) for each in holder
        }
        names = [
            name for name in random.sample(_FIELD_NAMES, len(_FIELD_NAMES)) if json_name(name).lower() not in taken
        ]
        names = [*without_twins(names), *(f"extra_{self._next()}" for _ in range(8))]
        for name in names[: random.randint(1, 4)]:
            next(self._kinds)(random, message, full_name, name, types)
        for index, oneof in enumerate(message.oneof_decl):
            if not oneof.name.startswith("_"):
                name = f"{oneof.name}_extra_{self._next()}"
                if random.random() < 0.5:
                    add_field(message, name, random.choice(list(SCALARS.values())), oneof=index)
                else:
                    add_field(
                        message,
                        name,
                        FieldDescriptorProto.TYPE_MESSAGE,
                        type_name=random.choice(types.messages),
                        oneof=index,
                    )

    def _add_values(self, enum: EnumDescriptorProto) -> None:
        prefix = enum.value[0].name.rpartition("_")[0] or enum.name.upper()
        for _ in range(self._random.randint(1, 3)):
            enum.value.add(name=f"{prefix}_EXTRA_{self._next()}", number=0)

    def _add_rpcs(self, service: ServiceDescriptorProto, types: Types) -> None:
        for both in range(4):
            rpc = service.method.add(name=f"AddedCall{self._next()}")
            rpc.input_type, rpc.output_type = self._random.choices(types.messages, k=2)
            if both & 1:
                rpc.client_streaming = True
            if both & 2:
                rpc.server_streaming = True

    # -- numbers

    def _number_fields(self, message: DescriptorProto) -> None:
        old = [each.number for each in message.field if each.number]
        keep = set() if self._changes.field_numbers else set(old)
        numbers = self._numbers(FIELD_BANDS, old, keep)
        for each in message.field:
            if self._changes.field_numbers or not each.number:
                each.number = next(number for number in numbers if number != each.number)
        for name in ("reserved_range", "reserved_name"):
            message.ClearField(name)
        put_in_order(message, self._random if self._changes.field_numbers else None)

    def _number_values(self, enum: EnumDescriptorProto) -> None:
        added = [value for value in enum.value[1:] if not value.number]
        old = [value.number for value in enum.value if value.number]
        change = self._changes.enum_numbers
        numbers = self._numbers(ENUM_BANDS, old, {0} if change else {0, *old})
        if change:
            aliases: dict[int, int] = {0: 0}
            for value in enum.value:
                if value not in added:
                    if value.number not in aliases:
                        aliases[value.number] = next(number for number in numbers if number != value.number)
                    value.number = aliases[value.number]
        for value in added:
            value.number = next(numbers)
        enum.ClearField("reserved_range")
        enum.ClearField("reserved_name")

    def _numbers(self, bands: Iterable[tuple[int, int]], old: list[int], taken: set[int]) -> Iterator[int]:
        """Yield numbers that are not taken: every other one had another meaning before, so that who mixes them up shows it."""
        random, bands = self._random, list(bands)
        left = random.sample(old, len(old))
        while True:
            if left and random.random() < 0.5:
                number = left.pop()
            else:
                number = random.randint(*random.choices(bands, _WEIGHTS)[0])
            if number not in taken:
                taken.add(number)
                yield number
