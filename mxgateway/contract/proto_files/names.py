"""The definitions in a folder of .proto files, and the resolution of names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["package", "message", "enum", "service", "other"]
"""The kind of a definition; `other` cannot be used as a type."""

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
"""Messages and enums in protobuf's own files."""
WELL_KNOWN: Final[Mapping[str, Mapping[str, Kind]]] = {
    f"google/protobuf/{file}.proto": {
        **{f"google.protobuf.{name}": "message" for name in messages},
        **{f"google.protobuf.{name}": "enum" for name in enums},
    }
    for file, (messages, enums) in _WELL_KNOWN_TYPES.items()
}
"""The types in protobuf's own files, by file; the files themselves may be missing."""

MOST_NAMES: Final = 100_000
"""Most definitions in all files."""
LONGEST_NAME: Final = 512
"""Most characters of a full name, including package and outer messages."""
_SCOPES: Final = ("package", "message", "enum", "service")
_TYPES: Final = ("message", "enum")


@dataclass(slots=True)
class Symbol:
    """A named definition."""

    kind: Kind
    files: set[str] = field(default_factory=set)
    """Where it is defined: a package can be in many files, everything else is in one."""


class Symbols:
    """The names of all files."""

    def __init__(self) -> None:
        self._symbols: dict[str, Symbol] = {}

    def define(self, name: str, kind: Kind, file: str) -> str:
        """Add a definition of a file. Return an error text, or an empty string."""
        if len(name) > LONGEST_NAME:
            return f"a full name has more than {LONGEST_NAME} characters"
        known = self._symbols.get(name)
        if known is None:
            if len(self._symbols) >= MOST_NAMES:
                return f"more than {MOST_NAMES} names are defined"
            known = self._symbols[name] = Symbol(kind)
        elif (kind, known.kind) != ("package", "package"):
            return f"{name} is defined already"
        known.files.add(file)
        return ""

    def define_package(self, package: str, file: str) -> str:
        """Add a package and its parent packages. Return an error text, or an empty string."""
        parts = package.split(".")
        names = (".".join(parts[: count + 1]) for count in range(len(parts)))
        return next(filter(None, (self.define(name, "package", file) for name in names)), "")

    def resolve(self, name: str, scope: str, visible: frozenset[str]) -> tuple[str, Kind] | None:
        """Return the full name and kind of the type that a name refers to; None if there is none.

        The first part of the name is looked up in `scope` and its outer scopes, innermost first. The first match
        decides, whether or not it contains the rest.

        Args:
            name: The name as written; with a leading dot it is a full name.
            scope: The full name of the scope that contains the name.
            visible: The files to search.
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
