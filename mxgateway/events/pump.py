"""The one event stream of a session, as its readers see it: it is open while a reader needs it.

The gateway allows one event subscriber for each session. So a session has one `StreamPump`, and whoever needs events is
one of its readers.
"""

from __future__ import annotations

import asyncio

from mxgateway.errors.faults import copy_of
from mxgateway.events.backlog import Backlog
from mxgateway.events.reader import Reader
from mxgateway.events.upkeep import PumpState, StreamUpkeep


class StreamPump(StreamUpkeep):
    """The one event stream of a session."""

    async def attach(self, reader: Reader) -> None:
        """Add `reader`: it gets the events after its cursor.

        When this returns, the stream is open, or recovery is under way for a reader with `care`; otherwise this raises.
        """
        self._check_open()
        self._change(*self._readers.present, reader)
        if reader.cursor.needs(self._order.last):
            self._reopen()
        if self._interruption is not None and reader.care is not None:
            reader.interrupted(copy_of(self._interruption))
        else:
            try:
                await self._until_open(reader)
            except BaseException:
                self.detach(reader)
                raise
        self.resume()  # a full reader may have stopped the stream that this one needs

    def here(self) -> int | None:
        """Return the position of a reader that wants events from now on; None when the first event will set it."""
        return None if self.state is PumpState.IDLE and self._opened_before else self.newest

    def take_backlog(self, after: int) -> Backlog | None:
        """Return the backlog if it holds all events after a sequence; 0 asks for whatever there is."""
        backlog = self._readers.backlog
        if backlog is None or not backlog.covers(after):
            return None
        self._readers.backlog = None
        return backlog

    def give_back(self, backlog: Backlog) -> None:
        """Keep the backlog of a reader that could not attach. The next reader reopens the stream for later events."""
        self._readers.backlog = backlog
        self._change(*self._readers.present)

    async def until_live(self) -> None:
        """Keep the stream open from now on, so that completions are seen, and return once it is open.

        A pause ends at once. Events that no iterator takes are kept for the next one.
        """
        while not (self._completions.keeps and self._serves):
            self._check_open()
            self._completions.keep()
            self._change(*self._readers.present)
            await self._until_open(self._completions)

    def detach(self, reader: Reader) -> None:
        """Remove `reader`. If no reader needs the stream any more, its reset has been sent when this returns."""
        self._fail_openers(None, [reader])  # who waits to attach it need not wait for the stream
        self._remove(reader)
        if not self._readers.wanted:
            self._stop()
        else:
            self._changed.set()
            self.resume()

    async def leave(self, reader: Reader) -> None:
        """Remove `reader`. If no reader needs the stream any more, wait until it is cleaned up."""
        task = self._task
        self.detach(reader)
        if task is not None and self._task is not task:
            await asyncio.wait([task])

    def resume(self) -> None:
        """Resume a stopped stream unless a reader is still full."""
        if self._stream is not None and not self._readers.hold():
            self._stream.resume()

    def wake(self) -> None:
        """End a pause: try at once to reopen the stream."""
        self._recovery.wake()

    async def aclose(self) -> None:
        """End the stream and its readers. Idempotent."""
        task = self._task
        self._stop()
        self.state = PumpState.OVER
        self._finish(None)
        if task is not None:
            await asyncio.wait([task])

    def _check_open(self) -> None:
        if self.state is PumpState.OVER:
            raise self._source.closed_error()

    async def _until_open(self, reader: Reader) -> None:
        """Wait until a stream is open for `reader`."""
        self._changed.set()  # if it is open already, a new reader may want silence to be noticed
        if self._serves:
            return
        self._recovery.wake()
        opened = asyncio.get_running_loop().create_future()
        self._openers[opened] = reader
        if self.state is PumpState.LIVE and self._outcome is not None and reader is not self._completions:
            self._late.add(reader)
        if self._task is None:
            self.state = PumpState.OPENING
            task = asyncio.create_task(self._run())
            if not task.done():  # an eager one may be
                self._task = task
        try:
            await opened
        finally:
            del self._openers[opened]

    @property
    def _serves(self) -> bool:
        """True while the stream works; a reopened one may still be refused."""
        is_open = self.state is PumpState.LIVE and self._outcome is None and not self._restart
        return is_open and self._interruption is None

    def _stop(self) -> None:
        """End the stream in any state: no reader needs it any more."""
        task, self._task = self._task, None
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if task is not None:
            task.cancel()
        self._rest()
