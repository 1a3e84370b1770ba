"""The raw events of a session, and the messages of alarm feeds, through outages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

import mxgateway
from mxgateway_cli.recovery.outages import PAUSES, Outages

if TYPE_CHECKING:
    from mxgateway import Session
    from mxgateway.proto import AlarmFeedMessage, MxEvent
    from mxgateway_cli.declaring.command import Call

Begin = Callable[["Session"], Awaitable[None]]


async def follow(
    call: Call, outages: Outages, begin: Begin, *, name: str, session_id: str | None = None, after: int = 0
) -> AsyncGenerator[MxEvent, None]:
    """Yield events; a lost session of the command's own is replaced by a new one, in which `begin` is called again.

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


async def follow_alarms(
    client: mxgateway.GatewayClient, outages: Outages, correlation_id: str, prefix: str = ""
) -> AsyncGenerator[AlarmFeedMessage, None]:
    """Yield messages; each feed begins with the active alarms.

    Args:
        client: The client.
        outages: Is told what happens.
        correlation_id: Identifies the calls in the gateway's log.
        prefix: Only alarms whose full reference starts with this.

    Raises:
        MxGatewayError: A fault that lasts.
    """
    request = mxgateway.proto.StreamAlarmsRequest(client_correlation_id=correlation_id, alarm_filter_prefix=prefix)
    while True:
        try:
            async with client.stream_alarms_raw(request) as feed:
                async for message in feed:
                    outages.back(mxgateway.Outcome.REBUILT)
                    yield message
            raise mxgateway.MxGatewayTransportError(
                "the gateway has ended the alarm feed", hint="see the gateway's log", phase="stream", retryable=True,
                grpc_status=mxgateway.GrpcStatus.UNAVAILABLE,
            )  # fmt: skip
        except mxgateway.MxGatewayError as error:
            outages.lost(error)
            await outages.pause()
