"""What a subscription yields: new values of tags, gaps, and changes of the connection; and what it counts."""

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
    """The value has changed just now."""
    REPLAYED = "replayed"
    """The value has changed while the stream was interrupted; the gateway has kept the event."""
    SNAPSHOT = "snapshot"
    """The current value: the first one after the tag was subscribed to, or one that was read after events were lost."""


class GapCause(enum.Enum):
    """Why events are missing."""

    REPLAY = "replay"
    """The stream was interrupted for longer than the gateway keeps events."""
    SEQUENCE = "sequence"
    """The gateway's numbers jumped."""
    UNREADABLE = "unreadable"
    """The message is larger than `max_receive_bytes` or than the gateway sends, or cannot be decoded; the stream goes on behind it."""
    SESSION_LOST = "session lost"
    """The session is gone, and with it what it had not delivered."""
    RESTARTED = "restarted"
    """The worker has begun to number anew within the session; nobody knows how many events are missing, and the numbers behind the gap are others."""
    OVERFLOW = "overflow"
    """The consumer was too slow, and updates were dropped here as the options say."""


OTHER_NUMBERS: Final = frozenset({GapCause.SESSION_LOST, GapCause.RESTARTED})
"""The causes of gaps behind which events are numbered anew."""


class SubscriptionState(enum.Enum):
    """How a subscription stands."""

    NEW = "new"
    """Not begun."""
    CONNECTING = "connecting"
    """The stream is being opened and the tags are being subscribed to for the first time."""
    CONNECTED = "connected"
    """Values are current."""
    RECOVERING = "recovering"
    """The stream, or the whole session, is being brought back; values may be out of date."""
    CLOSED = "closed"
    """Closed by the consumer."""
    FAILED = "failed"
    """Ended by a failure that recovery does not mend, or that the options do not let it mend."""


class Outcome(enum.Enum):
    """What an interruption came to."""

    CONTINUOUS = "continuous"
    """The stream went on where it had stopped: nothing is lost."""
    GAP = "gap"
    """The stream went on, events are lost; a `Gap` says which, and a snapshot follows."""
    REBUILT = "rebuilt"
    """The session was lost; the tags are subscribed to in a new one, and their current values follow."""


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
    """When the value was true, in UTC, exact to 100 ns."""
    worker_sequence: int
    """The number of the event in its session; 0 for a value that was read."""
    origin: Origin
    """Live, replayed or a snapshot."""
    statuses: tuple[proto.MxStatusProxy, ...] = field(hash=False)
    """MXAccess's statuses, as they came."""
    conflated: int = 0
    """How many older updates of the tag this one stands for as well, because the consumer did not take them in time."""

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
        """Why there is no good value, as far as MXAccess says, in words; else empty."""
        return ", ".join(map(status.explain_status, status.failures(self.statuses)))


new_update = fast_constructor(TagUpdate)
"""Makes a `TagUpdate` quickly: there may be 20,000 in a second."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that this subscription has not delivered and will not."""

    first_lost: int
    """The number of the first one, in the session that it belongs to."""
    last_lost: int | None
    """The number of the last one; None when nobody knows: the session is gone, or its numbers have begun anew."""
    cause: GapCause
    count: int | None
    """How many events are missing; None when nobody knows. After an overflow, and where several gaps became one because nobody took them in time, that is not all of the range."""


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """The connection of a subscription was lost, or is there again."""

    state: SubscriptionState
    cause: MxGatewayError | None
    """Why it was lost; None when it is there."""
    outcome: Outcome | None
    """What the interruption came to; None while it lasts, and for the first connection."""
    time: datetime
    """When that was noticed (UTC)."""


Update = TagUpdate | Gap | ConnectionChange
"""What a subscription yields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStats:
    """A snapshot of one subscription's counts since it began.

    Every event that the gateway has numbered for its sessions is in exactly one of `delivered` (without updates that were read), `queued`, `dropped`, `conflated`, `lost` and `other`,
    those apart of which nobody knows how many there were: after the loss of a session, and before its numbers have begun anew.
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
        self.received = self.delivered = self.dropped = self.conflated = self.lost = self.other = 0
        self.replayed = self.snapshots = self.reconnects = self.rebuilds = self.slow_episodes = 0
