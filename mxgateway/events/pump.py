"""The one event stream of a session, as its readers see it: they come and go, and the stream with them.

The gateway allows one event subscriber for each session. So a session has one `StreamPump`, and whoever needs events is one of its readers.
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
        """Let `reader` have what comes after its cursor. The stream is open when this returns, or being brought back for a reader that cares; else this raises."""
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
        self.resume()  # what is held for another one may be what this one needs

    def here(self) -> int | None:
        """Return the position of a reader that wants what comes from now on; None when the stream will tell."""
        return None if self.state is PumpState.IDLE and self._opened_before else self.newest

    def take_backlog(self, after: int) -> Backlog | None:
        """Return the events that nobody has read, when they are all there behind a sequence; 0 asks for whatever there is."""
        backlog = self._readers.backlog
        if backlog is None or not backlog.covers(after):
            return None
        self._readers.backlog = None
        return backlog

    def give_back(self, backlog: Backlog) -> None:
        """Keep the events of a reader that did not come about. What has come since is opened again by the next one."""
        self._readers.backlog = backlog
        self._change(*self._readers.present)

    async def until_live(self) -> None:
        """Keep the stream open from now on, so that completions are seen, and return once it is; a pause ends at once. What no iterator takes is kept for the next one."""
        while not (self._completions.keeps and self._serves):
            self._check_open()
            self._completions.keep()
            self._change(*self._readers.present)
            await self._until_open(self._completions)

    def detach(self, reader: Reader) -> None:
        """Let go of `reader`; the reset of a stream that nobody keeps has been sent when this returns."""
        self._remove(reader)
        if not self._readers.wanted:
            self._stop()
        else:
            self._changed.set()
            self.resume()

    async def leave(self, reader: Reader) -> None:
        """Let go of `reader`, and wait until nothing is left of a stream that nobody keeps."""
        task = self._task
        self.detach(reader)
        if task is not None and self._task is not task:
            await asyncio.wait([task])

    def resume(self) -> None:
        """Go on: somebody has made room, or waits for what comes."""
        if self._stream is not None and not self._readers.hold():
            self._stream.resume()

    def wake(self) -> None:
        """Try at once to bring the stream back."""
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
        self._changed.set()  # where it is, silence may count from now on
        if self._serves:
            return
        self._recovery.wake()
        opened = asyncio.get_running_loop().create_future()
        self._openers[opened] = reader
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
        """True while the stream is there; one that was opened again may still be refused."""
        is_open = self.state is PumpState.LIVE and self._outcome is None and not self._restart
        return is_open and self._interruption is None

    def _stop(self) -> None:
        """End the stream in whatever state it is: nobody wants it any more."""
        task, self._task = self._task, None
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if task is not None:
            task.cancel()
        self._rest()
