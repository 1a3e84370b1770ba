"""Parses a .proto file into a descriptor; type names are not resolved yet."""

from __future__ import annotations

from typing import Literal

from mxgateway.contract.descriptors import Rpc, Service
from mxgateway.contract.proto_files.names import Symbols
from mxgateway.contract.proto_files.statements import ParsedFile, Reference
from mxgateway.contract.proto_files.tokens import shown
from mxgateway.contract.proto_files.types import Types


def parse(name: str, source: str, symbols: Symbols) -> ParsedFile:
    """Parse a file.

    Args:
        name: The file's path, as used by imports.
        source: The file's text.
        symbols: Receives the file's definitions.

    Raises:
        ContractError: It is not a valid .proto file, or uses something unsupported.
    """
    return _Parser(name, source, symbols).parse()


class _Parser(Types):
    def parse(self) -> ParsedFile:
        tokens, descriptor = self._tokens, self._file.descriptor
        self._syntax()
        while tokens.text:
            match tokens.text:
                case "import":
                    self._import()
                case "package":
                    self._package()
                case "message":
                    descriptor.message_type.append(self._message(descriptor.package, 1))
                case "enum":
                    descriptor.enum_type.append(self._enum(descriptor.package))
                case "service":
                    descriptor.service.append(self._service(descriptor.package))
                case "extend":
                    self._extend()
                case "option":
                    self._option_statement()
                case ";":
                    tokens.advance()
                case _:
                    raise tokens.unexpected("a statement")
        return self._file

    # -- the file

    def _syntax(self) -> None:
        tokens = self._tokens
        if tokens.text == "edition":
            raise tokens.error("editions are not supported, only syntax proto2 and proto3")
        if tokens.accept("syntax"):
            tokens.expect("=")
            position, syntax = tokens.position, tokens.string("the syntax")
            if syntax not in ("proto2", "proto3"):
                raise tokens.error(f"the syntax {shown(syntax)} is not supported, only proto2 and proto3", position)
            tokens.expect(";")
            self._proto3 = syntax == "proto3"
        if self._proto3:
            self._file.descriptor.syntax = "proto3"  # as in protoc's output: proto2 is the default

    def _import(self) -> None:
        tokens = self._tokens
        tokens.advance()
        public = tokens.text == "public"
        if public or tokens.text == "weak":
            tokens.advance()
        position, name = tokens.position, tokens.string("the name of a file")
        tokens.expect(";")
        if name in self._file.imports:
            raise tokens.error(f"{shown(name)} is already imported", position)
        if public:
            self._file.public.add(name)
            self._file.descriptor.public_dependency.append(len(self._file.imports))
        self._file.imports[name] = position
        self._file.descriptor.dependency.append(name)

    def _package(self) -> None:
        tokens = self._tokens
        if self._file.descriptor.package:
            raise tokens.error("the package is already declared")
        if self._file.descriptor.message_type or self._file.descriptor.enum_type or self._file.descriptor.service:
            raise tokens.error("the package must be declared before its contents")
        tokens.advance()
        position, package = tokens.position, tokens.name("the name of a package")
        tokens.expect(";")
        if fault := self._symbols.define_package(package, tokens.file):
            raise tokens.error(fault, position)
        self._file.descriptor.package = package

    # -- services

    def _service(self, outer: str) -> Service:
        tokens = self._tokens
        tokens.advance()
        name, scope = self._define(outer, "service")
        made = Service(name=name)
        tokens.expect("{")
        while not tokens.accept("}"):
            if tokens.text == "option":
                self._option_statement()
            elif not tokens.accept(";"):
                made.method.append(self._rpc(scope))
        return made

    def _rpc(self, scope: str) -> Rpc:
        tokens = self._tokens
        tokens.expect("rpc")
        name, full_name = self._define(scope, "other")
        made = Rpc(name=name)
        made.client_streaming = self._rpc_type(made, "input_type", full_name)
        tokens.expect("returns")
        made.server_streaming = self._rpc_type(made, "output_type", full_name)
        if tokens.accept("{"):
            while not tokens.accept("}"):
                if tokens.text == "option":
                    self._option_statement()
                else:
                    tokens.expect(";")
        else:
            tokens.expect(";")
        return made

    def _rpc_type(self, made: Rpc, attribute: Literal["input_type", "output_type"], scope: str) -> bool:
        """Read the type of a request or reply, and return whether it is a stream."""
        tokens = self._tokens
        tokens.expect("(")
        is_stream = tokens.accept("stream")
        position, name = tokens.position, self._type_name()
        self._file.references.append(Reference(made, attribute, name, scope, position))
        tokens.expect(")")
        return is_stream
