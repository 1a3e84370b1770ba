"""Durations as exact as in protobuf: a timedelta with nanoseconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

NANOSECONDS = 1_000_000_000
MAX_DURATION = 315_576_000_000
"""The most seconds of a duration that has a JSON form; google/protobuf/duration.proto."""

_LONGEST = 999_999_999 * 86_400 * NANOSECONDS  # of a timedelta

_new_timedelta = cast("Callable[..., Any]", timedelta.__new__)


class Duration(timedelta):
    """A timedelta with nanoseconds: `.microseconds` as in timedelta, and `.nanosecond` for the remainder.

    Like timedelta's own fields the remainder counts forward, so minus one nanosecond is minus one microsecond plus 999.
    Comparison and negation are exact; other arithmetic gives timedelta's results, in microseconds.
    """

    __slots__ = ("_parts", "_rest")

    _rest: int
    _parts: tuple[int, int]

    @classmethod
    def from_parts(cls, seconds: int, nanos: int) -> Duration:
        """Create one from the fields of google.protobuf.Duration; any two numbers are accepted.

        Args:
            seconds: Whole seconds; may be negative.
            nanos: Nanoseconds, of the same sign as `seconds`.
        """
        made = cls.from_nanoseconds(seconds * NANOSECONDS + nanos)
        made._parts = (seconds, nanos)
        return made

    @classmethod
    def from_nanoseconds(cls, nanoseconds: int) -> Duration:
        """Create one from a number of nanoseconds."""
        limit = _LONGEST
        shown, rest = divmod(max(-limit, min(nanoseconds, limit)), 1000)
        made: Duration = _new_timedelta(Duration, microseconds=shown)
        made._rest = rest
        made._parts = _signed_parts(nanoseconds)
        return made

    @property
    def nanosecond(self) -> int:
        """The nanoseconds below the microsecond, 0 to 999."""
        return getattr(self, "_rest", 0)

    @property
    def nanoseconds(self) -> int:
        """The whole span in nanoseconds."""
        seconds, nanos = self.parts()
        return seconds * NANOSECONDS + nanos

    def parts(self) -> tuple[int, int]:
        """Return seconds and nanos as in google.protobuf.Duration: both of one sign."""
        try:
            return self._parts
        except AttributeError:
            return _signed_parts(timedelta_nanoseconds(self))

    def __neg__(self) -> Duration:
        return Duration.from_nanoseconds(-self.nanoseconds)

    def __abs__(self) -> Duration:
        return Duration.from_nanoseconds(abs(self.nanoseconds))

    def __eq__(self, other: object) -> bool:
        return self.nanoseconds == _span_of(other) if isinstance(other, timedelta) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return self.nanoseconds != _span_of(other) if isinstance(other, timedelta) else NotImplemented

    def __lt__(self, other: timedelta, /) -> bool:
        return self.nanoseconds < _span_of(other) if isinstance(other, timedelta) else NotImplemented

    def __le__(self, other: timedelta, /) -> bool:
        return self.nanoseconds <= _span_of(other) if isinstance(other, timedelta) else NotImplemented

    def __gt__(self, other: timedelta, /) -> bool:
        return self.nanoseconds > _span_of(other) if isinstance(other, timedelta) else NotImplemented

    def __ge__(self, other: timedelta, /) -> bool:
        return self.nanoseconds >= _span_of(other) if isinstance(other, timedelta) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.nanoseconds) if self.nanosecond else super().__hash__()

    def __repr__(self) -> str:
        plain = plain_timedelta(self)
        if not self.nanosecond and self.nanoseconds == timedelta_nanoseconds(plain):
            return repr(plain)
        return f"Duration.from_parts{self.parts()}"

    def __reduce__(self) -> tuple[Any, ...]:
        return Duration.from_parts, self.parts()


def timedelta_parts(span: timedelta) -> tuple[int, int]:
    """Return seconds and nanos of a timedelta or a Duration, both of one sign."""
    return span.parts() if isinstance(span, Duration) else _signed_parts(timedelta_nanoseconds(span))


def timedelta_nanoseconds(span: timedelta) -> int:
    """Return a timedelta in nanoseconds."""
    return (span.days * 86_400 + span.seconds) * NANOSECONDS + span.microseconds * 1000


def plain_timedelta(span: timedelta) -> timedelta:
    """Return the same duration truncated to microseconds."""
    return timedelta(span.days, span.seconds, span.microseconds)


def fraction_text(nanos: int) -> str:
    """Return a fraction of a second as protobuf JSON writes it: nothing, or a point and 3, 6 or 9 digits."""
    if not nanos:
        return ""
    if nanos % 1000:
        return f".{nanos:09}"
    return f".{nanos // 1000:06}" if nanos % 1_000_000 else f".{nanos // 1_000_000:03}"


def _span_of(span: timedelta) -> int:
    return span.nanoseconds if isinstance(span, Duration) else timedelta_nanoseconds(span)


def _signed_parts(nanoseconds: int) -> tuple[int, int]:
    seconds, nanos = divmod(abs(nanoseconds), NANOSECONDS)
    return (seconds, nanos) if nanoseconds >= 0 else (-seconds, -nanos)
