"""The current state of the tags that `watch` shows, updated by their events."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import mxgateway
from mxgateway_cli.input.typed_text import event_type, message_value
from mxgateway_cli.output.tags import event_error, event_time, json_data_type, tag_record
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway import MxValueOutput
    from mxgateway.proto import MxEvent, SubscribeResult

TREND_LENGTH: Final = 24
"""Numbers in a tag's trend."""

Change = Literal["", "up", "down", "other"]
_MARKED_SECONDS: Final = 2.0
"""How long a change is marked."""


class WatchedTag:
    """The current state of one tag.

    Args:
        tag: Its name.
        error: Why it could not be subscribed to; empty if it could.
    """

    def __init__(self, tag: str, error: str = "") -> None:
        self.tag = tag
        self.error = error
        self.value: MxValueOutput = None
        self.quality: int | None = None
        """None until the first value has arrived."""
        self.source_time: mxgateway.Timestamp | None = None
        self.changes = 0
        """How often the value has changed since the first one."""
        self.numbers: deque[float] = deque(maxlen=TREND_LENGTH)
        self._changed_at = -math.inf
        self._change: Change = ""

    def update(self, event: MxEvent) -> None:
        """Update the tag from an event."""
        value = message_value(event.value)
        if self.quality is not None and not mxgateway.values.same_value(value, self.value):
            self.changes += 1
            self._change, self._changed_at = _direction(self.value, value), time.monotonic()
        self.value, self.quality, self.source_time = value, event.quality, event_time(event)
        self.error = event_error(event)
        if isinstance(value, int | float) and math.isfinite(value):
            self.numbers.append(float(value))

    @property
    def mark(self) -> Change:
        """How the value has changed, for a moment after the change; empty otherwise."""
        return self._change if time.monotonic() - self._changed_at < _MARKED_SECONDS else ""

    @property
    def value_text(self) -> str:
        """The value for people."""
        return value_text(self.value)

    @property
    def quality_text(self) -> str:
        """The quality in words; empty until the first value."""
        return "" if self.quality is None else mxgateway.status.explain_quality(self.quality)

    def record(self, event: MxEvent) -> dict[str, Any]:
        """Return the tag after `event` as a JSON object."""
        return {
            **tag_record(self.tag, self.value, self.quality, self.source_time, error=self.error),
            "dataType": json_data_type(event_type(event).data_type),
            "changes": self.changes,
            "workerSequence": str(event.worker_sequence),
        }


def _direction(before: MxValueOutput, after: MxValueOutput) -> Change:
    numbers = [each for each in (before, after) if isinstance(each, int | float)]
    if len(numbers) < 2 or math.isnan(numbers[0]) or math.isnan(numbers[1]):
        return "other"
    return "up" if numbers[1] > numbers[0] else "down"


class WatchedTags:
    """All tags of one command, in order.

    Args:
        tags: Their names.
        results: The result of subscribing to each.
    """

    def __init__(self, tags: Sequence[str], results: Sequence[SubscribeResult]) -> None:
        self.rows: list[WatchedTag] = []
        self.updates = 0
        self.lost = 0
        """Events that the gateway could not deliver."""
        self.note = ""
        """What is wrong with the connection; empty while it is there."""
        self._by_handle: dict[int, WatchedTag] = {}
        self.subscribed(tags, results)

    def subscribed(self, tags: Sequence[str], results: Sequence[SubscribeResult]) -> None:
        """Take the results of subscribing in a new session; what is known of the tags stays.

        Args:
            tags: Their names.
            results: The result for each.
        """
        self.rows = self.rows or [WatchedTag(tag) for tag in tags]
        self._by_handle = {}
        for row, result in zip(self.rows, results, strict=True):
            if result.was_successful:
                row.error = ""
                self._by_handle[result.item_handle] = row
            else:
                row.error = result.error_message or "it could not be subscribed to"

    @property
    def marks(self) -> tuple[Change, ...]:
        """The marks of all tags."""
        return tuple(row.mark for row in self.rows)

    @property
    def refused(self) -> list[WatchedTag]:
        """The tags that could not be subscribed to."""
        subscribed = set(map(id, self._by_handle.values()))
        return [row for row in self.rows if id(row) not in subscribed]

    def take(self, event: MxEvent) -> WatchedTag | None:
        """Update and return the tag of an event; None if the event is not a tag's data change."""
        if event.replay_gap is not None:
            gap = event.replay_gap
            self.lost += max(0, gap.oldest_available_sequence - gap.requested_after_sequence - 1)
            return None
        row = self._by_handle.get(event.item_handle)
        if row is None or event.family != mxgateway.proto.MxEventFamily.ON_DATA_CHANGE:
            return None
        self.updates += 1
        row.update(event)
        return row
