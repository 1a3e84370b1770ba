"""Times for people: in this machine's zone or in UTC, always marked, and as short as a column needs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_MILLISECONDS: Final = 4
"""Characters of a fraction on a terminal, with its point; JSON has all digits."""


def in_zone(text: str, *, local: bool) -> str:
    """Return an RFC 3339 time in this machine's zone, with its offset; anything else is returned as it is."""
    found = _RFC3339.fullmatch(text) if local else None
    if found is None:
        return text
    date, clock, fraction, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{offset}").astimezone()
    except (ValueError, OverflowError, OSError):  # a year that the platform cannot convert
        return text
    there = moment.isoformat(timespec="seconds")
    return f"{there[:19]}{fraction or ''}{there[19:]}"


def short_forms(text: str) -> tuple[str, ...]:
    """Return a time in the forms of a terminal, the longest first; anything else has one form."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        return (text,)
    date, clock, fraction, offset = found.groups()
    whole = f"{date} {clock}"
    return (
        f"{whole}{(fraction or '')[:_MILLISECONDS]}{offset}",
        f"{whole}{offset}",
        f"{clock}{offset.removesuffix(':00')}",
    )


def shortened(text: str, width: int) -> str:
    """Return the longest form of a time that fits `width`, or else the shortest one."""
    forms = short_forms(text)
    return next((form for form in forms if len(form) <= width), forms[-1])
