"""A session with the gateway: one method for each MXAccess call, and the event stream."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Unpack

from mxgateway import proto
from mxgateway.calling.argument_checks import check_callback, check_sequence
from mxgateway.commands.session.closing import Closable
from mxgateway.commands.session.opener import SessionOpener
from mxgateway.commands.session.session_commands import SessionCommands
from mxgateway.events.reader import StreamCare
from mxgateway.events.stream import EventStream, OnInterruption
from mxgateway.options import OpenSessionOptions, merge_options
from mxgateway.options.subscription import RecoveryOptions, SubscriptionFields, SubscriptionOptions
from mxgateway.subscription.subscription import TagSubscription
from mxgateway.transport.channel import Channel


class Subscription(TagSubscription["Session"]):
    """The values of tags: an async iterator and a context manager of `TagUpdate`, `Gap` and `ConnectionChange`.

    `GatewayClient.subscribe` makes one with its own session, `Session.subscribe` one that shares a session. ``async
    with`` starts it: when the block is entered, the event stream is open and the tags are subscribed. Without it, the
    first read starts it. Each tag's updates come in the order of their events and without duplicates. A subscription
    that is dropped ends as if it were closed; while a task waits on it, it stays alive.
    """


class Session(SessionCommands):
    """One MXAccess session: a worker process at the gateway with one MXAccess object in it.

    Every method takes `timeout`, in seconds (None: the client's `call_timeout`), and `correlation_id`, which the
    gateway writes to its log (empty: a generated one; 1,000 characters at most). A timeout or a cancellation ends the
    wait, not the command.

    Every method raises subclasses of `MxGatewayError`: `MxAccessError` if MXAccess refuses the command,
    `MxGatewaySessionError` if the session has ended, `MxGatewayTimeoutError` and `MxGatewayTransportError` for faults
    of the connection.
    """

    def __init__(
        self,
        channel: Channel,
        session_id: str,
        *,
        opened: proto.OpenSessionReply | None = None,
        owned_sessions: set[Closable] | None = None,
    ) -> None:
        super().__init__(channel, session_id, opened_here=opened is not None, owned_sessions=owned_sessions)
        self._opened = opened

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that the gateway reported; empty for a session attached by its id."""
        return tuple(self._opened.capabilities) if self._opened is not None else ()

    @property
    def gateway_protocol_version(self) -> int:
        """The gateway's protocol version; 0 for a session attached by its id."""
        return self._opened.gateway_protocol_version if self._opened is not None else 0

    def __repr__(self) -> str:
        return f"<Session {self.shown_id} at {self._channel.endpoint}{', closed' if self.closed else ''}>"

    def stream_events(
        self,
        after_worker_sequence: int = 0,
        *,
        resume: bool | RecoveryOptions = False,
        on_interruption: OnInterruption | None = None,
    ) -> EventStream:
        """Return the session's events in worker-sequence order: an async iterator and a context manager.

        Args:
            after_worker_sequence: Resume after this sequence; 0 takes what comes, starting with the backlog of a
                session without a subscriber.
            resume: Recover from faults of the stream for as long as the session lives; events that the gateway no
                longer has are marked by its `replay_gap`. `RecoveryOptions` say how; True takes the defaults.
            on_interruption: Called while the stream is read, in its place among the events: with the fault where the
                stream was lost and will be resumed, with None where it is back. What it raises, the iterator raises.
        """
        care = StreamCare(RecoveryOptions() if isinstance(resume, int) else resume) if resume else None
        after, report = check_sequence(after_worker_sequence), check_callback("on_interruption", on_interruption)
        return EventStream(self.pump, self.session_id, after, care, self._channel.counters, report)

    def subscribe(
        self, tags: Iterable[str], options: SubscriptionOptions | None = None, **fields: Unpack[SubscriptionFields]
    ) -> Subscription:
        """Return a subscription to tags that shares this session and ends with it.

        One from `GatewayClient.subscribe` outlives sessions.

        Args:
            tags: ``Object.Attribute``, any number of them.
            options: How it handles a slow consumer and interruptions.
            fields: Fields of `SubscriptionOptions`, instead of `options` or to replace some of them.
        """
        merged = merge_options(SubscriptionOptions, options, fields)
        return Subscription(tags, merged, SharedSession(self), self._channel)


class OwnSessions:
    """The session source of a subscription with its own sessions.

    Args:
        opener: Opens them.
        name: Their name in the gateway's log.
        attach: Returns a handle for a session that is already open.
    """

    shared: None = None

    def __init__(self, opener: SessionOpener[Session], name: str, attach: Callable[[str], Session]) -> None:
        self._options = OpenSessionOptions(client_session_name=name)
        self._opener = opener
        self.waiting = opener.waiting
        self.give_back = opener.give_back
        self.attach = attach

    async def open(self) -> Session:
        """Open a session, at the limited rate."""
        return await self._opener.open(self._options)


class SharedSession:
    """The session source of a subscription that shares a session: always that session.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self.shared: Session = session

    async def open(self) -> Session:
        """Return the session."""
        return self.shared

    def attach(self, session_id: str) -> Session:
        """Return the session: a shared one is never taken over."""
        return self.shared

    def give_back(self, session: Session) -> None:
        """Do nothing: the session belongs to its owner."""

    @contextlib.contextmanager
    def waiting(self, wake: Callable[[], None]) -> Iterator[None]:
        """Do nothing: no other session is opened."""
        yield
