"""Parses a .proto file into a descriptor; type names are not resolved yet."""

from __future__ import annotations

from typing import Literal

from mxgateway.contract.descriptor_messages import Rpc, Service
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
        descriptor = self._file.descriptor
        self._syntax()
        while self.text:
            match self.text:
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
                    self.advance()
                case _:
                    raise self.unexpected("a statement")
        return self._file

    # -- the file

    def _syntax(self) -> None:
        if self.text == "edition":
            raise self.error("editions are not supported, only syntax proto2 and proto3")
        if self.accept("syntax"):
            self.expect("=")
            position, syntax = self.position, self.string("the syntax")
            if syntax not in ("proto2", "proto3"):
                raise self.error(f"the syntax {shown(syntax)} is not supported, only proto2 and proto3", position)
            self.expect(";")
            self._proto3 = syntax == "proto3"
        if self._proto3:
            self._file.descriptor.syntax = "proto3"  # as in protoc's output: proto2 is the default

    def _import(self) -> None:
        self.advance()
        public = self.text == "public"
        if public or self.text == "weak":
            self.advance()
        position, name = self.position, self.string("the name of a file")
        self.expect(";")
        if name in self._file.imports:
            raise self.error(f"{shown(name)} is already imported", position)
        if public:
            self._file.public.add(name)
            self._file.descriptor.public_dependency.append(len(self._file.imports))
        self._file.imports[name] = position
        self._file.descriptor.dependency.append(name)

    def _package(self) -> None:
        if self._file.descriptor.package:
            raise self.error("the package is already declared")
        if self._file.descriptor.message_type or self._file.descriptor.enum_type or self._file.descriptor.service:
            raise self.error("the package must be declared before its contents")
        self.advance()
        position, package = self.position, self.name("the name of a package")
        self.expect(";")
        if fault := self._symbols.define_package(package, self.file):
            raise self.error(fault, position)
        self._file.descriptor.package = package

    # -- services

    def _service(self, outer: str) -> Service:
        self.advance()
        name, scope = self._define(outer, "service")
        made = Service(name=name)
        self.expect("{")
        while not self.accept("}"):
            if self.text == "option":
                self._option_statement()
            elif not self.accept(";"):
                made.method.append(self._rpc(scope))
        return made

    def _rpc(self, scope: str) -> Rpc:
        self.expect("rpc")
        name, full_name = self._define(scope, "other")
        made = Rpc(name=name)
        made.client_streaming = self._rpc_type(made, "input_type", full_name)
        self.expect("returns")
        made.server_streaming = self._rpc_type(made, "output_type", full_name)
        if self.accept("{"):
            while not self.accept("}"):
                if self.text == "option":
                    self._option_statement()
                else:
                    self.expect(";")
        else:
            self.expect(";")
        return made

    def _rpc_type(self, made: Rpc, attribute: Literal["input_type", "output_type"], scope: str) -> bool:
        """Read the type of a request or reply, and return whether it is a stream."""
        self.expect("(")
        is_stream = self.accept("stream")
        position, name = self.position, self._type_name()
        self._file.references.append(Reference(made, attribute, name, scope, position))
        self.expect(")")
        return is_stream
