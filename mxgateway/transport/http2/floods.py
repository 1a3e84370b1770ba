"""What a peer may make us do for nothing: frames of no use, and answers that it does not read."""

from __future__ import annotations

from typing import Final

from mxgateway.errors.faults import PeerFault

MOST_NOISE: Final = 50_000
"""Frames of no use to any call that a peer may send within `NOISE_PERIOD`, beyond what its useful frames make up for."""
NOISE_PERIOD: Final = 10.0
"""Seconds."""
SETTINGS_NOISE: Final = 20
"""As how many frames of no use a SETTINGS frame counts: it costs that much more to take. An honest peer sends a few in its life."""
INFORMATIONAL_NOISE: Final = 20
"""The same for 1xx headers: each may have to be decoded anew, and gRPC servers send none."""
GOAWAY_NOISE: Final = 500
"""The same for GOAWAY: an honest peer sends two."""
NOISE_PER_FRAME: Final = 4
"""Frames of no use that a useful frame makes up for: window updates and pings go with the messages of a busy peer."""
BYTES_PER_NOISE: Final = 32
"""Bytes of replies that make up for one more: a frame may hold many messages."""
MOST_UNREAD_ANSWERS: Final = 512 * 1024
"""Bytes of answers (to pings, to settings) that may wait while the peer does not read. Calls wait meanwhile, so nothing else piles up."""


class FloodGuard:
    """Tells a busy peer from one that only keeps us busy.

    Args:
        now: The loop's time.
    """

    __slots__ = ("_since", "_unread_answers", "noise")

    def __init__(self, now: float) -> None:
        self._since = now
        self._unread_answers = 0
        self.noise = 0
        """Frames of no use that nothing has made up for yet."""

    def useless(self, count: int, kind: str, now: float) -> None:
        """Take note of frames that carry nothing for a call.

        Raises:
            PeerFault: There were more than `MOST_NOISE` within `NOISE_PERIOD`.
        """
        self.noise += count
        if self.noise > MOST_NOISE:
            if now - self._since < NOISE_PERIOD:
                raise PeerFault(f"the gateway floods the connection with frames of no use ({kind})")
            self.noise, self._since = 0, now

    def useful(self, frames: int, size: int) -> None:
        """Take note of frames that carry `size` bytes for a call."""
        if self.noise:
            self.noise = max(0, self.noise - frames * NOISE_PER_FRAME - size // BYTES_PER_NOISE)

    def answer_waits(self, size: int) -> None:
        """Take note of bytes that were sent to a peer that does not read.

        Raises:
            PeerFault: More than `MOST_UNREAD_ANSWERS` wait for it.
        """
        self._unread_answers += size
        if self._unread_answers > MOST_UNREAD_ANSWERS:
            raise PeerFault("the gateway asks for answers and does not read them")

    def peer_reads(self) -> None:
        """Take note that the peer has read what waited."""
        self._unread_answers = 0
