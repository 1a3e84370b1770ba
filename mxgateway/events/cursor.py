"""Where somebody stands in a session's event stream. Worker sequences are compared here and in `order`, and nowhere else.

The worker numbers a session's events from 1, without a hole. `StreamOrder` judges what one stream of the gateway brings: numbers rise. `Cursor` knows what one reader
has taken: everything up to its position.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from mxgateway import proto


class Event(Protocol):
    """An event as far as its place in the stream goes."""

    @property
    def worker_sequence(self) -> int:
        """Its number; 0 for the mark of a replay gap."""

    @property
    def replay_gap(self) -> proto.ReplayGap | None:
        """The gateway's mark of lost events."""


class LossCause(enum.Enum):
    """Why events do not come any more."""

    REPLAY = "replay"
    """The gateway no longer keeps them."""
    SEQUENCE = "sequence"
    """The numbers jumped."""
    UNREADABLE = "unreadable"
    """The message is too large, or cannot be decoded."""
    RESTARTED = "restarted"
    """The worker has begun to number anew: the first lost one has a number of before, `last` is the number before the first new one, and nobody knows how many there are."""


class Loss(NamedTuple):
    """Events that will not come."""

    first: int
    last: int
    cause: LossCause

    @property
    def size(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


class Cursor:
    """What one reader has taken: every event up to `position`, as far as it was not lost.

    Args:
        position: None until it is known; the first event then sets it.
        begin: Behind which event it wants any; None where that is its position. 0 for one that joins where the stream stands, for that may be a false place.
    """

    __slots__ = ("_begin", "position")

    def __init__(self, position: int | None = None, *, begin: int | None = None) -> None:
        self.position = position
        self._begin = (position or 0) if begin is None else begin

    def take(self, events: Iterable[Event | Loss], *, unnumbered: bool = False) -> tuple[Event | Loss, ...]:
        """Return what is news of events, in order, with what is lost in its place; those without a number where they are wanted."""
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
                if self.position == oldest - 1 and unnumbered:  # a mark of nothing
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
        """Go on behind `last`, and return what is lost by that."""
        position = self.position
        if position is not None and last <= position:
            return ()
        self.position = last
        return () if position is None else (Loss(position + 1, last, cause),)

    def _restart(self, loss: Loss) -> tuple[Loss, ...]:
        """Go on behind `loss.last`, wherever this has stood."""
        position, self.position, self._begin = self.position, loss.last, 0
        return () if position is None else (loss._replace(first=position + 1),)

    def take_all(self, events: Iterable[Event]) -> None:
        """Go on behind events that have come another way."""
        self.position = max((event.worker_sequence for event in events), default=self.position)

    def needs(self, last: int) -> bool:
        """Tell whether the event `last` is still to be taken."""
        return self.position is not None and self.position < last

    def rewind(self, position: int) -> None:
        """Go back behind a jump that was false."""
        if self.position is not None and self.position > position:
            self.position = max(position, self._begin)

    def is_news(self, event: Event) -> bool:
        """Tell whether an event was not taken yet."""
        return self.position is None or event.worker_sequence > self.position
