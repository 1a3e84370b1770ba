"""Texts of times, read to the last digit or refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
# Date and clock to the second, the fraction of the second, and the time zone.
_ISO8601: Final = re.compile(
    r"(\d{4}-?(?:\d\d-?\d\d|W\d\d(?:-?\d)?).\d\d(?::?\d\d){2})(?:[.,](\d+))?"
    r"(|Z|[+-]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d{1,6})?)?)?)",
    re.ASCII | re.DOTALL,
)
_DATE_AND_SEPARATOR: Final = len("0001-01-01T")

_SHOWN: Final = 60
"""Characters of a text that an error shows."""


def parse_rfc3339(text: str) -> tuple[int, int]:
    """Return the seconds since 1970 and the nanoseconds of a time as protobuf JSON has it.

    Raises:
        ValueError: It is no such text, or no valid time.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"expected an RFC 3339 time, not {shown(text)}")
    *clock, fraction, sign, hours, minutes = found.groups()
    try:
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
        delta = datetime(*map(int, clock), tzinfo=zone) - EPOCH  # type: ignore[arg-type,misc]
    except ValueError as error:
        raise ValueError(f"invalid time {shown(text)}: {error}") from None
    return delta.days * 86_400 + delta.seconds, int((fraction or "").ljust(9, "0"))


def parse_iso8601(text: str) -> tuple[datetime, int]:
    """Return an aware datetime, and the nanoseconds below its microsecond, of a text that `fromisoformat` takes.

    Raises:
        ValueError: It is no such text, has no time zone, or has digits below the nanosecond.
    """
    rest = 0
    found = _ISO8601.fullmatch(text)
    if found is None:
        if {".", ","}.intersection(text[_DATE_AND_SEPARATOR:]):  # fromisoformat would drop what it does not know
            raise ValueError(f"Invalid isoformat string: {shown(text)}")
    elif fraction := found[2]:
        clock, zone = found[1], found[3]
        if fraction[9:].strip("0"):
            raise ValueError(f"digits below the nanosecond cannot be kept: {shown(text)}")
        text = f"{clock}.{fraction[:6]:0<6}{zone}"
        rest = int(f"{fraction[6:9]:0<3}")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time has no time zone; end it with Z or an offset: {shown(text)}")
    return moment, rest


def shown(text: str) -> str:
    """Return a text in quotes, shortened for an error."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
