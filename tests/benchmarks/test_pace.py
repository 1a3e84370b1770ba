"""Paced messages: when each is sent, and which are late."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmarks.pace import Pace

MESSAGES = [b"1", b"2", b"3", b"4", b"5"]


class Hand:
    """A clock that moves only by sleeping or working."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    def pace(self) -> Pace:
        return Pace(1.0, clock=self.clock, sleep=self.pass_by)


def _times(hand: Hand, messages: Iterator[bytes], work: list[float]) -> list[float]:
    """Take messages, work after each for the given time, and return when each arrived."""
    times = []
    for _, seconds in zip(messages, work, strict=True):
        times.append(hand.now)
        hand.pass_by(seconds)
    return times


def test_one_message_goes_in_each_interval_and_the_first_at_once() -> None:
    hand = Hand()
    pace = hand.pace()

    assert _times(hand, pace.of(MESSAGES), [0.25] * 5) == [100, 101, 102, 103, 104]
    assert (pace.late, pace.sent) == (0, 5)


def test_a_late_message_does_not_shift_the_next_ones() -> None:
    hand = Hand()
    pace = hand.pace()

    assert _times(hand, pace.of(MESSAGES), [0.25, 2.5, 0.25, 0.25, 0.25]) == [100, 101, 103.5, 103.75, 104]
    assert (pace.late, pace.sent) == (1, 5)


@pytest.mark.parametrize(("work", "late"), [(1.75, 0), (2.0, 1)])
def test_a_message_is_late_when_the_next_one_is_due_already(work: float, late: int) -> None:
    hand = Hand()
    pace = hand.pace()
    _times(hand, pace.of(MESSAGES[:2]), [work, 0.0])

    assert pace.late == late
