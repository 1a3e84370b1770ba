"""Waits for the completion of writes for which the library has no confirming method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.help.sections import option
from mxgateway_cli.output.events import event_record
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode, TimedOut

if TYPE_CHECKING:
    from mxgateway import EventStream
    from mxgateway.proto import MxEvent
    from mxgateway_cli.declaring.command import Call
    from mxgateway_cli.input.target import Place

_CONFIRM: Final = "Wait until MXAccess has carried out the write."
CONFIRM: Final = option("--confirm", is_flag=True, help=_CONFIRM)
CONFIRM_TAG: Final = option("--confirm", is_flag=True, help=f"{_CONFIRM} Only with TAG.")
_DEFAULT_SECONDS: Final = 30.0

Completion = Callable[[], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def completion_of_write(call: Call, place: Place, *, wanted: bool) -> AsyncIterator[Completion]:
    """Yield a function that waits for the completion of the block's only write.

    Args:
        call: The command's run; its timeout limits the wait.
        place: The item. Nobody else writes to it, so its first completion is that of this write.
        wanted: Whether to wait at all.

    Yields:
        Waits, and returns fields for the command's result; none if no completion is wanted.
    """
    if not wanted:
        yield _no_fields
        return
    from mxgateway_cli.running.waiting import Deadline

    async with place.session.stream_events() as events:

        async def completed() -> dict[str, Any]:
            deadline = Deadline(call.timeout or _DEFAULT_SECONDS)
            async with deadline.enforce(lambda: _timed_out(deadline)):
                event = await _completion(events, place.item_handle)
            _check(event)
            tag = call.app.names.get(place.session.session_id, place.server_handle, place.item_handle)
            return {"confirmed": True, "event": event_record(event, tag)}

        yield completed


async def _no_fields() -> dict[str, Any]:
    return {"confirmed": False}


async def _completion(events: EventStream, item_handle: int) -> MxEvent:
    async for event in events:
        if event.item_handle == item_handle and event.family == mxgateway.proto.MxEventFamily.ON_WRITE_COMPLETE:
            return event
    raise TimedOut("the stream ended before the completion of the write arrived; the write may still be carried out")


def _timed_out(deadline: Any) -> Exception:
    return TimedOut(
        f"the completion of the write did not arrive within {deadline.seconds:g} s",
        hint="read the tag to see whether the write was carried out",
    )


def _check(event: MxEvent) -> None:
    """Raise if a completion reports a failure."""
    reasons = [mxgateway.status.explain_status(each) for each in mxgateway.status.failures(event.statuses)]
    if event.hresult is not None and mxgateway.status.hresult_failed(event.hresult):
        reasons.insert(0, mxgateway.status.explain_hresult(event.hresult))
    if reasons:
        text = f"MXAccess did not carry out the write: {', '.join(reasons)}"
        raise CommandFailure(text, code=ExitCode.MXACCESS_REFUSED)
