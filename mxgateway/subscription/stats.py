"""What a subscription has done so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStats:
    """A snapshot of one subscription's counts since it began.

    Every event that the gateway has numbered for its sessions is in exactly one of `delivered` (without updates that were read), `queued`, `dropped`, `conflated`, `lost` and `other`,
    those after the loss of a session apart, of which nobody knows how many there were.
    """

    received: int
    """Events that have arrived, without those that had been delivered before."""
    delivered: int
    """Updates that the consumer has taken."""
    queued: int
    """Updates that wait for the consumer."""
    dropped: int
    """Updates that made room; a `Gap` with the cause OVERFLOW stands for them."""
    conflated: int
    """Updates that a newer one of the same tag, or a value that was read, stands for."""
    lost: int
    """Events that a `Gap` with the cause REPLAY, SEQUENCE or UNREADABLE stands for."""
    other: int
    """Events that are no values of the subscribed tags: other items of the session, write completions."""
    replayed: int
    """Updates marked as replayed."""
    snapshots: int
    """Updates from values that were read after events were lost."""
    reconnects: int
    """How often the stream was opened again in the same session."""
    rebuilds: int
    """How often a new session took the place of a lost one."""
    slow_episodes: int
    """How often the consumer was too slow for a while."""
    lag: float
    """Seconds by which the newest event has come later than the quickest one: the worker's clock need not agree with this one."""


class Counts:
    """The running counts of one subscription."""

    def __init__(self) -> None:
        self.received = self.delivered = self.lost = self.other = self.merged = 0
        self.replayed = self.snapshots = self.reconnects = self.rebuilds = 0
