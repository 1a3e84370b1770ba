"""Tags as numbers: what the generated decode functions compare, and how long they are."""

from __future__ import annotations

from collections.abc import Iterable

from mxgateway.wire.schema import LENGTH, FieldSchema
from mxgateway.wire.varint import encode_varint


def tag_cases(fields: Iterable[FieldSchema]) -> list[tuple[int, FieldSchema, bool]]:
    """Return the tags to expect, in the order to ask for them: each with its field, and whether a packed run follows.

    The form of a list that its contract does not ask for comes last.
    """
    cases = []
    for field in fields:
        if field.packable:
            cases.append((not field.packed, raw_tag(field.number, LENGTH), field, True))
        cases.append((field.packable and field.packed, raw_tag(field.number, field.wire_type), field, False))
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
