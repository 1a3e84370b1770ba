"""Variable-length integers, in both directions.

A compiled decoder reads the first two bytes of a varint itself. If the number continues, it calls one of the `more_…`
functions with the value so far and the position of the third byte. They raise IndexError at the end of the data and
IrregularError for an invalid varint; the reference reader then reports where.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any, Final

from .errors import IrregularError

MASK_32: Final = 0xFFFF_FFFF
MASK_64: Final = 0xFFFF_FFFF_FFFF_FFFF

# The value after two bytes 0xFF, and the bytes that follow them in -1, which every good MXAccess status carries.
_TWO_FULL_BYTES: Final = 0xFF + (0xFE << 7)
_REST_OF_MINUS_ONE: Final = b"\xff" * 7 + b"\x01"

# The last five of the ten bytes of any negative 32-bit number.
_END_OF_NEGATIVE: Final = b"\xff\xff\xff\xff\x01"

# Encoded numbers cached in a table before it is cleared, and the smallest number that is not cached.
_MOST_NUMBERS: Final = 2048
_LARGE_NUMBER: Final = 1 << 16


def read_varint(data: bytes, pos: int, more: Callable[[bytes, int, int], tuple[int, int]]) -> tuple[int, int]:
    """Return the number at a position, and the position after it; `more` reads on after two bytes."""
    value = data[pos]
    if value < 128:
        return value, pos + 1
    byte = data[pos + 1]
    value += (byte - 1) << 7
    return (value, pos + 2) if byte < 128 else more(data, pos + 2, value)


def more_uint64(data: bytes, pos: int, value: int) -> tuple[int, int]:
    """Read on after two bytes; return the unsigned 64-bit value and the position after it."""
    byte = data[pos]
    if byte < 128:
        return value + ((byte - 1) << 14), pos + 1
    last = data[pos + 1]
    if last < 128:
        return value + ((byte - 1) << 14) + ((last - 1) << 21), pos + 2
    shift = 14
    while True:
        byte = data[pos]
        pos += 1
        # Removes the continuation bit of the previous byte.
        value += (byte - 1) << shift
        if byte < 128:
            return value & MASK_64, pos
        shift += 7
        if shift > 63:
            raise IrregularError


def more_int64(data: bytes, pos: int, value: int) -> tuple[int, int]:
    """Read on like `more_uint64`, for a signed 64-bit number."""
    if value == _TWO_FULL_BYTES and data[pos : pos + 8] == _REST_OF_MINUS_ONE:
        return -1, pos + 8
    value, pos = more_uint64(data, pos, value)
    return (value if value < 1 << 63 else value - (1 << 64)), pos


def more_int32(data: bytes, pos: int, value: int) -> tuple[int, int]:
    """Read on like `more_uint64`, for a signed 32-bit number: bits above the 32nd are dropped."""
    if value == _TWO_FULL_BYTES and data[pos : pos + 8] == _REST_OF_MINUS_ONE:
        return -1, pos + 8
    byte = data[pos]
    if byte < 128:
        return value + ((byte - 1) << 14), pos + 1
    if data[pos + 3 : pos + 8] == _END_OF_NEGATIVE and data[pos + 1] > 127 < data[pos + 2]:
        value += ((byte - 1) << 14) + ((data[pos + 1] - 1) << 21) + ((data[pos + 2] - 1) << 28)
        pos += 8
    else:
        value, pos = more_uint64(data, pos, value)
    return signed_32(value), pos


def more_uint32(data: bytes, pos: int, value: int) -> tuple[int, int]:
    """Read on like `more_uint64`, for an unsigned 32-bit number: bits above the 32nd are dropped."""
    value, pos = more_uint64(data, pos, value)
    return value & MASK_32, pos


def more_size(data: bytes, pos: int, value: int) -> tuple[int, int]:
    """Read on like `more_uint64`, for a length, which has at most five bytes."""
    start = pos
    value, pos = more_uint64(data, pos, value)
    if pos - start > 3:
        raise IrregularError
    return value, pos


def signed_32(value: int) -> int:
    """Return the low 32 bits as a signed number."""
    value &= MASK_32
    return value if value < 1 << 31 else value - (1 << 32)


def signed_64(value: int) -> int:
    """Return the low 64 bits as a signed number."""
    value &= MASK_64
    return value if value < 1 << 63 else value - (1 << 64)


def unzigzag(value: int) -> int:
    """Return the value of a zigzag-encoded number."""
    return (value >> 1) ^ -(value & 1)


def encode_varint(value: int) -> bytes:
    """Return the bytes of an unsigned number below 2**64."""
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 127 | 128, value >> 7))
    if value < 0x20_0000:
        return bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14))
    if value < 0x1000_0000:
        return bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128, value >> 21))
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_RANGES: Final = {
    **dict.fromkeys(("int32", "sint32", "sfixed32", "enum"), (-(1 << 31), 1 << 31)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), (-(1 << 63), 1 << 63)),
    **dict.fromkeys(("uint32", "fixed32", "size"), (0, 1 << 32)),
    **dict.fromkeys(("uint64", "fixed64"), (0, 1 << 64)),
}


def check_range(kind: str, number: int) -> None:
    """Raise ValueError if a number is out of the range of a proto type."""
    low, high = _RANGES[kind]
    if not low <= index(number) < high:
        raise ValueError(f"{number} is out of the range of {kind}")


def encode_number(kind: str, number: Any) -> bytes:
    """Return the varint of a field's value.

    Args:
        kind: The proto type, such as `sint32`.
        number: The value; an integer, or a float without a fraction.

    Raises:
        TypeError: The value is not a number.
        ValueError: The value is out of range.
    """
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    value = index(number)
    if kind == "bool":
        return b"\x01" if value else b"\x00"
    check_range(kind, value)
    if kind.startswith("sint"):
        value = value << 1 if value >= 0 else (-value << 1) - 1
    return encode_varint(value & MASK_64)


class VarintTable(dict[int, bytes]):
    """The bytes of the numbers of one field, its tag before them: made on first use, then looked up."""

    def __init__(self, kind: str, prefix: bytes = b"", give: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self._kind = kind
        self._prefix = prefix
        self._give = give
        # Below this, a positive number is its own varint.
        self._simple_end = 0 if kind in ("bool", "sint32", "sint64") else _RANGES[kind][1]

    def __missing__(self, number: int) -> bytes:
        if self._give is not None:
            encoded = self._prefix + encode_number(self._kind, self._give(number))
        elif type(number) is int and 0 <= number < self._simple_end:
            encoded = self._prefix + encode_varint(number)
        else:
            encoded = self._prefix + encode_number(self._kind, number)
        # A large one is likely to be a counter's, which no message will have again.
        if number < _LARGE_NUMBER:
            if len(self) >= _MOST_NUMBERS:
                self.clear()
            self[number] = encoded
        return encoded
