"""The alarm calls of the gateway client. The first call loads their dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from mxgateway import proto
from mxgateway.system.lazy_names import LazyModule
from mxgateway.transport.blocks import ChannelClient
from mxgateway.transport.calls.server_stream import ServerStream

if TYPE_CHECKING:
    from mxgateway.alarms import acknowledge, board, feed, messages, references
    from mxgateway.options import subscription
else:
    acknowledge = LazyModule("mxgateway.alarms.acknowledge")
    board = LazyModule("mxgateway.alarms.board")
    feed = LazyModule("mxgateway.alarms.feed")
    messages = LazyModule("mxgateway.alarms.messages")
    references = LazyModule("mxgateway.alarms.references")
    subscription = LazyModule("mxgateway.options.subscription")


class AlarmCalls(ChannelClient):
    """The alarm methods of `GatewayClient`."""

    def stream_alarms(
        self, prefix: str = "", *, timeout: float | None = None, correlation_id: str = ""
    ) -> feed.AlarmFeed:
        """Return the alarm feed: active alarms, end of snapshot, provider status, then every transition.

        The feed ends with the first fault.

        Args:
            prefix: Only alarms whose full reference starts with this; empty for all.
            timeout: Limit for the whole feed in seconds; None for no limit.
        """
        return feed.AlarmFeed(self._channel, prefix, timeout, correlation_id)

    def alarm_board(
        self,
        prefix: str = "",
        *,
        recovery: subscription.RecoveryOptions | None = None,
        stale_after: float | None = 60.0,
        stale_timeout: float = 10.0,
        max_alarms: int = 100_000,
    ) -> board.AlarmBoard:
        """Return a board of the active alarms that survives faults; see `AlarmBoard` for the arguments."""
        return board.AlarmBoard(self._channel, prefix, recovery, stale_after, stale_timeout, max_alarms)

    async def query_active_alarms(
        self, prefix: str = "", *, timeout: float | None = None, correlation_id: str = "", max_alarms: int = 100_000
    ) -> list[messages.ActiveAlarm]:
        """Return the active alarms whose full reference starts with `prefix`.

        Args:
            prefix: Empty for all.
            max_alarms: Most alarms accepted; every 1,024 characters of an alarm's texts and values count as another
                alarm.

        Raises:
            MxGatewayLimitError: There are more than `max_alarms`.
            MxGatewayError: The call failed.
        """
        return await feed.query_active_alarms(self._channel, prefix, timeout, correlation_id, max_alarms=max_alarms)

    async def acknowledge_alarm(
        self,
        reference: references.AlarmReference | UUID | str,
        *,
        comment: str = "",
        operator: str = "",
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> acknowledge.AlarmAcknowledgement:
        """Acknowledge an alarm. The request is sent once and never retried.

        Args:
            reference: A GUID, or ``Provider!Group.Tag``.
            comment: The operator's comment.
            operator: The operator who acknowledges.

        Raises:
            MxAccessError: The alarm provider rejected it: there is no such alarm, or it is not active.
            MxGatewayInvalidRequestError: The reference has neither form; nothing was sent.
            MxGatewayError: The call failed; the text says so if the alarm may have been acknowledged all the same.
        """
        return await acknowledge.acknowledge_alarm(self._channel, reference, comment, operator, timeout, correlation_id)

    def stream_alarms_raw(
        self, request: proto.StreamAlarmsRequest, *, timeout: float | None = None
    ) -> ServerStream[proto.StreamAlarmsRequest, proto.AlarmFeedMessage]:
        """Return a StreamAlarms call: an async iterator and context manager of the generated messages."""
        return feed.feed_stream(self._channel, request, timeout)

    def query_active_alarms_raw(
        self, request: proto.QueryActiveAlarmsRequest, *, timeout: float | None = None
    ) -> ServerStream[proto.QueryActiveAlarmsRequest, proto.ActiveAlarmSnapshot]:
        """Return a QueryActiveAlarms call: an async iterator and context manager of the generated messages."""
        return feed.query_stream(self._channel, request, timeout)

    async def acknowledge_alarm_raw(
        self, request: proto.AcknowledgeAlarmRequest, *, timeout: float | None = None
    ) -> proto.AcknowledgeAlarmReply:
        """Send AcknowledgeAlarm once and return the reply; only protocol failures raise."""
        return await acknowledge.acknowledge_alarm_raw(self._channel, request, timeout)
