"""Judges what the library has said of writes and events by what the simulated gateway remembers.

It knows nothing of how a schedule was made: a test feeds it words that are wrong, and sees that it finds them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mxgateway import Gap, GapCause, MxAccessError, MxGatewayError, SubscriptionStats, TagUpdate, TagWrite, proto
from mxgateway.simulator import ExecutedWrite, History
from mxgateway.simulator import Session as GatewaySession

NONSENSE_HANDLE = 999_999
"""What marks an event that a schedule has invented: it is not counted."""


class Wrong(AssertionError):
    """The library has said, or has left out, what it must not."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A write that was asked for."""

    session_id: str
    item_handle: int
    """0 for a write by name."""
    reference: str
    value: int | str
    """Unlike that of every other write."""


@dataclass(slots=True)
class Judge:
    """What the gateway remembers, and what may be said in its light.

    Args:
        history: Of the gateway.
    """

    history: History
    lied_to: set[str] = field(default_factory=set)
    """Sessions in which the gateway has told losses that were none."""
    false_numbers: set[tuple[str, int, int]] = field(default_factory=set)
    """A session, its last event, and the number of an event that was invented behind it."""
    marks: set[tuple[str, int, int]] = field(default_factory=set)
    """A session, and between which events the gateway has told a loss because it keeps no more."""
    _refused: list[Wanted] = field(default_factory=list)

    def watch_marks(self, there: GatewaySession) -> None:
        """Note each loss that the gateway tells in a session because it keeps no more."""
        sentinel = there.events._sentinel

        def noted(after_sequence: int, oldest: int) -> bytes:
            self.marks.add((there.session_id, after_sequence, oldest))
            return sentinel(after_sequence, oldest)

        there.events._sentinel = noted  # type: ignore[method-assign]

    # -- writes

    def executed(self, wanted: Wanted) -> list[ExecutedWrite]:
        """Return what the gateway has made of a write: nothing, or one execution."""
        found = [
            write
            for write in self.history.writes
            if write.session_id == wanted.session_id
            and write.reference == wanted.reference
            and value_of(write.value) == wanted.value
        ]
        if len(found) > 1:
            raise Wrong(f"{wanted} was sent more than once: {found}")
        return found

    def confirmed(self, wanted: Wanted, event: proto.MxEvent) -> None:
        """Check a write that was reported as confirmed: it was executed, well, and the event is its own completion."""
        for write in self.executed(wanted):
            own = write.worker_sequence == event.worker_sequence and write.item_handle == event.item_handle
            if own and write.succeeded and (not wanted.item_handle or write.item_handle == wanted.item_handle):
                return
        raise Wrong(f"{wanted} is reported as confirmed by event {event.worker_sequence}: {self.executed(wanted)}")

    def refused(self, wanted: Wanted, event: proto.MxEvent | None = None) -> None:
        """Check a write that was reported as refused: it was, at once or later, by its own completion."""
        self._refused.append(wanted)
        for write in self.executed(wanted):
            if write.succeeded or (event is not None and write.worker_sequence != event.worker_sequence):
                raise Wrong(f"{wanted} is reported as refused, and is not, or not by that event: {write}")

    def recheck(self) -> None:
        """Check once more that what was reported as refused has not been carried out: not later, either."""
        for wanted in self._refused:
            if any(write.succeeded for write in self.executed(wanted)):
                raise Wrong(f"{wanted} was reported as refused, and was carried out later")

    def failed(self, wanted: Wanted, error: BaseException, *, disturbed: bool) -> None:
        """Check a write of which the library says that nobody knows: there was a reason."""
        if not isinstance(error, MxGatewayError):
            raise Wrong(f"{wanted} has failed with what is no error of the library: {error!r}")
        if not disturbed:
            raise Wrong(f"{wanted} has failed, and nothing had happened: {error!r}")

    def outcome(self, wanted: Wanted, outcome: proto.MxEvent | BaseException, *, disturbed: bool) -> None:
        """Check what became of a confirmed write."""
        if isinstance(outcome, MxAccessError):
            self.refused(wanted)
        elif isinstance(outcome, BaseException):
            self.failed(wanted, outcome, disturbed=disturbed)
        else:
            self.confirmed(wanted, outcome)

    def by_name(self, wanted: Wanted, write: TagWrite, *, disturbed: bool) -> None:
        """Check what became of a confirmed write by name."""
        if write.ok != (write.confirmed and not write.error):
            raise Wrong(f"{wanted} is told in two ways: {write}")
        if write.confirmed and write.event is not None:
            (self.confirmed if write.ok else self.refused)(wanted, write.event)
        elif write.hresult:
            self.refused(wanted)
        elif not disturbed:
            raise Wrong(f"{wanted} has failed, and nothing had happened: {write.error}")

    # -- events

    def deliverable(self, session_id: str, missing: set[int]) -> int:
        """Return the number of the last event that somebody can get."""
        numbers = (event.worker_sequence for event in reversed(self.history.events.get(session_id, [])))
        return next((number for number in numbers if number not in missing), 0)

    def iterator(self, session_id: str, seen: Seen, missing: set[int], *, last: int) -> None:
        """Check what an iterator was given up to an event.

        Args:
            session_id: Its session.
            seen: What it was given.
            missing: The numbers that nobody gets.
            last: The event up to which it must have everything, or must have been told that it is lost.
        """
        self._known(session_id, seen.numbers)
        delivered, told = set(seen.numbers), seen.told
        if session_id not in self.lied_to and (twice := delivered & told):
            raise Wrong(f"events {sorted(twice)} were delivered and told as lost")
        # Where all between was lost, nothing shows that the invented event is not the one of its number. A mark of lost
        # events that begins behind it, that covers it or ends right before it shows that all between was lost.
        taken = {
            each
            for session, true, number in self.false_numbers
            if session == session_id
            and (
                number + 1 in told
                or missing.issuperset(range(true + 1, number))
                or any(of == session and after <= true and number <= oldest for of, after, oldest in self.marks)
            )
            for each in range(true + 1, number + 1)
        }
        if seen.first and (unexplained := set(range(seen.first, last + 1)) - delivered - told - missing - taken):
            raise Wrong(f"events {sorted(unexplained)} were neither delivered nor told as lost; {seen}")

    def updates(self, session_id: str, updates: Iterable[TagUpdate], gaps: Iterable[Gap], last: int) -> None:
        """Check what a subscription has yielded of one session, whose last event has this number."""
        tags = {event.worker_sequence: event.reference for event in self.history.events.get(session_id, [])}
        numbers: dict[str, int] = {}
        for update in updates:
            if not update.worker_sequence:
                continue
            if tags.get(update.worker_sequence) != update.tag:
                raise Wrong(f"{update} is no event of that tag: {tags.get(update.worker_sequence)}")
            if update.worker_sequence <= numbers.get(update.tag, 0):
                raise Wrong(f"{update} came twice or out of order, after {numbers[update.tag]}")
            numbers[update.tag] = update.worker_sequence
        for gap in [] if session_id in self.lied_to else gaps:
            self._gap(gap, last)

    def _known(self, session_id: str, numbers: list[int]) -> None:
        known = {event.worker_sequence for event in self.history.events.get(session_id, [])}
        for before, number in zip([0, *numbers], numbers, strict=False):
            if number <= before:
                raise Wrong(f"event {number} came twice or out of order, after {before}")
            if number not in known:
                raise Wrong(f"event {number} was never published")

    @staticmethod
    def _gap(gap: Gap, last: int) -> None:
        if gap.cause is GapCause.SESSION_LOST:
            return
        if gap.last_lost is None or gap.count is None or not 0 < gap.first_lost <= gap.last_lost <= last:
            raise Wrong(f"{gap} is nonsense; the last event is {last}")
        if not 0 < gap.count <= gap.last_lost - gap.first_lost + 1:
            raise Wrong(f"{gap} counts wrong")


