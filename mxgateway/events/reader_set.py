"""The readers of one event stream, and what they need together.

That is computed from the readers that are present: nothing is remembered of those that have left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from mxgateway.events.backlog import Backlog
from mxgateway.events.cursor import Cursor, Event, Loss, LossCause
from mxgateway.events.reader import DEFAULT_STALE_TIMEOUT, Reader, StreamCare
from mxgateway.events.sequence_order import StreamOrder
from mxgateway.events.writes.completions import Completions
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.transport.stats import Counters

_PAUSES: Final = ("initial_backoff", "max_backoff", "stable_after", "rejected_backoff")


class Readers:
    """The readers of one session's stream."""

    def __init__(self, completions: Completions, counters: Counters) -> None:
        self.present: tuple[Reader, ...] = (completions,)
        self.backlog: Backlog | None = None
        """The unread events while only completions are awaited."""
        self._completions = completions
        self._counters = counters

    def change(self, readers: Iterable[Reader], newest: int | None) -> None:
        """Change the readers. While only completions are awaited, the backlog is kept from `newest` on."""
        own = [reader for reader in readers if not isinstance(reader, Backlog)]
        if len(own) == 1 and self._completions.keeps:
            self.backlog = self.backlog or Backlog(Cursor(newest, begin=0), self._counters)
            own.append(self.backlog)
        self.present = tuple(own)

    @property
    def wanted(self) -> bool:
        """True while a reader keeps the stream open."""
        return any(reader.keeps for reader in self.present)

    @property
    def whole(self) -> bool:
        """True when a reader needs whole messages."""
        return any(reader.whole for reader in self.present)

    def resume_points(self) -> list[int]:
        """Return the sequences after which readers need the stream, as far as they are known."""
        pins = (reader.cursor.position for reader in self.present if reader.pins)
        return [position for position in pins if position is not None]

    def hold(self) -> bool:
        """Return whether the gateway has to wait for a full reader. An unread iterator holds up no other reader."""
        full = [reader for reader in self.present if reader.full]
        if not full:
            return False
        if any(reader.blocks for reader in full) or not any(reader.hungry for reader in self.present):
            return True
        for reader in full:
            reader.overrun()
        return False

    def take(self, events: Sequence[Event | Loss], order: StreamOrder) -> None:
        """Hand each reader what is new to it of checked events.

        A backlog that is no longer filled gets no events, but is read later: what shakes its numbers concerns it too.
        """
        idle = () if self.backlog is None or self.backlog in self.present else (self.backlog,)
        for reader in (*self.present, *idle):
            if order.rewound is not None:
                reader.cursor.rewind(order.rewound)
            if order.hides_events:
                reader.confused()
        restarts = [each for each in events if isinstance(each, Loss)]
        for reader in (*self.present, *idle):
            own = restarts if reader in idle else events
            if news := reader.cursor.take(own, unnumbered=reader.whole or reader is self._completions):
                reader.take(news)

    def pass_over(self, order: StreamOrder) -> None:
        """Report every event up to the one that was passed over as lost."""
        for reader in self.present:
            if order.hides_events:
                reader.confused()
            if news := reader.cursor.miss(order.last, LossCause.UNREADABLE):
                reader.take(news)

    def _cares(self) -> list[StreamCare]:
        return [reader.care for reader in self.present if reader.care is not None]

    @property
    def recovery(self) -> RecoveryOptions | None:
        """The shortest pause of each kind that a reader asks for. Each reader gives up by itself."""
        if not (wanted := [care.recovery for care in self._cares()]):
            return None
        return RecoveryOptions(**{name: min(getattr(each, name) for each in wanted) for name in _PAUSES})

    @property
    def stale_after(self) -> float | None:
        """Seconds of silence after which the worker is pinged; None when no reader asks for that."""
        return min((care.stale_after for care in self._cares() if care.stale_after is not None), default=None)

    @property
    def stale_timeout(self) -> float:
        """The timeout of that ping, in seconds."""
        return min((care.stale_timeout for care in self._cares()), default=DEFAULT_STALE_TIMEOUT)
