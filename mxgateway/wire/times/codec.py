"""Encodes and decodes google.protobuf's Timestamp and Duration without creating those messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Final, cast

from mxgateway.wire.errors import IrregularError
from mxgateway.wire.varint import MASK_64, encode_varint, more_int32, more_int64, read_varint

from .duration import Duration, timedelta_parts
from .parsing import EPOCH
from .timestamp import Timestamp, datetime_parts

_SECONDS_TAG: Final = 0x08
_NANOS_TAG: Final = 0x10
_NANOS_FIELD: Final = bytes((_NANOS_TAG,))

_number: Final = int.from_bytes

# A Timestamp with a known second: that second's field with the tag of nanos, then the four or five bytes of nanos.
_second_and_four: Final = Struct("<7s4B").unpack_from
_second_and_five: Final = Struct("<7s5B").unpack_from
# The sum of the continuation bits in a varint of four bytes, and of five.
_FOUR_BYTES_MARKS: Final = 0x20_4080
_FIVE_BYTES_MARKS: Final = 0x1020_4080

# Nearly every Timestamp has five bytes of seconds and three to five of nanos. For each size: a mask of the bits that
# show this (the tags and the continuation bits), and their values, as one number.
STAMP_MASKS: Final = (*(0,) * 10, *(_number(b"\xff" + b"\x80" * 5 + b"\xff" + b"\x80" * more) for more in (3, 4, 5)))
STAMP_FORMS: Final = (
    *(-1,) * 10,
    *(_number(b"\x08\x80\x80\x80\x80\0\x10" + b"\x80" * more + b"\0") for more in (2, 3, 4)),
)

_new_datetime = cast("Callable[..., Timestamp]", datetime.__new__)
_subtract = cast("Callable[[datetime, datetime], timedelta]", datetime.__sub__)

# Events come in clusters that share the bytes of a second. Cache from the six bytes of its field (the tag and a varint
# of five bytes, which covers the years 1978 to 3058) and the tag of nanos to the first seven of the ten bytes of a
# pickled datetime, before the microseconds; and from the second to its field.
_SECONDS_READ: Final[dict[bytes, bytes]] = {}
_SECONDS_WRITTEN: Final[dict[int, bytes]] = {}
_MOST_SECONDS: Final = 1024


def read_timestamp(data: bytes, pos: int, stop: int) -> Timestamp:
    """Return the Timestamp in `data[pos:stop]`.

    Raises:
        IndexError, IrregularError: The bytes are not seconds and nanos, each once at most and in this order.
    """
    size = stop - pos
    if size == 12:
        head, a, b, c, d, last = _second_and_five(data, pos)
        regular = a & b & c & d  # excess bits in the last byte give more nanos than a second has
        nanos = a + (b << 7) + (c << 14) + (d << 21) + (last << 28) - _FIVE_BYTES_MARKS
    elif size == 11:
        head, a, b, c, last = _second_and_four(data, pos)
        regular = a & b & c & (last ^ 128)
        nanos = a + (b << 7) + (c << 14) + (last << 21) - _FOUR_BYTES_MARKS
    elif size == 6:  # a whole second, as from some sources
        head, regular, nanos = data[pos:stop] + _NANOS_FIELD, 128, 0
    else:
        return Timestamp.from_parts(*_read_parts(data, pos, stop))
    second = _SECONDS_READ.get(head)
    if second is None or regular < 128 or nanos > 999_999_999:
        return _read_new_second(data, pos, stop)
    micros = nanos // 1000
    # datetime's fastest constructor is the one for unpickling.
    made = _new_datetime(Timestamp, second + micros.to_bytes(3), UTC)
    made._rest = nanos - micros * 1000
    return made


def check_timestamp(data: bytes, pos: int, stop: int) -> bytes:
    """Return the bytes of a Timestamp, `data[pos:stop]`, without creating it.

    Raises:
        IndexError, IrregularError: As `read_timestamp` does.
    """
    stamp = data[pos:stop]
    size = stop - pos
    if size > 12 or _number(stamp) & STAMP_MASKS[size] != STAMP_FORMS[size]:
        _read_parts(data, pos, stop)
    return stamp


def read_duration(data: bytes, pos: int, stop: int) -> Duration:
    """Return the Duration in `data[pos:stop]`; raises as `read_timestamp` does."""
    return Duration.from_parts(*_read_parts(data, pos, stop))


def write_timestamp(moment: datetime) -> bytes:
    """Return the bytes of a datetime, without tag and length.

    Raises:
        AttributeError, ValueError: It is not a datetime, or is naive.
    """
    if type(moment) is Timestamp and moment.tzinfo is UTC:
        delta = _subtract(moment, EPOCH)
        seconds = delta.days * 86_400 + delta.seconds
        nanos = delta.microseconds * 1000 + moment._rest
    else:
        seconds, nanos = datetime_parts(moment)
    encoded = _SECONDS_WRITTEN.get(seconds)
    if encoded is None:
        encoded = _field(_SECONDS_TAG, seconds)
        if len(_SECONDS_WRITTEN) >= _MOST_SECONDS:
            _SECONDS_WRITTEN.clear()
        _SECONDS_WRITTEN[seconds] = encoded
    return encoded + _field(_NANOS_TAG, nanos)


def write_duration(span: timedelta) -> bytes:
    """Return the bytes of a timedelta, without tag and length."""
    seconds, nanos = timedelta_parts(span)
    return _field(_SECONDS_TAG, seconds) + _field(_NANOS_TAG, nanos)


def _field(tag: int, number: int) -> bytes:
    if number >= 0x1000_0000 and number < 0x8_0000_0000:
        return bytes(
            (
                tag,
                number & 127 | 128,
                number >> 7 & 127 | 128,
                number >> 14 & 127 | 128,
                number >> 21 & 127 | 128,
                number >> 28,
            )
        )
    return bytes((tag,)) + encode_varint(number & MASK_64) if number else b""


def _read_new_second(data: bytes, pos: int, stop: int) -> Timestamp:
    seconds, nanos = _read_parts(data, pos, stop)
    made = Timestamp.from_parts(seconds, nanos)
    head = data[pos : pos + 6]
    if made.is_exact and _field(_SECONDS_TAG, seconds) == head:
        if len(_SECONDS_READ) >= _MOST_SECONDS:
            _SECONDS_READ.clear()
        clock = (made.month, made.day, made.hour, made.minute, made.second)
        _SECONDS_READ[head + _NANOS_FIELD] = made.year.to_bytes(2) + bytes(clock)
    return made


def _read_parts(data: bytes, pos: int, stop: int) -> tuple[int, int]:
    seconds = nanos = 0
    if pos < stop and data[pos] == _SECONDS_TAG:
        seconds, pos = read_varint(data, pos + 1, more_int64)
    if pos < stop and data[pos] == _NANOS_TAG:
        nanos, pos = read_varint(data, pos + 1, more_int32)
    if pos != stop:
        raise IrregularError
    return seconds, nanos
