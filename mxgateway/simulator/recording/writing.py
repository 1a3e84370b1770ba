"""Writes a recording, line by line, without secrets and user data."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mxgateway.generated import FINGERPRINT
from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.recording.lines import to_line
from mxgateway.simulator.recording.records import (
    LARGEST_FILE,
    Record,
    RecordedAlarm,
    RecordedConnection,
    RecordedEvent,
    RecordedGap,
    RecordedObject,
    RecordedTag,
    RecordingFooter,
    RecordingHeader,
)
from mxgateway.simulator.recording.redaction import Redaction

_FOOTER_ROOM: Final = 512
_KEPT_OF_A_CAUSE: Final = ("type", "grpcStatus", "phase", "retryable")
"""The rest of a cause names the gateway and what it says."""


def _compact(line: Mapping[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class RecordingWriter:
    """Writes a recording; its header is written at once.

    Session ids and user names become stable placeholders. Comments of operators, and what names the gateway, are
    removed.

    Args:
        write: Called with each line, without its line feed.
        tool: The program that records, with its version.
        source: ``tags`` for a subscription to named tags, ``session`` for the raw events of an open session.
        alarms: Whether the alarm feed is recorded too.
        redact_values: Whether each value is replaced by an empty one of its type and length.
        max_bytes: The largest size of the recording; what does not fit is left out.
        to_text: Makes the line of a JSON object.
        clock: The monotonic clock, in seconds.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        tool: str = "mxgateway",
        source: str = "tags",
        alarms: bool = False,
        redact_values: bool = False,
        max_bytes: int = LARGEST_FILE,
        to_text: Callable[[Mapping[str, Any]], str] = _compact,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.events = 0
        """How many events were written."""
        self.alarms = 0
        """How many messages of the alarm feed were written."""
        self.gaps = 0
        """How many gaps were written."""
        self.bytes = 0
        """How many bytes were written."""
        self.is_full = False
        """Whether a record did not fit; nothing but the footer is written any more."""
        self._write = write
        self._to_text = to_text
        self._clock = clock
        self._began = clock()
        self._limit = max_bytes
        self._redaction = Redaction(values=redact_values)
        self._last_sequence = 0
        self._tags: set[str] = set()
        self._put(
            RecordingHeader(
                contract=FINGERPRINT,
                started_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                tool=tool,
                source=source,
                alarms=alarms,
                redacted_values=redact_values,
            )
        )

    def galaxy_object(self, obj: galaxy.GalaxyObject) -> None:
        """Write an object of the galaxy."""
        self._put(RecordedObject(object=obj))

    def subscribed(self, tag: str, error: str = "") -> None:
        """Write that a tag was subscribed to; each tag once.

        Args:
            tag: The tag.
            error: Why it was refused; empty if it was not.
        """
        if tag not in self._tags:
            self._tags.add(tag)
            self._put(RecordedTag(at=self._now(), tag=tag, error=error))

    def event(self, event: mx.MxEvent, tag: str = "") -> None:
        """Write an event, preceded by a gap if its number shows one; a replay gap becomes a gap.

        Args:
            event: The event.
            tag: The tag of its item; empty if nobody knows it.
        """
        lost = event.replay_gap
        if lost is not None:
            self.gap("replay", lost.requested_after_sequence + 1, lost.oldest_available_sequence - 1)
            self._last_sequence = lost.oldest_available_sequence - 1
            return
        if 0 < self._last_sequence < event.worker_sequence - 1:
            self.gap("sequence", self._last_sequence + 1, event.worker_sequence - 1)
        self._last_sequence = event.worker_sequence
        self.events += self._put(RecordedEvent(at=self._now(), tag=tag, event=event))

    def alarm(self, message: mx.AlarmFeedMessage) -> None:
        """Write a message of the alarm feed."""
        self.alarms += self._put(RecordedAlarm(at=self._now(), message=message))

    def gap(self, cause: str, first: int, last: int | None) -> None:
        """Write that events are missing.

        Args:
            cause: Why.
            first: The number of the first one.
            last: That of the last one; None if nobody knows.
        """
        self.gaps += self._put(RecordedGap(at=self._now(), cause=cause, first=first, last=last))

    def new_session(self) -> None:
        """Expect the numbers of a new session from now on."""
        self._last_sequence = 0

    def connection(
        self, feed: str, state: str, outcome: str | None = None, cause: Mapping[str, Any] | None = None
    ) -> None:
        """Write that a connection was lost or is back.

        Args:
            feed: What it carried: ``events`` or ``alarms``.
            state: Its state.
            outcome: How the outage ended.
            cause: The failure, of which only type, status and phase are kept.
        """
        kept = None if cause is None else {key: cause[key] for key in _KEPT_OF_A_CAUSE if key in cause}
        self._put(RecordedConnection(at=self._now(), feed=feed, state=state, outcome=outcome, cause=kept))

    def end(self, reason: str) -> None:
        """Write the footer.

        Args:
            reason: Why the recording ends.
        """
        footer = RecordingFooter(at=self._now(), reason=reason, events=self.events, alarms=self.alarms, gaps=self.gaps)
        self._line(self._to_text(to_line(footer)))

    def _now(self) -> float:
        return round(self._clock() - self._began, 6)

    def _put(self, record: Record) -> bool:
        """Write a record if it fits, and return whether it did."""
        line = to_line(record)
        self._redaction.apply(line)
        text = self._to_text(line)
        self.is_full = self.is_full or self.bytes + len(text.encode()) + _FOOTER_ROOM > self._limit
        if not self.is_full:
            self._line(text)
        return not self.is_full

    def _line(self, text: str) -> None:
        self.bytes += len(text.encode()) + 1
        self._write(text)
