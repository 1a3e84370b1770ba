"""Times as exact as in the contract: a datetime with nanoseconds.

MXAccess counts time in steps of 100 ns (FILETIME) and protobuf in nanoseconds, but datetime stops at microseconds. A
`Timestamp` works like any datetime, and keeps every digit when it is encoded.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self, SupportsIndex, cast, overload

from .duration import NANOSECONDS, Duration, fraction_text, plain_timedelta, timedelta_nanoseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FILETIME_EPOCH = 116_444_736_000_000_000  # 1970-01-01 in 100 ns steps since 1601-01-01
_MIN_SECONDS = -62_135_596_800  # 0001-01-01T00:00:00Z
_MAX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z

_new_datetime = cast("Callable[..., Any]", datetime.__new__)


class Timestamp(datetime):
    """An aware datetime with nanoseconds: `.microsecond` as in datetime, and `.nanosecond` for the remainder.

    With a zero remainder it equals, hashes and sorts like any datetime of the same instant; a nonzero remainder counts.
    A time that no datetime can hold, such as the year 30828 or nanoseconds out of range, shows the nearest datetime and
    keeps its exact parts, so it is passed on unchanged.
    """

    __slots__ = ("_rest",)

    _rest: int

    def __new__(
        cls,
        year: SupportsIndex,
        month: SupportsIndex,
        day: SupportsIndex,
        hour: SupportsIndex = 0,
        minute: SupportsIndex = 0,
        second: SupportsIndex = 0,
        microsecond: SupportsIndex = 0,
        tzinfo: tzinfo | None = UTC,
        *,
        fold: int = 0,
        nanosecond: int = 0,
    ) -> Self:
        """Create one like a datetime, with UTC as the default time zone.

        Raises:
            ValueError: There is no such date, `tzinfo` is None, or `nanosecond` is not in 0 to 999.
        """
        if tzinfo is None:
            raise ValueError("a Timestamp needs a time zone")
        moment = super().__new__(cls, year, month, day, hour, minute, second, microsecond, tzinfo, fold=fold)
        moment._rest = _checked_rest(nanosecond)
        return moment

    @classmethod
    def from_parts(cls, seconds: int, nanos: int) -> Timestamp:
        """Create one from the fields of google.protobuf.Timestamp; any two numbers are accepted.

        Args:
            seconds: Seconds since 1970-01-01T00:00:00Z, negative before it.
            nanos: Nanoseconds that count forward from `seconds`.
        """
        whole, rest = divmod(seconds * NANOSECONDS + nanos, NANOSECONDS)
        if whole < _MIN_SECONDS:
            return _InexactTimestamp.showing(datetime.min, 0, (seconds, nanos))
        if whole > _MAX_SECONDS:
            return _InexactTimestamp.showing(datetime.max, 999, (seconds, nanos))
        shown = EPOCH + timedelta(seconds=whole, microseconds=rest // 1000)
        if rest != nanos:
            return _InexactTimestamp.showing(shown, rest % 1000, (seconds, nanos))
        return _with_rest(shown, rest % 1000)

    @classmethod
    def from_datetime(cls, moment: datetime, *, nanosecond: int = 0) -> Timestamp:
        """Create one from an aware datetime, in UTC.

        Args:
            moment: The time; a Timestamp is returned as it is unless it is in another time zone.
            nanosecond: The remainder below the microsecond, 0 to 999; ignored for a Timestamp, which has its own.

        Raises:
            ValueError: `moment` is naive, or `nanosecond` is out of range.
        """
        if isinstance(moment, Timestamp):
            return moment if moment.tzinfo is UTC else cls.from_parts(*moment.parts())
        seconds, nanos = datetime_parts(moment)
        return cls.from_parts(seconds, nanos + _checked_rest(nanosecond))

    @classmethod
    def from_filetime(cls, ticks: int) -> Timestamp:
        """Create one from a Windows FILETIME: 100 ns steps since 1601-01-01T00:00:00Z."""
        seconds, steps = divmod(ticks - _FILETIME_EPOCH, 10_000_000)
        return cls.from_parts(seconds, steps * 100)

    @property
    def nanosecond(self) -> int:
        """The nanoseconds below the microsecond, 0 to 999."""
        # Some of datetime's own constructors leave the slot empty.
        return getattr(self, "_rest", 0)

    @property
    def filetime(self) -> int:
        """The time as a Windows FILETIME, truncated to 100 ns."""
        return self.epoch_nanoseconds // 100 + _FILETIME_EPOCH

    @property
    def epoch_nanoseconds(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00Z."""
        seconds, nanos = self.parts()
        return seconds * NANOSECONDS + nanos

    @property
    def is_exact(self) -> bool:
        """Whether the datetime is the time that was sent; False if that was outside the range of datetime."""
        return True

    def parts(self) -> tuple[int, int]:
        """Return seconds and nanos as in google.protobuf.Timestamp, exactly as received."""
        delta = datetime.__sub__(self, EPOCH)
        return delta.days * 86_400 + delta.seconds, delta.microseconds * 1000 + self.nanosecond

    def rfc3339(self) -> str:
        """Return the protobuf JSON text: UTC with a `Z`, and 0, 3, 6 or 9 fractional digits."""
        moment = self if self.tzinfo is UTC else Timestamp.from_parts(*self.parts())
        base = f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{moment.hour:02}:{moment.minute:02}"
        return f"{base}:{moment.second:02}{fraction_text(moment.microsecond * 1000 + moment.nanosecond)}Z"

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        """Return the ISO 8601 text, with nine fractional digits if six would lose some.

        Args:
            sep: The separator between date and time.
            timespec: As for datetime; `nanoseconds` always gives nine digits.
        """
        if timespec == "nanoseconds" or (timespec == "auto" and self.nanosecond):
            text = super().isoformat(sep, "microseconds")
            digits = text.index(".") + 7
            return f"{text[:digits]}{self.nanosecond:03}{text[digits:]}"
        return super().isoformat(sep, timespec)

    def replace(self, *args: Any, nanosecond: int | None = None, **fields: Any) -> Self:
        """Return a copy with some fields replaced, as datetime does.

        The remainder below the microsecond stays, unless `nanosecond` or a new microsecond is given.

        Raises:
            ValueError: There is no such date, the time zone was removed, or `nanosecond` is out of range.
        """
        plain = _from_fields(datetime, self).replace(*args, **fields)
        if plain.tzinfo is None:
            raise ValueError("a Timestamp needs a time zone")
        if nanosecond is None:
            nanosecond = 0 if "microsecond" in fields or len(args) > 6 else self.nanosecond
        return cast("Self", _with_rest(plain, _checked_rest(nanosecond)))

    def astimezone(self, tz: tzinfo | None = None) -> Self:
        """Return the same instant in another time zone, or in the local one."""
        return cast("Self", _with_rest(_from_fields(datetime, self).astimezone(tz), self.nanosecond))

    def __add__(self, other: timedelta, /) -> Self:
        if not isinstance(other, timedelta):
            return NotImplemented
        rest = self.nanosecond + (other.nanosecond if isinstance(other, Duration) else 0)
        carry, rest = divmod(rest, 1000)
        plain = _from_fields(datetime, self) + plain_timedelta(other) + timedelta(microseconds=carry)
        return cast("Self", _with_rest(plain, rest))

    __radd__ = __add__

    @overload  # type: ignore[override]
    def __sub__(self, other: datetime, /) -> timedelta: ...
    @overload
    def __sub__(self, other: timedelta, /) -> Self: ...
    def __sub__(self, other: datetime | timedelta, /) -> timedelta | Self:
        if isinstance(other, timedelta):
            return self + -other
        if not isinstance(other, datetime):
            return NotImplemented
        delta = _from_fields(datetime, self) - _from_fields(datetime, other)
        rest = self.nanosecond - getattr(other, "_rest", 0)
        return Duration.from_nanoseconds(timedelta_nanoseconds(delta) + rest) if rest else delta

    def __rsub__(self, other: datetime, /) -> timedelta:
        delta = other - _from_fields(datetime, self)
        rest = self.nanosecond
        return Duration.from_nanoseconds(timedelta_nanoseconds(delta) - rest) if rest else delta

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, datetime):
            return NotImplemented
        return other.utcoffset() is not None and self.epoch_nanoseconds == _nanoseconds_of(other)

    def __ne__(self, other: object) -> bool:
        return not self == other if isinstance(other, datetime) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.epoch_nanoseconds) if self.nanosecond else super().__hash__()

    def __lt__(self, other: datetime, /) -> bool:  # type: ignore[override]
        return self._compared(other) < 0 if isinstance(other, datetime) else NotImplemented

    def __le__(self, other: datetime, /) -> bool:  # type: ignore[override]
        return self._compared(other) <= 0 if isinstance(other, datetime) else NotImplemented

    def __gt__(self, other: datetime, /) -> bool:  # type: ignore[override]
        return self._compared(other) > 0 if isinstance(other, datetime) else NotImplemented

    def __ge__(self, other: datetime, /) -> bool:  # type: ignore[override]
        return self._compared(other) >= 0 if isinstance(other, datetime) else NotImplemented

    def __repr__(self) -> str:
        text = repr(_from_fields(datetime, self))
        if not self.nanosecond:
            return text
        return f"Timestamp({text.removeprefix('datetime.datetime(')[:-1]}, nanosecond={self.nanosecond})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return _with_rest, (_from_fields(datetime, self), self.nanosecond)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__reduce_ex__(2)

    def _compared(self, other: datetime) -> int:
        if other.utcoffset() is None:
            raise TypeError("can't compare offset-naive and offset-aware datetimes")
        return self.epoch_nanoseconds - _nanoseconds_of(other)


