"""The calls that the event stream of one session needs of the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from mxgateway import proto
from mxgateway.calling import requests
from mxgateway.calling.argument_checks import new_correlation_id
from mxgateway.calling.rpcs import INVOKE, STREAM_EVENTS
from mxgateway.errors import (
    CallSite,
    GrpcStatus,
    MxAccessError,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewaySessionError,
    map_fault,
)
from mxgateway.errors.faults import ClosedFault
from mxgateway.events.data_change import event_decoder
from mxgateway.transport.calls.method import CallOptions, call_site
from mxgateway.transport.calls.pushed_stream import PushedStream, Receiver
from mxgateway.transport.channel import Channel
from mxgateway.wire import MisfitError, WireError

UNREADABLE: Final = proto.MxEvent()
"""In the place of a message that cannot be decoded, where a stream is to pass over it."""


class EventCall(PushedStream[proto.StreamEventsRequest, Any]):
    """A StreamEvents call that decodes of its events only what its readers need.

    Args:
        passes: Whether the first messages are delivered as `UNREADABLE` if they cannot be decoded. Later ones, and any
            without it, end the stream.
    """

    def __init__(
        self,
        channel: Channel,
        request: proto.StreamEventsRequest,
        options: CallOptions,
        receiver: Receiver[Any],
        *,
        passes: bool,
    ) -> None:
        super().__init__(channel, STREAM_EVENTS, request, options, receiver)
        self._passes = passes
        decoders = (event_decoder(channel.codec), self.decode)
        self._decoders = tuple(map(self._passing, decoders)) if passes else decoders

    def _passing(self, decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        def attempt(data: bytes) -> Any:
            try:
                event = decode(data)
            except WireError as fault:
                if not self._passes or isinstance(fault, MisfitError):
                    raise
                return UNREADABLE
            self._passes = False
            return event

        return attempt

    @property
    def whole(self) -> bool:
        """False while of data changes only what subscriptions need is decoded."""
        return self.decode is self._decoders[True]

    @whole.setter
    def whole(self, whole: bool) -> None:
        self.decode = self._decoders[whole]


class EventSource:
    """Makes the calls of one session's event stream.

    Args:
        channel: Where to call.
        session_id: The gateway's id of the session.
    """

    def __init__(self, channel: Channel, session_id: str) -> None:
        self._channel = channel
        self._session_id = session_id
        self.guard = channel.guard
        self.counters = channel.counters
        self.is_left = False
        """True once this client has closed or left the session, which ended the stream."""

    @property
    def call_timeout(self) -> float | None:
        """The client's timeout of a call, in seconds."""
        return self._channel.options.call_timeout

    @property
    def closing(self) -> bool:
        """True once the client is closing."""
        return self._channel.closing

    async def pause(self, seconds: float, awake: asyncio.Event | None = None) -> None:
        """Sleep for `seconds`, or until `awake` is set or the client closes."""
        await self._channel.pause(seconds, awake)

    def open_stream(self, after: int, receiver: Receiver[Any], *, passes: bool) -> EventCall:
        """Return a StreamEvents call for the events after a worker sequence; nothing is sent yet.

        With `passes`, the first messages may be `UNREADABLE`.
        """
        request = proto.StreamEventsRequest(session_id=self._session_id, after_worker_sequence=after)
        options = CallOptions(session_id=self._session_id)
        return EventCall(self._channel, request, options, receiver, passes=passes)

    async def probe(self, timeout: float) -> None:
        """Ping the worker. Any answer of the gateway is a sign of life, unless it reports the end of the session.

        Raises:
            MxGatewayError: The session is gone, or nobody answers.
        """
        request = proto.MxCommandRequest(
            session_id=self._session_id,
            client_correlation_id=new_correlation_id(),
            command=requests.wrap(proto.PingCommand()),
        )
        try:
            await requests.invoke(self._channel, request, timeout)
        except (MxAccessError, MxGatewayAuthorizationError):
            return
        except MxGatewaySessionError as error:
            if error.grpc_status is not GrpcStatus.RESOURCE_EXHAUSTED:  # too many pending commands: the worker lives
                raise

    def closed_error(self, correlation_id: str = "") -> MxGatewaySessionError:
        """Return the error for a call in a session that this client has closed."""
        site = self.site(correlation_id)
        return MxGatewaySessionError(
            f"{self._session_id} is closed", hint="open a new session", site=site, phase="request"
        )

    def ended_error(self) -> MxGatewayError:
        """Return the error for whatever ended because the event stream ended without a fault."""
        if self.closing:
            return map_fault(ClosedFault("the client is closed"), self.site(""), phase="stream")
        if self.is_left:
            return self.closed_error()
        return MxGatewaySessionError(
            "the gateway has ended the event stream", hint="open a new session", site=self.site(""), phase="stream"
        )

    def site(self, correlation_id: str) -> CallSite:
        """Return the call site of a command of the session, for its error."""
        return call_site(self._channel, INVOKE, CallOptions(session_id=self._session_id, correlation_id=correlation_id))
