"""Fields that only a gateway's contract has, read by name from the unknown fields of our messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from mxgateway.contract.descriptor_set import EnumFacts, FieldFacts, MessageFacts
from mxgateway.wire.decode.reference_reader import CONVERSIONS
from mxgateway.wire.json.writer import value_in_json
from mxgateway.wire.schema import DEPTH_LIMIT, FIXED_FORMATS, LENGTH, VARINT, VARINT_KINDS, wire_type_of
from mxgateway.wire.times.duration import Duration
from mxgateway.wire.times.timestamp import Timestamp
from mxgateway.wire.varint import MASK_64, signed_64

_WIDTHS: Final = {1: 8, 5: 4}
_WRAPPERS: Final = {
    f"google.protobuf.{name}Value": kind
    for name, kind in (
        ("Double", "double"), ("Float", "float"), ("Int64", "int64"), ("UInt64", "uint64"), ("Int32", "int32"),
        ("UInt32", "uint32"), ("Bool", "bool"), ("String", "string"), ("Bytes", "bytes"),
    )
}  # fmt: skip


class Extras:
    """Reads fields by the definitions of a contract."""

    def __init__(self, messages: Mapping[str, MessageFacts], enums: Mapping[str, EnumFacts]) -> None:
        self._messages = messages
        self._names = {
            name: {number: value for value, number in facts.numbers.items()} for name, facts in enums.items()
        }

    def read(self, message: str, data: bytes, depth: int = DEPTH_LIMIT) -> dict[str, Any]:
        """Return a message's values by field name; a value that contradicts the contract is returned as bytes."""
        return {facts.name: value for facts, value in self._values(message, data, depth)}

    def read_json(self, message: str, data: bytes) -> dict[str, Any]:
        """Return the same in protobuf's JSON form."""
        return {
            facts.json_name or facts.name: self._in_json(facts, value)
            for facts, value in self._values(message, data, DEPTH_LIMIT)
        }

    def _values(self, message: str, data: bytes, depth: int) -> Iterator[tuple[FieldFacts, Any]]:
        facts = self._messages.get(message)
        by_number = {each.number: each for each in facts.fields.values()} if facts is not None else {}
        found: dict[int, Any] = {}
        for number, wire_type, raw in _split(data):
            field = by_number.get(number)
            if field is None:
                continue
            values = list(self._of_field(field, wire_type, raw, depth))
            if field.label != "repeated":
                found[number] = values[-1] if values else raw
            elif self._is_map(field):
                found.setdefault(number, {}).update(values)
            else:
                found.setdefault(number, []).extend(values)
        for number in sorted(found):
            yield by_number[number], found[number]

    def _is_map(self, field: FieldFacts) -> bool:
        facts = self._messages.get(field.type_name)
        return facts is not None and facts.is_map_entry

    def _of_field(self, field: FieldFacts, wire_type: int, raw: Any, depth: int) -> Iterator[Any]:
        kind = field.kind
        if kind == "message":
            yield self._of_message(field, raw, depth) if isinstance(raw, bytes) and depth > 0 else raw
        elif wire_type == wire_type_of(kind):
            yield self._of_kind(field, kind, raw)
        elif wire_type == LENGTH and kind not in ("string", "bytes"):
            for part in _packed(raw, wire_type_of(kind)):
                yield self._of_kind(field, kind, part)
        else:
            yield raw

    def _of_message(self, field: FieldFacts, raw: bytes, depth: int) -> Any:
        name = field.type_name
        if name in _WRAPPERS:
            inner = field._replace(kind=_WRAPPERS[name], type_name="")
            values = [self._of_kind(inner, inner.kind, part) for number, _, part in _split(raw) if number == 1]
            return values[-1] if values else None
        if name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
            parts = {number: signed_64(part) for number, _, part in _split(raw) if isinstance(part, int)}
            made = Timestamp if name.endswith("Timestamp") else Duration
            return made.from_parts(parts.get(1, 0), parts.get(2, 0))
        if self._is_map(field):
            entry = {facts.name: value for facts, value in self._values(name, raw, depth - 1)}
            return entry.get("key"), entry.get("value")
        return self.read(name, raw, depth - 1)

    def _of_kind(self, field: FieldFacts, kind: str, raw: Any) -> Any:
        if kind in VARINT_KINDS and isinstance(raw, int):
            number = CONVERSIONS[kind](raw)
            return self._names.get(field.type_name, {}).get(number, number) if kind == "enum" else number
        if kind in FIXED_FORMATS and isinstance(raw, bytes):
            return struct.unpack(f"<{FIXED_FORMATS[kind]}", raw)[0]
        if kind == "string" and isinstance(raw, bytes):
            with suppress(UnicodeDecodeError):
                return raw.decode()
        return raw

    def _in_json(self, field: FieldFacts, value: Any) -> Any:
        if isinstance(value, list):
            return [self._in_json(field, each) for each in value]
        if self._is_map(field) and isinstance(value, dict):
            part = self._messages[field.type_name].fields["value"]
            return {
                str(key).lower() if isinstance(key, bool) else str(key): self._in_json(part, each)
                for key, each in value.items()
            }
        if isinstance(value, dict):
            fields = self._messages[field.type_name].fields
            return {fields[name].json_name or name: self._in_json(fields[name], each) for name, each in value.items()}
        return _plain(field.kind if field.kind != "message" else _WRAPPERS.get(field.type_name, ""), value)


def _plain(kind: str, value: Any) -> Any:
    if isinstance(value, Timestamp | Duration):
        return value_in_json("timestamp" if isinstance(value, Timestamp) else "duration", value)
    if isinstance(value, bytes):  # possibly a value that contradicts the contract
        return value_in_json("bytes", value)
    return value if kind in ("enum", "") else value_in_json(kind, value)


def _split(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield the number, wire type and raw value (an integer or bytes) of each field; stop at invalid bytes."""
    pos, end = 0, len(data)
    while pos < end:
        tag, pos = _varint(data, pos)
        wire_type = tag & 7
        if wire_type == VARINT:
            value, pos = _varint(data, pos)
            if pos > end:
                return
            yield tag >> 3, wire_type, value
            continue
        if wire_type == LENGTH:
            size, pos = _varint(data, pos)
        elif wire_type in _WIDTHS:
            size = _WIDTHS[wire_type]
        else:
            return
        if size > end - pos:
            return
        yield tag >> 3, wire_type, data[pos : pos + size]
        pos += size


def _packed(data: Any, wire_type: int) -> Iterator[Any]:
    pos = 0
    while isinstance(data, bytes) and pos < len(data):
        if wire_type == VARINT:
            value, pos = _varint(data, pos)
            yield value
        else:
            width = _WIDTHS[wire_type]
            if pos + width > len(data):
                return
            yield data[pos : pos + width]
            pos += width


def _varint(data: bytes, pos: int) -> tuple[int, int]:
    """Return a number and the position after it; the position is beyond the data if the number is truncated."""
    value = shift = 0
    while pos < len(data) and shift < 70:
        byte = data[pos]
        value |= (byte & 127) << shift
        pos += 1
        if byte < 128:
            return value & MASK_64, pos
        shift += 7
    return 0, len(data) + 1
