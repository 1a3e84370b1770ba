"""Parses the messages and enums of a .proto file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mxgateway.contract.descriptor_messages import (
    SCALARS,
    Enum,
    EnumOptions,
    EnumValue,
    Field,
    FieldOptions,
    Label,
    Oneof,
    Type,
    TypeOptions,
)
from mxgateway.contract.descriptor_set import KEY_KINDS, LARGEST_NUMBER, capitalized, usual_json_name
from mxgateway.contract.proto_files.statements import Options, Reference, Statements
from mxgateway.contract.proto_files.tokens import shown

DEEPEST: Final = 32
"""Most nested messages; protoc has the same limit."""
RESERVED_NUMBERS: Final = range(19_000, 20_000)
"""Field numbers reserved by protobuf."""
_INT32: Final = range(-(2**31), 2**31)
_LABELS: Final = {"optional": Label.OPTIONAL, "required": Label.REQUIRED, "repeated": Label.REPEATED}


@dataclass(slots=True)
class _Body:
    """A message being parsed."""

    message: Type
    scope: str
    depth: int
    names: set[str] = field(default_factory=set)
    """Of fields and oneofs."""
    numbers: dict[int, str] = field(default_factory=dict)


class Types(Statements):
    """Parses messages and enums."""

    def _message(self, outer: str, depth: int) -> Type:
        if depth > DEEPEST:
            raise self.error(f"messages are nested more than {DEEPEST} levels deep")
        self.advance()
        name, full_name = self._define(outer, "message")
        body = _Body(Type(name=name), full_name, depth)
        self.expect("{")
        while not self.accept("}"):
            self._message_statement(body)
        self._add_synthetic_oneofs(body)
        return body.message

    def _message_statement(self, body: _Body) -> None:
        match self.text:
            case "message":
                body.message.nested_type.append(self._message(body.scope, body.depth + 1))
            case "enum":
                body.message.enum_type.append(self._enum(body.scope))
            case "oneof":
                self._oneof(body)
            case "reserved" | "extensions":
                self._ranges()
            case "extend":
                self._extend()
            case "option":
                self._option_statement()
            case ";":
                self.advance()
            case _:
                self._field(body)

    def _oneof(self, body: _Body) -> None:
        self.advance()
        name, _ = self._define(body.scope, "other")
        body.names.add(name)
        index = len(body.message.oneof_decl)
        body.message.oneof_decl.append(Oneof(name=name))
        self.expect("{")
        if self.text == "}":
            raise self.error(f"the oneof {name} has no field")
        while not self.accept("}"):
            if self.text == "option":
                self._option_statement()
            else:
                self._field(body, index)

    def _field(self, body: _Body, oneof_index: int | None = None) -> None:
        start, label = self.position, _LABELS.get(self.text)
        if label is not None:
            self.advance()
        type_position, type_name = self.position, self._type_name()
        key_and_value = self._map_types() if type_name == "map" and self.accept("<") else None
        made = Field()
        made.name = self._define(body.scope, "other")[0]
        self._number(body, made)
        self._label(made, label, is_plain=oneof_index is None and key_and_value is None, position=start)
        if oneof_index is not None:
            made.oneof_index = oneof_index
            if key_and_value is not None:
                raise self.error("a map cannot be in a oneof", start)
        options = self._field_options()
        self.expect(";")
        made.json_name = self._text(options, "json_name") if "json_name" in options else usual_json_name(made.name)
        if "packed" in options:
            made.options = FieldOptions(packed=self._boolean(options, "packed"))
        body.names.add(made.name)
        body.message.field.append(made)
        if key_and_value is None:
            self._set_type(made, type_name, body.scope, type_position)
        else:
            self._add_map_entry(body, made, *key_and_value)

    def _number(self, body: _Body, made: Field) -> None:
        self.expect("=")
        position, number = self.position, self.integer("the number of a field")
        if not 1 <= number <= LARGEST_NUMBER:
            raise self.error(f"{number} is not a field number, which is 1 to {LARGEST_NUMBER}", position)
        if number in RESERVED_NUMBERS:
            raise self.error(f"{number} is reserved: 19000 to 19999 are protobuf's own", position)
        if number in body.numbers:
            raise self.error(f"{made.name} reuses the number {number} of {body.numbers[number]}", position)
        body.numbers[number] = made.name or ""
        made.number = number

    def _label(self, made: Field, label: Label | None, *, is_plain: bool, position: int) -> None:
        """Set a field's label; fields in a oneof and maps have none."""
        if label is not None and not is_plain:
            raise self.error("a field in a oneof or a map has no label", position)
        if self._proto3 and label is Label.REQUIRED:
            raise self.error("proto3 has no required fields", position)
        if not self._proto3 and label is None and is_plain:
            raise self.error("proto2 requires optional, required or repeated here", position)
        made.label = label or Label.OPTIONAL
        if self._proto3 and label is Label.OPTIONAL:
            made.proto3_optional = True

    def _set_type(self, made: Field, type_name: str, scope: str, position: int) -> None:
        if type_name == "group":
            raise self.error("groups are not supported", position)
        if type_name in SCALARS:
            made.type = SCALARS[type_name]
        else:
            self._file.references.append(Reference(made, "type_name", type_name, scope, position))

    def _map_types(self) -> tuple[str, str, int]:
        """Return the types of key and value, and the position of the latter."""
        position, key = self.position, self._type_name()
        if key not in KEY_KINDS:
            raise self.error(f"{shown(key)} cannot be a map key", position)
        self.expect(",")
        position, value = self.position, self._type_name()
        self.expect(">")
        return key, value, position

    def _add_map_entry(self, body: _Body, made: Field, key: str, value: str, position: int) -> None:
        """Add the message that represents a map on the wire: a list of entries."""
        name = f"{capitalized((made.name or '').split('_'))}Entry"
        scope = self._add_name(body.scope, name, "message", position)
        fields = [
            Field(name=word, number=number, label=Label.OPTIONAL, json_name=word)
            for number, word in enumerate(("key", "value"), 1)
        ]
        fields[0].type = SCALARS[key]
        self._set_type(fields[1], value, scope, position)
        body.message.nested_type.append(Type(name=name, field=fields, options=TypeOptions(map_entry=True)))
        made.label = Label.REPEATED
        self._file.references.append(Reference(made, "type_name", f".{scope}", body.scope, position))

    def _add_synthetic_oneofs(self, body: _Body) -> None:
        """Give each `optional` field of proto3 the synthetic oneof that represents its presence in descriptors."""
        for each in body.message.field:
            if each.proto3_optional:
                name = each.name or ""
                name = name if name.startswith("_") else f"_{name}"
                while name in body.names:
                    name = f"X{name}"
                body.names.add(name)
                each.oneof_index = len(body.message.oneof_decl)
                body.message.oneof_decl.append(Oneof(name=name))

    # -- enums

    def _enum(self, outer: str) -> Enum:
        self.advance()
        position = self.position
        name, _ = self._define(outer, "enum")
        made, options = Enum(name=name), Options()
        self.expect("{")
        while not self.accept("}"):
            if self.text == "option":
                options |= self._option_statement()
            elif self.text == "reserved":
                self._ranges()
            elif not self.accept(";"):
                made.value.append(self._enum_value(outer))
        if "allow_alias" in options:
            made.options = EnumOptions(allow_alias=self._boolean(options, "allow_alias"))
        if fault := self._enum_fault(made.value, may_alias=options.get("allow_alias") == "true"):
            raise self.error(f"the enum {name} {fault}", position)
        return made

    def _enum_value(self, outer: str) -> EnumValue:
        name, _ = self._define(outer, "other")  # a value is defined beside its enum, not in it
        self.expect("=")
        position, number = self.position, self.integer("the number of an enum value")
        if number not in _INT32:
            raise self.error(f"{number} does not fit in 32 bits", position)
        self._field_options()
        self.expect(";")
        return EnumValue(name=name, number=number)

    def _enum_fault(self, values: list[EnumValue], *, may_alias: bool) -> str:
        if not values:
            return "has no value"
        if self._proto3 and values[0].number != 0:
            return "does not start with 0, as proto3 requires"
        numbers = [value.number for value in values]
        if not may_alias and len(set(numbers)) < len(numbers):
            return "repeats a number without allow_alias"
        return ""
