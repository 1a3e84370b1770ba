"""The raw events of a session, through faults of its stream and, if the session is the command's own, beyond its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

import mxgateway
from mxgateway_cli.recovery.outages import PAUSES, Outages

if TYPE_CHECKING:
    from mxgateway import Session
    from mxgateway.proto import MxEvent
    from mxgateway_cli.declaring.command import Call

Begin = Callable[["Session"], Awaitable[None]]


async def follow(
    call: Call,
    outages: Outages,
    begin: Begin,
    *,
    name: str,
    session_id: str | None = None,
    after: int = 0,
) -> AsyncGenerator[MxEvent, None]:
    """Yield events; a lost session is replaced by a new one, in which `begin` is called again.

    Args:
        call: The command's run.
        outages: Is told what happens.
        begin: Subscribes to the tags of a new session, after its stream was opened.
        name: The name of new sessions.
        session_id: An open session, which cannot be replaced; None opens one.
        after: The sequence to resume the open session after.

    Raises:
        MxGatewayError: A fault that lasts, or the end of the open session.
    """
    last = 0
    while True:
        begun = False
        try:
            async with outages.session(call, name, session_id) as session:
                stream = session.stream_events(after, resume=PAUSES, on_interruption=outages.changed)
                async with stream as events:
                    await begin(session)
                    begun = True
                    outages.back(mxgateway.Outcome.REBUILT)
                    async for event in events:
                        last = event.worker_sequence or last
                        yield event
            return
        except mxgateway.MxGatewayError as error:
            if session_id is not None:
                raise
            outages.lost(error)
        if begun:
            outages.gap(mxgateway.GapCause.SESSION_LOST.value, last + 1, None)
            last = 0
        await outages.pause()
