"""Alarm transitions that arrive before the snapshot is complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mxgateway import proto
from mxgateway.alarms.memory_limits import weight
from mxgateway.alarms.messages import AlarmTransition

_Kind = proto.AlarmTransitionKind

_DECISIVE: Final = frozenset({_Kind.RAISE, _Kind.RETRIGGER, _Kind.CLEAR})
"""After one of these, the alarm's earlier state does not matter."""


class EarlyTransitions:
    """The transitions that arrive before a feed's snapshot is complete, ordered by the last transition of each alarm.

    It keeps only what still matters: the last raise or clear of an alarm and the last acknowledgement after it. So its
    size is limited by the number of alarms, however long the snapshot takes.

    Attributes:
        weight: The size, in alarms of ordinary size.
    """

    def __init__(self) -> None:
        self._by_reference: dict[str, list[AlarmTransition]] = {}
        self.weight = 0

    def __len__(self) -> int:
        return sum(map(len, self._by_reference.values()))

    def __iter__(self) -> Iterator[AlarmTransition]:
        for transitions in self._by_reference.values():
            yield from transitions

    def add(self, transition: AlarmTransition) -> None:
        """Add a transition."""
        earlier = self._by_reference.pop(transition.reference, [])
        before = sum(map(weight, earlier))
        if transition.kind in _DECISIVE:
            earlier = []
        kept = [each for each in earlier if _category(each) is not _category(transition)]
        self._by_reference[transition.reference] = [*kept, transition]
        self.weight += sum(map(weight, kept)) + weight(transition) - before


def _category(transition: AlarmTransition) -> _Kind:
    """Return the kind of a transition as far as it matters here; all unknown kinds are equal."""
    kind = transition.kind
    return _Kind.RAISE if kind in _DECISIVE else _Kind.ACKNOWLEDGE if kind == _Kind.ACKNOWLEDGE else _Kind.UNSPECIFIED
