"""Sends the writes of a session: each in its item's turn, entered in the book, and known to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from mxgateway import proto
from mxgateway.commands import replies, requests
from mxgateway.errors import CallSite, MxGatewayError, map_fault
from mxgateway.events.item_writes import Item, PendingWrite
from mxgateway.events.pump import StreamPump
from mxgateway.events.write_book import WriteBook, accepted_writes
from mxgateway.transport.channel import Channel
from mxgateway.transport.method import Progress

Request = proto.MxCommandRequest
Reply = proto.MxCommandReply
Barrier = Callable[[], Awaitable[None]]


class SentWrites(NamedTuple):
    """The writes of one command that was answered."""

    reply: Reply
    pending: list[PendingWrite | None]
    """One for each write; None for one that was not accepted."""


class Writer:
    """The writes of one session.

    A write that was sent goes on when its caller is cancelled: only the reply tells whether a completion will come.
    """

    def __init__(self, channel: Channel, book: WriteBook, pump: StreamPump) -> None:
        self._channel = channel
        self._book = book
        self._pump = pump

    async def write(self, items: Sequence[Item], request: Request, timeout: float | None, progress: Progress) -> Reply:
        """Send a command that writes and return the reply; nobody waits for the completions, which count all the same."""

        async def send() -> Reply:
            async with self._book.counting(items, progress):
                reply = await requests.invoke_raw(self._channel, request, timeout, progress)
                accepted = accepted_writes(reply, len(items))
                self._book.discount(item for item, each in zip(items, accepted, strict=True) if not each)
            return reply

        return await self._channel.unattended.run(send, progress)

    async def write_to_confirm(
        self,
        items: Sequence[Item],
        request: Request,
        timeout: float | None,
        progress: Progress,
        barrier: Barrier | None = None,
    ) -> SentWrites:
        """Send a command that writes, while the stream that will bring the completions is open; without one it is not sent.

        With a `barrier`, which returns once every event of before has come, the command writes one item, and is not sent while an earlier write of it is in doubt.
        Whoever calls this waits for the pending writes, and hands them to `release`.
        """

        async def send() -> SentWrites:
            async with self._book.turns.of(items):
                await self._pump.until_live()
                if barrier is not None:
                    await self._until_clear(items[0], barrier)
                with self._book.sending(items, progress) as writes:
                    self._pump.resume()  # a reader that is full holds up no completion
                    reply = await requests.invoke_raw(self._channel, request, timeout, progress)
                return SentWrites(reply, self._book.judge(items, writes, accepted_writes(reply, len(items))))

        def release(sent: SentWrites) -> None:
            for item, write in zip(items, sent.pending, strict=True):
                self.release(item, write)

        return await self._channel.unattended.run(send, progress, orphaned=release)

    async def _until_clear(self, item: Item, barrier: Barrier) -> None:
        """Wait until a completion of the item can only be that of the next write; raise when an earlier write stays in doubt."""
        if self._book.is_stale(item):
            await barrier()
            self._book.prove_stale()
        await self._book.until_clear(item)

    def release(self, item: Item, write: PendingWrite | None) -> None:
        """Stop waiting for the completion of a write, if it was accepted."""
        if write is not None:
            self._book.release(item, write)

    async def write_confirmed(
        self, item: Item, request: Request, timeout: float | None, site: CallSite, barrier: Barrier
    ) -> proto.MxEvent:
        """Send a write and return its OnWriteComplete.

        `timeout` bounds write and confirmation together; `barrier` returns once every event of before has come.

        Raises:
            MxAccessError: MXAccess refused the write, at once or later.
            MxGatewayError: The call failed, or no confirmation came.
        """
        accepted = False
        try:
            async with asyncio.timeout(timeout):
                reply, (write,) = await self.write_to_confirm([item], request, timeout, Progress(), barrier)
                replies.check_mxaccess(reply, request.command, lambda: site)
                if write is None:  # the reply says both
                    raise replies.malformed("the reply neither accepts nor refuses the write", site, reply)
                accepted = True
                event = await self._completion(item, write)
        except MxGatewayError:
            raise
        except TimeoutError as fault:
            if accepted:
                raise replies.unconfirmed(replies.describe(request.command), site) from fault
            raise map_fault(fault, site) from fault
        replies.check_completion(event, reply, request.command, site)
        return event

    async def _completion(self, item: Item, write: PendingWrite) -> proto.MxEvent:
        try:
            return await write.completion
        except MxGatewayError as error:
            raise replies.unseen(error) from error
        finally:
            self._book.release(item, write)
