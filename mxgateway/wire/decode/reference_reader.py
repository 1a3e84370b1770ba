"""The reference reader: accepts every valid form of a message, and reports the place and reason of every error.

It follows the schema step by step and collects all values before it builds a message. So it merges a sub-message that
arrives in several pieces, and does no work twice whatever the input. It is far slower than the compiled functions, and
only gets what they reject.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from mxgateway.wire.encode import reference_writer as writer
from mxgateway.wire.errors import WireError
from mxgateway.wire.schema import (
    COMPOSITE_KINDS,
    DURATION,
    FIXED_64,
    FIXED_STRUCTS,
    LENGTH,
    MAP,
    MESSAGE,
    TIMESTAMP,
    VARINT,
    WRAPPER,
    FieldSchema,
    MessageSchema,
    built,
)
from mxgateway.wire.times.duration import Duration
from mxgateway.wire.times.timestamp import Timestamp
from mxgateway.wire.varint import MASK_32, MASK_64, encode_varint, signed_32, signed_64, unzigzag

CONVERSIONS: Final[dict[str, Any]] = {
    "int32": signed_32,
    "int64": signed_64,
    "uint32": lambda value: value & MASK_32,
    "uint64": lambda value: value,
    "sint32": lambda value: unzigzag(value & MASK_32),
    "sint64": unzigzag,
    "bool": bool,
    "enum": signed_32,
}
"""From an unsigned number of 64 bits, as it is in the bytes, to the value of each kind."""


def read(schema: MessageSchema, data: bytes, depth: int) -> Any:
    """Return the message decoded from bytes.

    Args:
        schema: The message type, with the peer's numbers.
        data: The encoded message.
        depth: Most levels of nested messages.

    Raises:
        WireError: The bytes are not a valid message of this type.
    """
    draft = Draft(schema)
    Reader(data).fill(draft, 0, len(data), len(data), depth)
    return draft.finish()


class Draft:
    """A message under construction: its field values so far; unfinished sub-messages are drafts too."""

    __slots__ = ("schema", "unknown", "values")

    def __init__(self, schema: MessageSchema) -> None:
        self.schema = schema
        self.values: dict[str, Any] = {}
        self.unknown = bytearray()

    def store(self, field: FieldSchema, value: Any) -> None:
        """Store a value: the last value of a field wins, and the last member of a oneof."""
        if field.repeated:
            self.values.setdefault(field.name, []).append(value)
        else:
            self._put(field, value)

    def _put(self, field: FieldSchema, value: Any) -> None:
        if field.group:
            for other in self.schema.groups[field.group]:
                self.values.pop(other, None)
        self.values[field.name] = value

    def absorb(self, values: dict[str, Any], unknown: list[bytes]) -> None:
        """Add the values of a piece of the message; none of them needs merging."""
        for name, value in values.items():
            field = self.schema.by_name[name]
            before = self.values.get(name)
            if field.kind == MAP and not value:
                continue  # the piece ended before the first entry, which may turn out invalid
            if before is None or not (field.repeated or field.kind == MAP):
                self._put(field, value)
            elif field.repeated:
                before += value
            else:
                before.update(value)
        self.unknown += b"".join(unknown)

    def finish(self) -> Any:
        """Return the finished message."""
        by_name = self.schema.by_name
        values = {
            name: _finished(by_name[name], value) if isinstance(value, Draft) else value
            for name, value in self.values.items()
        }
        if self.unknown:
            keep = self.schema.keep or bytes
            values["_unknown_fields"] = keep(bytes(self.unknown))
        return built(self.schema.message_type, values)


class Reader:
    """Reads one input.

    Args:
        data: The input.
        large: Size in bytes from which fields with inner fields are left to the caller.

    Attributes:
        fields: Number of fields read, including those of sub-messages.
    """

    def __init__(self, data: bytes, large: int | None = None) -> None:
        self._data = data
        self._large = large
        self.fields = 0

    def fill(self, draft: Draft, pos: int, stop: int, end: int, depth: int) -> int:
        """Read those fields of a message into its draft that start before `stop`; none may extend past `end`.

        Return the end position: if it is before `stop`, a field that is left to the caller starts there.
        """
        schema = draft.schema
        while pos < stop:
            start = pos
            number, wire_type, pos = self._tag(schema, pos, end)
            field = schema.by_number.get(number)
            if self._large is not None and self._is_large(schema, field, wire_type, pos, end):
                return start
            self.fields += 1
            if field is not None and wire_type == field.wire_type:
                pos = self._field(draft, field, pos, end, depth)
            elif field is not None and wire_type == LENGTH and field.packable:
                pos = self._packed(draft, field, pos, end)
            else:
                pos = self._extent(schema, f"field number {number}", wire_type, pos, end)[1]
                draft.unknown += self._data[start:pos]
        return pos

    def _is_large(self, schema: MessageSchema, field: FieldSchema | None, wire_type: int, pos: int, end: int) -> bool:
        if field is None or wire_type != LENGTH or not (field.packable or holds_fields(field)):
            return False
        start, stop = self._extent(schema, field.name, wire_type, pos, end)
        return stop - start >= (self._large or 0)

    def open(self, schema: MessageSchema, pos: int, end: int, depth: int) -> tuple[FieldSchema, int, int]:
        """Return the large field that starts at a position, and the start and end of its value."""
        self.fields += 1
        number, wire_type, pos = self._tag(schema, pos, end)
        field = schema.by_number[number]
        start, stop = self._extent(schema, field.name, wire_type, pos, end)
        if holds_fields(field):
            self._check_depth(schema, field, pos, depth)
        return field, start, stop

    def _field(self, draft: Draft, field: FieldSchema, pos: int, end: int, depth: int) -> int:
        schema, name = draft.schema, field.name
        if field.wire_type != LENGTH:
            value, stop = self._number(schema, field, pos, end)
            draft.store(field, value)
            return stop
        start, stop = self._extent(schema, name, LENGTH, pos, end)
        if field.kind == "bytes":
            draft.store(field, self._taken(schema, field, self._data[start:stop], start))
        elif field.kind == "string":
            draft.store(field, self._taken(schema, field, self._text(schema, name, start, stop), start))
        else:
            self._check_depth(schema, field, pos, depth)
            part = part_of(draft, field)
            self.fill(part, start, stop, stop, depth - 1)
            close_part(draft, field, part)
        return stop

    def _check_depth(self, schema: MessageSchema, field: FieldSchema, pos: int, depth: int) -> None:
        if depth < 1:
            self._fail(schema, field.name, pos, "messages are nested more than 100 levels deep")

    def _packed(self, draft: Draft, field: FieldSchema, pos: int, end: int) -> int:
        start, stop = self._extent(draft.schema, field.name, LENGTH, pos, end)
        self.numbers(draft, field, start, stop, stop)
        return stop

    def numbers(self, draft: Draft, field: FieldSchema, pos: int, stop: int, end: int) -> int:
        """Read a packed list, which ends at `end`, up to the first number at or after `stop`; return its position."""
        schema = draft.schema
        draft.values.setdefault(field.name, [])
        while pos < stop:
            value, pos = self._number(schema, field, pos, end)
            draft.store(field, value)
        return pos

    def _number(self, schema: MessageSchema, field: FieldSchema, pos: int, end: int) -> tuple[Any, int]:
        """Return a number and the position after it."""
        if field.wire_type == VARINT:
            value, stop = self._varint(schema, field.name, pos, end)
            value = CONVERSIONS[field.kind](value)
        else:
            stop = self._extent(schema, field.name, field.wire_type, pos, end)[1]
            value = FIXED_STRUCTS[field.kind].unpack_from(self._data, pos)[0]
        return self._taken(schema, field, value, pos), stop

    def _taken(self, schema: MessageSchema, field: FieldSchema, value: Any, pos: int) -> Any:
        try:
            return value if field.take is None else field.take(value)
        except (OverflowError, UnicodeDecodeError) as error:
            self._fail(schema, field.name, pos, str(error))

    def _text(self, schema: MessageSchema, name: str, start: int, stop: int) -> str:
        try:
            return self._data[start:stop].decode()
        except UnicodeDecodeError as error:
            self._fail(schema, name, start + error.start, "the text is not valid UTF-8")

    def _tag(self, schema: MessageSchema, pos: int, end: int) -> tuple[int, int, int]:
        tag, stop = self._varint(schema, "", pos, end)
        if stop - pos > 5 or tag > MASK_32:
            self._fail(schema, "", pos, "the tag exceeds 32 bits")
        if tag < 8:
            self._fail(schema, "", pos, "the field number is 0")
        if tag & 7 in (3, 4):
            self._fail(schema, f"field number {tag >> 3}", pos, "groups are not supported in proto3")
        if tag & 7 > 5:
            self._fail(schema, f"field number {tag >> 3}", pos, f"invalid wire type {tag & 7}")
        return tag >> 3, tag & 7, stop

    def _extent(self, schema: MessageSchema, name: str, wire_type: int, pos: int, end: int) -> tuple[int, int]:
        """Return the start and the end of a value, without its length."""
        if wire_type == VARINT:
            return pos, self._varint(schema, name, pos, end)[1]
        if wire_type == LENGTH:
            size, start = self._varint(schema, name, pos, end)
            if start - pos > 5:
                self._fail(schema, name, pos, "the length exceeds 32 bits")
        else:
            size, start = 8 if wire_type == FIXED_64 else 4, pos
        if size > end - start:
            self._fail(schema, name, start, f"the value has {size} bytes, but only {end - start} remain")
        return start, start + size

    def _varint(self, schema: MessageSchema, name: str, pos: int, end: int) -> tuple[int, int]:
        if pos < end and (byte := self._data[pos]) < 128:
            return byte, pos + 1
        value = 0
        for place in range(10):
            if pos + place >= end:
                self._fail(schema, name, pos, "the message ends inside a varint")
            byte = self._data[pos + place]
            value |= (byte & 127) << 7 * place
            if byte < 128:
                return value & MASK_64, pos + place + 1
        return self._fail(schema, name, pos, "a varint has more than 10 bytes")

    def _fail(self, schema: MessageSchema, field: str, offset: int, reason: str) -> NoReturn:
        raise WireError(reason, message_name=schema.name, field=field, offset=offset)


def holds_fields(field: FieldSchema) -> bool:
    """Return whether a field's value has inner fields."""
    return field.kind in COMPOSITE_KINDS or field.kind == MAP


