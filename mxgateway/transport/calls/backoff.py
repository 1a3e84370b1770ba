"""How long to wait before the next attempt: exponential back-off with full jitter."""

from __future__ import annotations

import random
from typing import Final

GROWTH: Final = 2.0


class Backoff:
    """The delays of one series of attempts.

    Each is drawn evenly from 0 to a bound that doubles: clients that lost the same gateway at the same time do not come back at the same time.

    Args:
        initial: The first bound in seconds.
        longest: The largest bound in seconds.
        source: Where chance comes from; a seeded one makes the delays predictable.
    """

    def __init__(self, initial: float, longest: float, source: random.Random | None = None) -> None:
        self.initial = initial
        self.longest = longest
        self._random = source or random.Random()
        self.attempt = 0
        """How many delays were drawn since the last `reset`."""

    @property
    def bound(self) -> float:
        """The largest delay, in seconds, that `next` may return now."""
        return min(self.longest, self.initial * GROWTH ** min(self.attempt, 60))

    def next(self) -> float:
        """Return the next delay in seconds."""
        delay = self._random.uniform(0.0, self.bound)
        self.attempt += 1
        return delay

    def reset(self) -> None:
        """Begin anew: an attempt has succeeded."""
        self.attempt = 0
