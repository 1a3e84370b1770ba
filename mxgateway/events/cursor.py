"""A reader's position in a session's event stream. Only this module and `order` compare worker sequences.

The worker numbers a session's events from 1, without a hole. `StreamOrder` checks that the numbers of one stream rise
by one. `Cursor` knows what one reader has taken: everything up to its position.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from mxgateway import proto

MAX_JUMP: Final = 2**40
"""The most events that can be missing at once: a gateway numbers fewer in a year at 30,000 a second. A larger jump is
nonsense."""


class Event(Protocol):
    """What gives an event its place in the stream."""

    @property
    def worker_sequence(self) -> int:
        """Its number; 0 for a replay gap."""

    @property
    def replay_gap(self) -> proto.ReplayGap | None:
        """The gateway's mark of lost events; None for an event."""


class LossCause(enum.Enum):
    """Why events are lost."""

    REPLAY = "replay"
    """The gateway no longer keeps them."""
    SEQUENCE = "sequence"
    """The numbers jumped."""
    UNREADABLE = "unreadable"
    """The message is too large, or cannot be decoded."""
    RESTARTED = "restarted"
    """The worker has restarted its numbers: `first` is an old number, `last` the number before the first new one, and
    the number of lost events is unknown."""


class Loss(NamedTuple):
    """A range of events that will not come."""

    first: int
    last: int
    cause: LossCause

    @property
    def size(self) -> int:
        """How many events are lost."""
        return self.last - self.first + 1


class Cursor:
    """What one reader has taken: every event up to `position` that was not lost.

    Args:
        position: None until it is known; the first event then sets it.
        begin: The sequence below which `rewind` does not go; None for `position`. 0 for a reader that joins at the
            stream's current position, because a false jump may have led there.
    """

    __slots__ = ("_begin", "position")

    def __init__(self, position: int | None = None, *, begin: int | None = None) -> None:
        self.position = position
        self._begin = (position or 0) if begin is None else begin

    def take(self, events: Iterable[Event | Loss], *, unnumbered: bool = False) -> tuple[Event | Loss, ...]:
        """Return the new events in order, with losses where events are missing; with `unnumbered` also those without a
        number."""
        news: list[Event | Loss] = []
        for event in events:
            if isinstance(event, Loss):
                news += (
                    self._restart(event) if event.cause is LossCause.RESTARTED else self.miss(event.last, event.cause)
                )
                continue
            gap = event.replay_gap
            if gap is not None:
                oldest = gap.oldest_available_sequence
                if self.position == oldest - 1 == gap.requested_after_sequence and unnumbered:  # an empty gap
                    news.append(event)
                news += self.miss(oldest - 1, LossCause.REPLAY)
                continue
            sequence, position = event.worker_sequence, self.position
            if not sequence:
                news += [event] if unnumbered else []
                continue
            if position is not None:
                if sequence <= position:
                    continue
                news += self.miss(sequence - 1, LossCause.SEQUENCE)
            self.position = sequence
            news.append(event)
        return tuple(news)

    def miss(self, last: int, cause: LossCause) -> tuple[Loss, ...]:
        """Move to `last`, and return what is lost by that."""
        position = self.position
        if position is not None and last <= position:
            return ()
        self.position = last
        return () if position is None else (Loss(position + 1, last, cause),)

    def _restart(self, loss: Loss) -> tuple[Loss, ...]:
        """Move to `loss.last` from any position."""
        position, self.position, self._begin = self.position, loss.last, 0
        return () if position is None else (loss._replace(first=position + 1),)

    def take_all(self, events: Iterable[Event]) -> None:
        """Move to the newest of some events that have arrived another way."""
        self.position = max((event.worker_sequence for event in events), default=self.position)

    def needs(self, last: int) -> bool:
        """Return whether the event `last` was not taken yet."""
        return self.position is not None and self.position < last

    def rewind(self, position: int) -> None:
        """Go back to where a false jump began."""
        if self.position is not None and self.position > position:
            self.position = max(position, self._begin)

    def believes(self, event: Event) -> bool:
        """Return whether the number of an event that has arrived another way can be one of the stream's."""
        return 0 < event.worker_sequence <= (self.position or 0) + MAX_JUMP

    def is_news(self, event: Event) -> bool:
        """Return whether an event was not taken yet."""
        return self.position is None or event.worker_sequence > self.position
