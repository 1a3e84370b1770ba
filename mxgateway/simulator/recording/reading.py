"""Reads a recording: checked as a whole when it is loaded, and line by line again when it is played."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from mxgateway.generated import FINGERPRINT
from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.recording.lines import from_line
from mxgateway.simulator.recording.plants import recorded_plant
from mxgateway.simulator.recording.records import (
    LARGEST_FILE,
    LARGEST_LINE,
    Record,
    RecordedAlarm,
    RecordedEvent,
    RecordedGap,
    RecordedObject,
    RecordedTag,
    RecordingFileError,
    RecordingFooter,
    RecordingHeader,
)
from mxgateway.simulator.recording.samples import native_of, type_of
from mxgateway.system.files import opened_input
from mxgateway.wire import which_one_of

_DATA: Final = (mx.MxEventFamily.ON_DATA_CHANGE, mx.MxEventFamily.ON_BUFFERED_DATA_CHANGE)

_TRUNCATED: Final = "the recording is truncated: it has no footer; to use what is there, add --partial (partial=True)"

_Stamp = tuple[int, int, int]


class Recording:
    """A recording: what its file says as a whole. `records` reads the file again, line by line.

    Memory depends on the number of tags, not on that of events.
    """

    def __init__(self, path: str, stamp: _Stamp, summary: _Summary, plant: Plant) -> None:
        self.plant = plant
        """The recorded objects, with the recorded tags, each of its recorded type."""
        self._path = path
        self._stamp = stamp
        self._summary = summary
        self.header: RecordingHeader = summary.header
        """What was recorded, and by what."""
        self.footer: RecordingFooter | None = summary.footer
        """How the recording ended; None if it is truncated."""
        self.tags: tuple[str, ...] = tuple(summary.tags)
        """The tags, in the order in which they were subscribed to."""
        self.began: float = summary.began or 0.0
        """The time of the first record that is played; see `RecordedTag.at`."""
        self.ended: float = max(summary.at, self.began)
        """The time of the last record."""

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, partial: bool = False) -> Recording:
        """Return the recording in a file, which is checked to its end. Blocks.

        Args:
            path: The file.
            partial: Accept a file that is truncated, as a recorder leaves it that was killed.

        Raises:
            ValueError: The file is wrong; the text names file and line.
            OSError: It cannot be read.
        """
        name, summary = os.fspath(path), _Summary()
        with opened_input(name, pipe=False) as file:
            stamp, lines, number = _stamp(file), _lines(file, partial=partial), 1
            if stamp[1] > LARGEST_FILE:
                raise RecordingFileError(f"{name}: the file is longer than {LARGEST_FILE >> 20} MiB")
            try:
                while (line := next(lines, None)) is not None:
                    summary.take(from_line(line))
                    number += 1
                summary.finish(partial=partial)
            except ValueError as error:
                raise RecordingFileError(f"{name}: line {number}: {error}") from None
        try:
            return cls(name, stamp, summary, recorded_plant(summary.shapes, summary.objects))
        except (ValueError, TypeError, KeyError) as error:
            raise RecordingFileError(f"{name}: its objects cannot be used: {error}") from None

    def records(self) -> Iterator[Record]:
        """Yield the records, in order, without header and footer. Reads the file while it is iterated over.

        Raises:
            ValueError: The file has changed since it was loaded.
            OSError: It cannot be read.
        """
        with opened_input(self._path, pipe=False) as file:
            if _stamp(file) != self._stamp:
                raise RecordingFileError(f"{self._path}: the file has changed since it was loaded")
            for line in _lines(file, partial=True):
                record = from_line(line)
                if not isinstance(record, RecordingHeader | RecordingFooter):
                    yield record

    @property
    def first_alarms(self) -> tuple[mx.AlarmFeedMessage, ...]:
        """What the alarm feed began with: the active alarms, the end of this list, and the provider's status."""
        return tuple(self._summary.first_alarms)

    def __repr__(self) -> str:
        return f"<Recording {self._path!r}: {len(self.tags)} tags, {self._summary.events} events>"


