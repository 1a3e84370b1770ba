"""A slow consumer of a board is told the last change of each alarm, and holds no more than those."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import ActiveAlarm, AlarmChange, AlarmProviderStatus, ConnectionChange, SubscriptionState, proto
from mxgateway.alarms.active_set import ActiveSet
from mxgateway.alarms.change_queue import ChangeQueue
from tests.alarms.test_active_set import Kind, State, alarm, at, transition


def status(reason: str) -> AlarmProviderStatus:
    return AlarmProviderStatus(mode=proto.AlarmProviderMode.SUBTAG, degraded=True, reason=reason, since=None)


def connection(state: SubscriptionState) -> ConnectionChange:
    return ConnectionChange(state, None, None, datetime.now(UTC))


def drain(queue: ChangeQueue) -> list[AlarmChange]:
    found = []
    while (item := queue.pop()) is not None:
        assert isinstance(item, AlarmChange)
        found.append(item)
    return found


class Raised:
    """Changes of alarms, as a set makes them."""

    def __init__(self, queue: ChangeQueue) -> None:
        self.queue, self.active, self.second = queue, ActiveSet(), 0

    def do(self, name: str, kind: int) -> None:
        self.second += 1
        raised = self.active.alarms.get(name)
        raised_at = at(self.second) if kind != Kind.ACKNOWLEDGE or raised is None else raised.raised_at
        change = self.active.apply(transition(kind, alarm(name, raised_at=raised_at, changed_at=at(self.second))))
        if change is not None:
            self.queue.put(change)


def test_a_consumer_within_the_limit_is_told_everything_in_order() -> None:
    queue = ChangeQueue(limit=10)
    raised = Raised(queue)
    for _ in range(5):
        raised.do("A", Kind.RAISE)
        raised.do("A", Kind.CLEAR)
    assert [change.kind.value for change in drain(queue)] == ["raised", "cleared"] * 5
    assert queue.conflated == 0


def test_beyond_the_limit_the_last_change_of_each_alarm_stands_for_the_older_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = ChangeQueue(limit=4)
    raised = Raised(queue)
    steps = [("A", Kind.RAISE), ("B", Kind.RAISE), ("A", Kind.ACKNOWLEDGE), ("C", Kind.RAISE), ("C", Kind.CLEAR)]
    for name, kind in steps:
        raised.do(name, kind)
    assert len(queue) == 2
    first, second = drain(queue)
    assert (first.alarm.reference, first.kind.value, first.conflated) == ("B", "raised", 0)
    assert (second.alarm.reference, second.kind.value, second.before, second.conflated) == ("A", "raised", None, 1)
    assert second.alarm.state == State.ACTIVE_ACKED
    assert queue.conflated == 3
    assert len(caplog.records) == 1


def test_marks_of_one_kind_stand_for_each_other_and_behind_what_came_before_them() -> None:
    queue = ChangeQueue(limit=2)
    raised = Raised(queue)
    queue.put(connection(SubscriptionState.RECOVERING))
    raised.do("A", Kind.RAISE)
    queue.put(status("one"))
    queue.put(connection(SubscriptionState.CONNECTED))
    queue.put(status("two"))
    kinds = []
    while (item := queue.pop()) is not None:
        kinds.append(item)
    assert isinstance(kinds[0], AlarmChange)
    assert isinstance(kinds[1], ConnectionChange)
    assert kinds[1].state is SubscriptionState.CONNECTED
    assert kinds[2] == status("two")


def test_a_consumer_that_stalls_while_the_connection_flaps_for_hours_finds_the_last_state() -> None:
    queue = ChangeQueue()
    for _ in range(10_000):
        queue.put(connection(SubscriptionState.RECOVERING))
        queue.put(connection(SubscriptionState.CONNECTED))
        queue.put(status("again"))
        assert len(queue) <= 10_000
    last = None
    while (item := queue.pop()) is not None:
        last = item if isinstance(item, ConnectionChange) else last
    assert isinstance(last, ConnectionChange)
    assert last.state is SubscriptionState.CONNECTED


def test_a_consumer_that_has_caught_up_is_told_everything_again() -> None:
    queue = ChangeQueue(limit=2)
    raised = Raised(queue)
    for name in "ABCD":
        raised.do(name, Kind.RAISE)
    assert len(drain(queue)) == 4
    raised.do("A", Kind.CLEAR)
    raised.do("A", Kind.RAISE)
    assert [change.kind.value for change in drain(queue)] == ["cleared", "raised"]


def test_a_clear_and_a_raise_that_are_told_as_one_are_another_occurrence() -> None:
    queue = ChangeQueue(limit=1)
    raised = Raised(queue)
    raised.do("A", Kind.RAISE)
    (first,) = drain(queue)
    raised.do("A", Kind.CLEAR)
    raised.do("A", Kind.RAISE)
    (both,) = drain(queue)
    assert (both.kind.value, both.before, both.conflated) == ("retriggered", first.alarm, 1)


@given(
    st.lists(
        st.one_of(st.tuples(st.sampled_from("ABCDEF"), st.sampled_from([1, 2, 3, 4])), st.just(None)), max_size=200
    ),
    st.integers(1, 20),
)
def test_whatever_is_taken_when_it_leads_to_the_set_and_no_more_waits_than_the_limit_or_one_of_each(
    steps: list[tuple[str, int] | None], limit: int
) -> None:
    queue = ChangeQueue(limit=limit)
    raised = Raised(queue)
    taken: dict[str, ActiveAlarm] = {}

    def take() -> None:
        item = queue.pop()
        if isinstance(item, AlarmChange):
            assert item.before == taken.get(item.alarm.reference)
            if item.alarm.is_active:
                taken[item.alarm.reference] = item.alarm
            else:
                del taken[item.alarm.reference]

    for step in steps:
        if step is None:
            take()
        else:
            raised.do(*step)
        assert len(queue) <= max(limit, 6)
    while len(queue):
        take()
    assert taken == raised.active.alarms
