"""The types of a package without regard to files, and files that are made of them."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from random import Random
from typing import Any, Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    OneofDescriptorProto,
    ServiceDescriptorProto,
)

from tests.architecture.imports import circles

_FOLDERS: Final = ("", "plant/", "contracts/v7/")

TopLevel = DescriptorProto | EnumDescriptorProto | ServiceDescriptorProto


@dataclass
class Package:
    """What the files of a package define, whatever the file."""

    name: str
    messages: list[DescriptorProto] = field(default_factory=list)
    enums: list[EnumDescriptorProto] = field(default_factory=list)
    services: list[ServiceDescriptorProto] = field(default_factory=list)
    files: list[tuple[str, list[str]]] = field(default_factory=list)
    """The files that it came in, with the names of what stood in each."""

    def take(self, file: FileDescriptorProto) -> None:
        self.messages += file.message_type
        self.enums += file.enum_type
        self.services += file.service
        tops: Iterable[TopLevel] = (*file.message_type, *file.enum_type, *file.service)
        self.files.append((file.name, [top.name for top in tops]))

    def all_messages(self) -> Iterator[tuple[str, DescriptorProto]]:
        """Yield every message with its full name, nested ones included, map entries not."""
        yield from _messages_in(f".{self.name}", self.messages)

    def all_enums(self) -> Iterator[EnumDescriptorProto]:
        """Yield every enum, nested ones included."""
        yield from self.enums
        for _, message in self.all_messages():
            yield from message.enum_type


def _messages_in(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    for message in messages:
        if not message.options.map_entry:
            yield f"{scope}.{message.name}", message
            yield from _messages_in(f"{scope}.{message.name}", message.nested_type)


def put_in_order(message: DescriptorProto, random: Random | None) -> None:
    """Bring a message into the form that protoc gives it: members of a oneof stand together, what is made up stands last.

    Args:
        message: The message.
        random: Shuffles its fields; None keeps their order.
    """
    units: dict[Any, list[FieldDescriptorProto]] = {}
    for each in message.field:
        in_oneof = each.HasField("oneof_index") and not each.proto3_optional
        units.setdefault(each.oneof_index if in_oneof else each.name, []).append(_copy(each))
    keys = list(units)
    if random is not None:
        random.shuffle(keys)
        for unit in units.values():
            random.shuffle(unit)
    oneofs = list(message.oneof_decl)
    made = [OneofDescriptorProto(name=oneofs[key].name) for key in keys if isinstance(key, int)]
    for index, key in enumerate(key for key in keys if isinstance(key, int)):
        for each in units[key]:
            each.oneof_index = index
    fields = [each for key in keys for each in units[key]]
    names = {each.name for each in fields} | {each.name for each in made}
    for each in fields:
        if each.proto3_optional:
            name = each.name if each.name.startswith("_") else f"_{each.name}"
            assert name not in names, "protoc would choose another name"
            each.oneof_index = len(made)
            made.append(OneofDescriptorProto(name=name))
    entries = {entry.name: _copy(entry) for entry in message.nested_type if entry.options.map_entry}
    nested = [_copy(each) for each in message.nested_type if not each.options.map_entry]
    nested += [
        entries[name] for each in fields if (name := each.type_name.rpartition(".")[2]) in entries and _is_list(each)
    ]
    for name, content in (("field", fields), ("oneof_decl", made), ("nested_type", nested)):
        declared = getattr(message, name)
        del declared[:]
        declared.extend(content)


def _copy(message: Any) -> Any:
    made = type(message)()
    made.CopyFrom(message)
    return made


def _is_list(each: FieldDescriptorProto) -> bool:
    return each.label == FieldDescriptorProto.LABEL_REPEATED


def assemble(others: list[FileDescriptorProto], packages: list[Package], random: Random, *, split: bool) -> bytes:
    """Put packages into files, each behind what it needs."""
    homes = {
        f".{file.package}.{top.name}": file.name
        for file in others
        for top in chain[TopLevel](file.message_type, file.enum_type)
    }
    made: list[FileDescriptorProto] = []
    for package in packages:
        declared = chain[TopLevel](package.messages, package.enums, package.services)
        tops = {f".{package.name}.{top.name}": top for top in declared}
        parts = _parts(tops, random) if split else _original_parts(package, tops)
        for name, content in parts:
            homes.update(dict.fromkeys(content, name))
        made += [_file(name, package.name, [tops[each] for each in content], homes) for name, content in parts]
    needed = {name for file in made for name in file.dependency}
    return FileDescriptorSet(file=[*(file for file in others if file.name in needed), *made]).SerializeToString()


def _original_parts(package: Package, tops: dict[str, TopLevel]) -> list[tuple[str, list[str]]]:
    """Leave everything in its file; what is new stands in the first one."""
    known = {f".{package.name}.{name}" for _, names in package.files for name in names}
    parts = [(file, [f".{package.name}.{name}" for name in names]) for file, names in package.files]
    parts[0][1].extend(name for name in tops if name not in known)
    return parts


def _parts(tops: dict[str, TopLevel], random: Random) -> list[tuple[str, list[str]]]:
    """Cut a package into files, none of which needs a later one."""
    graph = {
        name: {owner for used in _used(top) if (owner := _owner(used, tops))} - {name} for name, top in tops.items()
    }
    groups = {name: group for group in circles(graph) for name in group}
    condensed: dict[frozenset[str], set[frozenset[str]]] = {}
    for name in random.sample(list(graph), len(graph)):
        group = groups.get(name, frozenset({name}))
        others = {groups.get(other, frozenset({other})) for other in graph[name]} - {group}
        condensed.setdefault(group, set()).update(others)
    ordered = [
        sorted(group)
        for group in graphlib.TopologicalSorter(
            {group: _stable(others) for group, others in condensed.items()}
        ).static_order()
    ]
    count = min(len(ordered), random.randint(2, 5))
    cuts = [0, *sorted(random.sample(range(1, len(ordered)), count - 1)), len(ordered)]
    return [
        (
            f"{random.choice(_FOLDERS)}part_{random.randrange(10**6)}.proto",
            [name for group in ordered[start:end] for name in group],
        )
        for start, end in pairwise(cuts)
    ]


def _stable(groups: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    return sorted(groups, key=sorted)


def _used(top: TopLevel) -> Iterator[str]:
    """Yield the full names of the types that something uses."""
    if isinstance(top, ServiceDescriptorProto):
        for rpc in top.method:
            yield from (rpc.input_type, rpc.output_type)
    elif isinstance(top, DescriptorProto):
        yield from (each.type_name for each in top.field if each.type_name)
        for nested in top.nested_type:
            yield from _used(nested)


def _owner(name: str, tops: Iterable[str]) -> str | None:
    """Return the one of `tops` that a type is, or stands in."""
    while name and name not in tops:
        name = name.rpartition(".")[0]
    return name or None


def _file(name: str, package: str, tops: list[TopLevel], homes: dict[str, str]) -> FileDescriptorProto:
    file = FileDescriptorProto(name=name, package=package, syntax="proto3")
    used = {homes[owner] for top in tops for each in _used(top) if (owner := _owner(each, homes))}
    file.dependency.extend(sorted(used - {name}))
    for top in tops:
        if isinstance(top, DescriptorProto):
            file.message_type.append(top)
        elif isinstance(top, EnumDescriptorProto):
            file.enum_type.append(top)
        else:
            file.service.append(top)
    return file
