"""Transitions that come before the snapshot lead to the same set as ever, and do not pile up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mxgateway.alarms.active_set import ActiveSet
from mxgateway.alarms.early_transitions import EarlyTransitions
from mxgateway.alarms.messages import ActiveAlarm, AlarmTransition
from tests.alarms.test_active_set import Kind, alarm, at, transition

KINDS = [Kind.RAISE, Kind.ACKNOWLEDGE, Kind.CLEAR, Kind.RETRIGGER, 99, 100]

told = st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(KINDS)), max_size=60)


def transitions(steps: list[tuple[str, int]]) -> list[AlarmTransition]:
    return [
        transition(kind, alarm(name, raised_at=at(0), changed_at=at(1 + second)))
        for second, (name, kind) in enumerate(steps)
    ]


def after(snapshot: str, early: list[AlarmTransition] | EarlyTransitions) -> dict[str, ActiveAlarm]:
    active = ActiveSet()
    active.replace([alarm(name, raised_at=at(0), changed_at=at(0)) for name in snapshot])
    for each in early:
        active.apply(each)
    return active.alarms


@given(st.sampled_from(["", "A", "AB", "ABC"]), told)
def test_what_is_kept_leads_to_the_same_set_as_everything_and_is_bounded(
    snapshot: str, steps: list[tuple[str, int]]
) -> None:
    everything, early = transitions(steps), EarlyTransitions()
    for each in everything:
        early.add(each)
        assert len(early) <= 9
    assert after(snapshot, early) == after(snapshot, everything)
