"""A queue of updates beside a model of it, and the steps that both take."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from mxgateway import (
    ConnectionChange,
    Gap,
    GapCause,
    Origin,
    Outcome,
    Overflow,
    SubscriptionOptions,
    SubscriptionState,
    TagUpdate,
)
from mxgateway.subscription.update_queue import UpdateQueue

# A shared machine may be slow at any moment: time is no part of what is tested.
unhurried = settings(deadline=None, max_examples=150)

MAKING_ROOM = (Overflow.DROP_OLDEST, Overflow.LATEST_PER_TAG)
OTHERS = (Overflow.BLOCK, Overflow.FAIL)
SMALL = 512
"""What an update with a short value counts for."""
TIME = datetime(2026, 1, 1, tzinfo=UTC)
OUTCOMES = [Outcome.CONTINUOUS, Outcome.GAP, Outcome.REBUILT]

values = st.one_of(st.integers(), st.integers(0, 40).map(lambda size: "x" * size * 50), st.just([1.0, 2.0]))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("ABCD"), values),
        st.tuples(st.just("read"), st.sampled_from("ABCD"), values),
        st.just(("pop",)),
        st.just(("pop",)),
        st.just(("gap",)),
        st.tuples(st.just("change"), st.sampled_from(OUTCOMES)),
    ),
    max_size=80,
)


def change(outcome: Outcome | None) -> ConnectionChange:
    """Return the end of an interruption, or the beginning of one."""
    state = SubscriptionState.RECOVERING if outcome is None else SubscriptionState.CONNECTED
    return ConnectionChange(state, None, outcome, TIME)


def update(tag: str, sequence: int, value: object = 1) -> TagUpdate:
    """Return an update; one without a number is a value that was read."""
    origin = Origin.LIVE if sequence else Origin.SNAPSHOT
    return TagUpdate(tag, value, 192, None, sequence, origin, ())  # type: ignore[arg-type]


@dataclass
class Bench:
    """A queue, and the books that are kept of it."""

    overflow: Overflow
    max_items: int = 4
    max_bytes: int = 6 * SMALL
    sequence: int = 0
    put: int = 0
    taken: list[TagUpdate | Gap | ConnectionChange] = field(default_factory=list)
    marks: list[Gap | ConnectionChange] = field(default_factory=list)
    connected: bool = True

    def __post_init__(self) -> None:
        options = SubscriptionOptions(overflow=self.overflow, max_items=self.max_items, max_bytes=self.max_bytes)
        self.queue = UpdateQueue(options)
        self.counts = self.queue.counts

    def step(self, kind: str, tag: str = "A", value: object = 1) -> None:
        """Do one thing with the queue."""
        if kind == "pop":
            if (item := self.queue.pop()) is not None:
                self.taken.append(item)
        elif kind in ("put", "read"):
            self.sequence += kind == "put"
            self.put += 1
            self.queue.put(update(tag, self.sequence if kind == "put" else 0, value))
        else:
            self.sequence += 3 * (kind == "gap")
            if kind == "gap":
                self.mark(Gap(self.sequence - 2, self.sequence, GapCause.REPLAY, 3))
            else:
                self.connected = not self.connected
                self.mark(change(OUTCOMES[OUTCOMES.index(tag)] if self.connected else None))  # type: ignore[arg-type]

    def mark(self, mark: Gap | ConnectionChange) -> None:
        """Put a mark."""
        self.marks.append(mark)
        self.queue.put_mark(mark)

    def run(self, steps: list[tuple[Any, ...]]) -> None:
        """Do all steps, checking the books after each, and then take everything out."""
        for each in steps:
            self.step(*each)
            self.check()
        while (item := self.queue.pop()) is not None:
            self.taken.append(item)
        self.check()

    def check(self) -> None:
        """Hold what the queue says against what was done to it."""
        assert self.counts.delivered == len(self.updates)
        assert self.put == len(self.updates) + len(self.queue) + self.counts.dropped + self.counts.conflated
        told = sum(gap.count or 0 for gap in self.overflows)
        assert told <= self.counts.dropped
        if self.overflow in MAKING_ROOM:
            assert len(self.queue) <= self.max_items
        else:
            assert self.counts.dropped == self.counts.conflated == 0
        if self.overflow is not Overflow.LATEST_PER_TAG:
            assert self.counts.conflated == 0

    @property
    def updates(self) -> list[TagUpdate]:
        """The updates that were taken."""
        return [item for item in self.taken if isinstance(item, TagUpdate)]

    @property
    def overflows(self) -> list[Gap]:
        """The gaps that stand for dropped updates."""
        return [item for item in self.taken if isinstance(item, Gap) and item.cause is GapCause.OVERFLOW]
