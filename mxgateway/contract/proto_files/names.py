"""What the .proto files of a folder define, and which of it a name means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["package", "message", "enum", "service", "other"]
"""What is defined; `other` is what no type name can mean."""

_WELL_KNOWN_TYPES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "any": (("Any",), ()),
    "api": (("Api", "Method", "Mixin"), ()),
    "duration": (("Duration",), ()),
    "empty": (("Empty",), ()),
    "field_mask": (("FieldMask",), ()),
    "source_context": (("SourceContext",), ()),
    "struct": (("ListValue", "Struct", "Value"), ("NullValue",)),
    "timestamp": (("Timestamp",), ()),
    "type": (("Enum", "EnumValue", "Field", "Option", "Type"), ("Field.Cardinality", "Field.Kind", "Syntax")),
    "wrappers": (
        (
            "BoolValue", "BytesValue", "DoubleValue", "FloatValue", "Int32Value", "Int64Value", "StringValue",
            "UInt32Value", "UInt64Value",
        ),
        (),
    ),
}  # fmt: skip
"""Messages and enums of protobuf's own files."""
WELL_KNOWN: Final[Mapping[str, Mapping[str, Kind]]] = {
    f"google/protobuf/{file}.proto": {
        **{f"google.protobuf.{name}": "message" for name in messages},
        **{f"google.protobuf.{name}": "enum" for name in enums},
    }
    for file, (messages, enums) in _WELL_KNOWN_TYPES.items()
}
"""The types of protobuf's own files, which need not be there, by file."""

LONGEST_NAME: Final = 512
"""Characters, with those of the package and the messages around."""
_SCOPES: Final = ("package", "message", "enum", "service")
_TYPES: Final = ("message", "enum")


@dataclass(slots=True)
class Symbol:
    """Something that has a name."""

    kind: Kind
    files: set[str] = field(default_factory=set)
    """Where it is defined: a package in many files, everything else in one."""


class Symbols:
    """The names of all files.

    Args:
        limit: The most that may be defined.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._symbols: dict[str, Symbol] = {}

    def define(self, name: str, kind: Kind, file: str) -> str:
        """Take note of what a file defines. Return why it cannot be; empty when it can."""
        if len(name) > LONGEST_NAME:
            return f"a full name has more than {LONGEST_NAME} characters"
        known = self._symbols.get(name)
        if known is None:
            if len(self._symbols) >= self._limit:
                return f"more than {self._limit} names are defined"
            known = self._symbols[name] = Symbol(kind)
        elif (kind, known.kind) != ("package", "package"):
            return f"{name} is defined already"
        known.files.add(file)
        return ""

    def define_package(self, package: str, file: str) -> str:
        """Take note of a package and those around it. Return why it cannot be; empty when it can."""
        parts = package.split(".")
        names = (".".join(parts[: count + 1]) for count in range(len(parts)))
        return next(filter(None, (self.define(name, "package", file) for name in names)), "")

    def resolve(self, name: str, scope: str, visible: frozenset[str]) -> tuple[str, Kind] | None:
        """Return the full name and kind of the type that a name means; None when there is none.

        The first part of the name is looked for in `scope` and the scopes around it, the innermost first; what is found
        decides, whether it holds the rest or not.

        Args:
            name: As it is written; with a leading dot it is a full name.
            scope: The full name of what the name stands in.
            visible: The files that count.
        """
        if name.startswith("."):
            return self._type(name[1:], visible)
        first, _, rest = name.partition(".")
        while True:
            candidate = f"{scope}.{first}" if scope else first
            kind = self._kind(candidate, visible)
            if rest and kind in _SCOPES:
                return self._type(f"{candidate}.{rest}", visible)
            if not rest and kind in _TYPES:
                return candidate, kind
            if not scope:
                return None
            scope = scope.rpartition(".")[0]

    def files_of(self, name: str) -> Iterable[str]:
        """Return the files that define a name."""
        symbol = self._symbols.get(name)
        return sorted(symbol.files) if symbol is not None else ()

    def _type(self, name: str, visible: frozenset[str]) -> tuple[str, Kind] | None:
        kind = self._kind(name, visible)
        return (name, kind) if kind in _TYPES else None

    def _kind(self, name: str, visible: frozenset[str]) -> Kind | None:
        symbol = self._symbols.get(name)
        return None if symbol is None or symbol.files.isdisjoint(visible) else symbol.kind
