"""Detects messages of another contract, as far as possible."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from mxgateway.wire.encode.reference_writer import set_fields
from mxgateway.wire.errors import MisfitError
from mxgateway.wire.schema import FIXED_32, FIXED_64, LENGTH, MessageSchema, UnknownFields, instance_dict
from mxgateway.wire.varint import more_uint64, read_varint


def check_fit(message: Any, schema: MessageSchema) -> None:
    """Reject a message that was evidently encoded by another contract.

    Contracts grow, so an unknown field proves nothing. Two things do: a known number with another wire type, and a
    message that has fields but none that the contract knows.

    Raises:
        MisfitError: The message is of another contract.
    """
    unknown = instance_dict(message)["_unknown_fields"]
    numbers = set(_numbers(unknown))
    for number in sorted(numbers & schema.by_number.keys()):
        name = schema.by_number[number].name
        raise MisfitError(f"number {number} has another wire type than {name}", message_name=schema.name)
    if numbers.isdisjoint(_named(unknown)) and not any(True for _ in set_fields(message, schema)):
        reason = f"all of its fields are unknown, such as number {min(numbers)}"
        raise MisfitError(reason, message_name=schema.name)


def has_unnamed_fields(message: Any) -> bool:
    """Return whether a message has fields that neither its class nor the bound contract can name."""
    unknown = instance_dict(message).get("_unknown_fields", b"")
    return not set(_numbers(unknown)).issubset(_named(unknown))


def _named(unknown: bytes) -> Collection[int]:
    return unknown.named if isinstance(unknown, UnknownFields) else ()


def _numbers(data: bytes) -> Iterator[int]:
    """Yield the number of each field in the stored unknown fields, which are well-formed."""
    pos = 0
    while pos < len(data):
        tag, pos = read_varint(data, pos, more_uint64)
        yield tag >> 3
        wire_type = tag & 7
        size = 8 if wire_type == FIXED_64 else 4 if wire_type == FIXED_32 else 0
        if size == 0:
            value, pos = read_varint(data, pos, more_uint64)
            size = value if wire_type == LENGTH else 0
        pos += size
