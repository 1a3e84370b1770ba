"""The completions of bulk writes, whose outcome becomes the result of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mxgateway import proto
from mxgateway.calling.replies import hide_secrets
from mxgateway.errors.redaction import Gate
from mxgateway.events.writes.item_writes import Completion, forget
from mxgateway.events.writes.sender import Writer
from mxgateway.events.writes.write_records import written_items
from mxgateway.transport.calls.method import Progress
from mxgateway.values.tag_values import completed_write


class Confirmations:
    """The completions of the writes of one method, which may send them in several calls.

    Args:
        writer: Sends the session's writes.
        gate: Redacts the events.
    """

    def __init__(self, writer: Writer, gate: Gate) -> None:
        self._writer = writer
        self._gate = gate
        self._completions: list[Completion | None] = []

    async def transmit(
        self, request: proto.MxCommandRequest, timeout: float | None, progress: Progress
    ) -> proto.MxCommandReply:
        """Send the request of one chunk, and keep the completions of its writes."""
        items = written_items(request.command)
        reply, sent = await self._writer.send(items, request, timeout, progress, confirm=True)
        self._completions.extend(sent)
        return reply

    async def wait(self, seconds: float | None) -> None:
        """Wait for the completions of the accepted writes, but no longer than `seconds`."""
        pending = [each for each in self._completions if each is not None]
        if pending:
            await asyncio.wait(pending, timeout=seconds)

    def events(self) -> list[proto.MxEvent | str | None]:
        """Return for each write its OnWriteComplete, why that is missing, or None if the write was not accepted."""
        return [None if each is None else self._event(each) for each in self._completions]

    def results(self, accepted: Sequence[proto.BulkWriteResult]) -> list[proto.BulkWriteResult]:
        """Return the results of writes that were sent: of the accepted ones those of their completions."""
        found = zip(accepted, self.events(), strict=False)  # a reply that could not be read has no results
        return [result if event is None else _completed(result, event) for result, event in found]

    def forget(self) -> None:
        """Stop waiting."""
        forget(self._completions)

    def _event(self, completion: Completion) -> proto.MxEvent | str:
        if not completion.done():
            return "accepted, but not confirmed in time: the write may still be carried out"
        if (error := completion.exception()) is not None:
            return f"accepted, but its completion was not seen: {error}"
        event = completion.result()
        hide_secrets(event, self._gate)
        return event


def _completed(result: proto.BulkWriteResult, event: proto.MxEvent | str) -> proto.BulkWriteResult:
    server, item = result.server_handle, result.item_handle
    if isinstance(event, str):
        return proto.BulkWriteResult(server_handle=server, item_handle=item, error_message=event)
    return proto.BulkWriteResult(
        server_handle=server, item_handle=item, was_successful=completed_write("", event).ok, hresult=event.hresult,
        statuses=event.statuses, error_message=event.raw_status,
    )  # fmt: skip
