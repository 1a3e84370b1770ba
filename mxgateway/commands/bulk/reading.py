"""Reading many tags: the gateway reads the next ones while the reply before is decoded here."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, TypeVar

from mxgateway import proto
from mxgateway.calling import replies, requests
from mxgateway.calling.arguments import check_handle, check_list, check_text, check_uint32
from mxgateway.calling.time_budget import Budget
from mxgateway.commands.bulk.chunks import for_each, frame_weight, parts, text_weight
from mxgateway.commands.core import SessionCore
from mxgateway.errors import MxGatewayError, PartialBulk
from mxgateway.errors.faults import is_reply_too_large
from mxgateway.events.writes.book import not_accepted
from mxgateway.wire.collector import collector_held

R = TypeVar("R")

CALLS_AHEAD: Final = 2
"""Calls of one read that the gateway has at once: it never waits for the next one, and others' commands wait for two parts at most."""


async def text_weights(name: str, texts: Sequence[str]) -> list[int]:
    """Return the most bytes that the entry of each text takes, once all are checked; `name` is what messages call them."""
    return await for_each(texts, lambda i, text: text_weight(check_text(f"{name}[{i}]", text)))


@dataclass(slots=True)
class Read:
    """What is read, in arguments that were checked."""

    server_handle: int
    tags: list[str]
    pieces: list[range]
    """The parts in which they are read."""
    timeout_ms: int
    budget: Budget


class _Sent(NamedTuple):
    """The call for one part of a read."""

    part: range
    command: requests.SentCommand


class ReadCommands(SessionCore):
    """ReadBulk, of any length and of values of any size."""

    async def read_bulk(
        self,
        server_handle: int,
        tag_addresses: Iterable[str],
        *,
        timeout_ms: int = 0,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[proto.BulkReadResult]:
        """Read tags. One that is advised in this session answers from its last OnDataChange (`was_cached`), any other waits for its first value.

        Args:
            server_handle: From `register`.
            tag_addresses: The tags; they need not be added.
            timeout_ms: How long the gateway waits for a tag's first value, in milliseconds; 0 takes the worker's default.
            timeout: Bound in seconds.
            correlation_id: For the gateway's log.

        Returns:
            The result of each tag, in order. One whose value fits into no reply is not successful, and says so.
        """
        timeout_ms = check_uint32("timeout_ms", timeout_ms)
        server_handle = check_handle("server_handle", server_handle)
        name = "tag_addresses"
        tags = check_list(name, tag_addresses)
        weights = await text_weights(name, tags)
        budget = Budget(self._bound(timeout) if timeout is not None else None, self._site, correlation_id)
        pieces = self._parts(weights, lambda i: f"{name}[{i}]", budget.correlation_id)
        read = Read(server_handle, tags, pieces, timeout_ms, budget)
        return await self._read_in_parts(read, lambda _, result: result)

    async def _read_in_parts(self, read: Read, take: Callable[[str, proto.BulkReadResult], R]) -> list[R]:
        """Read tags in as many calls as it takes, and return what `take` makes of each tag and its result, in order.

        The gateway has the next calls before it has answered the first, so that it reads while the reply before is decoded here, which takes about as
        long; a read that turns out to be in vain does no harm.
        """
        results: list[R] = []
        sent: deque[_Sent] = deque()
        waiting = deque(read.pieces)
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
        """Add the results of the first part that was sent. A part whose reply is too large is read in halves, which take its place one after another."""
        halves: list[range] = []
        while True:
            part = sent[0].part
            try:
                # What is ready is not waited for, so that nobody else has a turn while the collector is held: until the messages are gone.
                with collector_held() if ready else contextlib.nullcontext():
                    results += await self._take_part(read, sent[0], take)
            except MxGatewayError as error:
                if not is_reply_too_large(error.__cause__):
                    raise
                if len(part) == 1:
                    tag = read.tags[part.start]
                    results.append(take(tag, _too_large(tag, error)))
                else:
                    middle = len(part) // 2
                    halves += (part[middle:], part[:middle])
            if not halves:
                return
            sent[0] = await self._send_part(read, halves.pop())
            ready = await sent[0].command.ready()

    async def _take_part(self, read: Read, sent: _Sent, take: Callable[[str, proto.BulkReadResult], R]) -> list[R]:
        """Return what `take` makes of each tag of a part; the messages that it is made of are gone then."""
        found = await self._results_of(sent, read.budget.correlation_id)
        tags = read.tags[sent.part.start : sent.part.stop]
        return [take(tag, result) for tag, result in zip(tags, found, strict=True)]

    async def _send_ahead(self, read: Read, waiting: deque[range], sent: deque[_Sent]) -> None:
        """Send the next parts as far as the gateway may have them at once; what cannot be sent ahead is sent in its turn, and tells why then."""
        while waiting and len(sent) < CALLS_AHEAD:
            try:
                sent.append(await self._send_part(read, waiting[0]))
            except MxGatewayError:
                if not sent:
                    raise
                return
            waiting.popleft()

    def _parts(self, weights: Sequence[int], place: Callable[[int], str], correlation_id: str) -> list[range]:
        """Return the parts in which entries are sent, refusing one that no message holds."""
        frame = frame_weight(self.session_id, correlation_id)
        return parts(weights, self._channel.options.max_send_bytes, frame, place)

    async def _send_part(self, read: Read, part: range) -> _Sent:
        timeout = read.budget.left()
        command = proto.ReadBulkCommand(
            server_handle=read.server_handle,
            tag_addresses=read.tags[part.start : part.stop],
            timeout_ms=read.timeout_ms,
        )
        request = self._request(requests.wrap(command), read.budget.correlation_id)
        return _Sent(part, await requests.send(self._channel, request, timeout))

    async def _results_of(self, sent: _Sent, correlation_id: str) -> list[proto.BulkReadResult]:
        site, command = partial(self._site, correlation_id), sent.command.command
        reply = await sent.command.reply()
        replies.check_mxaccess(reply, command, site)
        return replies.bulk_results(reply, command, site, count=len(sent.part))


def _too_large(tag: str, error: MxGatewayError) -> proto.BulkReadResult:
    """Return the result of a tag whose value alone fits into no reply."""
    return proto.BulkReadResult(tag_address=tag, was_successful=False, error_message=error.message)


def _partial(results: Sequence[object], error: MxGatewayError, sent: Iterable[_Sent], total: int) -> PartialBulk:
    """Return what became of the entries of a read whose first call without results has failed."""
    done = len(results)
    refused = not_accepted(error)
    stops = [each.part.stop for each in sent if not (refused and each.part.start == done)]
    end = max([done, *stops])
    return PartialBulk(tuple(results), range(done, end), range(end, total))
