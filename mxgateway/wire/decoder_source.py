"""The source text of the decode functions.

A function has the form

    def decode(data, pos, end, depth):
        if not depth: raise IrregularError
        message = new(type)
        fields = message.__dict__
        unknown = None
        while pos < end:
            tag = data[pos]; pos += 1
            if tag == …:                    # the first field
                …                           # its value
                fields['name'] = value
                if pos >= end: break
                tag = data[pos]; pos += 1
            if tag == …:                    # the next one
                …
            …                               # none of them:
            pos -= 1                        # back to the tag, and either start again from the first field
            if tag not in (…): …            # or keep what the type does not know
        if pos != end: raise IrregularError
        return message

where a tag of two bytes or more is compared as the little-endian number that its bytes make, so that the next byte
is only read when the fields with shorter tags are behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, Protocol

from .schema import (
    DURATION,
    FIXED_FORMATS,
    LENGTH,
    MAP,
    MESSAGE,
    TIMESTAMP,
    VARINT_KINDS,
    WRAPPER,
    FieldSchema,
    MessageSchema,
    is_lean,
    wire_type_of,
)
from .source import Source
from .varint import encode_varint

# From this many payloads of a oneof on, one look into a table is quicker than a comparison with each.
_TABLE_SIZE = 6

# The function that reads on behind two bytes, and what makes the field's value of the number.
_VARINTS = {
    "int32": ("more_int32", "value"),
    "int64": ("more_int64", "value"),
    "uint32": ("more_uint32", "value"),
    "uint64": ("more_uint64", "value"),
    "sint32": ("more_uint32", "(value >> 1) ^ -(value & 1)"),
    "sint64": ("more_uint64", "(value >> 1) ^ -(value & 1)"),
    "bool": ("more_uint64", "value != 0"),
    "enum": ("more_int32", "{enum}[value]"),
}


class Linker(Protocol):
    """Gives what a source refers to a name."""

    def function(self, message_type: type[Any], /) -> str:
        """Return the name of a type's decode function."""

    def decoder(self, message_type: type[Any], /) -> Callable[[bytes, int, int, int], Any]:
        """Return a type's decode function itself."""

    def record(self, field: FieldSchema, /) -> str:
        """Return the name of the function for a map's entries or for a wrapper."""

    def enum(self, enum_type: type[Any], /) -> str:
        """Return the name of an enum's table."""

    def unpacker(self, field: FieldSchema, /) -> str:
        """Return the name of the function that reads a packed run."""

    def value(self, value: Any, /) -> str:
        """Return the name of a table, a class or a constant."""


def message_source(name: str, schema: MessageSchema, link: Linker) -> str:
    """Return the source of a message type's decode function."""
    function = FunctionSource(schema.fields, link, list(schema.groups), stock=not is_lean(schema.message_type))
    return function.of_message(name, schema.message_type)


def record_source(name: str, parts: list[FieldSchema], link: Linker) -> str:
    """Return the source of a function that reads a wrapper's value, or the key and the value of a map's entry."""
    return FunctionSource(parts, link, [], stock=False).of_record(name)


class FunctionSource(Source):
    """One function's source while it is written.

    Args:
        fields: What is read, in the order of the numbers.
        link: Gives what the source refers to a name.
        groups: The names of the oneofs.
        stock: Whether the messages have betterproto's own base class.
    """

    def __init__(self, fields: list[FieldSchema], link: Linker, groups: list[str], *, stock: bool) -> None:
        super().__init__()
        self._fields = fields
        self._link = link
        self._stock = stock
        self._record = False
        self._tag_size = 1
        self._groups = groups

    def of_message(self, name: str, message_type: type[Any]) -> str:
        """Return the source of a function that makes a message."""
        with self.block(f"def {name}(data, pos, end, depth):"):
            self.add("if not depth: raise IrregularError")
            self.add(f"message = new({self._link.value(message_type)})")
            if self._stock:
                # betterproto's own base class wants its state complete, and reads it slowly.
                self.add("fields = instance_dict(message)")
                self.add(f"fields['_group_current'] = current = dict.fromkeys({self._groups!r})")
                self.add("fields['_unknown_fields'] = b''")
                self.add("fields['_serialized_on_wire'] = True")
            else:
                # An empty message makes do without a dict, which is several times its size.
                self.add("if pos == end: return message", "fields = message.__dict__")
            self.add(*(f"group_{place} = False" for place in range(len(self._groups))))
            self.add("unknown = None")
            self._loop()
            self.add("if unknown is not None: fields['_unknown_fields'] = b''.join(unknown)")
            self.add("return message")
        return self.text()

    def of_record(self, name: str) -> str:
        """Return the source of a function that reads a wrapper's value, or the key and the value of a map's entry."""
        self._record = True
        with self.block(f"def {name}(data, pos, end, depth):"):
            self.add("if not depth: raise IrregularError")
            for field in self._fields:
                zero = "None" if field.kind == MESSAGE else self._link.value(field.zero_value())
                self.add(f"entry_{field.name} = {zero}")
            self._loop()
            for field in self._fields:
                if field.kind == MESSAGE:
                    decoder = self._link.function(field.python_type)
                    self.add(f"if entry_{field.name} is None:")
                    self.add(f" entry_{field.name} = {decoder}(data, end, end, depth - 1)")
            self.add("return " + ", ".join(f"entry_{field.name}" for field in self._fields))
        return self.text()

    def _loop(self) -> None:
        known: list[int] = []
        with self.block("while pos < end:"):
            self._tag_size = 1
            self._read_tag()
            for size, cases in groupby(tag_cases(self._fields), key=lambda case: tag_size(case[0])):
                while self._tag_size < size:
                    self._tag_size += 1
                    self._extend_tag(self._tag_size)
                self._section(list(cases), known)
            self.add("pos -= 1")
            self.add(*(f"if tag >= {least_tag(size)}: pos -= 1" for size in range(2, self._tag_size + 1)))
            with self.block(f"if tag not in {self._link.value(frozenset(known))}:"):
                if self._record:
                    self.add("raise IrregularError")
                else:
                    self.add("start = pos", "pos = skip_field(data, pos, end)")
                    self.add("if unknown is None: unknown = []", "unknown.append(data[start:pos])")
        self.add("if pos != end: raise IrregularError")

    def _section(self, cases: list[tuple[int, FieldSchema, bool]], known: list[int]) -> None:
        known.extend(raw for raw, _, _ in cases)
        for in_table, run in groupby(cases, key=lambda case: case[1].group if case[1].kind == MESSAGE else ""):
            arms = list(run)
            if in_table and len(arms) >= _TABLE_SIZE:
                self._table(arms)
                continue
            for raw, field, packed in arms:
                with self.block(f"if tag == {raw}:"):
                    self._case(raw, field, packed=packed)

    def _case(self, raw: int, field: FieldSchema, *, packed: bool) -> None:
        if packed:
            self._packed(field)
        elif field.repeated or field.kind == MAP:
            self._repeated(raw, field)
            return
        else:
            self._claim(field)
            self.add(f"{self._target(field)} = {self._value(field)}")
        self._next_tag()

    def _table(self, arms: list[tuple[int, FieldSchema, bool]]) -> None:
        table = {raw: (field.name, field.python_type) for raw, field, _ in arms}
        self.add(f"arm = {self._link.value(table)}.get(tag)")
        with self.block("if arm is not None:"):
            self._claim(arms[0][1], name="arm[0]")
            self._size()
            self.add("stop = pos + size")
            self.add("fields[arm[0]] = functions[arm[1]](data, pos, stop, depth - 1)")
            self.add("pos = stop")
            self._next_tag()

    def _claim(self, field: FieldSchema, name: str = "") -> None:
        """Leave to the reference reader what must be merged, or take the place of another member of a oneof."""
        if field.group:
            place = self._groups.index(field.group)
            self.add(f"if group_{place}: raise IrregularError", f"group_{place} = True")
            if self._stock:
                self.add(f"current[{field.group!r}] = {name or repr(field.name)}")
        elif field.kind in (MESSAGE, TIMESTAMP, DURATION, WRAPPER):
            if self._record:
                # A second time or wrapper in one entry is as unheard of as a second message.
                self.add(f"if entry_{field.name} is not {self._seen(field)}: raise IrregularError")
            else:
                self.add(f"if {field.name!r} in fields: raise IrregularError")

    def _seen(self, field: FieldSchema) -> str:
        return "None" if field.kind == MESSAGE else self._link.value(field.zero_value())

    def _target(self, field: FieldSchema) -> str:
        return f"entry_{field.name}" if self._record else f"fields[{field.name!r}]"

    def _value(self, field: FieldSchema) -> str:
        """Write what reads one value; return the expression that is the value then."""
        kind = field.kind
        if kind in VARINT_KINDS:
            more, expression = _VARINTS[kind]
            self._varint("value", more, long=kind == "uint64")
            return expression.format(enum=self._link.enum(field.python_type) if kind == "enum" else "")
        if kind in FIXED_FORMATS:
            self.add(f"value, = read_{kind}(data, pos)", f"pos += {8 if wire_type_of(kind) == 1 else 4}")
            return "value"
        self._size()
        if kind in ("string", "bytes"):
            self.add("pos += size")
            return "data[pos - size:pos].decode()" if kind == "string" else "data[pos - size:pos]"
        self.add("stop = pos + size")
        if kind in (TIMESTAMP, DURATION):
            self.add(f"value = read_{kind}(data, pos, stop)")
        else:
            function = self._link.function(field.python_type) if kind == MESSAGE else self._link.record(field)
            self.add(f"value = {function}(data, pos, stop, depth - 1)")
        self.add("pos = stop")
        return "value"

    def _repeated(self, raw: int, field: FieldSchema) -> None:
        """Write the loop over the elements of a list or the entries of a map, which come one after the other."""
        empty = "{}" if field.kind == MAP else "[]"
        self.add(f"items = fields.get({field.name!r})")
        self.add(f"if items is None: items = fields[{field.name!r}] = {empty}")
        with self.block(f"while tag == {raw}:"):
            if field.kind == MAP:
                self._size()
                self.add("stop = pos + size")
                self.add(f"key, items[key] = {self._link.record(field)}(data, pos, stop, depth - 1)")
                self.add("pos = stop")
            else:
                self.add(f"items.append({self._value(field)})")
            self.add("if pos >= end:", " tag = -1", " break")
            self._read_tag()
        self.add("if tag < 0: break")

    def _packed(self, field: FieldSchema) -> None:
        self._size()
        self.add("stop = pos + size", "if stop > end: raise IrregularError")
        self.add(f"items = {self._link.unpacker(field)}(data, pos, stop)", "pos = stop")
        self.add(f"if {field.name!r} in fields: fields[{field.name!r}] += items")
        self.add(f"else: fields[{field.name!r}] = items")

    def _varint(self, name: str, more: str, *, long: bool = False) -> None:
        self.add(f"{name} = data[pos]; pos += 1")
        with self.block(f"if {name} > 127:"):
            self.add("byte = data[pos]; pos += 1", f"{name} += (byte - 1) << 7")
            if not long:
                self.add(f"if byte > 127: {name}, pos = {more}(data, pos, {name})")
                return
            # The number of an event has four bytes for most of a busy session.
            with self.block("if byte > 127:"):
                self.add("byte = data[pos]")
                with self.block("if byte > 127 and data[pos + 1] < 128:"):
                    self.add(f"{name} += ((byte - 1) << 14) + ((data[pos + 1] - 1) << 21); pos += 2")
                self.add(f"else: {name}, pos = {more}(data, pos, {name})")

    def _size(self) -> None:
        self._varint("size", "more_size")

    def _next_tag(self) -> None:
        self.add("if pos >= end: break")
        self._read_tag()

    def _read_tag(self) -> None:
        self.add("tag = data[pos]; pos += 1")
        for size in range(2, self._tag_size + 1):
            self._extend_tag(size)

    def _extend_tag(self, size: int) -> None:
        # A tag goes on when its last byte so far says so.
        self.add(f"if tag >= {least_tag(size)}: tag |= data[pos] << {8 * (size - 1)}; pos += 1")


def tag_cases(fields: Iterable[FieldSchema]) -> list[tuple[int, FieldSchema, bool]]:
    """Return the tags to expect, in the order to ask for them: each with its field, and whether a packed run follows.

    The form of a list that protobuf does not write by itself comes last.
    """
    cases = []
    for field in fields:
        if field.packable:
            cases.append((False, raw_tag(field.number, LENGTH), field, True))
        cases.append((field.packable, raw_tag(field.number, field.wire_type), field, False))
    cases.sort(key=lambda case: (tag_size(case[1]), case[0]))
    return [(raw, field, packed) for _, raw, field, packed in cases]


def raw_tag(number: int, wire_type: int) -> int:
    """Return the number that a tag's bytes make, the first one as the lowest."""
    return int.from_bytes(encode_varint(number << 3 | wire_type), "little")


def tag_size(raw: int) -> int:
    """Return how many bytes a tag has."""
    return (raw.bit_length() + 7) // 8


def least_tag(size: int) -> int:
    """Return the least number that a tag's first bytes make when there are this many of them."""
    return 128 << 8 * (size - 2)
