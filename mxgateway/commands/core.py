"""The base of all session methods: how a session sends a command, and what it records from the reply."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, TypeVar

from mxgateway import proto
from mxgateway.calling import replies, requests
from mxgateway.calling.argument_checks import check_correlation_id, check_message
from mxgateway.calling.time_budget import Budget
from mxgateway.commands.item_cache import TagCache
from mxgateway.errors import CallSite
from mxgateway.events.event_call import EventSource
from mxgateway.events.pump import StreamPump
from mxgateway.events.upkeep import PumpState
from mxgateway.events.writes.completions import Completions
from mxgateway.events.writes.item_writes import Item
from mxgateway.events.writes.sender import Writer
from mxgateway.events.writes.write_records import WriteRecords, written_items
from mxgateway.options import check_timeout
from mxgateway.transport.calls.method import Progress, Site
from mxgateway.transport.channel import Channel
from mxgateway.wire import which_one_of
from mxgateway.wire.messages.betterproto_seam import Message

T = TypeVar("T")

SERVER_HANDLE: Final = partial(replies.handle, name="server_handle")
PAST_SERVERS: Final = 50_000
"""The maximum number of ended registrations remembered: only 10,000 can have an event in the gateway's queue."""
ITEM_HANDLE: Final = partial(replies.handle, name="item_handle")


