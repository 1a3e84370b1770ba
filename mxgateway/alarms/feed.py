"""The raw alarm feed, and the query for the active alarms."""

from __future__ import annotations

from collections import deque
from typing import Self

from mxgateway import proto
from mxgateway.alarms.memory_limits import MOST_ALARMS, too_many, weight
from mxgateway.alarms.messages import ActiveAlarm, AlarmMessage, read_message, read_snapshot
from mxgateway.calling.argument_checks import UINT32_MAX, check_correlation_id, check_range, check_text
from mxgateway.calling.rpcs import QUERY_ACTIVE_ALARMS, STREAM_ALARMS
from mxgateway.transport.blocks import ClientReader
from mxgateway.transport.calls.method import CallOptions
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.channel import Channel

FeedStream = ServerStream[proto.StreamAlarmsRequest, proto.AlarmFeedMessage]
QueryStream = ServerStream[proto.QueryActiveAlarmsRequest, proto.ActiveAlarmSnapshot]


def feed_stream(channel: Channel, request: proto.StreamAlarmsRequest, timeout: float | None) -> FeedStream:
    """Return a StreamAlarms call."""
    options = CallOptions(timeout=timeout, correlation_id=request.client_correlation_id)
    return ServerStream(channel, STREAM_ALARMS, request, options)


def query_stream(channel: Channel, request: proto.QueryActiveAlarmsRequest, timeout: float | None) -> QueryStream:
    """Return a QueryActiveAlarms call; it is finite, so it uses the client's `call_timeout` by default."""
    bound = channel.options.call_timeout if timeout is None else timeout
    options = CallOptions(timeout=bound, correlation_id=request.client_correlation_id)
    return ServerStream(channel, QUERY_ACTIVE_ALARMS, request, options)


async def query_active_alarms(
    channel: Channel, prefix: str, timeout: float | None, correlation_id: str, *, max_alarms: int = MOST_ALARMS
) -> list[ActiveAlarm]:
    """Return the active alarms whose full reference starts with `prefix`.

    Raises:
        MxGatewayLimitError: They count as more than `max_alarms`.
    """
    check_range("max_alarms", max_alarms, 1, UINT32_MAX)
    request = proto.QueryActiveAlarmsRequest(
        client_correlation_id=check_correlation_id(correlation_id), alarm_filter_prefix=check_text("prefix", prefix)
    )
    alarms: list[ActiveAlarm] = []
    total = 0
    async with query_stream(channel, request, timeout) as stream:
        while batch := await stream.messages():
            found = [read_snapshot(each) for each in batch]
            total += sum(map(weight, found))
            if total > max_alarms:
                raise too_many("active alarms", max_alarms)
            alarms += found
    return alarms


class AlarmFeed(ClientReader):
    """The alarms as the gateway reports them: an async iterator and a context manager.

    It yields an `ActiveAlarm` for each active alarm, one `SnapshotComplete`, one `AlarmProviderStatus`, then an
    `AlarmTransition` for each change and another status at each failover. Unknown messages of newer gateways are
    skipped. The feed ends with the first fault; an `AlarmBoard` recovers.

    Args:
        channel: Where to call.
        prefix: Only alarms whose full reference starts with this; empty for all.
        timeout: Limit for the whole feed in seconds, from the first read.
        correlation_id: Identifies the call in the gateway's log.
    """

    def __init__(self, channel: Channel, prefix: str, timeout: float | None, correlation_id: str) -> None:
        request = proto.StreamAlarmsRequest(
            client_correlation_id=check_correlation_id(correlation_id), alarm_filter_prefix=check_text("prefix", prefix)
        )
        self._guard = channel.guard
        self._stream = feed_stream(channel, request, timeout)
        self._ready: deque[AlarmMessage] = deque()

    async def messages(self) -> list[AlarmMessage]:
        """Return everything that has arrived, waiting for the first message; an empty list at the end of the feed.

        Raises:
            MxGatewayInvalidRequestError: Another task is reading.
            MxGatewayError: The feed failed; earlier calls returned everything that arrived before.
        """
        self._guard.check()
        if self._ready:
            arrived, self._ready = list(self._ready), deque()
            return arrived
        while batch := await self._stream.messages():
            if known := [each for each in map(read_message, batch) if each is not None]:
                return known
        return []

    async def __anext__(self) -> AlarmMessage:
        self._guard.check()
        if not self._ready:
            self._ready.extend(await self.messages())
            if not self._ready:
                raise StopAsyncIteration
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Close the call: the stream is reset before this returns, and a task waiting on it is released. Idempotent."""
        self._guard.check()
        self._ready.clear()
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        self._guard.check()
        try:
            await self._stream.open()
        except BaseException:
            await self._stream.aclose()  # __aexit__ does not run when __aenter__ fails
            raise
        return self
