"""The messages of one alarm feed after another, through lost connections and restarts of the gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import mxgateway
from mxgateway_cli.recovery.outages import Outages

if TYPE_CHECKING:
    from mxgateway.proto import AlarmFeedMessage


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
