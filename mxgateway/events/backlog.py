"""Events that arrive while only write completions are awaited. They are kept for the next iterator."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from mxgateway.events.cursor import Cursor, Event, Loss, LossCause
from mxgateway.events.reader import Reader
from mxgateway.transport.stats import Counters

KEPT_LIMIT: Final = 10_000
"""The most events that are kept: the length of the gateway's own queue."""


class Backlog(Reader):
    """Keeps events for the next reader. When it is full, the oldest ones are dropped."""

    keeps = False
    pins = True
    whole = True

    def __init__(self, cursor: Cursor, counters: Counters) -> None:
        self.cursor = cursor
        self._counters = counters
        self._begin = cursor.position
        """The sequence after which it begins; None until that is known."""
        self._dropped = 0
        """The sequence up to which events were dropped."""
        self._kept: deque[Event | Loss] = deque()

    def take(self, news: Sequence[Event | Loss]) -> None:
        """Keep new events. A loss that follows dropped events is dropped too, and counts as missing with them."""
        if self._begin is None:
            self._begin = next((number - 1 for number in map(_number, news) if number), None)
        elif not self._begin and not self._kept and isinstance(news[0], Loss):
            self._begin = news[0].last  # somebody else has read these: a stream that begins earlier brings them
        self._kept.extend(news)
        while len(self._kept) > KEPT_LIMIT or (self._dropped and self._kept and isinstance(self._kept[0], Loss)):
            oldest = self._kept.popleft()
            self._dropped = max(self._dropped, _number(oldest))
            self._counters.events_dropped += not isinstance(oldest, Loss)

    def covers(self, after: int) -> bool:
        """Return whether all events after a sequence are here; 0 asks for whatever there is."""
        return bool(self._kept) and (not after or after >= max(self._begin or 0, self._dropped))

    def behind(self, after: int) -> tuple[Event | Loss, ...]:
        """Return the kept events after a sequence, preceded by a loss for those that were dropped."""
        lost, kept = Cursor(after or self._begin).miss(self._dropped, LossCause.REPLAY), list(self._kept)
        start = next((place for place, each in enumerate(kept) if _number(each) > after), len(kept))
        if start < len(kept) and isinstance(loss := kept[start], Loss):
            kept[start] = loss._replace(first=max(loss.first, after + 1))
        # From there on in order of arrival: after a false jump the numbers are lower.
        return (*lost, *(each for each in kept[:start] if not _number(each)), *kept[start:])


def _number(each: Event | Loss) -> int:
    return each.last if isinstance(each, Loss) else each.worker_sequence
