"""Reads packed lists of numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from mxgateway.wire.errors import IrregularError
from mxgateway.wire.schema import FIXED_FORMATS, FieldSchema
from mxgateway.wire.varint import more_int32, more_int64, more_uint32, more_uint64, unzigzag

Unpack = Callable[[bytes, int, int], list[Any]]
"""Reads the numbers from the first position up to the second one."""


def unpacker(field: FieldSchema) -> Unpack:
    """Return the function that reads a packed list of a field."""
    take = field.take
    if field.kind == "enum" and take is not None:
        return _varints_unpacker(more_int32, take)
    unpack = UNPACKERS[field.kind]
    return unpack if take is None else lambda data, pos, stop: list(map(take, unpack(data, pos, stop)))


def _varints_unpacker(
    more: Callable[[bytes, int, int], tuple[int, int]], finish: Callable[[int], Any] | None = None
) -> Unpack:
    def unpack(data: bytes, pos: int, stop: int) -> list[Any]:
        run = data[pos:stop]
        if run.isascii():  # every number is one byte
            return list(run) if finish is None else list(map(finish, run))
        found: list[int] = []
        while pos < stop:
            value = data[pos]
            pos += 1
            if value > 127:
                byte = data[pos]
                pos += 1
                value += (byte - 1) << 7
                if byte > 127:
                    value, pos = more(data, pos, value)
            found.append(value)
        if pos != stop:
            raise IrregularError
        return found if finish is None else list(map(finish, found))

    return unpack


def _fixed_unpacker(letter: str) -> Unpack:
    width = struct.calcsize(f"<{letter}")

    def unpack(data: bytes, pos: int, stop: int) -> list[Any]:
        count, rest = divmod(stop - pos, width)
        if rest:
            raise IrregularError
        return list(struct.unpack_from(f"<{count}{letter}", data, pos))

    return unpack


UNPACKERS: Final[Mapping[str, Unpack]] = {
    "bool": _varints_unpacker(more_uint64, bool),
    "int32": _varints_unpacker(more_int32),
    "int64": _varints_unpacker(more_int64),
    "sint32": _varints_unpacker(more_uint32, unzigzag),
    "sint64": _varints_unpacker(more_uint64, unzigzag),
    "uint32": _varints_unpacker(more_uint32),
    "uint64": _varints_unpacker(more_uint64),
    **{kind: _fixed_unpacker(letter) for kind, letter in FIXED_FORMATS.items()},
}
"""The function for each kind whose values are the numbers themselves."""
