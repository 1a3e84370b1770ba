"""Times as exact as in the contract: a datetime with nanoseconds.

MXAccess counts time in steps of 100 ns (FILETIME) and protobuf in nanoseconds, but datetime stops at microseconds. A
`Timestamp` works like any datetime, and keeps every digit when it is encoded.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, ClassVar, Self, SupportsIndex, cast, overload

from mxgateway.wire.pydantic_schema import instance_schema

from .duration import NANOSECONDS, Duration, fraction_text, plain_timedelta, timedelta_nanoseconds
from .parsing import EPOCH, parse_iso8601, parse_rfc3339, shown

_FILETIME_EPOCH = 116_444_736_000_000_000  # 1970-01-01 in 100 ns steps since 1601-01-01
_MIN_SECONDS = -62_135_596_800  # 0001-01-01T00:00:00Z
_MAX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z

_THE_TIMES_OWN: Any = object()  # a default: the time zone of the clock time

_new_datetime = cast("Callable[..., Any]", datetime.__new__)


class Timestamp(datetime):
    """An aware datetime with nanoseconds: `.microsecond` as in datetime, and `.nanosecond` for the remainder.

    With a zero remainder it equals, hashes and sorts like any datetime of the same instant; a nonzero remainder counts.
    Where a datetime's methods take a time zone, the default is UTC. A result without one is a plain datetime.
    A time that no datetime can hold, such as the year 30828 or nanoseconds out of range, shows the nearest datetime and
    keeps its exact parts, so it is passed on unchanged.
    """

    __slots__ = ("_rest",)

    _rest: int
    min: ClassVar[Timestamp]
    max: ClassVar[Timestamp]

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

    @classmethod
    def parse(cls, text: str) -> Timestamp:
        """Create one from an RFC 3339 text with up to nine fractional digits, in UTC; the inverse of `rfc3339`.

        Raises:
            ValueError: It is no such text, or outside the years 1 to 9999 in UTC.
        """
        made = cls.from_parts(*parse_rfc3339(text))
        if not made.is_exact:
            raise ValueError(f"the time {shown(text)} is not in the years 1 to 9999")
        return made

    @classmethod
    def fromisoformat(cls, date_string: str) -> Self:
        """Create one from an ISO 8601 text, as datetime does, with up to nine fractional digits.

        Raises:
            ValueError: It is no such text, has no time zone, or more digits than a Timestamp can keep.
        """
        return cast("Self", _with_rest(*parse_iso8601(date_string)))

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return the current time, in UTC unless another time zone is given."""
        return cast("Self", _with_rest(datetime.now(UTC if tz is None else tz)))

    @classmethod
    def utcnow(cls) -> Self:
        """Return the current time in UTC."""
        return cls.now()

    @classmethod
    def fromtimestamp(cls, timestamp: float, tz: tzinfo | None = None) -> Self:
        """Create one from a POSIX timestamp, in UTC unless another time zone is given."""
        return cast("Self", _with_rest(datetime.fromtimestamp(timestamp, UTC if tz is None else tz)))

    @classmethod
    def utcfromtimestamp(cls, t: float, /) -> Self:
        """Create one from a POSIX timestamp, in UTC."""
        return cls.fromtimestamp(t)

    @classmethod
    def fromordinal(cls, n: int, /) -> Self:
        """Create one from the ordinal of a day: its midnight in UTC."""
        return cast("Self", _with_rest(datetime.fromordinal(n)))

    @classmethod
    def combine(cls, date: date, time: time, tzinfo: tzinfo | None = _THE_TIMES_OWN) -> Self:
        """Combine a day and a clock time: in a given zone, else in the time's or in UTC; a plain datetime for None."""
        zone = (time.tzinfo or UTC) if tzinfo is _THE_TIMES_OWN else tzinfo
        plain = datetime.combine(date, time, zone)
        return cast("Self", plain if zone is None else _with_rest(plain))

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
            digits = len("0001-01-01T00:00:00.000000")
            return f"{text[:digits]}{self.nanosecond:03}{text[digits:]}"
        return super().isoformat(sep, timespec)

    @overload
    def replace(self, *args: Any, tzinfo: None, **fields: Any) -> datetime: ...
    @overload
    def replace(self, *args: Any, nanosecond: int | None = None, **fields: Any) -> Self: ...
    def replace(self, *args: Any, nanosecond: int | None = None, **fields: Any) -> datetime:
        """Return a copy with some fields replaced, as datetime does.

        The remainder below the microsecond stays, unless `nanosecond` or a new microsecond is given. Without a time
        zone (`tzinfo=None`) the result is a plain datetime, which has no remainder.

        Raises:
            ValueError: There is no such date, or `nanosecond` is out of range or given for a plain datetime.
        """
        plain: datetime = _from_fields(datetime, self).replace(*args, **fields)
        if plain.tzinfo is None:
            if nanosecond is not None:
                raise ValueError("without a time zone it is a plain datetime, which has no nanosecond")
            return plain
        if nanosecond is None:
            nanosecond = 0 if "microsecond" in fields or len(args) > 6 else self.nanosecond
        return _with_rest(plain, _checked_rest(nanosecond))

    __replace__ = replace  # for copy.replace

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
        try:
            plain = _from_fields(datetime, other)
        except (TypeError, ValueError):  # a subclass without fields, such as pandas' NaT
            return NotImplemented
        delta = _from_fields(datetime, self) - plain
        rest = self.nanosecond - _rest_of(other)
        return Duration.from_nanoseconds(timedelta_nanoseconds(delta) + rest) if rest else delta

    def __rsub__(self, other: datetime, /) -> timedelta:
        delta = other - _from_fields(datetime, self)
        rest = self.nanosecond
        return Duration.from_nanoseconds(timedelta_nanoseconds(delta) - rest) if rest else delta

    def __eq__(self, other: object) -> bool:
        try:
            compared = self._compared(other)
        except TypeError:
            return False
        return NotImplemented if compared is None else compared == 0

    def __ne__(self, other: object) -> bool:
        is_equal = self.__eq__(other)
        return is_equal if is_equal is NotImplemented else not is_equal

    def __hash__(self) -> int:
        return hash(self.epoch_nanoseconds) if self.nanosecond else super().__hash__()

    def __lt__(self, other: datetime, /) -> bool:  # type: ignore[override]
        compared = self._compared(other)
        return NotImplemented if compared is None else compared < 0

    def __le__(self, other: datetime, /) -> bool:  # type: ignore[override]
        compared = self._compared(other)
        return NotImplemented if compared is None else compared <= 0

    def __gt__(self, other: datetime, /) -> bool:  # type: ignore[override]
        compared = self._compared(other)
        return NotImplemented if compared is None else compared > 0

    def __ge__(self, other: datetime, /) -> bool:  # type: ignore[override]
        compared = self._compared(other)
        return NotImplemented if compared is None else compared >= 0

    def __repr__(self) -> str:
        text = repr(_from_fields(datetime, self))
        if not self.nanosecond:
            return text
        return f"Timestamp({text.removeprefix('datetime.datetime(')[:-1]}, nanosecond={self.nanosecond})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return _with_rest, (_from_fields(datetime, self), self.nanosecond)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__reduce_ex__(2)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        return instance_schema(cls, cls.rfc3339, "str")

    def _compared(self, other: object) -> int | None:
        """Return the difference to another time in nanoseconds; None if the other one must decide.

        Raises:
            TypeError: The other one is a naive datetime.
        """
        if not isinstance(other, datetime):
            return None
        try:
            parts = None if other.utcoffset() is None else datetime_parts(other)
        except Exception:  # noqa: BLE001 - a subclass that is no point in time, such as pandas' NaT
            return None
        if parts is None:
            raise TypeError("can't compare offset-naive and offset-aware datetimes")
        return self.epoch_nanoseconds - parts[0] * NANOSECONDS - parts[1]


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

    def astimezone(self, tz: tzinfo | None = None) -> Self:
        return cast("Self", self.showing(_from_fields(datetime, self).astimezone(tz), self._rest, self._parts))

    def __repr__(self) -> str:
        return f"Timestamp.from_parts({self._parts[0]}, {self._parts[1]})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return Timestamp.from_parts, self._parts