@dataclass
class _Summary:
    """What a recording says as a whole, while it is read."""

    tags: dict[str, None] = field(default_factory=dict)
    shapes: dict[str, tuple[DataType, Any] | None] = field(default_factory=dict)
    """The type and the first value of each tag that was not refused; None before its first value."""
    objects: list[galaxy.GalaxyObject] = field(default_factory=list)
    first_alarms: list[mx.AlarmFeedMessage] = field(default_factory=list)
    footer: RecordingFooter | None = None
    began: float | None = None
    at: float = 0.0
    events: int = 0
    alarms: int = 0
    gaps: int = 0
    _header: RecordingHeader | None = None
    _feed_began: bool = False

    @property
    def header(self) -> RecordingHeader:
        if self._header is None:
            raise RecordingFileError("it has no header")
        return self._header

    def take(self, record: Record) -> None:
        """Take the next record.

        Raises:
            ValueError: It must not be there.
        """
        if self.footer is not None:
            raise ValueError("nothing may follow the footer")
        if isinstance(record, RecordingHeader):
            self._take_header(record)
            return
        if self._header is None:
            raise ValueError("the first line must be the header of a recording")
        if isinstance(record, RecordedObject):
            self.objects.append(record.object)
            return
        if record.at < self.at:
            raise ValueError(f"at: the time {record.at:g} is before that of the line before, {self.at:g}")
        self.at = record.at
        self._take_timed(record)

    def _take_header(self, header: RecordingHeader) -> None:
        if self._header is not None:
            raise ValueError("there is a second header")
        if header.contract != FINGERPRINT:
            raise ValueError(
                f"header.contract: it was recorded by {header.tool[:60]!r} with the contract {header.contract[:16]!r}, "
                f"this program has {FINGERPRINT[:16]!r}"
            )
        self._header = header

    def _take_timed(self, record: Record) -> None:
        if isinstance(record, RecordedTag):
            self._add_tag(record.tag, record.error)
        elif isinstance(record, RecordedEvent):
            self._begin(record.at)
            self.events += 1
            self._take_event(record)
        elif isinstance(record, RecordedAlarm):
            self._begin(record.at)
            self.alarms += 1
            self._take_alarm(record)
        elif isinstance(record, RecordedGap):
            self.gaps += 1
        elif isinstance(record, RecordingFooter):
            self._take_footer(record)

    def _begin(self, at: float) -> None:
        if self.began is None:
            self.began = at

    def _add_tag(self, tag: str, error: str) -> None:
        self.tags[tag] = None
        if not error:
            self.shapes.setdefault(tag, None)

    def _take_event(self, record: RecordedEvent) -> None:
        if record.tag and record.tag not in self.tags:
            raise ValueError(f"tag: the tag {record.tag[:80]!r} was not subscribed to")
        if not (tag := tag_of(record)):
            return
        if not record.tag:
            if self.header.source == "tags":
                raise ValueError("the key 'tag' is missing")
            self._add_tag(tag, "")
        if self.shapes.get(tag) is None:
            self.shapes[tag] = _shape(record.event)

    def _take_alarm(self, record: RecordedAlarm) -> None:
        kind = which_one_of(record.message, "payload")
        if kind == "transition":
            self._feed_began = True
        elif not self._feed_began:
            self.first_alarms.append(record.message)
            self._feed_began = kind == "provider_status"

    def _take_footer(self, footer: RecordingFooter) -> None:
        found, said = (self.events, self.alarms, self.gaps), (footer.events, footer.alarms, footer.gaps)
        if found != said:
            raise ValueError(
                "footer: there are {} events, {} alarms and {} gaps, ".format(*found)
                + "the footer says {}, {} and {}".format(*said)
            )
        self.footer = footer

    def finish(self, *, partial: bool) -> None:
        """Check what only the end of the file shows.

        Raises:
            ValueError: There is no header; or no footer, unless `partial` is set.
        """
        if self._header is None:
            raise ValueError("it has no header: this is no recording")
        if self.footer is None and not partial:
            raise ValueError(_TRUNCATED)


def tag_of(record: RecordedEvent) -> str:
    """Return the tag that an event is played on; empty if it is no change of a tag."""
    event = record.event
    if event.family not in _DATA:
        return ""
    return record.tag or f"Recorded.Item_{event.server_handle}_{event.item_handle}"


def _shape(event: mx.MxEvent) -> tuple[DataType, Any] | None:
    if which_one_of(event, "body") == "on_buffered_data_change":
        array = mx.MxValue(array_value=event.on_buffered_data_change.values)
        data_type, natives = type_of(array), native_of(array)
        return (data_type, natives[0]) if data_type is not None and natives else None
    data_type = type_of(event.value)
    return None if data_type is None else (data_type, native_of(event.value))


def _lines(file: BinaryIO, *, partial: bool) -> Iterator[bytes]:
    """Yield the lines; an incomplete last line is left out if `partial` is set.

    Raises:
        ValueError: A line is too long.
    """
    while line := file.readline(LARGEST_LINE + 1):
        if len(line) > LARGEST_LINE:
            raise ValueError(f"it is longer than {LARGEST_LINE >> 20} MiB")
        if not line.endswith(b"\n"):
            if partial:
                return
            raise ValueError(_TRUNCATED)
        yield line


def _stamp(file: BinaryIO) -> _Stamp:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns
