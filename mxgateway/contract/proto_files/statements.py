"""The parts of .proto statements: names, options, ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mxgateway.contract.descriptor_messages import Field, File, Rpc
from mxgateway.contract.descriptor_set import ContractError
from mxgateway.contract.proto_files.names import Kind, Symbols
from mxgateway.contract.proto_files.tokens import Tokens, error_at, shown

Options = dict[str, str]
"""Options by name; only plain ones are kept."""


@dataclass(slots=True)
class Reference:
    """A type name to be resolved."""

    holder: Field | Rpc
    attribute: Literal["type_name", "input_type", "output_type"]
    """The holder's attribute that takes the full name."""
    name: str
    scope: str
    """The full name of the scope that contains the name."""
    position: int


@dataclass(slots=True)
class ParsedFile:
    """A parsed file with unresolved references."""

    descriptor: File
    source: str
    imports: dict[str, int] = field(default_factory=dict)
    """The position of each import."""
    public: set[str] = field(default_factory=set)
    """The imports that are visible to importers of this file as well."""
    references: list[Reference] = field(default_factory=list)

    def error(self, position: int, reason: str) -> ContractError:
        """Return the error for a position in the file."""
        return error_at(self.descriptor.name, self.source, position, reason)


class Statements(Tokens):
    """Parses the parts shared by all statements."""

    def __init__(self, name: str, source: str, symbols: Symbols) -> None:
        super().__init__(name, source)
        self._symbols = symbols
        self._file = ParsedFile(File(name=name), source)
        self._proto3 = False

    def _define(self, outer: str, kind: Kind) -> tuple[str, str]:
        """Read the name of a definition; return it with its full name."""
        position, name = self.position, self.word("a name")
        return name, self._add_name(outer, name, kind, position)

    def _add_name(self, outer: str, name: str, kind: Kind, position: int) -> str:
        full_name = f"{outer}.{name}" if outer else name
        if fault := self._symbols.define(full_name, kind, self.file):
            raise self.error(fault, position)
        return full_name

    def _type_name(self) -> str:
        dot = "." if self.accept(".") else ""
        return dot + self.name("the name of a type")

    def _option_statement(self) -> Options:
        self.advance()
        options = self._option()
        self.expect(";")
        return options

    def _field_options(self) -> Options:
        options = Options()
        if self.accept("["):
            options |= self._option()
            while self.accept(","):
                options |= self._option()
            self.expect("]")
        return options

    def _option(self) -> Options:
        is_plain = self.text not in ("(", ".")
        parts = [self._option_part()]
        while self.accept("."):
            parts.append(self._option_part())
        self.expect("=")
        if self.text == "{":
            self._skip_braces()
            return {}
        value = self.scalar()
        return {".".join(parts): value} if is_plain else {}

    def _option_part(self) -> str:
        if not self.accept("("):
            return self.word("the name of an option")
        name = self._type_name()
        self.expect(")")
        return f"({name})"

    def _boolean(self, options: Options, name: str) -> bool:
        if options[name] not in ("true", "false"):
            raise self.error(f"{name} must be true or false, not {shown(options[name])}")
        return options[name] == "true"

    def _text(self, options: Options, name: str) -> str:
        if not options[name].isascii() and any("\ud800" <= character <= "\udfff" for character in options[name]):
            raise self.error(f"{name} is not valid UTF-8")
        return options[name]

    def _skip_braces(self) -> None:
        """Skip a block in braces."""
        depth = 0
        while True:
            if not self.text:
                raise self.unexpected("'}'")
            depth += {"{": 1, "}": -1}.get(self.advance(), 0)
            if depth == 0:
                return

    def _ranges(self) -> None:
        """Skip `reserved` and `extensions`, which do not affect the wire format."""
        self.advance()
        while True:
            if self.text[:1] in ("'", '"'):
                self.string("a reserved name")
            else:
                self.integer("a reserved number or name")
                if self.accept("to") and not self.accept("max"):
                    self.integer("the end of a range")
            if not self.accept(","):
                break
        self._field_options()
        self.expect(";")

    def _extend(self) -> None:
        """Skip extensions: to this client their fields are unknown fields."""
        self.advance()
        self._type_name()
        if self.text != "{":
            raise self.unexpected("'{'")
        self._skip_braces()
