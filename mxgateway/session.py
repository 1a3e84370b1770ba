"""A session with the gateway: one method for each MXAccess call, and the event stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from mxgateway import commands, proto
from mxgateway.commands import check_int32, check_sequence, check_text, check_time
from mxgateway.errors import CallSite, GrpcStatus, MxGatewayError, MxGatewaySessionError
from mxgateway.events import EventHub, EventStream
from mxgateway.methods import CLOSE_SESSION, INVOKE, STREAM_EVENTS
from mxgateway.options import check_timeout
from mxgateway.transport.calls import unary
from mxgateway.transport.channel import Channel
from mxgateway.transport.method import CallOptions, call_site, site_of
from mxgateway.transport.server_stream import ServerStream
from mxgateway.values import MxValueInput, to_mx_value
from mxgateway.wire.betterproto_seam import Message
from mxgateway.writer import Writer
from mxgateway.writes import Item, WriteLedger, written_item

log = logging.getLogger("mxgateway.session")

T = TypeVar("T")


class Session:
    """One MXAccess session: a worker process at the gateway with one MXAccess object in it.

    Every method takes `timeout`, the bound of the call in seconds (None: the client's `call_timeout`), and `correlation_id`, which the gateway writes
    to its log (empty: a fresh one). A timeout or a cancellation ends the waiting and not the command.

    Every method raises below `MxGatewayError`: `MxAccessError` when MXAccess refuses the command, `MxGatewaySessionError` when the
    session is over, `MxGatewayTimeoutError` and `MxGatewayTransportError` for the way there and back.
    """

    def __init__(
        self,
        channel: Channel,
        session_id: str,
        *,
        opened: proto.OpenSessionReply | None = None,
        on_closed: Callable[[Session], None] = lambda session: None,
    ) -> None:
        self._channel = channel
        self._on_closed = on_closed
        self._owned = opened is not None
        self._ledger = WriteLedger()
        # Neither knows the session, which would keep itself alive until the next garbage collection.
        self._hub = EventHub(
            partial(_open_events, channel, session_id),
            self._ledger,
            partial(_closed_error, channel, session_id),
            channel.counters,
        )
        self._writer = Writer(channel, self._ledger, self._hub)
        self._opened = opened
        self._closing: asyncio.Task[proto.CloseSessionReply] | None = None
        self.session_id = session_id
        """The gateway's name of the session, ``session-`` and 32 hex digits."""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the gateway said that it can do; empty for a session that was attached by its id."""
        return tuple(self._opened.capabilities) if self._opened is not None else ()

    @property
    def gateway_protocol_version(self) -> int:
        """The gateway's protocol version; 0 for a session that was attached by its id."""
        return self._opened.gateway_protocol_version if self._opened is not None else 0

    @property
    def closed(self) -> bool:
        """True once `close` was called."""
        return self._closing is not None

    def __repr__(self) -> str:
        return f"<Session {self.session_id} at {self._channel.endpoint}{', closed' if self.closed else ''}>"

    # -- servers and items

    async def register(self, client_name: str, *, timeout: float | None = None, correlation_id: str = "") -> int:
        """Register a client with MXAccess and return its server handle.

        Args:
            client_name: The name under which MXAccess lists the client.
            timeout: Bound in seconds.
            correlation_id: For the gateway's log.
        """
        command = proto.RegisterCommand(client_name=check_text("client_name", client_name))
        return await self._ask(command, _SERVER_HANDLE, timeout, correlation_id)

    async def unregister(self, server_handle: int, *, timeout: float | None = None, correlation_id: str = "") -> None:
        """Unregister a client; all items of its server handle go with it."""
        command = proto.UnregisterCommand(server_handle=check_int32("server_handle", server_handle))
        await self._send(command, timeout, correlation_id)
        self._ledger.forget_server(server_handle)

    async def add_item(
        self, server_handle: int, item_definition: str, *, timeout: float | None = None, correlation_id: str = ""
    ) -> int:
        """Add an item and return its handle. MXAccess accepts any name; an unknown tag shows in its first event.

        Args:
            server_handle: From `register`.
            item_definition: The tag, ``Object.Attribute``; ``Attribute[]`` names a whole array.
            timeout: Bound in seconds.
            correlation_id: For the gateway's log.
        """
        command = proto.AddItemCommand(
            server_handle=check_int32("server_handle", server_handle),
            item_definition=check_text("item_definition", item_definition),
        )
        return await self._ask(command, _ITEM_HANDLE, timeout, correlation_id)

    async def add_item2(
        self,
        server_handle: int,
        item_definition: str,
        item_context: str,
        *,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> int:
        """Add an item within a context (the object that relative names start from) and return its handle."""
        command = proto.AddItem2Command(
            server_handle=check_int32("server_handle", server_handle),
            item_definition=check_text("item_definition", item_definition),
            item_context=check_text("item_context", item_context),
        )
        return await self._ask(command, _ITEM_HANDLE, timeout, correlation_id)

    async def remove_item(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> None:
        """Remove an item; its handle may be given out again."""
        item = _item(server_handle, item_handle)
        await self._send(proto.RemoveItemCommand(**item._asdict()), timeout, correlation_id)
        self._ledger.forget([item])

    async def advise(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> None:
        """Subscribe to an item: an OnDataChange with the current value comes first, then one for each change."""
        command = proto.AdviseCommand(**_item(server_handle, item_handle)._asdict())
        await self._send(command, timeout, correlation_id)

    async def unadvise(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> None:
        """End the subscription to an item."""
        command = proto.UnAdviseCommand(**_item(server_handle, item_handle)._asdict())
        await self._send(command, timeout, correlation_id)

    async def advise_supervisory(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> None:
        """Subscribe to an item as a supervisory client; writes then record their user id."""
        command = proto.AdviseSupervisoryCommand(**_item(server_handle, item_handle)._asdict())
        await self._send(command, timeout, correlation_id)

    # -- writes

    async def write(
        self,
        server_handle: int,
        item_handle: int,
        value: MxValueInput,
        *,
        user_id: int = 0,
        data_type: proto.MxDataType | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> None:
        """Write an advised item. Returning means that MXAccess accepted the write; its outcome is an OnWriteComplete event.

        Args:
            server_handle: From `register`.
            item_handle: Of an item that is advised.
            value: A Python value; `mxgateway.values` says what becomes of it.
            user_id: Recorded only while the item has a supervisory advise.
            data_type: The MXAccess type to send, where the Python type does not tell it.
            timeout: Bound in seconds.
            correlation_id: For the gateway's log.
        """
        item = _item(server_handle, item_handle)
        await self._send(_write_command(item, value, user_id, data_type), timeout, correlation_id)

    async def write2(
        self,
        server_handle: int,
        item_handle: int,
        value: MxValueInput,
        timestamp: datetime,
        *,
        user_id: int = 0,
        data_type: proto.MxDataType | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> None:
        """Write an advised item with a time of the caller's (a datetime with a time zone); else like `write`."""
        command = proto.Write2Command(
            **_item(server_handle, item_handle)._asdict(),
            value=to_mx_value(value, data_type=data_type),
            timestamp_value=to_mx_value(check_time("timestamp", timestamp), data_type=proto.MxDataType.TIME),
            user_id=check_int32("user_id", user_id),
        )
        await self._send(command, timeout, correlation_id)

    async def write_confirmed(
        self,
        server_handle: int,
        item_handle: int,
        value: MxValueInput,
        *,
        user_id: int = 0,
        data_type: proto.MxDataType | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> proto.MxEvent:
        """Write an advised item and wait until MXAccess has carried it out.

        The session's event stream stays open from the first confirmed write on; events that nobody iterates are kept, up to 10,000, for the next
        `stream_events`. Plain writes of the same item may be in flight at the same time.

        Args:
            server_handle: From `register`.
            item_handle: Of an item that is advised.
            value: A Python value; `mxgateway.values` says what becomes of it.
            user_id: Recorded only while the item has a supervisory advise.
            data_type: The MXAccess type to send, where the Python type does not tell it.
            timeout: Bound in seconds of write and confirmation together (None: the client's `call_timeout`).
            correlation_id: For the gateway's log.

        Returns:
            The OnWriteComplete event.

        Raises:
            MxAccessError: MXAccess refused the write, at once or later.
            MxGatewayTimeoutError: No confirmation came in time; the write may still happen.
            MxGatewaySessionError: Another event stream is attached to the session, or the confirmation was lost.
        """
        item = _item(server_handle, item_handle)
        command = commands.wrap(_write_command(item, value, user_id, data_type))
        bound = self._channel.options.call_timeout if timeout is None else timeout
        check_timeout("timeout", bound)
        request = self._request(command, correlation_id)
        site = replace(self._site(request.client_correlation_id), timeout=bound)
        return await self._writer.write_confirmed(item, request, bound, site)

    # -- the session itself

    async def ping(self, *, timeout: float | None = None, correlation_id: str = "") -> None:
        """Ask the worker for a sign of life; extends the session's lease."""
        await self._send(proto.PingCommand(), timeout, correlation_id)

    async def state(self, *, timeout: float | None = None, correlation_id: str = "") -> proto.SessionStateReply:
        """Return the session's state and, when it is faulted, the gateway's reason."""
        found: proto.SessionStateReply = await self._ask(
            proto.GetSessionStateCommand(), commands.payload, timeout, correlation_id
        )
        return found

    async def invoke(
        self, command: proto.MxCommand, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.MxCommandReply:
        """Send any command and return the gateway's reply, once MXAccess has accepted it.

        Raises:
            MxAccessError: MXAccess refused the command.
        """
        correlation_id = correlation_id or commands.new_correlation_id()
        reply = await self.invoke_raw(command, timeout=timeout, correlation_id=correlation_id)
        commands.check_mxaccess(reply, command, partial(self._site, correlation_id))
        return reply

    async def invoke_raw(
        self, command: proto.MxCommand, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.MxCommandReply:
        """Send any command and return the gateway's reply; an MXAccess failure is data, only protocol failures raise."""
        request = self._request(command, correlation_id)
        item = written_item(command)
        if item is None:
            return await commands.invoke_raw(self._channel, request, timeout)
        return await self._writer.write(item, request, timeout)

    def stream_events(self, after_worker_sequence: int = 0) -> EventStream:
        """Return the session's events in worker-sequence order: an async iterator and a context manager.

        Args:
            after_worker_sequence: Resume after this sequence; 0 takes what comes, the backlog of a session without a subscriber first.
        """
        return EventStream(self._hub, check_sequence(after_worker_sequence))

    async def close(self, *, timeout: float | None = None, correlation_id: str = "") -> proto.CloseSessionReply:
        """Close the session at the gateway; its handles, subscriptions and worker go with it.

        Safe to call again, and at the same time from several tasks: the first call closes, all return its reply. Cancelling a caller does not
        stop the closing. A session that the gateway does not know any more counts as closed.
        """
        if self._closing is None or self._closing.cancelled():
            self._closing = asyncio.create_task(self._close(timeout, correlation_id or commands.new_correlation_id()))
            self._closing.add_done_callback(_mark_retrieved)
        return await asyncio.shield(self._closing)

    async def _close(self, timeout: float | None, correlation_id: str) -> proto.CloseSessionReply:
        await self._hub.aclose()
        try:
            reply = await close_session_raw(self._channel, self.session_id, timeout, correlation_id)
        except MxGatewaySessionError as error:
            if error.grpc_status is not GrpcStatus.NOT_FOUND:
                raise
            reply = proto.CloseSessionReply(session_id=self.session_id, final_state=proto.SessionState.CLOSED)
        finally:
            self._on_closed(self)
        return reply

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the session; when the block has failed, a failure to close is noted on its exception and does not take its place."""
        if not self._owned:
            await self._hub.aclose()
            return
        try:
            await self.close()
        except MxGatewayError as error:
            if exc is None:
                raise
            log.warning("closing %s failed as well: %s", self.session_id, error)
            exc.add_note(f"closing the session failed as well: {error}")

    # -- inside

    def _request(self, command: proto.MxCommand, correlation_id: str) -> proto.MxCommandRequest:
        if self._closing is not None:
            raise _closed_error(self._channel, self.session_id, correlation_id)
        return proto.MxCommandRequest(
            session_id=self.session_id,
            client_correlation_id=correlation_id or commands.new_correlation_id(),
            command=command,
        )

    async def _send(self, body: Message, timeout: float | None, correlation_id: str) -> None:
        await self.invoke(commands.wrap(body), timeout=timeout, correlation_id=correlation_id)

    async def _ask(self, body: Message, judge: commands.Judge[T], timeout: float | None, correlation_id: str) -> T:
        """Send a command and return what `judge` finds in the reply."""
        command = commands.wrap(body)
        correlation_id = correlation_id or commands.new_correlation_id()
        reply = await self.invoke(command, timeout=timeout, correlation_id=correlation_id)
        return judge(reply, command, partial(self._site, correlation_id))

    def _site(self, correlation_id: str) -> CallSite:
        return _invoke_site(self._channel, self.session_id, correlation_id)


_SERVER_HANDLE = partial(commands.handle, name="server_handle")
_ITEM_HANDLE = partial(commands.handle, name="item_handle")


async def close_session_raw(
    channel: Channel, session_id: str, timeout: float | None, correlation_id: str
) -> proto.CloseSessionReply:
    """Close a session by its id and return the gateway's reply.

    Raises:
        MxGatewayError: The call failed, or the gateway reports a protocol failure.
    """
    options = CallOptions(timeout=timeout, correlation_id=correlation_id, session_id=session_id)
    request = proto.CloseSessionRequest(session_id=session_id, client_correlation_id=correlation_id)
    reply = await unary(channel, CLOSE_SESSION, request, options)
    commands.check_protocol(reply, site_of(channel, CLOSE_SESSION, options))
    return reply


def _invoke_site(channel: Channel, session_id: str, correlation_id: str) -> CallSite:
    return call_site(channel, INVOKE, CallOptions(session_id=session_id, correlation_id=correlation_id))


def _closed_error(channel: Channel, session_id: str, correlation_id: str = "") -> MxGatewaySessionError:
    site = _invoke_site(channel, session_id, correlation_id)
    return MxGatewaySessionError(f"{session_id} is closed", hint="open a new session", site=site, phase="request")


def _open_events(channel: Channel, session_id: str, after: int) -> ServerStream[Any, proto.MxEvent]:
    request = proto.StreamEventsRequest(session_id=session_id, after_worker_sequence=after)
    return ServerStream(channel, STREAM_EVENTS, request, CallOptions(session_id=session_id))


def _item(server_handle: int, item_handle: int) -> Item:
    return Item(check_int32("server_handle", server_handle), check_int32("item_handle", item_handle))


def _write_command(
    item: Item, value: MxValueInput, user_id: int, data_type: proto.MxDataType | None
) -> proto.WriteCommand:
    message = to_mx_value(value, data_type=data_type)
    return proto.WriteCommand(**item._asdict(), value=message, user_id=check_int32("user_id", user_id))


def _mark_retrieved(closing: asyncio.Task[proto.CloseSessionReply]) -> None:
    """A caller that was cancelled does not look at the outcome."""
    if not closing.cancelled():
        closing.exception()