def part_of(draft: Draft, field: FieldSchema) -> Draft:
    """Return the draft for a field value with inner fields; an existing partial value is continued."""
    if field.repeated or field.kind == MAP:
        return Draft(field.body)
    part: Draft | None = draft.values.get(field.name)
    if part is None:
        part = Draft(field.body)
        draft.store(field, part)
    return part


def close_part(draft: Draft, field: FieldSchema, part: Draft) -> None:
    """Store a completed value; elements and entries are never continued."""
    if field.kind == MAP:
        _close_entry(draft, field, part)
    elif field.repeated:
        draft.store(field, _finished(field, part))


def _close_entry(draft: Draft, field: FieldSchema, entry: Draft) -> None:
    values = {name: _finished(field.body.by_name[name], value) for name, value in entry.values.items()}
    if entry.unknown:
        # An entry with unknown fields is kept as raw bytes and is not part of the map.
        body = writer.write_entry(field, values) + bytes(entry.unknown)
        draft.unknown += encode_varint(field.number << 3 | LENGTH) + encode_varint(len(body)) + body
        return
    key = values.get("key", field.key.zero_value())
    if "value" not in values and field.value.kind == MESSAGE:
        values["value"] = Draft(field.value.body).finish()
    draft.values.setdefault(field.name, {})[key] = values.get("value", field.value.zero_value())


def _finished(field: FieldSchema, value: Any) -> Any:
    if not isinstance(value, Draft):
        return value
    if field.kind == TIMESTAMP:
        return Timestamp.from_parts(value.values.get("seconds", 0), value.values.get("nanos", 0))
    if field.kind == DURATION:
        return Duration.from_parts(value.values.get("seconds", 0), value.values.get("nanos", 0))
    if field.kind == WRAPPER:
        return value.values.get("value", field.value.zero_value())
    return value.finish()
