"""What the statements of a .proto file are made of: names, options, ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mxgateway.contract.descriptors import Field, File, Rpc
from mxgateway.contract.facts import ContractError
from mxgateway.contract.proto_files.names import Kind, Symbols
from mxgateway.contract.proto_files.tokens import Tokens, error_at, shown

Options = dict[str, str]
"""Options by name, of which only plain ones are kept."""


@dataclass(slots=True)
class Reference:
    """A type's name that is still to be resolved."""

    holder: Field | Rpc
    attribute: Literal["type_name", "input_type", "output_type"]
    """Where in the holder the full name goes."""
    name: str
    scope: str
    """The full name of what the name stands in."""
    position: int


@dataclass(slots=True)
class ParsedFile:
    """A file that was read for itself."""

    descriptor: File
    source: str
    imports: dict[str, int] = field(default_factory=dict)
    """The position of each import."""
    public: set[str] = field(default_factory=set)
    """The imports that whoever imports this file sees as well."""
    references: list[Reference] = field(default_factory=list)

    def error(self, position: int, reason: str) -> ContractError:
        """Return the error for a place in the file."""
        return error_at(self.descriptor.name, self.source, position, reason)


class Statements:
    """Reads the parts that all statements share.

    Args:
        name: The file's path, as an import writes it.
        source: What it holds.
        symbols: Takes what it defines.
    """

    def __init__(self, name: str, source: str, symbols: Symbols) -> None:
        self._tokens = Tokens(name, source)
        self._symbols = symbols
        self._file = ParsedFile(File(name=name), source)
        self._proto3 = False

    def _define(self, outer: str, kind: Kind) -> tuple[str, str]:
        """Read the name of what is defined; return it, and the full one."""
        position, name = self._tokens.position, self._tokens.word("a name")
        return name, self._add_name(outer, name, kind, position)

    def _add_name(self, outer: str, name: str, kind: Kind, position: int) -> str:
        full_name = f"{outer}.{name}" if outer else name
        if fault := self._symbols.define(full_name, kind, self._tokens.file):
            raise self._tokens.error(fault, position)
        return full_name

    def _type_name(self) -> str:
        dot = "." if self._tokens.accept(".") else ""
        return dot + self._tokens.name("the name of a type")

    def _option_statement(self) -> Options:
        self._tokens.advance()
        options = self._option()
        self._tokens.expect(";")
        return options

    def _field_options(self) -> Options:
        options = Options()
        if self._tokens.accept("["):
            options |= self._option()
            while self._tokens.accept(","):
                options |= self._option()
            self._tokens.expect("]")
        return options

    def _option(self) -> Options:
        tokens = self._tokens
        is_plain = tokens.text not in ("(", ".")
        parts = [self._option_part()]
        while tokens.accept("."):
            parts.append(self._option_part())
        tokens.expect("=")
        if tokens.text == "{":
            self._skip_braces()
            return {}
        value = tokens.scalar()
        return {".".join(parts): value} if is_plain else {}

    def _option_part(self) -> str:
        tokens = self._tokens
        if not tokens.accept("("):
            return tokens.word("the name of an option")
        name = self._type_name()
        tokens.expect(")")
        return f"({name})"

    def _boolean(self, options: Options, name: str) -> bool:
        if options[name] not in ("true", "false"):
            raise self._tokens.error(f"{name} is true or false, not {shown(options[name])}")
        return options[name] == "true"

    def _text(self, options: Options, name: str) -> str:
        if not options[name].isascii() and any("\ud800" <= character <= "\udfff" for character in options[name]):
            raise self._tokens.error(f"{name} is not valid UTF-8")
        return options[name]

    def _skip_braces(self) -> None:
        """Pass over what stands in braces."""
        tokens, depth = self._tokens, 0
        while True:
            if not tokens.text:
                raise tokens.unexpected("'}'")
            depth += {"{": 1, "}": -1}.get(tokens.advance(), 0)
            if depth == 0:
                return

    def _ranges(self) -> None:
        """Pass over `reserved` and `extensions`, which change nothing on the wire."""
        tokens = self._tokens
        tokens.advance()
        while True:
            if tokens.text[:1] in ("'", '"'):
                tokens.string("a reserved name")
            else:
                tokens.integer("a reserved number or name")
                if tokens.accept("to") and not tokens.accept("max"):
                    tokens.integer("the end of a range")
            if not tokens.accept(","):
                break
        self._field_options()
        tokens.expect(";")

    def _extend(self) -> None:
        """Pass over extensions: their fields are unknown ones to who does not ask for them."""
        tokens = self._tokens
        tokens.advance()
        self._type_name()
        if tokens.text != "{":
            raise tokens.unexpected("'{'")
        self._skip_braces()
