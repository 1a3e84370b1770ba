"""Limits against floods: useless frames, and answers that the peer does not read."""

from __future__ import annotations

from typing import Final

from mxgateway.errors.faults import PeerFault

MAX_NOISE: Final = 50_000
"""Useless frames that a peer may send within `NOISE_PERIOD`, beyond those that its useful frames offset."""
NOISE_PERIOD: Final = 10.0
"""Seconds."""
SETTINGS_NOISE: Final = 20
"""A SETTINGS frame counts as this many useless frames: it costs that much more. An honest peer sends a few in total."""
INFORMATIONAL_NOISE: Final = 20
"""The same for 1xx headers: each may have to be decoded, and gRPC servers send none."""
GOAWAY_NOISE: Final = 500
"""The same for GOAWAY: an honest peer sends two."""
NOISE_PER_FRAME: Final = 4
"""Useless frames that a useful frame offsets: a busy peer's messages come with window updates and pings."""
BYTES_PER_NOISE: Final = 32
"""Bytes of replies that offset one more: a frame may contain many messages."""
MAX_UNREAD_ANSWERS: Final = 512 * 1024
"""Bytes of answers (to pings and settings) that may be pending while the peer does not read.

Calls wait then, so nothing else accumulates.
"""


class FloodGuard:
    """Distinguishes a busy peer from one that floods the connection.

    Args:
        now: The loop's time.
    """

    __slots__ = ("_since", "_unread_answers", "noise")

    def __init__(self, now: float) -> None:
        self._since = now
        self._unread_answers = 0
        self.noise = 0
        """Useless frames that were not offset yet."""

    def useless(self, count: int, kind: str, now: float) -> None:
        """Count frames that carry nothing for a call.

        Raises:
            PeerFault: There were more than `MAX_NOISE` within `NOISE_PERIOD`.
        """
        self.noise += count
        if self.noise > MAX_NOISE:
            if now - self._since < NOISE_PERIOD:
                raise PeerFault(f"the gateway floods the connection with useless frames ({kind})")
            self.noise, self._since = 0, now

    def useful(self, frames: int, size: int) -> None:
        """Count frames that carry `size` bytes for a call."""
        if self.noise:
            self.noise = max(0, self.noise - frames * NOISE_PER_FRAME - size // BYTES_PER_NOISE)

    def answer_waits(self, size: int) -> None:
        """Count bytes sent to a peer that does not read.

        Raises:
            PeerFault: More than `MAX_UNREAD_ANSWERS` are pending.
        """
        self._unread_answers += size
        if self._unread_answers > MAX_UNREAD_ANSWERS:
            raise PeerFault("the gateway requests answers and does not read them")

    def peer_reads(self) -> None:
        """Record that the peer has read the pending bytes."""
        self._unread_answers = 0