def datetime_parts(moment: datetime) -> tuple[int, int]:
    """Return seconds and nanos of a datetime or a Timestamp, or of pandas' Timestamp, which has nanoseconds as well.

    Raises:
        ValueError: The datetime is naive, so it identifies no instant.
    """
    if isinstance(moment, Timestamp):
        return moment.parts()
    if moment.utcoffset() is None:
        raise ValueError("the datetime has no time zone")
    delta = moment - EPOCH
    return delta.days * 86_400 + delta.seconds, delta.microseconds * 1000 + _rest_of(moment)


def _rest_of(moment: datetime) -> int:
    # pandas has the digits below the microsecond in this attribute, too.
    return int(getattr(moment, "nanosecond", 0))


def _from_fields(made: type[Any], moment: datetime) -> Any:
    zone = moment.tzinfo
    if made is not datetime and zone is None:
        zone = UTC
    fields = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond)
    return _new_datetime(made, *fields, zone, fold=moment.fold)


def _with_rest(moment: datetime, rest: int = 0) -> Timestamp:
    made: Timestamp = _from_fields(Timestamp, moment)
    made._rest = rest
    return made


def _checked_rest(nanosecond: int) -> int:
    if not 0 <= nanosecond <= 999:
        raise ValueError(f"nanosecond must be in 0..999, not {nanosecond!r}")
    return nanosecond


Timestamp.min = Timestamp(1, 1, 1)
Timestamp.max = Timestamp(9999, 12, 31, 23, 59, 59, 999999, nanosecond=999)
