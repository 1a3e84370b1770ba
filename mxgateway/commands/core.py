"""What all methods of a session stand on: how it sends a command, and what it keeps in mind about the reply."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from mxgateway import proto
from mxgateway.calling import replies, requests
from mxgateway.calling.arguments import check_correlation_id, check_message
from mxgateway.commands.item_cache import TagBook
from mxgateway.errors import CallSite
from mxgateway.events.pump import StreamPump
from mxgateway.events.source import EventSource
from mxgateway.events.upkeep import PumpState
from mxgateway.events.writes.book import WriteBook, written_items
from mxgateway.events.writes.completions import Completions
from mxgateway.events.writes.item_writes import Item
from mxgateway.events.writes.sender import Writer
from mxgateway.options import check_timeout
from mxgateway.transport.calls.detached_call import Unattended
from mxgateway.transport.calls.method import Progress
from mxgateway.transport.channel import Channel
from mxgateway.wire import which_one_of
from mxgateway.wire.messages.betterproto_seam import Message

T = TypeVar("T")

SERVER_HANDLE: Final = partial(replies.handle, name="server_handle")
PAST_SERVERS: Final = 50_000
"""Registrations that have ended and are remembered at most: only 10,000 can have an event in the gateway's queue."""
ITEM_HANDLE: Final = partial(replies.handle, name="item_handle")


class SessionCore:
    """A session's way to the gateway.

    Args:
        channel: Where to call.
        session_id: The gateway's name of the session.
        opened_here: False for a session that was attached by its id: others may have read its events.
    """

    def __init__(self, channel: Channel, session_id: str, *, opened_here: bool) -> None:
        self._channel = channel
        self._owned = opened_here
        self._source = EventSource(channel, session_id)
        self._writes = WriteBook()
        self._book = TagBook()
        # None of these knows the session, which would keep itself alive until the next garbage collection.
        self._completions = Completions(self._writes, self._source.ended_error)
        self.shown_id = channel.gate.line(session_id)
        """The session's id as texts show it: a gateway may have named it with anything."""
        name = f"the event stream of {self.shown_id}"
        self._pump = StreamPump(self._source, self._completions, from_the_first=opened_here, name=name)
        self._writer = Writer(channel, self._writes, self._pump)
        self.past_servers: dict[int, object] = {}
        """Handles of registrations that have ended, whose events may still be on their way, the last one last; each with something that stands for this end."""
        self.session_id = session_id
        """The gateway's name of the session, ``session-`` and 32 hex digits."""

    @property
    def closed(self) -> bool:
        """True once the session was closed here."""
        return False

    async def invoke(
        self, command: proto.MxCommand, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.MxCommandReply:
        """Send any command and return the gateway's reply, once MXAccess has accepted it.

        Raises:
            MxAccessError: MXAccess refused the command.
        """
        correlation_id = check_correlation_id(correlation_id) or requests.new_correlation_id()
        reply = await self.invoke_raw(command, timeout=timeout, correlation_id=correlation_id)
        replies.check_mxaccess(reply, command, partial(self._site, correlation_id))
        return reply

    async def invoke_raw(
        self, command: proto.MxCommand, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.MxCommandReply:
        """Send any command and return the gateway's reply; an MXAccess failure is data, only protocol failures raise."""
        request = self._request(check_message("command", command, proto.MxCommand), correlation_id)
        return await self._transmit(request, timeout, Progress())

    @property
    def unattended(self) -> Unattended:
        """The calls of the client that outlive a cancelled caller."""
        return self._channel.unattended

    @property
    def pump(self) -> StreamPump:
        """The session's one event stream."""
        return self._pump

    @property
    def source(self) -> EventSource:
        """The session's way to its events."""
        return self._source

    async def _end_stream(self) -> None:
        """End the event stream and its readers for good."""
        self._source.is_left = True
        await self._pump.aclose()

    # -- for the methods of each theme

    async def _transmit(
        self, request: proto.MxCommandRequest, timeout: float | None, progress: Progress
    ) -> proto.MxCommandReply:
        """Send a request and return its reply; `progress` tells, when this fails, whether it was sent."""
        if items := written_items(request.command):
            return await self._writer.write(items, request, timeout, progress)
        reply = await requests.invoke_raw(self._channel, request, timeout, progress)
        self._take_note(request.command, reply)
        return reply

    def _request(self, command: proto.MxCommand, correlation_id: str) -> proto.MxCommandRequest:
        self._check_open(correlation_id)
        return self._message(command, correlation_id)

    def _check_open(self, correlation_id: str) -> None:
        if self.closed:
            raise self._source.closed_error(correlation_id)

    def _message(self, command: proto.MxCommand, correlation_id: str) -> proto.MxCommandRequest:
        return proto.MxCommandRequest(
            session_id=self.session_id,
            client_correlation_id=check_correlation_id(correlation_id) or requests.new_correlation_id(),
            command=command,
        )

    async def _send(self, body: Message, timeout: float | None, correlation_id: str) -> None:
        await self.invoke(requests.wrap(body), timeout=timeout, correlation_id=correlation_id)

    async def _ask(self, body: Message, judge: replies.Judge[T], timeout: float | None, correlation_id: str) -> T:
        """Send a command and return what `judge` finds in the reply."""
        command = requests.wrap(body)
        correlation_id = check_correlation_id(correlation_id) or requests.new_correlation_id()
        reply = await self.invoke(command, timeout=timeout, correlation_id=correlation_id)
        return judge(reply, command, partial(self._site, correlation_id))

    def _site(self, correlation_id: str) -> CallSite:
        return self._source.site(correlation_id)

    def _bounded_site(self, correlation_id: str, bound: float | None) -> CallSite:
        return replace(self._site(correlation_id), timeout=bound)

    def _bound(self, timeout: float | None) -> float | None:
        """Return the bound of a call in seconds, the client's own where none is given."""
        bound = self._channel.options.call_timeout if timeout is None else timeout
        check_timeout("timeout", bound)
        return bound

    # -- what a reply changes here

    def _take_note(self, command: proto.MxCommand, reply: proto.MxCommandReply) -> None:
        """Forget the items that a command has removed, and match the completions that it has drained."""
        arm = which_one_of(command, "payload")
        if arm == "drain_events" and which_one_of(reply, "payload") == arm:
            streaming = self._pump.state is not PumpState.IDLE
            self._completions.take_drained(reply.drain_events.events, streaming=streaming)
        elif arm in _REMOVALS and not replies.refused(reply):
            body = getattr(command, arm)
            if arm == "unregister":
                self._note_past(body.server_handle)
                self._writes.forget_server(body.server_handle)
                self._book.forget_server(body.server_handle)
                return
            gone = _removed(body, reply, arm)
            self._writes.forget(gone)
            self._book.forget(gone)

    def _note_past(self, server_handle: int) -> None:
        past = self.past_servers
        past.pop(server_handle, None)
        past[server_handle] = object()
        if len(past) > PAST_SERVERS:
            del past[next(iter(past))]


_REMOVALS: Final = frozenset({"unregister", "remove_item", "remove_item_bulk", "unsubscribe_bulk"})


def _removed(body: Any, reply: proto.MxCommandReply, arm: str) -> list[Item]:
    """Return the items that a command has removed."""
    if arm == "remove_item":
        return [Item(body.server_handle, body.item_handle)]
    results = getattr(reply, arm).results if which_one_of(reply, "payload") == arm else []
    return [
        Item(body.server_handle, handle)
        for handle, result in zip(body.item_handles, results, strict=False)
        if result.was_successful
    ]
