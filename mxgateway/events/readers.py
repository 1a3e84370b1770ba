"""Those who read one event stream, and what they ask for together. It is computed from who is present: nothing is remembered of readers that have left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mxgateway.events.backlog import Backlog
from mxgateway.events.cursor import Cursor
from mxgateway.events.reader import DEFAULT_STALE_TIMEOUT, Reader, StreamCare
from mxgateway.events.writes.completions import Completions
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.transport.counters import Counters

_PAUSES: Final = ("initial_backoff", "max_backoff", "stable_after", "rejected_backoff")


class Readers:
    """The readers of one session's stream."""

    def __init__(self, completions: Completions, counters: Counters) -> None:
        self.present: tuple[Reader, ...] = (completions,)
        self.backlog: Backlog | None = None
        """What nobody has read, while only completions are waited for."""
        self._completions = completions
        self._counters = counters

    def change(self, readers: Iterable[Reader], newest: int | None) -> None:
        """Change who reads; where only completions are waited for, the backlog is kept from `newest` on."""
        own = [reader for reader in readers if not isinstance(reader, Backlog)]
        if len(own) == 1 and self._completions.keeps:
            self.backlog = self.backlog or Backlog(Cursor(newest, begin=0), self._counters)
            own.append(self.backlog)
        self.present = tuple(own)

    @property
    def wanted(self) -> bool:
        """True while somebody keeps the stream open."""
        return any(reader.keeps for reader in self.present)

    @property
    def whole(self) -> bool:
        """True when somebody needs whole messages."""
        return any(reader.whole for reader in self.present)

    def resume_points(self) -> list[int]:
        """Return the sequences behind which the stream is wanted, as far as they are known."""
        pins = (reader.cursor.position for reader in self.present if reader.pins)
        return [position for position in pins if position is not None]

    def hold(self) -> bool:
        """Tell whether the gateway has to wait for a reader that is full. One that is merely not read holds nothing back from those who need events."""
        full = [reader for reader in self.present if reader.full]
        if not full:
            return False
        if any(reader.blocks for reader in full) or not any(reader.hungry for reader in self.present):
            return True
        for reader in full:
            reader.overrun()
        return False

    def _cares(self) -> list[StreamCare]:
        return [reader.care for reader in self.present if reader.care is not None]

    @property
    def recovery(self) -> RecoveryOptions | None:
        """The pauses that suit everybody: the shortest of each kind. When to give up is up to each reader."""
        if not (wanted := [care.recovery for care in self._cares()]):
            return None
        return RecoveryOptions(**{name: min(getattr(each, name) for each in wanted) for name in _PAUSES})

    @property
    def stale_after(self) -> float | None:
        """Seconds of silence after which somebody wants to know whether the worker lives; None when nobody does."""
        return min((care.stale_after for care in self._cares() if care.stale_after is not None), default=None)

    @property
    def stale_timeout(self) -> float:
        """Seconds that the sign of life may take."""
        return min((care.stale_timeout for care in self._cares()), default=DEFAULT_STALE_TIMEOUT)