@dataclass(slots=True)
class Seen:
    """What an iterator was given."""

    first: int
    """The first event that it must get; 0 as long as nobody knows."""
    numbers: list[int] = field(default_factory=list)
    told: set[int] = field(default_factory=set)
    """The events that it was told are lost."""

    @property
    def last(self) -> int:
        """The last event of which it knows anything."""
        return max(self.numbers[-1:] + ([max(self.told)] if self.told else []), default=0)

    def take(self, event: proto.MxEvent) -> None:
        """Note an event."""
        if NONSENSE_HANDLE in (event.item_handle, event.server_handle):
            return
        if (gap := event.replay_gap) is not None:
            self.told |= set(range(max(gap.requested_after_sequence, self.last) + 1, gap.oldest_available_sequence))
            self.first = self.first or gap.requested_after_sequence + 1
            return
        self.first = self.first or event.worker_sequence
        self.numbers.append(event.worker_sequence)


def accounted(stats: SubscriptionStats) -> int:
    """Return how many of the gateway's events a subscription has in its books."""
    return stats.delivered - stats.snapshots + stats.queued + stats.dropped + stats.conflated + stats.lost + stats.other


def books(before: tuple[int, SubscriptionStats], after: tuple[int, SubscriptionStats]) -> None:
    """Check that a subscription's books have grown by what the gateway has numbered between two moments of rest.

    Args:
        before: The gateway's last number and the books, of a session.
        after: The same later.
    """
    if not is_balanced(before, after):
        raise Wrong(f"{after[0] - before[0]} events were numbered, others are in the books: {before}, {after}")


def is_balanced(before: tuple[int, SubscriptionStats], after: tuple[int, SubscriptionStats]) -> bool:
    """Return whether that is so."""
    return after[0] - before[0] == accounted(after[1]) - accounted(before[1])


def value_of(value: proto.MxValue) -> int | str:
    """Return the value of a write."""
    return value.string_value if value.is_set("string_value") else value.int32_value
