"""The records of a recording, one for each line of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.generated.mxaccess_gateway import v1 as mx

FORMAT: Final = "mxgateway-recording"
VERSION: Final = 1
LARGEST_FILE: Final = 512 * 1024 * 1024
"""Bytes of a recording: as many as a recorder writes, and as a reader takes."""
LARGEST_LINE: Final = 64 * 1024 * 1024
"""Bytes of a line; an event of 16 MiB, the largest, has fewer in JSON."""


class RecordingFileError(ValueError):
    """A recording that cannot be used; the text names the file and the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingHeader:
    """The first line: what was recorded, and by what."""

    contract: str
    """The fingerprint of the contract whose names the messages use."""
    started_at: str
    """When the recording began, RFC 3339, by the recorder's clock."""
    tool: str
    """The program that recorded, with its version."""
    source: str
    """``tags``: a subscription to named tags; ``session``: the raw events of an open session."""
    alarms: bool
    """Whether the alarm feed was recorded."""
    redacted_values: bool
    """Whether every value was replaced by an empty one of its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedObject:
    """An object of the galaxy, with the attributes that were recorded."""

    object: galaxy.GalaxyObject


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTag:
    """A tag that was subscribed to."""

    at: float
    """When, in seconds since the recording began, by a monotonic clock; the same in every record."""
    tag: str
    error: str
    """Why it was refused; empty if it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event of the session."""

    at: float
    tag: str
    """The tag of its item; empty if nobody knows it."""
    event: mx.MxEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAlarm:
    """A message of the alarm feed."""

    at: float
    message: mx.AlarmFeedMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedGap:
    """Events that are missing here."""

    at: float
    cause: str
    first: int
    last: int | None
    """None if nobody knows how many."""

    @property
    def count(self) -> int:
        """How many events are missing; at least one."""
        return 1 if self.last is None else max(1, self.last - self.first + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedConnection:
    """A connection that was lost or is back."""

    at: float
    feed: str
    """What it carried: ``events`` or ``alarms``."""
    state: str
    outcome: str | None
    cause: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFooter:
    """The last line: how the recording ended. Without it the file is truncated."""

    at: float
    reason: str
    """``count``, ``duration``, ``timeout``, ``size``, ``signal``, ``ended`` or ``failed``."""
    events: int
    alarms: int
    gaps: int


Record = (
    RecordingHeader
    | RecordedObject
    | RecordedTag
    | RecordedEvent
    | RecordedAlarm
    | RecordedGap
    | RecordedConnection
    | RecordingFooter
)
