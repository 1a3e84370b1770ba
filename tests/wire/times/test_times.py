"""Timestamps keep every digit, and are datetimes in everything else."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.wire import Timestamp, decode, encode
from tests.wire.conftest import Constructs
from tests.wire.profiles import bounded

moment = datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)
fine = Timestamp.from_datetime(moment, nanosecond=700)
EAST = timezone(timedelta(hours=2))

SECONDS = st.integers(-62_135_596_800, 253_402_300_799)
NANOS = st.integers(0, 999_999_999)
ANY_INT64 = st.integers(-(2**63), 2**63 - 1)
ANY_INT32 = st.integers(-(2**31), 2**31 - 1)


def test_a_timestamp_is_an_aware_datetime() -> None:
    assert isinstance(fine, datetime)
    assert (fine.year, fine.month, fine.day, fine.hour, fine.minute, fine.second) == (2024, 5, 6, 7, 8, 9)
    assert (fine.microsecond, fine.nanosecond) == (123456, 700)
    assert fine.tzinfo is UTC
    assert fine.parts() == (1714979289, 123456700)
    assert fine.epoch_nanoseconds == 1714979289123456700
    assert fine.is_exact


@given(SECONDS, NANOS)
@bounded(200)
def test_seconds_and_nanos_come_back(seconds: int, nanos: int) -> None:
    made = Timestamp.from_parts(seconds, nanos)
    assert made.parts() == (seconds, nanos)
    assert made.is_exact
    plain = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=nanos // 1000)
    assert made.replace(nanosecond=0) == plain
    assert type(plain + timedelta(0)) is datetime


@given(ANY_INT64, ANY_INT32)
@bounded(200)
def test_any_two_numbers_are_taken_and_come_back(seconds: int, nanos: int) -> None:
    made = Timestamp.from_parts(seconds, nanos)
    assert made.parts() == (seconds, nanos)
    assert eval(repr(made), EVAL) == made
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.copy(made)):
        assert again == made
        assert hash(again) == hash(made)
        assert again.epoch_nanoseconds == seconds * 10**9 + nanos
    made.isoformat()
    made.rfc3339()


EVAL = {"Timestamp": Timestamp, "datetime": __import__("datetime")}


def test_a_time_out_of_range_shows_the_nearest_datetime() -> None:
    late, early = Timestamp.from_parts(2**62, 5), Timestamp.from_parts(-(2**62), 5)
    assert (late.year, late.microsecond, late.nanosecond) == (9999, 999999, 999)
    assert (early.year, early.month, early.day, early.microsecond) == (1, 1, 1, 0)
    assert not late.is_exact
    assert late > Timestamp.from_parts(253_402_300_799, 999_999_999)
    assert early < datetime(1, 1, 1, tzinfo=UTC) < late
    garbage = Timestamp.from_parts(10, -1)
    assert garbage == Timestamp.from_parts(9, 999_999_999)
    assert hash(garbage) == hash(Timestamp.from_parts(9, 999_999_999))
    assert Timestamp.from_parts(10, -1000) == datetime(1970, 1, 1, 0, 0, 9, 999999, UTC)
    assert hash(Timestamp.from_parts(10, -1000)) == hash(datetime(1970, 1, 1, 0, 0, 9, 999999, UTC))


@given(st.lists(st.tuples(ANY_INT64 | SECONDS, ANY_INT32 | NANOS), max_size=6))
@bounded(100)
def test_a_stream_never_raises_and_passes_every_time_on(constructs: Constructs, times: list[tuple[int, int]]) -> None:
    google = constructs.google("Lists")()
    for seconds, nanos in times:
        google.timestamps.add(seconds=seconds, nanos=nanos)
    encoded = google.SerializeToString()
    decoded = decode(constructs.ours.Lists, encoded)
    assert [each.parts() for each in decoded.timestamps] == times
    assert encode(decoded) == encoded


@given(seconds=SECONDS, nanos=NANOS)
@bounded(150)
def test_a_hundred_nanoseconds_survive_the_wire(constructs: Constructs, seconds: int, nanos: int) -> None:
    nanos -= nanos % 100
    # Twice, since the second time the second is known already.
    for fraction in (nanos, nanos, 0, 1, 2**28 - 1, 2**28):
        message = constructs.ours.WellKnown(a_timestamp=Timestamp.from_parts(seconds, fraction))
        decoded = decode(constructs.ours.WellKnown, encode(message))
        assert type(decoded.a_timestamp) is Timestamp
        assert decoded.a_timestamp.parts() == (seconds, fraction)


def test_without_a_rest_it_equals_hashes_and_sorts_like_the_datetime() -> None:
    same = Timestamp.from_datetime(moment)
    assert same == moment
    assert moment == same
    assert hash(same) == hash(moment)
    assert same == moment.astimezone(EAST)
    assert {moment: 1}[same] == 1
    assert sorted([same, moment - timedelta(1), fine]) == [moment - timedelta(1), moment, fine]


def test_a_rest_counts_in_every_comparison() -> None:
    assert fine != moment
    assert moment != fine
    assert moment < fine < moment + timedelta(microseconds=1)
    assert fine > moment
    assert fine >= moment
    assert moment <= fine <= fine
    assert not fine < moment
    assert fine == Timestamp.from_parts(*fine.parts())
    assert fine == fine.astimezone(EAST)
    assert hash(fine) == hash(fine.astimezone(EAST))
    assert fine < Timestamp.from_datetime(moment, nanosecond=701)


def test_a_naive_datetime_is_unequal_and_cannot_be_ordered() -> None:
    naive = moment.replace(tzinfo=None)
    assert naive != Timestamp.from_datetime(moment)
    for compare in ("__lt__", "__le__", "__gt__", "__ge__"):
        with pytest.raises(TypeError, match="naive"):
            getattr(fine, compare)(naive)
    assert fine != 5
    with pytest.raises(TypeError):
        assert fine < 5  # type: ignore[operator]


def test_texts_have_every_digit() -> None:
    assert fine.isoformat() == "2024-05-06T07:08:09.123456700+00:00"
    assert str(fine) == "2024-05-06 07:08:09.123456700+00:00"
    assert fine.isoformat(timespec="milliseconds") == "2024-05-06T07:08:09.123+00:00"
    assert fine.isoformat(timespec="nanoseconds") == fine.isoformat()
    assert fine.astimezone(EAST).isoformat() == "2024-05-06T09:08:09.123456700+02:00"
    assert fine.rfc3339() == fine.astimezone(EAST).rfc3339() == "2024-05-06T07:08:09.123456700Z"
    same = Timestamp.from_datetime(moment)
    assert same.isoformat() == moment.isoformat()
    assert str(same) == str(moment)
    assert repr(same) == repr(moment)
    assert same.isoformat(timespec="nanoseconds") == "2024-05-06T07:08:09.123456000+00:00"
    assert f"{fine:%H:%M:%S.%f}" == "07:08:09.123456"
    assert repr(fine) == ("Timestamp(2024, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.timezone.utc, nanosecond=700)")
    assert eval(repr(fine), EVAL) == fine


def test_replace_keeps_the_rest_unless_its_microsecond_goes() -> None:
    assert fine.replace(hour=1).nanosecond == 700
    assert fine.replace(nanosecond=1).parts() == (1714979289, 123456001)
    assert fine.replace(microsecond=5).nanosecond == 0
    assert fine.replace(2024, 5, 6, 7, 8, 9, 5).nanosecond == 0
    assert type(fine.replace(hour=1)) is Timestamp
    for wrong in ({"nanosecond": 1000}, {"nanosecond": -1}, {"tzinfo": None, "nanosecond": 5}, {"month": 13}):
        with pytest.raises(ValueError, match=r"nanosecond|month"):
            fine.replace(**wrong)


def test_arithmetic_keeps_the_rest() -> None:
    later = fine + timedelta(seconds=1)
    assert later.parts() == (1714979290, 123456700)
    assert (timedelta(seconds=1) + fine) == later
    assert (later - timedelta(seconds=1)) == fine
    assert later - fine == timedelta(seconds=1)
    assert type(later) is Timestamp
    assert str(fine - moment) == "0:00:00"
    assert fine - moment > timedelta(0)
    assert moment - fine < timedelta(0)
    assert moment + (fine - moment) == moment
    assert Timestamp.from_datetime(moment) + (fine - moment) == fine
    assert Timestamp.from_datetime(moment) - (moment - fine) == fine
    with pytest.raises(TypeError):
        fine + 5  # type: ignore[operator]
    with pytest.raises(TypeError):
        fine - 5  # type: ignore[operator]


def test_filetimes_are_converted_exactly() -> None:
    ticks = 133594528891234567
    made = Timestamp.from_filetime(ticks)
    assert made.parts() == (1714979289, 123456700)
    assert made.filetime == ticks
    assert Timestamp.from_filetime(0).isoformat() == "1601-01-01T00:00:00+00:00"
    largest = Timestamp.from_filetime(2**63 - 1)  # the year 30828
    assert not largest.is_exact
    assert largest.filetime == 2**63 - 1


def test_the_constructors_of_datetime_work() -> None:
    assert Timestamp(2024, 5, 6) == datetime(2024, 5, 6, tzinfo=UTC)
    assert Timestamp(2024, 5, 6, 7, 8, 9, 123456, nanosecond=700) == fine
    assert Timestamp.fromtimestamp(0, UTC).parts() == (0, 0)
    assert Timestamp.now(UTC).tzinfo is UTC
    assert Timestamp.fromisoformat("2024-05-06T07:08:09+02:00").parts() == (1714972089, 0)
    assert Timestamp.combine(fine.date(), fine.timetz()) == moment
    for wrong in ({"nanosecond": 1000}, {"tzinfo": None}):
        with pytest.raises(ValueError, match=r"nanosecond|time zone"):
            Timestamp(2024, 5, 6, **wrong)
    with pytest.raises(ValueError, match="no time zone"):
        Timestamp.from_datetime(datetime(2024, 1, 1))


def test_from_datetime_gives_utc() -> None:
    assert Timestamp.from_datetime(fine) is fine
    assert Timestamp.from_datetime(fine.astimezone(EAST)).tzinfo is UTC
    assert Timestamp.from_datetime(moment.astimezone(EAST)).hour == 7


@pytest.mark.parametrize("original", [fine, fine.astimezone(EAST), Timestamp.from_parts(2**62, 5)])
def test_a_timestamp_can_be_pickled_and_copied(original: Any) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(original, protocol))
        assert (again, again.nanosecond, again.tzinfo) == (original, original.nanosecond, original.tzinfo)
        assert type(again) is type(original)
