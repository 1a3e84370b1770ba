"""The calls of the gateway client that are about alarms. What they need is loaded by the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from mxgateway import proto
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.channel import Channel

if TYPE_CHECKING:
    from mxgateway.alarms.acknowledge import AlarmAcknowledgement
    from mxgateway.alarms.board import AlarmBoard
    from mxgateway.alarms.feed import AlarmFeed
    from mxgateway.alarms.messages import ActiveAlarm
    from mxgateway.alarms.references import AlarmReference
    from mxgateway.options.subscription import RecoveryOptions


class AlarmCalls:
    """A part of `GatewayClient`."""

    _channel: Channel

    def stream_alarms(self, prefix: str = "", *, timeout: float | None = None, correlation_id: str = "") -> AlarmFeed:
        """Return the alarm feed: the active alarms, the end of those, the provider's status, then every transition; it ends with the first fault.

        Args:
            prefix: Only alarms whose full reference starts with this; empty is all.
            timeout: Bound of the whole feed in seconds; None for none.
            correlation_id: Names the call in the gateway's log.
        """
        from mxgateway.alarms.feed import AlarmFeed

        return AlarmFeed(self._channel, prefix, timeout, correlation_id)

    def alarm_board(
        self,
        prefix: str = "",
        *,
        recovery: RecoveryOptions | None = None,
        stale_after: float | None = 60.0,
        stale_timeout: float = 10.0,
        max_alarms: int = 100_000,
    ) -> AlarmBoard:
        """Return a board of the active alarms, which is kept right through every fault; see `AlarmBoard` for the arguments."""
        from mxgateway.alarms.board import AlarmBoard

        return AlarmBoard(self._channel, prefix, recovery, stale_after, stale_timeout, max_alarms)

    async def query_active_alarms(
        self, prefix: str = "", *, timeout: float | None = None, correlation_id: str = "", max_alarms: int = 100_000
    ) -> list[ActiveAlarm]:
        """Return the alarms that are active and whose full reference starts with `prefix`.

        Args:
            prefix: Empty is all.
            timeout: Bound in seconds; None takes the client's `call_timeout`.
            correlation_id: Names the call in the gateway's log.
            max_alarms: How many there may be; one counts as another one for each 1,024 characters of its texts and values.

        Raises:
            MxGatewayLimitError: There are more.
            MxGatewayError: The call failed.
        """
        from mxgateway.alarms.feed import query_active_alarms

        return await query_active_alarms(self._channel, prefix, timeout, correlation_id, max_alarms=max_alarms)

    async def acknowledge_alarm(
        self,
        reference: AlarmReference | UUID | str,
        *,
        comment: str = "",
        operator: str = "",
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> AlarmAcknowledgement:
        """Acknowledge an alarm. The request is sent once, whatever happens.

        Args:
            reference: A GUID, or ``Provider!Group.Tag``.
            comment: What the operator says.
            operator: Who acknowledges.
            timeout: Bound in seconds.
            correlation_id: Names the call in the gateway's log.

        Raises:
            MxAccessError: The alarm provider refused it: there is no such alarm, or it is not active.
            MxGatewayInvalidRequestError: The reference is neither form; nothing was sent.
            MxGatewayError: The call failed; where the alarm may be acknowledged all the same, the text says so.
        """
        from mxgateway.alarms.acknowledge import acknowledge_alarm

        return await acknowledge_alarm(self._channel, reference, comment, operator, timeout, correlation_id)

    def stream_alarms_raw(
        self, request: proto.StreamAlarmsRequest, *, timeout: float | None = None
    ) -> ServerStream[proto.StreamAlarmsRequest, proto.AlarmFeedMessage]:
        """Return a StreamAlarms call: an async iterator and context manager of the generated messages."""
        from mxgateway.alarms.feed import feed_stream

        return feed_stream(self._channel, request, timeout)

    def query_active_alarms_raw(
        self, request: proto.QueryActiveAlarmsRequest, *, timeout: float | None = None
    ) -> ServerStream[proto.QueryActiveAlarmsRequest, proto.ActiveAlarmSnapshot]:
        """Return a QueryActiveAlarms call: an async iterator and context manager of the generated messages."""
        from mxgateway.alarms.feed import query_stream

        return query_stream(self._channel, request, timeout)

    async def acknowledge_alarm_raw(
        self, request: proto.AcknowledgeAlarmRequest, *, timeout: float | None = None
    ) -> proto.AcknowledgeAlarmReply:
        """Send AcknowledgeAlarm once and return the reply; what the alarm provider says is data, only protocol failures raise."""
        from mxgateway.alarms.acknowledge import acknowledge_alarm_raw

        return await acknowledge_alarm_raw(self._channel, request, timeout)