class SessionCore:
    """A session's connection to the gateway.

    Args:
        channel: The channel to the gateway.
        session_id: The gateway's id of the session.
        opened_here: False for a session attached by its id: others may have read its events.
    """

    def __init__(self, channel: Channel, session_id: str, *, opened_here: bool) -> None:
        self._channel = channel
        self._owned = opened_here
        self.detached_calls = channel.detached_calls
        """The client's calls that outlive a cancelled caller."""
        self.source = EventSource(channel, session_id)
        """The source of the session's events."""
        self._writes = WriteRecords()
        self._tag_cache = TagCache()
        # None of these refers to the session: a cycle would keep it alive until the next garbage collection.
        self._completions = Completions(self._writes, self.source.ended_error)
        self.shown_id = channel.gate.line(session_id)
        """The session's id as a clean line for texts: a gateway may put anything into it."""
        name = f"the event stream of {self.shown_id}"
        self.pump = StreamPump(self.source, self._completions, from_the_first=opened_here, name=name)
        """The session's one event stream."""
        self._writer = Writer(channel, self._writes, self.pump)
        self.past_servers: dict[int, object] = {}
        """Handles of ended registrations whose events may still be pending, oldest first.

        The value is an object that identifies this end of the registration.
        """
        self.session_id = session_id
        """The gateway's id of the session, ``session-`` and 32 hex digits."""

    @property
    def closed(self) -> bool:
        """True once the session was closed by this client."""
        return False

    async def invoke(
        self, command: proto.MxCommand, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.MxCommandReply:
        """Send any command and return the gateway's reply, if MXAccess accepted it.

        Raises:
            MxAccessError: MXAccess refused the command.
        """
        return (await self._accepted(command, timeout, correlation_id))[0]

    async def invoke_raw(
        self, command: proto.MxCommand, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.MxCommandReply:
        """Send any command and return the gateway's reply; only protocol failures raise, not MXAccess failures."""
        return await self._transmit(self._request(command, correlation_id), timeout, Progress())

    async def _end_stream(self) -> None:
        """End the event stream and its readers permanently."""
        self.source.is_left = True
        await self.pump.aclose()

    # -- for subclasses

    async def _transmit(
        self, request: proto.MxCommandRequest, timeout: float | None, progress: Progress
    ) -> proto.MxCommandReply:
        """Send a request and return its reply; `progress` says whether it was sent, if this fails."""
        if items := written_items(request.command):
            return (await self._writer.send(items, request, timeout, progress, confirm=False))[0]
        if which_one_of(request.command, "payload") == "unregister":  # it may happen without an answer
            self._note_past(request.command.unregister.server_handle)
        reply = await requests.invoke_raw(self._channel, request, timeout, progress)
        self._record(request.command, reply)
        return reply

    async def _accepted(
        self, command: proto.MxCommand, timeout: float | None, correlation_id: str
    ) -> tuple[proto.MxCommandReply, Site]:
        """Send a command and return the reply, if MXAccess accepted it, and the site of the call."""
        request = self._request(command, correlation_id)
        reply = await self._transmit(request, timeout, Progress())
        site = partial(self._site, request.client_correlation_id)
        replies.check_mxaccess(reply, command, site)
        return reply, site

    async def _send(self, body: Message, timeout: float | None, correlation_id: str) -> None:
        await self._accepted(requests.wrap(body), timeout, correlation_id)

    async def _ask(self, body: Message, read: replies.ReplyReader[T], timeout: float | None, correlation_id: str) -> T:
        """Send a command and return what `read` extracts from the reply."""
        command = requests.wrap(body)
        reply, site = await self._accepted(command, timeout, correlation_id)
        return read(reply, command, site)

    def _request(self, command: proto.MxCommand, correlation_id: str) -> proto.MxCommandRequest:
        request = self._message(
            check_message("command", command, proto.MxCommand), check_correlation_id(correlation_id)
        )
        self._check_open(request.client_correlation_id)
        return request

    def _check_open(self, correlation_id: str) -> None:
        self._channel.guard.check()
        if self.closed:
            raise self.source.closed_error(correlation_id)

    def _message(self, command: proto.MxCommand, correlation_id: str) -> proto.MxCommandRequest:
        return proto.MxCommandRequest(session_id=self.session_id, client_correlation_id=correlation_id, command=command)

    def _site(self, correlation_id: str) -> CallSite:
        return self.source.site(correlation_id)

    def _timeout(self, timeout: float | None) -> float | None:
        """Return the timeout of a call in seconds; the client's `call_timeout` for None."""
        seconds = self._channel.options.call_timeout if timeout is None else timeout
        check_timeout("timeout", seconds)
        return seconds

    def _budget(self, timeout: float | None, correlation_id: str) -> Budget:
        """Return the budget of several calls; without a timeout each of them has the client's `call_timeout`."""
        return Budget(None if timeout is None else self._timeout(timeout), self._site, correlation_id)

    # -- what a reply changes here

    def _record(self, command: proto.MxCommand, reply: proto.MxCommandReply) -> None:
        """Forget the items that are gone after a command, and match the write completions that it drained."""
        arm = which_one_of(command, "payload")
        if arm == "drain_events" and which_one_of(reply, "payload") == arm:
            streaming = self.pump.state is not PumpState.IDLE
            self._completions.take_drained(reply.drain_events.events, streaming=streaming)
        elif arm == "unregister" and not replies.refused(reply):
            self._note_past(command.unregister.server_handle)
            self._forget_server(command.unregister.server_handle)
        elif arm == "register" and which_one_of(reply, "payload") == arm:  # whatever had this handle has ended
            self._forget_server(reply.register.server_handle)
        elif arm in _REMOVALS and not replies.refused(reply):
            self._forget_items(_removed(getattr(command, arm), reply, arm))
        elif arm in _ADDITIONS and which_one_of(reply, "payload") == arm:
            self._forget_items(_added(getattr(command, arm), getattr(reply, arm)))

    def _forget_server(self, server_handle: int) -> None:
        self._writes.forget_server(server_handle)
        self._tag_cache.forget_server(server_handle)

    def _forget_items(self, items: list[Item]) -> None:
        self._writes.forget(items)
        self._tag_cache.forget(items)

    def _note_past(self, server_handle: int) -> None:
        past = self.past_servers
        past.pop(server_handle, None)
        past[server_handle] = object()
        if len(past) > PAST_SERVERS:
            del past[next(iter(past))]


_REMOVALS: Final = frozenset({"remove_item", "remove_item_bulk", "unsubscribe_bulk"})
_ADDITIONS: Final = frozenset({"add_item", "add_item2", "add_buffered_item", "add_item_bulk", "subscribe_bulk"})


def _removed(body: Any, reply: proto.MxCommandReply, arm: str) -> list[Item]:
    """Return the items that a command removed."""
    if arm == "remove_item":
        return [Item(body.server_handle, body.item_handle)]
    results = getattr(reply, arm).results if which_one_of(reply, "payload") == arm else []
    return [
        Item(body.server_handle, handle)
        for handle, result in zip(body.item_handles, results, strict=False)
        if result.was_successful
    ]


def _added(body: Any, reply: Any) -> list[Item]:
    """Return the items that a command added. An earlier item with such a handle is gone, even if nobody has told."""
    handles = [result.item_handle for result in getattr(reply, "results", [reply])]
    return [Item(body.server_handle, handle) for handle in handles]
