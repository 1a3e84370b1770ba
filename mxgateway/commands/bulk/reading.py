"""Reads many tags: the gateway reads the next chunk while the client decodes the reply before."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from mxgateway import proto
from mxgateway.calling import replies, requests
from mxgateway.calling.argument_checks import check_handle, check_list, check_text, check_uint32
from mxgateway.calling.time_budget import Budget
from mxgateway.commands.bulk.chunks import chunks, for_each, frame_weight, text_weight
from mxgateway.commands.core import SessionCore
from mxgateway.errors import MxGatewayError, PartialBulk
from mxgateway.errors.faults import is_reply_too_large
from mxgateway.events.writes.write_records import not_accepted
from mxgateway.wire.garbage_collection import collector_held

R = TypeVar("R")

CALLS_AHEAD: Final = 2
"""Calls of one read in flight at once: the gateway never idles, and other commands wait for at most two."""


async def text_weights(name: str, texts: Sequence[str]) -> list[int]:
    """Check all texts and return an upper limit on the size of each entry; `name` is their name in error texts."""
    return await for_each(texts, lambda i, text: text_weight(check_text(f"{name}[{i}]", text)))


@dataclass(slots=True)
class Read:
    """The checked arguments of a read."""

    server_handle: int
    tags: list[str]
    chunks: list[range]
    """The chunks in which the tags are read."""
    timeout_ms: int
    budget: Budget


class _Sent(NamedTuple):
    """The call for one chunk of a read."""

    chunk: range
    command: requests.SentCommand


class ReadCommands(SessionCore):
    """ReadBulk, with any number of tags and values of any size."""

    async def read_bulk(
        self,
        server_handle: int,
        tag_addresses: Iterable[str],
        *,
        timeout_ms: int = 0,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[proto.BulkReadResult]:
        """Read tags.

        A tag that is advised in this session is answered from its last OnDataChange (`was_cached`); any other waits for
        its first value.

        Args:
            server_handle: From `register`.
            tag_addresses: The tags; they need not be added.
            timeout_ms: How long the gateway waits for a tag's first value, in milliseconds; 0 uses the worker's
                default.

        Returns:
            The result of each tag, in order. A value that is too large for any reply gives an unsuccessful result that
            says so.
        """
        timeout_ms = check_uint32("timeout_ms", timeout_ms)
        server_handle = check_handle("server_handle", server_handle)
        name = "tag_addresses"
        tags = check_list(name, tag_addresses)
        weights = await text_weights(name, tags)
        budget = self._budget(timeout, correlation_id)
        chunks = self._chunks(weights, lambda i: f"{name}[{i}]", budget.correlation_id)
        read = Read(server_handle, tags, chunks, timeout_ms, budget)
        return await self._read_in_chunks(read, lambda _, result: result)

    async def _read_in_chunks(self, read: Read, take: Callable[[str, proto.BulkReadResult], R]) -> list[R]:
        """Read tags in as many calls as needed, and return `take(tag, result)` for each tag, in order.

        The next calls are sent before the first is answered: the gateway reads while the client decodes, which takes
        about as long. A read whose result is not used does no harm.
        """
        results: list[R] = []
        sent: deque[_Sent] = deque()
        waiting = deque(read.chunks)
        try:
            while waiting or sent:
                await self._send_ahead(read, waiting, sent)
                ready = await sent[0].command.ready()
                if len(sent) < CALLS_AHEAD:
                    await self._send_ahead(read, waiting, sent)
                await self._take_first(read, sent, take, results, ready=ready)
                sent.popleft()
        except MxGatewayError as error:
            error.add_partial(_partial(results, error, sent, len(read.tags)))
            raise
        finally:
            for each in sent:
                each.command.close()
        return results

    async def _take_first(
        self,
        read: Read,
        sent: deque[_Sent],
        take: Callable[[str, proto.BulkReadResult], R],
        results: list[R],
        *,
        ready: bool,
    ) -> None:
        """Add the results of the first chunk sent.

        A chunk whose reply is too large is split in halves, read one after another.
        """
        halves: list[range] = []
        while True:
            chunk = sent[0].chunk
            try:
                # A ready reply is taken without a wait: nothing else runs while garbage collection is off, until the
                # messages are gone.
                with collector_held() if ready else contextlib.nullcontext():
                    results += await self._take_chunk(read, sent[0], take)
            except MxGatewayError as error:
                if not is_reply_too_large(error.__cause__):
                    raise
                if len(chunk) == 1:
                    tag = read.tags[chunk.start]
                    results.append(take(tag, _too_large(tag, error)))
                else:
                    middle = len(chunk) // 2
                    halves += (chunk[middle:], chunk[:middle])
            if not halves:
                return
            sent[0] = await self._send_chunk(read, halves.pop())
            ready = await sent[0].command.ready()

    async def _take_chunk(self, read: Read, sent: _Sent, take: Callable[[str, proto.BulkReadResult], R]) -> list[R]:
        """Return `take(tag, result)` for each tag of a chunk; on return, its messages are freed."""
        found = await self._results_of(sent, read.budget.correlation_id)
        tags = read.tags[sent.chunk.start : sent.chunk.stop]
        return [take(tag, result) for tag, result in zip(tags, found, strict=True)]

    async def _send_ahead(self, read: Read, waiting: deque[range], sent: deque[_Sent]) -> None:
        """Send the next chunks, up to `CALLS_AHEAD`.

        If one cannot be sent ahead, it is sent when it is due, and raises then.
        """
        while waiting and len(sent) < CALLS_AHEAD:
            try:
                sent.append(await self._send_chunk(read, waiting[0]))
            except MxGatewayError:
                if not sent:
                    raise
                return
            waiting.popleft()

    def _chunks(self, weights: Sequence[int], place: Callable[[int], str], correlation_id: str) -> list[range]:
        """Return the chunks in which entries are sent; refuse an entry that is too large for a message."""
        self._channel.guard.check()
        frame = frame_weight(self.session_id, correlation_id)
        return chunks(weights, self._channel.options.max_send_bytes, frame, place)

    async def _send_chunk(self, read: Read, chunk: range) -> _Sent:
        timeout = read.budget.left()
        command = proto.ReadBulkCommand(
            server_handle=read.server_handle,
            tag_addresses=read.tags[chunk.start : chunk.stop],
            timeout_ms=read.timeout_ms,
        )
        request = self._request(requests.wrap(command), read.budget.correlation_id)
        return _Sent(chunk, await requests.SentCommand(self._channel, request, timeout).send())

    async def _results_of(self, sent: _Sent, correlation_id: str) -> list[proto.BulkReadResult]:
        """Return the results of a chunk; the reply around them is freed before they are read."""
        reply = await sent.command.reply()
        return self._results(reply, sent.command.command, len(sent.chunk), correlation_id)

    def _results(
        self, reply: proto.MxCommandReply, command: proto.MxCommand, count: int, correlation_id: str
    ) -> list[Any]:
        site = partial(self._site, correlation_id)
        replies.check_mxaccess(reply, command, site)
        return replies.bulk_results(reply, command, site, count=count)


def _too_large(tag: str, error: MxGatewayError) -> proto.BulkReadResult:
    """Return the result of a tag whose value alone is too large for a reply."""
    return proto.BulkReadResult(tag_address=tag, was_successful=False, error_message=error.message)


def _partial(results: Sequence[object], error: MxGatewayError, sent: Iterable[_Sent], total: int) -> PartialBulk:
    """Return the state of the entries of a read after its first call without results failed."""
    done = len(results)
    refused = not_accepted(error)
    stops = [each.chunk.stop for each in sent if not (refused and each.chunk.start == done)]
    end = max([done, *stops])
    return PartialBulk(tuple(results), range(done, end), range(end, total))
