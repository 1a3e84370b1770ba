"""The reference writer: encodes any message, or reports which field cannot be encoded and why.

It writes protobuf's deterministic serialization: fields in the order of their numbers, map entries in the order of
their keys, unknown fields last. The compiled functions write the same bytes faster; this writer gets what they reject.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from struct import error as struct_error
from typing import Any, Final

from mxgateway.wire.errors import LackingError, WireError
from mxgateway.wire.messages.betterproto_seam import PLACEHOLDER
from mxgateway.wire.schema import (
    DEPTH_LIMIT,
    DURATION,
    FIXED_STRUCTS,
    LENGTH,
    MAP,
    MESSAGE,
    TIMESTAMP,
    VARINT_KINDS,
    WRAPPER,
    FieldSchema,
    MessageSchema,
    instance_dict,
    is_lean,
    schema_of,
)
from mxgateway.wire.times.codec import write_duration, write_timestamp
from mxgateway.wire.times.parsing import EPOCH
from mxgateway.wire.varint import check_range, encode_number, encode_varint

_FAULTS: Final = (AttributeError, OverflowError, TypeError, ValueError, struct_error)


def write(schema: MessageSchema, message: Any, depth: int) -> bytes:
    """Return the bytes of a message.

    Args:
        schema: Its type, as the peer numbers it.
        message: The message.
        depth: Most levels of nested messages.

    Raises:
        WireError: A value does not fit its field.
    """
    encoded = bytearray()
    for field, _ in _set_among(schema.lacking.values(), message):
        raise LackingError(f"the gateway's contract has no field {schema.name}.{field.name}")
    for field, value in set_fields(message, schema):
        try:
            encoded += _write_field(field, value, depth)
        except WireError:
            raise
        except _FAULTS as error:
            raise WireError(str(error), message_name=schema.name, field=field.name) from error
    encoded += instance_dict(message).get("_unknown_fields", b"")
    return bytes(encoded)


def set_fields(message: Any, schema: MessageSchema | None = None) -> Iterator[tuple[FieldSchema, Any]]:
    """Return the set fields in the order of their numbers; `schema` defaults to the type's own.

    Not set are: a zero scalar without presence, an empty list, and a sub-message that was only read.
    """
    return _set_among((schema or schema_of(type(message))).fields, message)


def _set_among(fields: Iterable[FieldSchema], message: Any) -> Iterator[tuple[FieldSchema, Any]]:
    state, stock = instance_dict(message), not is_lean(type(message))
    for field in fields:
        if field.name in state and holds_something(field, state, stock=stock):
            yield field, state[field.name]


def holds_something(field: FieldSchema, state: Mapping[str, Any], *, stock: bool) -> bool:
    """Return whether a field is set in a message's state; `stock` marks the state of betterproto's own base class."""
    value = state.get(field.name)
    if value is None or value is PLACEHOLDER:
        return False
    if field.group:
        return not stock or state["_group_current"][field.group] == field.name
    return field.optional or _is_not_zero(field, value, stock=stock)


def write_entry(field: FieldSchema, values: Mapping[str, Any]) -> bytes:
    """Return the bytes of a map entry, without its tag and length; zeros are left out as in any message."""
    parts = [part for part in (field.key, field.value) if part.name in values]
    return b"".join(
        _write_single(part, values[part.name], DEPTH_LIMIT)
        for part in parts
        if part.kind == MESSAGE or _is_not_zero(part, values[part.name], stock=False)
    )


def write_value(field: FieldSchema, value: Any, depth: int) -> bytes:
    """Return the bytes of one value, without its tag and length."""
    kind = field.kind
    if field.give is not None:
        value = field.give(value)
    if kind in VARINT_KINDS:
        return encode_number(kind, value)
    if kind in FIXED_STRUCTS:
        if kind not in ("double", "float"):
            check_range(kind, value)
        return FIXED_STRUCTS[kind].pack(value)
    if kind == "string":
        return checked(value, str).encode()  # type: ignore[no-any-return]
    if kind == "bytes":
        return bytes(checked(value, bytes, bytearray, memoryview))
    _check_depth(depth)
    if kind == WRAPPER:
        empty = value is None or not _is_not_zero(field.value, value, stock=False)
        return b"" if empty else _write_single(field.value, value, depth - 1)
    if kind == TIMESTAMP:
        return write_timestamp(checked(value, datetime))
    if kind == DURATION:
        return write_duration(checked(value, timedelta))
    return write(field.body, checked(value, field.python_type), depth - 1)


def _is_not_zero(field: FieldSchema, value: Any, *, stock: bool) -> bool:
    # A value of a wrong type is not zero, so it is rejected and not skipped.
    if field.repeated or field.kind == MAP:
        return not hasattr(value, "__len__") or len(value) > 0
    if field.kind == MESSAGE:
        return not isinstance(value, field.python_type) or _is_sent(value)
    if field.kind in (TIMESTAMP, DURATION):
        # betterproto's own classes cannot distinguish such a zero from one created by a read.
        return not (stock and type(value) in (datetime, timedelta) and value in (EPOCH, timedelta(0)))
    if field.kind in ("double", "float"):
        return bool(value) or str(value).startswith("-")
    return field.kind == WRAPPER or bool(value)


def _is_sent(message: Any) -> bool:
    state = instance_dict(message)
    if state.get("_serialized_on_wire", True) or state.get("_unknown_fields"):
        return True
    return any(True for _ in set_fields(message))


def _write_field(field: FieldSchema, value: Any, depth: int) -> bytes:
    if field.kind == MAP:
        return b"".join(_write_length(field, body) for body in _entries(field, value, depth))
    if not field.repeated:
        return _write_single(field, value, depth)
    if field.packable and field.packed:
        return _write_length(field, b"".join(write_value(field, each, depth) for each in value))
    return b"".join(_write_single(field, each, depth) for each in value)


def _entries(field: FieldSchema, entries: dict[Any, Any], depth: int) -> Iterator[bytes]:
    _check_depth(depth)
    for key in sorted(entries):
        yield _write_single(field.key, key, depth - 1) + _write_single(field.value, entries[key], depth - 1)


def _write_single(field: FieldSchema, value: Any, depth: int) -> bytes:
    body = write_value(field, value, depth)
    if field.wire_type == LENGTH:
        return _write_length(field, body)
    return encode_varint(field.number << 3 | field.wire_type) + body


def _write_length(field: FieldSchema, body: bytes) -> bytes:
    return encode_varint(field.number << 3 | LENGTH) + encode_varint(len(body)) + body


def checked(value: Any, *types: type[Any]) -> Any:
    """Return a value if it is of one of the types, else raise TypeError."""
    if not isinstance(value, types):
        raise TypeError(f"needs a {types[0].__name__}, not a {type(value).__name__}")
    return value


def _check_depth(depth: int) -> None:
    if depth < 1:
        raise ValueError("messages are nested more than 100 levels deep")
