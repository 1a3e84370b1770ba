"""The reader that finds the completions of writes among a session's events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from mxgateway import proto
from mxgateway.errors import MxGatewayError, MxGatewaySessionError
from mxgateway.errors.faults import copy_of
from mxgateway.events.cursor import Cursor, Event, Loss
from mxgateway.events.reader import TAKEN_BOUND, Reader, StreamCare
from mxgateway.events.writes.write_records import WriteRecords
from mxgateway.options.subscription import RecoveryOptions

_WRITE_COMPLETE: Final = proto.MxEventFamily.ON_WRITE_COMPLETE
ASIDE_LIMIT: Final = 10_000
"""The most events that are remembered because DrainEvents has returned them ahead of the stream."""


class Completions(Reader):
    """A reader that is always present. From the first confirmed write on it keeps the stream open."""

    keeps = False
    full = False

    def __init__(self, records: WriteRecords, closed_error: Callable[[], MxGatewayError]) -> None:
        self.cursor = Cursor()
        self._records = records
        self._closed_error = closed_error
        self._is_first = False
        """True until the first event of a stream without a replay that was opened while no completion was expected, or
        while those that were are in doubt."""
        self._aside: dict[int, proto.MxEvent] = {}
        """Events that DrainEvents has returned and the stream may deliver again."""

    def keep(self) -> None:
        """Keep the stream open from now on, through interruptions as well."""
        self.keeps, self.care = True, StreamCare(RecoveryOptions(), taken_bound=TAKEN_BOUND)

    @property
    def pins(self) -> bool:
        """True while the stream must not be opened after an expected completion."""
        return self.keeps or self._records.pending

    @property
    def hungry(self) -> bool:
        """True while a caller waits for a completion."""
        return self._records.waiting

    def begin(self, after: int) -> None:
        """Note that a stream is opened. What others read before the first stream is no loss for later writes."""
        self._is_first = after == 0 and (self.cursor.position is None or not self._records.of_item)

    def take(self, news: Sequence[Event | Loss]) -> None:
        """Give each completion to its write, drained ones in their place by number."""
        is_first, self._is_first = self._is_first, False
        if not self._records.of_item and not self._records.stale and not self._aside:
            return
        first: Any = news[0]
        if is_first and (isinstance(first, Loss) or first.worker_sequence != 1):
            for record in self._records.of_item.values():
                record.hold()
            news = news[isinstance(first, Loss) :]
        for each in self._with_drained(news) if self._aside else news:
            if isinstance(each, Loss):
                lost = f"events between {each.first - 1} and {each.last + 1} were lost"
                self._doubt(f"{lost}, the write's completion perhaps among them")
            else:
                self._complete(each)

    def take_drained(self, events: Sequence[proto.MxEvent], *, streaming: bool) -> None:
        """Take the events of DrainEvents. The stream may deliver them again, and may still deliver older ones: those
        are handled first."""
        if not all(map(self.cursor.believes, events)):
            self.confused()
            events = [event for event in events if self.cursor.believes(event)]
        news = [event for event in events if self.cursor.is_news(event) and event.worker_sequence not in self._aside]
        if streaming and self.cursor.position is not None:
            self._aside.update((event.worker_sequence, event) for event in news)
            for each in self._with_drained():
                self._complete(each)
            if len(self._aside) > ASIDE_LIMIT:
                self._aside.clear()
                self.confused()
            return
        if self.cursor.position is None:  # others may have taken what came before
            self.confused()
        if found := self.cursor.take(news):
            self.take(found)

    def _complete(self, event: Any) -> None:
        if event.family is _WRITE_COMPLETE and event.worker_sequence:
            self._records.complete(event)
        elif event.family is _WRITE_COMPLETE:  # nothing tells it from one that is replayed
            self.confused()

    def _with_drained(self, news: Sequence[Event | Loss] = ()) -> list[Event | Loss]:
        """Merge drained events into `news`, and append those that come next by number.

        Only what neither the stream nor DrainEvents delivers counts as lost.
        """
        aside, merged = self._aside, list[Event | Loss]()
        for each in news:
            if isinstance(each, Loss):
                known = Cursor(each.first - 1)
                merged += known.take([aside.pop(number) for number in sorted(aside) if number <= each.last])
                merged += known.miss(each.last, each.cause)
            else:
                aside.pop(each.worker_sequence, None)
                merged.append(each)
        while (event := aside.pop((self.cursor.position or 0) + 1, None)) is not None:
            merged.append(event)
            self.cursor.take_all([event])
        return merged

    def confused(self) -> None:
        """Put all writes in doubt: completions may have been hidden, or taken by another reader."""
        self._doubt("the write's completion may have been brought to somebody else, or be missing among the events")

    def _doubt(self, why: str) -> None:
        hint = "read the tag to see whether the write happened"
        self._records.lose(lambda: MxGatewaySessionError(why, hint=hint))

    def end(self, fault: MxGatewayError | None, *, final: bool = False) -> None:
        """Fail every waiting caller: the stream is over."""
        self.keeps, self.care = False, None
        self._records.fail(self._closed_error if fault is None else lambda: copy_of(fault))
