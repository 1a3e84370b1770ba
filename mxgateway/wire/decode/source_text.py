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
            pos -= 1                        # back to the tag: start again from the first field,
            if tag not in (…): …            # or keep a field that the type does not know
        if pos != end: raise IrregularError
        return message

where a tag of two bytes or more is compared as the little-endian number of its bytes, so that the next byte is only
read after the fields with shorter tags.

There are two more forms for large messages. One counts what it finds in `tally[0]`: messages, the elements of lists,
the entries of maps and fields out of order, but no single scalar. The other one reads a piece: the fields that begin
before `end`, the last of which may reach beyond it; it returns them and its position. It stops early before a field
that is itself large.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import groupby

from mxgateway.wire.compiling.linking import Linker
from mxgateway.wire.compiling.source_builder import Source
from mxgateway.wire.decode.repeats import may_repeat
from mxgateway.wire.decode.unpacking import unpacker
from mxgateway.wire.field_tags import least_tag, tag_cases, tag_size
from mxgateway.wire.schema import (
    DURATION,
    FIXED_FORMATS,
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

LARGE = 16 * 1024
"""Bytes from which on a field with sub-fields is not part of a piece."""
PACKED_SHIFT = 4
"""Sixteen numbers of a packed run count as one element: such a number takes 8 to 40 bytes of memory, a message 100 and
more."""

# From this many members of a oneof on, a table lookup is faster than a comparison with each.
_TABLE_SIZE = 6
# From this many on, one comparison that skips all of them is faster than one with each.
_RUN_SIZE = 3

WHOLE_NUMBERS = {"int32": "more_int32", "int64": "more_int64", "uint32": "more_uint32", "uint64": "more_uint64"}
"""The function that reads the bytes after the second one, for each kind whose value is the raw number."""

# That function for every kind, and the expression that converts the number to the field's value.
_VARINTS = {
    **{kind: (more, "value") for kind, more in WHOLE_NUMBERS.items()},
    "sint32": ("more_uint32", "(value >> 1) ^ -(value & 1)"),
    "sint64": ("more_uint64", "(value >> 1) ^ -(value & 1)"),
    "bool": ("more_uint64", "value != 0"),
    "enum": ("more_int32", "value"),
}


def message_source(schema: MessageSchema, link: Linker, *, counted: bool) -> str:
    """Return the source of a message type's decode function."""
    stock = not is_lean(schema.message_type)
    function = FunctionSource(schema.fields, link, list(schema.groups), stock=stock, counted=counted)
    return function.of_message(schema)


def piece_source(schema: MessageSchema, link: Linker, *, counted: bool) -> str:
    """Return the source of a function that reads a piece of a message."""
    return FunctionSource(schema.fields, link, list(schema.groups), stock=False, counted=counted).of_piece()


class FunctionSource(Source):
    """Writes the source of one function.

    Args:
        fields: The fields to read, in the order of their numbers.
        link: Names the objects that the source refers to.
        groups: The names of the oneofs.
        stock: Whether the messages have betterproto's own base class.
        counted: Whether it counts what it finds.
    """

    def __init__(
        self, fields: list[FieldSchema], link: Linker, groups: list[str], *, stock: bool, counted: bool = False
    ) -> None:
        super().__init__()
        self._fields = fields
        self._link = link
        self._stock = stock
        self._record = False
        self._piece = False
        self._counted = counted
        self._tally = ", tally" if counted else ""
        self._tag_size = 1
        self._groups = groups

    def of_message(self, schema: MessageSchema) -> str:
        """Return the source of a function that makes a message."""
        with self.block(f"def decode(data, pos, end, depth{self._tally}):"):
            self.add("if not depth: raise IrregularError")
            self.add(f"message = new({self._link.value(schema.message_type)})")
            if self._stock:
                # betterproto's own base class needs its full state, and reads it slowly.
                self.add("fields = instance_dict(message)")
                self.add(f"fields['_group_current'] = current = dict.fromkeys({self._groups!r})")
                self.add("fields['_unknown_fields'] = b''")
                self.add("fields['_serialized_on_wire'] = True")
            else:
                # An empty message needs no dict, which is several times its size.
                self.add("if pos == end: return message", "fields = message.__dict__")
            self.add(*(f"group_{place} = False" for place in range(len(self._groups))))
            self.add("unknown = None")
            self._loop()
            kept = "b''.join(unknown)" if schema.keep is None else f"{self._link.value(schema.keep)}(b''.join(unknown))"
            self.add(f"if unknown is not None: fields['_unknown_fields'] = {kept}")
            self.add("return message")
        return self.text()

    def of_record(self) -> str:
        """Return the source of a function that reads a wrapper's value, or the key and the value of a map's entry."""
        self._record = True
        with self.block(f"def record(data, pos, end, depth{self._tally}):"):
            self.add("if not depth: raise IrregularError")
            for field in self._fields:
                self.add(f"entry_{field.name} = {self._unseen(field)}")
            self._loop()
            for field in self._fields:
                if field.kind == MESSAGE:
                    self.add(f"if entry_{field.name} is None:")
                    self.add(f" entry_{field.name} = {self._call(field, 'end, end')}")
            self.add("return " + ", ".join(f"entry_{field.name}" for field in self._fields))
        return self.text()

    def of_piece(self) -> str:
        """Return the source of a function that reads a piece.

        It returns the fields by name, those that the type does not know, and its position.
        """
        self._piece = True
        with self.block(f"def piece(data, pos, end, depth{self._tally}):"):
            self.add("fields = {}", "unknown = []")
            self.add(*(f"group_{place} = False" for place in range(len(self._groups))))
            self._loop()
            self.add("return fields, unknown, pos")
        return self.text()

    def _loop(self) -> None:
        known: list[int] = []
        with self.block("while pos < end:"):
            self._tag_size = 1
            self._read_tag()
            for size, cases in groupby(tag_cases(self._fields), key=lambda case: tag_size(case[0])):
                self._extend_tag_to(size)
                self._section(list(cases), known)
            self.add("pos -= 1")
            self.add(*(f"if tag >= {least_tag(size)}: pos -= 1" for size in range(2, self._tag_size + 1)))
            with self.block(f"if tag not in {self._link.value(frozenset(known))}:"):
                if self._record:
                    self.add("raise IrregularError")
                else:
                    self.add("start = pos", "pos = skip_field(data, pos, end)")
                    self.add("if unknown is None: unknown = []", "unknown.append(data[start:pos])")
            self._count("1")
        if not self._piece:
            self.add("if pos != end: raise IrregularError")

    def _section(self, cases: list[tuple[int, FieldSchema, bool]], known: list[int]) -> None:
        known.extend(raw for raw, _, _ in cases)
        for in_table, run in groupby(cases, key=lambda case: case[1].group if case[1].kind == MESSAGE else ""):
            arms = list(run)
            if in_table and len(arms) >= _TABLE_SIZE:
                self._table(arms)
                continue
            for group, members in groupby(arms, key=lambda case: case[1].group):
                self._run(group, list(members))

    def _run(self, group: str, cases: list[tuple[int, FieldSchema, bool]]) -> None:
        """Write consecutive cases; of a oneof at most one is present, and mostly none of the run."""
        last = max(raw for raw, _, _ in cases)
        many = bool(group) and len(cases) >= _RUN_SIZE and tag_size(last) == 1
        with self.block(f"if tag <= {last}:") if many else nullcontext():
            branch = "if"
            for raw, field, packed in cases:
                with self.block(f"{branch} tag == {raw}:"):
                    self._case(raw, field, packed=packed)
                branch = "elif" if group else "if"

    def _case(self, raw: int, field: FieldSchema, *, packed: bool) -> None:
        if packed:
            self._packed(field)
        elif field.repeated or field.kind == MAP:
            self._repeated(raw, field)
            return
        else:
            self._claim(field)
            self.add(f"{self._target(field)} = {self._value(field)}")
            if field.kind in (MESSAGE, WRAPPER):
                self._count("1")
        self._next_tag()

    def _table(self, arms: list[tuple[int, FieldSchema, bool]]) -> None:
        table = {raw: (field.name, field.python_type) for raw, field, _ in arms}
        self.add(f"arm = {self._link.value(table)}.get(tag)")
        with self.block("if arm is not None:"):
            self._claim(arms[0][1], name="arm[0]")
            self._part_size()
            self.add("stop = pos + size")
            self.add(f"fields[arm[0]] = functions[arm[1]](data, pos, stop, depth - 1{self._tally})")
            self._count("1")
            self.add("pos = stop")
            self._next_tag()

    def _claim(self, field: FieldSchema, name: str = "") -> None:
        """Write the check that leaves to the reference reader what must be merged, or replaces another oneof member."""
        if field.group:
            place = self._groups.index(field.group)
            self.add(f"if group_{place}: raise IrregularError", f"group_{place} = True")
            if self._stock:
                self.add(f"current[{field.group!r}] = {name or repr(field.name)}")
        elif field.is_merged:
            if self._record:
                # A second time or wrapper in one entry is as unusual as a second message.
                self.add(f"if entry_{field.name} is not {self._unseen(field)}: raise IrregularError")
            else:
                self.add(f"if {field.name!r} in fields: raise IrregularError")

    def _unseen(self, field: FieldSchema) -> str:
        return "None" if field.kind == MESSAGE else self._link.value(field.zero_value())

    def _target(self, field: FieldSchema) -> str:
        return f"entry_{field.name}" if self._record else f"fields[{field.name!r}]"

    def _value(self, field: FieldSchema) -> str:
        """Write the code that reads one value; return the expression for the value."""
        kind = field.kind
        if kind in VARINT_KINDS:
            more, expression = _VARINTS[kind]
            self._varint("value", more, long=kind == "uint64")
            return f"{self._link.value(field.members)}[value]" if kind == "enum" else self._converted(field, expression)
        if kind in FIXED_FORMATS:
            self.add(f"value, = read_{kind}(data, pos)", f"pos += {8 if wire_type_of(kind) == 1 else 4}")
            return self._converted(field, "value")
        if kind in ("string", "bytes"):
            self._size()
            self.add("pos += size")
            expression = "data[pos - size:pos]"
            return self._converted(field, f"{expression}.decode()" if kind == "string" else expression)
        self._part_size()
        self.add("stop = pos + size")
        read = f"read_{kind}(data, pos, stop)" if kind in (TIMESTAMP, DURATION) else self._call(field, "pos, stop")
        self.add(f"value = {read}", "pos = stop")
        return "value"

    def _converted(self, field: FieldSchema, expression: str) -> str:
        return expression if field.take is None else f"{self._link.value(field.take)}({expression})"

    def _call(self, field: FieldSchema, place: str) -> str:
        """Return the call that reads the message, the wrapper or the entry of a map at a place."""
        if field.kind == MESSAGE:
            # A message that may be cached has nothing to count.
            counts = not may_repeat(self._link.schemas(field.python_type))
            return f"{self._link.function(field.python_type)}(data, {place}, depth - 1{self._tally if counts else ''})"
        parts = [field.key, field.value] if field.kind == MAP else [field.value]
        record = FunctionSource(parts, self._link, [], stock=False, counted=self._counted).of_record()
        return f"{self._link.value(self._link.compile(record))}(data, {place}, depth - 1{self._tally})"

    def _repeated(self, raw: int, field: FieldSchema) -> None:
        """Write the loop over consecutive elements of a list or entries of a map."""
        empty = "{}" if field.kind == MAP else "[]"
        self.add(f"items = fields.get({field.name!r})")
        self.add(f"if items is None: items = fields[{field.name!r}] = {empty}")
        if self._counted:
            self.add("before = len(items)")
        with self.block(f"while tag == {raw}:"):
            if field.kind == MAP:
                self._part_size()
                self.add("stop = pos + size")
                self.add(f"key, items[key] = {self._call(field, 'pos, stop')}")
                self._count("1")
                self.add("pos = stop")
            else:
                self.add(f"items.append({self._value(field)})")
            self.add("if pos >= end:", " tag = -1", " break")
            self._read_tag()
        if field.kind != MAP:
            self._count("len(items) - before")
        self.add("if tag < 0: break")

    def _packed(self, field: FieldSchema) -> None:
        self._part_size()
        self.add("stop = pos + size")
        if not self._piece:
            self.add("if stop > end: raise IrregularError")
        unpack = f"unpack_{field.kind}" if field.take is None else self._link.value(unpacker(field))
        self.add(f"items = {unpack}(data, pos, stop)", "pos = stop")
        self._count(f"len(items) >> {PACKED_SHIFT}")
        self.add(f"if {field.name!r} in fields: fields[{field.name!r}] += items")
        self.add(f"else: fields[{field.name!r}] = items")

    def _varint(self, name: str, more: str, *, long: bool = False) -> None:
        self.add(f"{name} = data[pos]; pos += 1")
        with self.block(f"if {name} > 127:"):
            self.add("byte = data[pos]; pos += 1", f"{name} += (byte - 1) << 7")
            if not long:
                self.add(f"if byte > 127: {name}, pos = {more}(data, pos, {name})")
                return
            # In a busy session most worker sequences have four bytes.
            with self.block("if byte > 127:"):
                self.add("byte = data[pos]")
                with self.block("if byte > 127 and data[pos + 1] < 128:"):
                    self.add(f"{name} += ((byte - 1) << 14) + ((data[pos + 1] - 1) << 21); pos += 2")
                self.add(f"else: {name}, pos = {more}(data, pos, {name})")

    def _size(self) -> None:
        self._varint("size", "more_size")

    def _part_size(self) -> None:
        """Write the code that reads the size of a field with sub-fields; a piece ends before a large one."""
        self._size()
        if self._piece:
            self.add(f"if size >= {LARGE}: return fields, unknown, start")

    def _count(self, number: str) -> None:
        if self._counted:
            self.add(f"tally[0] += {number}")

    def _next_tag(self) -> None:
        self.add("if pos >= end: break")
        self._read_tag()

    def _read_tag(self) -> None:
        if self._piece:
            self.add("start = pos")
        self.add("tag = data[pos]; pos += 1")
        for size in range(2, self._tag_size + 1):
            self._extend_tag(size)

    def _extend_tag_to(self, size: int) -> None:
        """Read further bytes of the tag up to `size`."""
        while self._tag_size < size:
            self._tag_size += 1
            self._extend_tag(self._tag_size)

    def _extend_tag(self, size: int) -> None:
        # The last byte so far shows whether the tag continues.
        self.add(f"if tag >= {least_tag(size)}: tag |= data[pos] << {8 * (size - 1)}; pos += 1")
