"""Durations are exact in both directions, and timedeltas in everything else."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.wire import Duration, decode, encode
from tests.wire.conftest import Constructs
from tests.wire.profiles import bounded


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
@bounded(150)
def test_any_two_numbers_are_taken_and_come_back(constructs: Constructs, seconds: int, nanos: int) -> None:
    google = constructs.google("WellKnown")()
    google.a_duration.seconds, google.a_duration.nanos = seconds, nanos
    encoded = google.SerializeToString()
    decoded = decode(constructs.ours.WellKnown, encoded)
    assert decoded.a_duration.parts() == (seconds, nanos)
    assert encode(decoded) == encoded
    for again in (pickle.loads(pickle.dumps(decoded.a_duration)), copy.deepcopy(decoded.a_duration)):
        assert again == decoded.a_duration
        assert again.parts() == (seconds, nanos)
        assert hash(again) == hash(decoded.a_duration)


@given(st.timedeltas())
@bounded(150)
def test_a_timedelta_comes_back_as_an_equal_one(constructs: Constructs, span: timedelta) -> None:
    decoded = decode(constructs.ours.WellKnown, encode(constructs.ours.WellKnown(a_duration=span))).a_duration
    assert decoded == span
    assert span == decoded
    assert hash(decoded) == hash(span)
    assert repr(decoded) == repr(span)
    assert not decoded < span <= decoded
    assert -decoded == -span
    assert abs(decoded) == abs(span)


def test_nanoseconds_count_in_comparison_and_negation() -> None:
    fine = Duration.from_parts(-1, -500_000_001)
    assert fine.nanoseconds == -1_500_000_001
    assert (fine.days, fine.seconds, fine.microseconds, fine.nanosecond) == (-1, 86398, 499999, 999)
    assert fine < timedelta(seconds=-1.5)
    assert timedelta(seconds=-1.5) > fine
    assert fine >= timedelta(seconds=-1.500001)
    assert fine != timedelta(seconds=-1.5)
    assert -fine == Duration.from_nanoseconds(1_500_000_001)
    assert abs(fine) == -fine
    assert repr(fine) == "Duration.from_parts(-1, -500000001)"
    assert isinstance(fine, timedelta)
    assert fine + timedelta(seconds=2) == timedelta(microseconds=499999)
    assert fine != 5
    with pytest.raises(TypeError):
        assert fine < 5  # type: ignore[operator]


def test_a_span_out_of_range_shows_the_nearest_timedelta() -> None:
    longest = Duration.from_parts(2**62, 5)
    assert longest.days == 999_999_999
    assert longest.parts() == (2**62, 5)
    assert longest > timedelta(days=999_999_999)
    assert Duration(seconds=5).parts() == (5, 0)
    assert Duration(seconds=5).nanosecond == 0
