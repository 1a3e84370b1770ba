"""Waits for the completion of a write that the library itself does not confirm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.help.sections import option
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode, WaitedInVain

if TYPE_CHECKING:
    from mxgateway import EventStream
    from mxgateway.proto import MxEvent
    from mxgateway_cli.declaring.command import Call
    from mxgateway_cli.input.target import Place

CONFIRM: Final = option(
    "--confirm", is_flag=True, help="Wait until MXAccess has carried the write out; for a write to TAG."
)
_DEFAULT_SECONDS: Final = 30.0

Completion = Callable[[], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def completion_of_write(call: Call, place: Place, *, wanted: bool) -> AsyncIterator[Completion]:
    """Give what waits for the completion of the one write that the block does to an item of its own.

    Args:
        call: The command's run; its time-out bounds the waiting.
        place: The item. Nobody else writes it: its first completion is that of this write.
        wanted: Whether there is anything to wait for.

    Yields:
        Waits, and returns what the result tells of it: nothing when no completion is wanted.
    """
    if not wanted:
        yield _nothing
        return
    from mxgateway_cli.running.waiting import Deadline

    async with place.session.stream_events() as events:

        async def completed() -> dict[str, Any]:
            deadline = Deadline(call.timeout or _DEFAULT_SECONDS)
            async with deadline.bound(lambda: _in_vain(deadline)):
                event = await _completion(events, place.item_handle)
            _check(event)
            return {"confirmed": True, "event": mxgateway.to_json_dict(event)}

        yield completed


async def _nothing() -> dict[str, Any]:
    return {}


async def _completion(events: EventStream, item_handle: int) -> MxEvent:
    async for event in events:
        if event.item_handle == item_handle and event.family == mxgateway.proto.MxEventFamily.ON_WRITE_COMPLETE:
            return event
    raise WaitedInVain("the stream ended before the completion of the write came; it may be carried out all the same")


def _in_vain(deadline: Any) -> Exception:
    return WaitedInVain(
        f"the completion of the write did not come within {deadline.seconds:g} s",
        hint="read the tag to see whether the write happened",
    )


def _check(event: MxEvent) -> None:
    """Refuse a completion that reports a failure.

    Raises:
        CommandFailure: The write was not carried out.
    """
    reasons = [mxgateway.status.explain_status(each) for each in mxgateway.status.failures(event.statuses)]
    if event.hresult is not None and mxgateway.status.hresult_failed(event.hresult):
        reasons.insert(0, mxgateway.status.explain_hresult(event.hresult))
    if reasons:
        raise CommandFailure(
            f"MXAccess did not carry the write out: {', '.join(reasons)}", code=ExitCode.MXACCESS_REFUSED
        )
