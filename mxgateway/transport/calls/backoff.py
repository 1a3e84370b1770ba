"""The delay before the next attempt: exponential backoff with full jitter."""

from __future__ import annotations

import random
from typing import Final

GROWTH: Final = 2.0


class Backoff:
    """The delays of one series of attempts.

    Each is random between 0 and a limit that doubles: clients that lost the same gateway at the same time do not
    reconnect at the same time.

    Args:
        initial: The first limit in seconds.
        longest: The largest limit in seconds.
        source: The random generator; a seeded one makes the delays predictable.
    """

    def __init__(self, initial: float, longest: float, source: random.Random | None = None) -> None:
        self.initial = initial
        self.longest = longest
        self._random = source or random.Random()
        self.attempt = 0
        """The number of delays since the last `reset`."""

    @property
    def limit(self) -> float:
        """The limit of the next delay, in seconds."""
        return min(self.longest, self.initial * GROWTH ** min(self.attempt, 60))

    def next(self) -> float:
        """Return the next delay in seconds."""
        delay = self._random.uniform(0.0, self.limit)
        self.attempt += 1
        return delay

    def reset(self) -> None:
        """Start over after a successful attempt."""
        self.attempt = 0
