"""Reads a contract from a folder of .proto files in pure Python, without protoc."""

from __future__ import annotations

import graphlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mxgateway.contract.descriptor_messages import ENUM_TYPE, MESSAGE_TYPE, Field, File, FileSet
from mxgateway.contract.descriptor_set import ContractError
from mxgateway.contract.proto_files.names import WELL_KNOWN, Symbols
from mxgateway.contract.proto_files.parser import parse
from mxgateway.contract.proto_files.statements import ParsedFile, Reference
from mxgateway.contract.proto_files.tokens import shown, shown_name
from mxgateway.system.file_rules import SAFELY, FileRefusal, check_kind
from mxgateway.wire import encode

MOST_FILES: Final = 256
MOST_BYTES: Final = 4 * 1024 * 1024
"""Most bytes of all files together; the gateway's own contract has 54 KB."""
MOST_ENTRIES: Final = 10_000
"""Most files and folders examined, in case the folder is the wrong one."""
_MAY_BE_ABSENT: Final = "google/"
"""These files define options and well-known types, only in google's own packages."""


def descriptor_set_of(folder: str | os.PathLike[str]) -> bytes:
    """Read the .proto files in a folder and its subfolders, like `protoc --descriptor_set_out`.

    Syntax proto2 and proto3 are supported; editions and groups are rejected. Options other than `packed`, `json_name`
    and `allow_alias`, extensions, default values and reserved numbers are skipped. Files in `google/` may be missing:
    the types of google/protobuf are built in, except those of descriptor.proto. Links are not followed.

    Args:
        folder: The root folder for imports between the files.

    Returns:
        A serialized FileDescriptorSet of the files, each after its imports, without the missing ones.

    Raises:
        ContractError: A file cannot be read or is not a valid .proto file; the text names file and line.
    """
    sources = _read(Path(folder))
    symbols = Symbols()
    files = {name: parse(name, source, symbols) for name, source in sources.items()}
    for name, types in WELL_KNOWN.items():
        if name not in files:
            symbols.define_package("google.protobuf", name)
            for type_name, kind in types.items():
                symbols.define(type_name, kind, name)
    order = _in_order(files)
    for name in order:
        _resolve(files[name], symbols, _visible_from(name, files))
    return encode(FileSet(file=[files[name].descriptor for name in order]))


# -- the folder


def _read(folder: Path) -> dict[str, str]:
    """Return the text of each .proto file, by the path that imports use."""
    if not folder.is_dir():
        raise ContractError(f"{shown_name(str(folder))} is not a folder: name the one that contains the .proto files")
    texts: dict[str, str] = {}
    left = MOST_BYTES
    for path in _proto_paths(folder):
        name = path.relative_to(folder).as_posix()
        if len(texts) == MOST_FILES:
            raise ContractError(f"{shown_name(str(folder))} contains more than {MOST_FILES} .proto files")
        data = _content(path, name, left)
        left -= len(data)
        try:
            texts[name] = data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise ContractError(f"{shown_name(name)}:{line}: not valid UTF-8") from None
    if not texts:
        raise ContractError(f"{shown_name(str(folder))} contains no .proto file")
    return texts


def _proto_paths(folder: Path) -> list[Path]:
    entries = 0
    found = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        entries += len(folders) + len(names)
        if entries > MOST_ENTRIES:
            raise ContractError(
                f"{shown_name(str(folder))} contains more than {MOST_ENTRIES} files: name the folder of the .proto files"
            )
        found += [Path(parent, name) for name in names if name.endswith(".proto")]
    return sorted(found)


def _content(path: Path, name: str, limit: int) -> bytes:
    """Return the content of a file; only a regular file is opened, and at most `limit` bytes are read."""
    try:
        check_kind(os.lstat(path))
        # If a pipe or a link has replaced the file meanwhile, this neither blocks nor follows it.
        with open(os.open(path, os.O_RDONLY | SAFELY), "rb") as file:
            check_kind(os.fstat(file.fileno()))
            data = file.read(limit + 1)
    except FileRefusal:
        raise ContractError(f"{shown_name(name)}: not a regular file") from None
    except OSError as error:
        raise ContractError(f"{shown_name(name)}: cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise ContractError(f"{shown_name(name)}: the .proto files have more than {MOST_BYTES} bytes")
    return data


# -- the names in them


def _in_order(files: Mapping[str, ParsedFile]) -> list[str]:
    """Return the files' names, each after its imports."""
    for file in files.values():
        for imported, position in file.imports.items():
            if imported not in files and not imported.startswith(_MAY_BE_ABSENT):
                raise file.error(position, f"{shown(imported)} is not in the folder")
    graph = {name: [each for each in file.imports if each in files] for name, file in files.items()}
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = error.args[1][::-1]
        first = files[circle[0]]
        path = " imports ".join(shown_name(name) for name in circle)
        raise first.error(first.imports[circle[1]], f"circular import: {path}") from None


def _visible_from(name: str, files: Mapping[str, ParsedFile]) -> frozenset[str]:
    """Return the files whose types a file sees: itself, its imports, and their public imports."""
    seen = {name, *files[name].imports}
    left = list(files[name].imports)
    while left:
        file = files.get(left.pop())
        new = file.public - seen if file is not None else ()
        seen.update(new)
        left.extend(new)
    return frozenset(seen)


def _resolve(file: ParsedFile, symbols: Symbols, visible: frozenset[str]) -> None:
    """Replace the type names by full names."""
    for reference in file.references:
        found = symbols.resolve(reference.name, reference.scope, visible)
        if found is None:
            raise file.error(reference.position, _why_unresolved(reference, file.descriptor, symbols, visible))
        name, kind = found
        if isinstance(reference.holder, Field):
            reference.holder.type = ENUM_TYPE if kind == "enum" else MESSAGE_TYPE
        elif kind == "enum":
            raise file.error(reference.position, f"{name} is an enum: an RPC carries messages")
        setattr(reference.holder, reference.attribute, f".{name}")


def _why_unresolved(reference: Reference, file: File, symbols: Symbols, visible: frozenset[str]) -> str:
    reason = f"{shown(reference.name)} is not a type defined here or in an import"
    parts = file.package.split(".")
    scopes = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    names = [reference.name.removeprefix("."), *(f"{scope}.{reference.name}" for scope in scopes)]
    elsewhere = next((other for name in names for other in symbols.files_of(name) if other not in visible), None)
    if elsewhere is not None:
        return f"{reason}; {shown(elsewhere)}, which defines it, is not imported"
    absent = [name for name in file.dependency if name.startswith(_MAY_BE_ABSENT) and name not in WELL_KNOWN]
    return f"{reason}; {shown(absent[0])} is not in the folder" if absent else reason
