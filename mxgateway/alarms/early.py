"""Transitions of alarms that come before the snapshot that they belong behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mxgateway import proto
from mxgateway.alarms.messages import AlarmTransition
from mxgateway.alarms.weights import weight

_Kind = proto.AlarmTransitionKind

_DECISIVE: Final = frozenset({_Kind.RAISE, _Kind.RETRIGGER, _Kind.CLEAR})
"""After one of these it does not matter how the alarm stood before."""


class EarlyTransitions:
    """What a feed has told of each alarm before its snapshot was complete, in the order of the last word about each.

    Only what still matters is kept: the last time that the alarm was raised or cleared, and the last acknowledgement after it. So the size is bounded by the number of
    alarms, however long the snapshot takes.

    Attributes:
        weight: As how many alarms of an ordinary size they count.
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
        """Take one more."""
        earlier = self._by_reference.pop(transition.reference, [])
        before = sum(map(weight, earlier))
        if transition.kind in _DECISIVE:
            earlier = []
        kept = [each for each in earlier if _sort(each) is not _sort(transition)]
        self._by_reference[transition.reference] = [*kept, transition]
        self.weight += sum(map(weight, kept)) + weight(transition) - before


def _sort(transition: AlarmTransition) -> _Kind:
    """Return the kind of a transition as far as it matters here: all that this client does not know are alike."""
    kind = transition.kind
    return _Kind.RAISE if kind in _DECISIVE else _Kind.ACKNOWLEDGE if kind == _Kind.ACKNOWLEDGE else _Kind.UNSPECIFIED
