"""The source text of the encode functions.

A function has the form

    def encode(message, depth):
        if depth < 1: raise IrregularError
        state = message.__dict__
        out = []
        if 'name' in state:
            value = state['name']
            if value:
                out.append(table[value])    # the tag and the number, looked up
        …
        if '_unknown_fields' in state: out.append(state['_unknown_fields'])
        return b''.join(out)

with one such block per field, in the order of their numbers.
"""

from __future__ import annotations

from itertools import groupby

from mxgateway.wire.compiling.linking import Linker
from mxgateway.wire.compiling.source_builder import Source
from mxgateway.wire.encode.reference_writer import write_value
from mxgateway.wire.schema import (
    DEPTH_LIMIT,
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
from mxgateway.wire.varint import VarintTable, encode_varint

# With at least this many payloads in a oneof, a table lookup is faster than a test for each.
_TABLE_SIZE = 6


def message_source(schema: MessageSchema, link: Linker) -> str:
    """Return the source of a message type's encode function."""
    return _Function(schema, link).of_message()


class _Function(Source):
    """Builds the source of one function."""

    def __init__(self, schema: MessageSchema, link: Linker) -> None:
        super().__init__()
        self._schema = schema
        self._link = link
        self._stock = not is_lean(schema.message_type)

    def of_message(self) -> str:
        with self.block("def encode(message, depth):"):
            self.add("if depth < 1: raise IrregularError")
            self.add("state = instance_dict(message)" if self._stock else "state = message.__dict__")
            if self._stock:
                self.add("current = state['_group_current']")
            self.add("out = []")
            if self._schema.lacking:
                lacking = self._link.value(frozenset(self._schema.lacking))
                self.add(f"if not {lacking}.isdisjoint(state): raise IrregularError")
            for group, run in groupby(self._schema.fields, key=lambda field: field.group):
                fields = list(run)
                if group and len(fields) >= _TABLE_SIZE and all(field.kind == MESSAGE for field in fields):
                    self._table(group, fields)
                else:
                    for field in fields:
                        self._field(field)
            self.add("if '_unknown_fields' in state: out.append(state['_unknown_fields'])")
            self.add("return b''.join(out)")
        return self.text()

    def _table(self, group: str, fields: list[FieldSchema]) -> None:
        arms = {field.name: (field.python_type, self._prefixes(field)) for field in fields}
        names = f"(current[{group!r}],)" if self._stock else "state"
        with self.block(f"for name in {names}:"):
            self.add(f"arm = {self._link.value(arms)}.get(name)")
            with self.block("if arm is not None and state[name] is not None:"):
                self.add("value = state[name]", "if type(value) is not arm[0]: raise IrregularError")
                self.add("body = functions[arm[0]](value, depth - 1)")
                self.add("out.append(arm[1][len(body)])", "out.append(body)")

    def _field(self, field: FieldSchema) -> None:
        condition = f"if {field.name!r} in state:"
        if self._stock and field.group:
            condition = f"if current[{field.group!r}] == {field.name!r}:"
        with self.block(condition):
            self.add(f"value = state[{field.name!r}]")
            if self._stock:
                self.add("if value is PLACEHOLDER: value = None")
            if field.kind == MAP:
                self._map(field)
            elif field.packable and field.packed:
                self._packed(field)
            elif field.repeated:
                with self.block("if value:"), self.block("for item in value:"):
                    self._always(field, "item", "out")
            elif field.optional or field.group:
                with self.block("if value is not None:"):
                    self._always(field, "value", "out")
            else:
                self._unless_zero(field)

    def _unless_zero(self, field: FieldSchema) -> None:
        """Write code for a field without presence."""
        kind = field.kind
        if kind in ("double", "float"):
            with self.block("if value is not None:"):
                self.add(f"body = pack_{kind}({self._given(field, 'value')})")
                # Minus zero is not zero here, so compare the bytes, not the numbers.
                with self.block(f"if body != {bytes(8 if kind == 'double' else 4)!r}:"):
                    self.add(f"out.append({self._tag(field)!r})", "out.append(body)")
        elif kind == MESSAGE:
            with self.block("if value is not None:"):
                self._body(field, "value")
                with self.block("if body or value._serialized_on_wire:"):
                    self._append_body(field, "out")
        elif kind in (TIMESTAMP, DURATION, WRAPPER):
            unseen = ""
            if self._stock and kind != WRAPPER:
                unseen = f" and not (type(value) in ({self._link.value(field.python_type)},) and value == zero_{kind})"
            with self.block(f"if value is not None{unseen}:"):
                self._always(field, "value", "out")
        else:
            with self.block("if value:"):
                self._always(field, "value", "out")

    def _always(self, field: FieldSchema, name: str, sink: str) -> None:
        """Write code for one value, zero or not."""
        kind = field.kind
        if kind in VARINT_KINDS:
            table = self._link.value(VarintTable(kind, self._tag(field), field.give))
            self.add(f"{sink}.append({table}[{name}])")
        elif kind in FIXED_FORMATS:
            value = self._given(field, name)
            self.add(f"{sink}.append({self._tag(field)!r})", f"{sink}.append(pack_{kind}({value}))")
        else:
            self._body(field, name)
            self._append_body(field, sink)

    def _body(self, field: FieldSchema, name: str) -> None:
        """Write code that computes the content of a length-delimited value."""
        kind = field.kind
        if kind == "string":
            self.add(f"body = {self._given(field, name)}.encode()")
        elif kind == "bytes":
            self.add(f"body = {self._given(field, name)}")
        elif kind in (TIMESTAMP, DURATION):
            self.add(f"body = write_{kind}({name})")
        elif kind == WRAPPER:
            write = self._link.value(lambda value: write_value(field, value, DEPTH_LIMIT))
            self.add(f"body = {write}({name})")
        else:
            self.add(f"if type({name}) is not {self._link.value(field.python_type)}: raise IrregularError")
            self.add(f"body = {self._link.function(field.python_type)}({name}, depth - 1)")

    def _given(self, field: FieldSchema, name: str) -> str:
        return name if field.give is None else f"{self._link.value(field.give)}({name})"

    def _append_body(self, field: FieldSchema, sink: str) -> None:
        prefixes = self._link.value(self._prefixes(field))
        self.add(f"{sink}.append({prefixes}[len(body)])", f"{sink}.append(body)")

    def _packed(self, field: FieldSchema) -> None:
        with self.block("if value:"):
            if field.kind in FIXED_FORMATS:
                values = "value" if field.give is None else f"map({self._link.value(field.give)}, value)"
                self.add(f"body = pack(f'<{{len(value)}}{FIXED_FORMATS[field.kind]}', *{values})")
            else:
                self.add(f"table = {self._link.value(VarintTable(field.kind, give=field.give))}")
                self.add("body = b''.join([table[item] for item in value])")
            self._append_body(field, "out")

    def _map(self, field: FieldSchema) -> None:
        with self.block("if value:"):
            # The entry is a message one level deeper.
            self.add("if depth < 2: raise IrregularError", "depth -= 1")
            with self.block("for key in sorted(value):"):
                self.add("item = value[key]", "entry = []")
                self._always(field.key, "key", "entry")
                self._always(field.value, "item", "entry")
                self.add("body = b''.join(entry)")
                self._append_body(field, "out")
            self.add("depth += 1")

    def _prefixes(self, field: FieldSchema) -> VarintTable:
        return VarintTable("size", encode_varint(field.number << 3 | LENGTH))

    def _tag(self, field: FieldSchema) -> bytes:
        return encode_varint(field.number << 3 | wire_type_of(field.kind))
