"""What programs and other libraries do with a datetime works with a Timestamp."""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz as dateutil_tz  # type: ignore[import-untyped]
from dateutil.relativedelta import relativedelta  # type: ignore[import-untyped]

from mxgateway.wire import Timestamp
from tests.rows import each_row

# In Berlin 02:30 for the second time: the clocks have been put back.
twice = Timestamp(2026, 10, 25, 1, 30, 0, 123456, nanosecond=700)
plain = datetime(2026, 10, 25, 1, 30, 0, 123456, UTC)
BERLIN = ZoneInfo("Europe/Berlin")


class LocalizingZone(tzinfo):
    """A time zone like those of pytz, which strip the zone and add the offset to what remains."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else self._offset_at(moment.replace(tzinfo=None))

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else timedelta(0)

    def tzname(self, moment: datetime | None) -> str:
        return "WALL"

    def fromutc(self, moment: datetime) -> datetime:
        naive = moment.replace(tzinfo=None)
        return (naive + timedelta(hours=1)).replace(tzinfo=self)

    def _offset_at(self, wall: datetime) -> timedelta:
        assert wall.tzinfo is None
        assert type(wall) is datetime
        return timedelta(hours=1)


@each_row(
    ("what", "call", "wanted"),
    [
        ("strip the zone", lambda t: t.replace(tzinfo=None), plain.replace(tzinfo=None)),
        ("strip the zone by position", lambda t: t.replace(2026, 10, 25, 1, 30, 0, 123456, None), plain.replace(tzinfo=None)),
        ("make naive local", lambda t: t.astimezone().replace(tzinfo=None), plain.astimezone().replace(tzinfo=None)),
        ("relativedelta", lambda t: t + relativedelta(months=1), plain.replace(month=11)),
        ("strftime", lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f %Z"), "2026-10-25 01:30:00.123456 UTC"),
        ("utctimetuple", lambda t: t.utctimetuple(), plain.utctimetuple()),
        ("timetuple", lambda t: t.timetuple(), plain.timetuple()),
        ("date", lambda t: t.date(), plain.date()),
        ("time", lambda t: t.time(), plain.time()),
        ("timestamp", lambda t: t.timestamp(), plain.timestamp()),
        ("ctime", lambda t: t.ctime(), plain.ctime()),
        ("isocalendar", lambda t: t.isocalendar(), plain.isocalendar()),
        ("toordinal", lambda t: t.toordinal(), plain.toordinal()),
        ("difference to plain", lambda t: datetime(2026, 10, 25, tzinfo=UTC) - t < timedelta(0), True),
        ("between the limits", lambda t: Timestamp.min < t < Timestamp.max, True),
        ("separator", lambda t: t.isoformat("."), "2026-10-25.01:30:00.123456700+00:00"),
        ("JSON", lambda t: json.dumps(t, default=str), '"2026-10-25 01:30:00.123456700+00:00"'),
    ],
)  # fmt: skip
def test_what_a_datetime_can_do_works(what: str, call: Callable[[Timestamp], Any], wanted: object) -> None:
    found = call(twice)
    assert found.replace(microsecond=123456) == wanted if what == "relativedelta" else found == wanted
    if isinstance(wanted, datetime) and wanted.tzinfo is None:
        assert type(found) is datetime


@each_row(
    "zone",
    [
        UTC, timezone(timedelta(hours=2)), BERLIN, dateutil_tz.gettz("Europe/Berlin"), dateutil_tz.tzutc(),
        dateutil_tz.tzlocal(), dateutil_tz.tzrange("EST", -18000, "EDT"), LocalizingZone(), None,
    ],
)  # fmt: skip
def test_every_zone_shows_the_same_instant(zone: tzinfo | None) -> None:
    there, plainly = twice.astimezone(zone), plain.astimezone(zone)
    assert str(there) == str(plainly).replace(".123456", ".123456700")
    assert there.utcoffset() == plainly.utcoffset()
    assert there.fold == plainly.fold
    assert there == twice
    assert hash(there) == hash(twice)
    assert there.astimezone(UTC).parts() == twice.parts()
    assert there.replace(tzinfo=None) == plainly.replace(tzinfo=None)
    assert str(there.replace(hour=3)).split(":")[0].endswith(" 03")
    assert copy.deepcopy(there) == twice


def test_an_inexact_time_keeps_its_parts_in_another_zone() -> None:
    late = Timestamp.from_parts(2**60, 7).astimezone(timezone(timedelta(hours=-5)))
    assert late.parts() == (2**60, 7)
    assert not late.is_exact
    assert str(late).endswith("-05:00")


@each_row(
    ("name", "make"),
    [
        ("now", lambda: Timestamp.now()), ("now in a zone", lambda: Timestamp.now(BERLIN)),
        ("now in a zone that strips", lambda: Timestamp.now(LocalizingZone())),
        ("utcnow", lambda: Timestamp.utcnow()), ("today", lambda: Timestamp.today()),
    ],
)  # fmt: skip
def test_the_current_time_is_aware(name: str, make: Callable[[], Timestamp]) -> None:
    made = make()
    assert type(made) is Timestamp
    assert abs(made - datetime.now(UTC)) < timedelta(minutes=5)


@each_row(
    ("name", "make", "wanted"),
    [
        ("fromtimestamp", lambda: Timestamp.fromtimestamp(0.5), datetime(1970, 1, 1, 0, 0, 0, 500000, UTC)),
        ("utcfromtimestamp", lambda: Timestamp.utcfromtimestamp(7), datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)),
        ("fromordinal", lambda: Timestamp.fromordinal(738000), datetime.fromordinal(738000).replace(tzinfo=UTC)),
        ("fromisocalendar", lambda: Timestamp.fromisocalendar(2026, 1, 1), datetime(2025, 12, 29, tzinfo=UTC)),
        ("strptime", lambda: Timestamp.strptime("2026", "%Y"), datetime(2026, 1, 1, tzinfo=UTC)),
        ("combine", lambda: Timestamp.combine(date(2026, 1, 2), time(3)), datetime(2026, 1, 2, 3, tzinfo=UTC)),
        ("combine in its own zone", lambda: Timestamp.combine(date(2026, 1, 2), time(3, tzinfo=BERLIN)),
         datetime(2026, 1, 2, 2, tzinfo=UTC)),
        ("combine in a zone", lambda: Timestamp.combine(date(2026, 1, 2), time(3), BERLIN),
         datetime(2026, 1, 2, 2, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_every_constructor_makes_an_aware_time(name: str, make: Callable[[], Timestamp], wanted: datetime) -> None:
    made = make()
    assert (type(made), made) == (Timestamp, wanted)


def test_combining_without_a_zone_makes_a_plain_datetime() -> None:
    made = Timestamp.combine(date(2026, 1, 2), time(3, tzinfo=BERLIN), None)
    assert (type(made), made) == (datetime, datetime(2026, 1, 2, 3))


@each_row(
    ("text", "nanos"),
    [
        ("2024-05-06T07:08:09.947098900+00:00", 947098900), ("2024-05-06 09:08:09.947098901+02:00", 947098901),
        ("2024-05-06T07:08:09.9470989Z", 947098900), ("20240506T070809,947098900Z", 947098900),
        ("2024-W19-1T07:08:09.1234567890000+00:00", 123456789), ("2024-05-06T07:08:09.5Z", 500000000),
        ("2024-05-06T07:08:09+00:00", 0), ("2024-05-06T08:08:39.000000001+01:00:30", 1),
        ("2024-05-06T08:08:39.5+01:00:30.500000", 0),
    ],
)  # fmt: skip
def test_an_iso_text_is_read_to_the_last_digit(text: str, nanos: int) -> None:
    assert Timestamp.fromisoformat(text).parts() == (1714979289, nanos)


@each_row(
    "text",
    [
        "2024-05-06T07:08:09.1234567891Z", "2024-05-06T07:08:09", "2024-05-06", "2024-05-06T07:08:09.123456789",
        "2024-05-06T07:08:09.5+01:00:30.1234567", "2024-05-06T07:08:09.12x+00:00", "2024-05-06T07:08:09.123456x7+00:00", "", "yesterday",
        "2024-05-06T07:08:09.123456700+00:00 ", "2024-13-06T07:08:09.123456700+00:00",
    ],
)  # fmt: skip
def test_an_iso_text_that_would_lose_something_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"kept|time zone|isoformat|month"):
        Timestamp.fromisoformat(text)


def test_its_own_texts_come_back() -> None:
    for moment in (twice, twice.astimezone(BERLIN), Timestamp(1, 1, 1), Timestamp.max):
        assert Timestamp.fromisoformat(str(moment)) == moment
        assert Timestamp.fromisoformat(moment.isoformat(timespec="nanoseconds")) == moment
        parsed = Timestamp.parse(moment.rfc3339())
        assert (parsed, parsed.tzinfo) == (moment, UTC)
    assert Timestamp.parse("2026-10-25T02:30:00.1234567+01:00") == twice


@each_row(
    ("text", "reason"),
    [
        ("2026-10-25T02:30:00", "expected an RFC 3339 time"), ("2026-10-25T02:30:00.1234567891Z", "expected"),
        ("2026-02-30T02:30:00Z", "invalid time"), ("0001-01-01T00:00:00+01:00", "years 1 to 9999|invalid"),
        ("x" * 1000, "x{59}…'$"),
    ],
)  # fmt: skip
def test_other_texts_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Timestamp.parse(text)


def test_copy_replace_keeps_the_remainder() -> None:
    changed = twice.__replace__(hour=3)
    assert (changed.hour, changed.nanosecond) == (3, 700)
    replace: Any = getattr(copy, "replace", None)
    if replace is not None:
        assert replace(twice, hour=3) == changed


def test_sqlite_keeps_every_digit_with_an_adapter() -> None:
    sqlite3.register_adapter(Timestamp, Timestamp.isoformat)
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            [stored] = database.execute("select ?", (twice,)).fetchone()
    finally:
        del sqlite3.adapters[Timestamp, sqlite3.PrepareProtocol]
    assert Timestamp.fromisoformat(stored) == twice


class NoTime(datetime):
    """Like pandas' NaT: a datetime by its class, whose methods raise."""

    def utcoffset(self) -> timedelta | None:
        raise ValueError("NoTime does not support utcoffset")

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = datetime.__hash__

    def __lt__(self, other: datetime) -> bool:  # type: ignore[override]
        return False

    __gt__ = __lt__


class FineTime(datetime):
    """Like pandas' Timestamp: it has nanoseconds as well."""

    nanosecond = 700


def test_comparing_with_what_is_no_time_does_not_raise() -> None:
    missing = NoTime(2026, 1, 1, tzinfo=UTC)
    assert missing not in (twice, plain)
    assert twice != missing
    assert not twice < missing
    assert not twice > missing


def test_the_nanoseconds_of_another_class_count() -> None:
    other = FineTime(2026, 10, 25, 1, 30, 0, 123456, UTC)
    assert Timestamp.from_datetime(other).nanosecond == 700
    assert twice == other
    assert twice - other == timedelta(0)
