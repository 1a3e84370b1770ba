"""The stage on which every public asynchronous call is made, and which calls there are."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import mxgateway
from mxgateway import (
    AlarmBoard,
    AlarmFeed,
    DeployWatch,
    EventStream,
    GalaxyRepositoryClient,
    GatewayClient,
    HierarchyPages,
    LazyBrowseNode,
    RecoveryOptions,
    Session,
    Subscription,
    SubscriptionOptions,
    proto,
)
from mxgateway.galaxy.hierarchy import PagesIterator
from mxgateway.simulator import SimulatedGateway
from mxgateway.subscription.states import StateChanges
from mxgateway.testing.network.fault_proxy import FaultProxy
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.connecting.open_channel import Opening
from tests.client.support import TAG, Item, advised, change, connect, is_streaming, until

AWAITABLE: Final = (
    GatewayClient, Session, EventStream, Subscription, StateChanges, ServerStream, Opening, AlarmFeed, AlarmBoard,
    GalaxyRepositoryClient, HierarchyPages, PagesIterator, LazyBrowseNode, DeployWatch,
)  # fmt: skip
"""The public classes with calls to wait for."""

PUBLISHING_DELAY: Final = 0.005
"""Seconds until the event comes that a reader waits for."""


TAGS: Final = [TAG, "TestChildObject.TestBool"]
"""Two tags that are there."""


ALARM: Final = "Galaxy!Area1.Tank01.HiHi"
"""An alarm that only the test raises."""

QUICK: Final = RecoveryOptions(initial_backoff=0.01, max_backoff=0.02)
"""Pauses that a test can wait for."""


@dataclass
class Stage:
    """What a call is made with: a session of its own with an advised item, whose first event nobody has read."""

    gateway: SimulatedGateway
    client: GatewayClient
    session: Session
    item: Item
    streams: list[Any] = field(default_factory=list)
    """The event streams, which the stage closes at its end."""
    subscriptions: list[Subscription] = field(default_factory=list)
    """The subscriptions, which the stage closes at its end."""
    feeds: list[AlarmFeed | AlarmBoard] = field(default_factory=list)
    """The alarm feeds and boards, which the stage closes at its end."""
    others: list[asyncio.Task[Any]] = field(default_factory=list)
    """Tasks of others than the one that the test looks at."""
    network: FaultProxy | None = None
    """What is between client and gateway, where a test needs it."""
    prepared: Any = None
    """What the call's preparation has returned."""
    _timer: asyncio.TimerHandle | None = None

    def connect(self) -> Opening[GatewayClient]:
        """Return another client's opening, plaintext or TLS like the first one's."""
        return connect(self.gateway, plaintext=self.client._channel.options.plaintext)

    def events(self, after: int = 0) -> EventStream:
        """Return an event stream."""
        self.streams.append(events := self.session.stream_events(after))
        return events

    def raw_events(self) -> ServerStream[proto.StreamEventsRequest, proto.MxEvent]:
        """Return an event stream that shares nothing with others."""
        request = proto.StreamEventsRequest(session_id=self.session.session_id)
        self.streams.append(events := self.client.stream_events_raw(request))
        return events

    def subscription(self, session: Session | None = None) -> Subscription:
        """Return a subscription to the item's tag, in a session or in one of its own."""
        self.client._opener._next_start = 0.0  # session openings are kept apart, which is nothing to wait for here
        options = SubscriptionOptions(recovery=QUICK)
        subscription = session.subscribe([TAG], options) if session else self.client.subscribe([TAG], options)
        self.subscriptions.append(subscription)
        return subscription

    def alarms(self) -> AlarmFeed:
        """Return an alarm feed."""
        self.feeds.append(feed := self.client.stream_alarms(ALARM))
        return feed

    def board(self) -> AlarmBoard:
        """Return an alarm board."""
        self.feeds.append(board := self.client.alarm_board(ALARM, recovery=QUICK))
        return board

    def publish_soon(self) -> None:
        """Let the item's provider publish a value once the call waits for it."""
        self.soon(change, self.gateway, [7])

    def soon(self, happens: Callable[..., object], *arguments: object) -> None:
        """Let something happen once the call waits for it, and not after the stage is closed."""
        self._timer = asyncio.get_running_loop().call_later(PUBLISHING_DELAY, happens, *arguments)

    async def close(self) -> None:
        """Close streams, subscriptions and session."""
        if self._timer is not None:
            self._timer.cancel()
        for subscription in self.subscriptions:
            await subscription.aclose()
        for stream in (*self.streams, *self.feeds):
            await stream.aclose()
        await self.session.close()


async def set_stage(gateway: SimulatedGateway, client: GatewayClient) -> Stage:
    """Return a stage with a session of its own."""
    session = await client.open_session(client_session_name="tests")
    return Stage(gateway, client, session, await advised(session))


async def no_preparation(stage: Stage) -> None:
    """Do nothing."""


async def next_call(stage: Stage) -> None:
    """Prove that session and client can be used."""
    await stage.session.ping(timeout=10)


@dataclass(frozen=True)
class Call:
    """One public call in one situation."""

    name: str
    """``Class.method``, and the situation in brackets."""
    begin: Callable[[Stage], Coroutine[Any, Any, object]]
    """Returns the coroutine of the call."""
    afterwards: Callable[[Stage], Awaitable[None]] = next_call
    """Proves that the next call works."""
    prepare: Callable[[Stage], Awaitable[object]] = no_preparation
    """What has to be done before."""
    streams: int = 0
    """Streams that are open afterwards: the session's own."""
    watches: int = 0
    """Other streams that are open afterwards."""
    reconnects: bool = False
    """True for those that are made once more after the connection was lost: one of each kind, for they all connect alike."""

    @property
    def method(self) -> str:
        """The name without the situation."""
        return self.name.partition(" ")[0]


def public_methods() -> Iterator[str]:
    """Yield every public method that is to be awaited, or returns something that is."""
    for cls in AWAITABLE:
        for name, found in _members(cls).items():
            method = found.__func__ if isinstance(found, staticmethod) else found
            public = not name.startswith("_") or name in ("__anext__", "__aenter__", "__aexit__", "__await__")
            if public and (inspect.iscoroutinefunction(method) or _opens(method) or name == "__await__"):
                yield f"{cls.__name__}.{name}"


def _members(cls: type) -> dict[str, Any]:
    """Return what a class has of its own and from the parts that it is put together of."""
    parts = [part for part in reversed(cls.__mro__) if part.__module__.startswith("mxgateway.")]
    return {name: member for part in parts for name, member in vars(part).items()}


def _opens(method: Any) -> bool:
    return str(getattr(method, "__annotations__", {}).get("return", "")).startswith("Opening[")


def public_classes() -> set[type]:
    """Return the classes of the public names that have anything to be awaited."""
    found = {each for each in (getattr(mxgateway, name) for name in mxgateway.__all__) if isinstance(each, type)}
    return {cls for cls in found if any(inspect.iscoroutinefunction(each) for each in _members(cls).values())}


async def lose_connection(stage: Stage) -> None:
    """Cut the connection and wait until the client and the gateway know it."""
    stage.gateway.drop_connections()
    await until(lambda: stage.client._channel.current is None)
    await until(lambda: not is_streaming(stage.gateway, stage.session))
