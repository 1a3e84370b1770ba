"""What a subscription yields: tag values, gaps and connection changes; and its counts."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from mxgateway import proto, status
from mxgateway.errors import MxGatewayError
from mxgateway.values import MxValueOutput
from mxgateway.values.fast_frozen import fast_constructor
from mxgateway.values.types import PYDANTIC
from mxgateway.wire import Timestamp


class Origin(enum.Enum):
    """Where an update comes from."""

    LIVE = "live"
    """The value has just changed."""
    REPLAYED = "replayed"
    """The value changed while the stream was interrupted; the gateway kept the event."""
    SNAPSHOT = "snapshot"
    """The current value: the first one after subscribing to the tag, or one that was read after events were lost."""


class GapCause(enum.Enum):
    """Why events are missing."""

    REPLAY = "replay"
    """The stream was interrupted for longer than the gateway keeps events."""
    SEQUENCE = "sequence"
    """The gateway's numbers jumped."""
    UNREADABLE = "unreadable"
    """The message exceeds `max_receive_bytes` or the gateway's own limit, or cannot be decoded; the stream continues
    after it."""
    SESSION_LOST = "session lost"
    """The session is gone, with all events that it had not delivered."""
    RESTARTED = "restarted"
    """The worker has restarted its numbers within the session. The number of missing events is unknown, and the numbers
    after the gap are new ones."""
    OVERFLOW = "overflow"
    """The consumer was too slow, and the overflow policy dropped updates here."""


OTHER_NUMBERS: Final = frozenset({GapCause.SESSION_LOST, GapCause.RESTARTED})
"""The causes of gaps after which the event numbers restart."""


class SubscriptionState(enum.Enum):
    """The state of a subscription."""

    NEW = "new"
    """Not started."""
    CONNECTING = "connecting"
    """It opens the stream and subscribes to the tags for the first time."""
    CONNECTED = "connected"
    """Values are current."""
    RECOVERING = "recovering"
    """It reopens the stream or replaces the session; values may be out of date."""
    CLOSED = "closed"
    """Closed by the consumer."""
    FAILED = "failed"
    """Ended by a failure from which recovery is impossible, or not allowed by the options."""


class Outcome(enum.Enum):
    """How an interruption ended."""

    CONTINUOUS = "continuous"
    """The stream continued where it had stopped: nothing is lost."""
    GAP = "gap"
    """The stream continued, but events are lost: a `Gap` says which, and a snapshot follows."""
    REBUILT = "rebuilt"
    """The session was lost. The tags are subscribed to in a new one, and their current values follow."""


@dataclass(frozen=True, slots=True)
class TagUpdate:
    """A new value of a tag."""

    __pydantic_config__: ClassVar = PYDANTIC

    tag: str
    """The tag as it was subscribed to."""
    value: MxValueOutput = field(hash=False)
    """The value as a Python value; None when there is none."""
    quality: int
    """OPC quality; 192 is good."""
    source_time: Timestamp | None
    """When the value changed at its source, in UTC, exact to 100 ns."""
    worker_sequence: int
    """The number of the event in its session; 0 for a value that was read."""
    origin: Origin
    """Live, replayed or a snapshot."""
    statuses: tuple[proto.MxStatusProxy, ...] = field(hash=False)
    """MXAccess's statuses, unchanged."""
    conflated: int = 0
    """How many older updates of the tag this one replaced, because the consumer did not take them in time."""

    @property
    def is_good(self) -> bool:
        """True when the quality is good."""
        return status.is_good(self.quality)

    @property
    def quality_text(self) -> str:
        """The quality in words, such as ``bad: out of service``."""
        return status.explain_quality(self.quality)

    @property
    def error(self) -> str:
        """MXAccess's reason for a missing or bad value, in words; empty if it gives none."""
        return ", ".join(map(status.explain_status, status.failures(self.statuses)))


new_update = fast_constructor(TagUpdate)
"""A fast constructor: there may be 20,000 updates a second."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that this subscription has not delivered and will not deliver."""

    first_lost: int
    """The number of the first missing event, in its own session."""
    last_lost: int | None
    """The number of the last one; None when unknown: the session is gone, or its numbers have restarted."""
    cause: GapCause
    count: int | None
    """How many events are missing; None when unknown. It can be less than the range after an overflow, or when gaps
    were merged because the consumer did not take them in time."""


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """The connection of a subscription was established, lost or recovered."""

    state: SubscriptionState
    cause: MxGatewayError | None
    """Why it was lost; None when it is connected."""
    outcome: Outcome | None
    """How the interruption ended; None while it lasts, and for the first connection."""
    time: datetime
    """When the change was noticed (UTC)."""
    endpoint: str = ""
    """The gateway that was lost or is there, as ``host:port``."""


Update = TagUpdate | Gap | ConnectionChange
"""What a subscription yields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStats:
    """A snapshot of one subscription's counts since it started.

    Every event that the gateway has numbered for its sessions is in exactly one of `delivered` (without values that
    were read), `queued`, `dropped`, `conflated`, `lost` and `other`. Not counted are lost events of unknown number:
    those of a lost session, and those before a restart of its numbers.
    """

    received: int
    """Events that have arrived, without those that had been delivered before."""
    delivered: int
    """Updates that the consumer has taken."""
    queued: int
    """Updates that wait for the consumer."""
    dropped: int
    """Updates that were dropped to make room; a `Gap` with the cause OVERFLOW reports them."""
    conflated: int
    """Updates that were replaced by a newer one of the same tag, or by a value that was read."""
    lost: int
    """Events that a `Gap` with the cause REPLAY, SEQUENCE or UNREADABLE reports."""
    other: int
    """Events that are not values of the subscribed tags: other items of the session, write completions."""
    replayed: int
    """Updates marked as replayed."""
    snapshots: int
    """Updates from values that were read after events were lost."""
    reconnects: int
    """How often the stream was reopened in the same session."""
    rebuilds: int
    """How often a new session replaced a lost one."""
    slow_episodes: int
    """How often the consumer was too slow for a while."""
    lag: float
    """The delay of the newest event in seconds, relative to the fastest one: the worker's clock may differ from this
    machine's."""


class Counts:
    """The running counts of one subscription."""

    def __init__(self) -> None:
        self.received = self.delivered = self.dropped = self.conflated = self.lost = self.other = 0
        self.replayed = self.snapshots = self.reconnects = self.rebuilds = self.slow_episodes = 0