class _InexactTimestamp(Timestamp):
    """A Timestamp whose parts no datetime can hold; it shows the nearest one."""

    __slots__ = ("_parts",)

    _parts: tuple[int, int]

    @classmethod
    def showing(cls, moment: datetime, rest: int, parts: tuple[int, int]) -> _InexactTimestamp:
        made: _InexactTimestamp = _from_fields(cls, moment)
        made._rest = rest
        made._parts = parts
        return made

    @property
    def is_exact(self) -> bool:
        return False

    def parts(self) -> tuple[int, int]:
        return self._parts

    def __repr__(self) -> str:
        return f"Timestamp.from_parts({self._parts[0]}, {self._parts[1]})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return Timestamp.from_parts, self._parts


def datetime_parts(moment: datetime) -> tuple[int, int]:
    """Return seconds and nanos of a datetime or a Timestamp.

    Raises:
        ValueError: The datetime is naive, so it identifies no instant.
    """
    if isinstance(moment, Timestamp):
        return moment.parts()
    if moment.utcoffset() is None:
        raise ValueError("the datetime has no time zone")
    delta = moment - EPOCH
    return delta.days * 86_400 + delta.seconds, delta.microseconds * 1000


def _from_fields(made: type[Any], moment: datetime) -> Any:
    zone = moment.tzinfo
    if made is not datetime and zone is None:
        zone = UTC
    fields = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond)
    return _new_datetime(made, *fields, zone, fold=moment.fold)


def _with_rest(moment: datetime, rest: int) -> Timestamp:
    made: Timestamp = _from_fields(Timestamp, moment)
    made._rest = rest
    return made


def _checked_rest(nanosecond: int) -> int:
    if not 0 <= nanosecond <= 999:
        raise ValueError(f"nanosecond must be in 0..999, not {nanosecond!r}")
    return nanosecond


def _nanoseconds_of(moment: datetime) -> int:
    seconds, nanos = datetime_parts(moment)
    return seconds * NANOSECONDS + nanos
