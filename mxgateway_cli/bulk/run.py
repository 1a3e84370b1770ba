"""Runs a bulk command in calls of a thousand entries, with a progress bar, until the first call that fails."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.bulk.output import BulkReport, ResultKind, replace_partial
from mxgateway_cli.input.target import Place, server_place
from mxgateway_cli.running.waiting import discarded_events
from mxgateway_cli.terminal import capabilities

if TYPE_CHECKING:
    from mxgateway.proto import SubscribeResult
    from mxgateway_cli.bulk.input import Entries
    from mxgateway_cli.declaring.command import Call

CHUNK: Final = 1_000
"""Entries per call, as the library splits them; progress is shown and results are written between calls."""

Send = Callable[[range], Awaitable[Sequence[Any]]]
"""Sends the entries with these indexes and returns their results."""


@dataclass(frozen=True, slots=True)
class Target:
    """The open session that a command uses, or a session of its own."""

    session_id: str | None
    server_handle: int | None
    client_name: str

    @property
    def is_own(self) -> bool:
        """True if the command opens its own session."""
        return self.session_id is None


async def run_bulk(
    call: Call, kind: ResultKind, target: Target, entries: Entries, prepare: Callable[[Place], Awaitable[Send]]
) -> None:
    """Carry out a bulk command and write its results.

    Args:
        call: The command's run.
        kind: The kind of its results.
        target: The session to use.
        entries: The entries.
        prepare: Returns the function that sends entries, for a session and server handle.

    Raises:
        MxGatewayError: A call failed; its message reports what became of the entries.
        PartlyFailed: All calls were answered, and entries failed.
    """
    report = BulkReport(call, entries, kind)
    # Nobody reads the events of a session of the command's own, and a long list has more than the gateway queues.
    discarding = discarded_events if target.is_own and len(entries) > CHUNK else nullcontext
    try:
        async with (
            server_place(call, target.session_id, target.server_handle, target.client_name) as place,
            discarding(place.session),
        ):
            report.start(place)
            await _send_all(call, report, await prepare(place), len(entries))
    finally:
        report.finish()
    report.check()


async def _send_all(call: Call, report: BulkReport, send: Send, total: int) -> None:
    no_bar = total <= CHUNK or (call.output.form != "json" and capabilities.is_terminal(sys.stdout))
    with call.app.progress.count(call.operation, beside_results=no_bar) as advance:
        for begin in range(0, total, CHUNK):
            part = range(begin, min(begin + CHUNK, total))
            report.sending(part)
            try:
                results = await send(part)
            except mxgateway.MxGatewayError as error:
                report.fail(error)
                raise
            report.add(results)
            advance(part.stop, total)


# --------------------------------------------------------------------------------------------------------------------
# Tags instead of handles

OnItems = Callable[[Sequence[int], list[int]], Awaitable[Sequence[Any]]]
"""Processes the entries with these indexes, whose items have these handles, and returns their results."""


async def on_items(
    call: Call,
    place: Place,
    entries: Entries,
    part: range,
    act: OnItems,
    *,
    advised: bool = True,
    failed: Callable[[SubscribeResult], Any] = lambda result: result,
) -> Sequence[Any]:
    """Process the items of some entries; in a session of the command's own, tags are added as items first.

    Args:
        call: The command's run.
        place: The session and server handle.
        entries: All entries.
        part: The entries to process.
        act: Processes the entries that have items.
        advised: Whether added items are advised as well.
        failed: Turns a failed add into the entry's result.
    """
    if entries.handles:
        return await act(part, entries.handles[part.start : part.stop])
    add = place.session.subscribe_bulk if advised else place.session.add_item_bulk
    try:
        tags = entries.tags[part.start : part.stop]
        found = await add(place.server_handle, tags, correlation_id=call.correlation_id)
    except mxgateway.MxGatewayError as error:
        replace_partial(error, mxgateway.PartialBulk((), range(0), range(len(part))))
        raise
    usable = [(index, result.item_handle) for index, result in zip(part, found, strict=True) if result.was_successful]
    done: Sequence[Any] = ()
    try:
        if usable:
            done = await act([index for index, _ in usable], [handle for _, handle in usable])
    except mxgateway.MxGatewayError as error:
        _include_failed_adds(error, found, failed)
        raise
    return _merged(found, done, failed)


def _merged(
    found: Sequence[SubscribeResult], done: Sequence[Any], failed: Callable[[SubscribeResult], Any]
) -> list[Any]:
    """Return one result per entry, up to the first entry with an item that was not answered."""
    answers, merged = iter(done), list[Any]()
    for result in found:
        if not result.was_successful:
            merged.append(failed(result))
        elif (answer := next(answers, None)) is not None:
            merged.append(answer)
        else:
            break
    return merged


def _include_failed_adds(
    error: mxgateway.MxGatewayError, found: Sequence[SubscribeResult], failed: Callable[[SubscribeResult], Any]
) -> None:
    """Extend an error that covers only entries with an item to all entries."""
    if error.partial is None:
        return
    results = _merged(found, error.partial.results, failed)
    indexes = [index for index, result in enumerate(found) if result.was_successful]
    in_doubt = [indexes[index] for index in error.partial.in_doubt]
    end = in_doubt[-1] + 1 if in_doubt else len(results)
    replace_partial(error, mxgateway.PartialBulk(tuple(results), range(len(results), end), range(end, len(found))))
