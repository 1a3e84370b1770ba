"""Every public asynchronous call, ready to be made: what the tests that treat all of them alike go through."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import mxgateway
from mxgateway import (
    EventStream,
    GatewayClient,
    RecoveryOptions,
    Session,
    Subscription,
    SubscriptionOptions,
    SubscriptionState,
    TagUpdate,
    proto,
)
from mxgateway.client import Opening
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.subscription.states import StateChanges
from mxgateway.transport.server_stream import ServerStream
from tests.client.support import TAG, WRITE_COMPLETE, Item, advised, change, connect, is_streaming, until

AWAITABLE: Final = (GatewayClient, Session, EventStream, Subscription, StateChanges, ServerStream, Opening)
"""The public classes with calls to wait for."""

PUBLISHING_DELAY: Final = 0.005
"""Seconds until the event comes that a reader waits for."""


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
        self.client._next_opening = 0.0  # session openings are kept apart, which is nothing to wait for here
        options = SubscriptionOptions(recovery=RecoveryOptions(initial_backoff=0.01, max_backoff=0.02))
        subscription = session.subscribe([TAG], options) if session else self.client.subscribe([TAG], options)
        self.subscriptions.append(subscription)
        return subscription

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
        for stream in self.streams:
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
    """Streams that are open afterwards."""
    reconnects: bool = False
    """True for those that are made once more after the connection was lost: one of each kind, for they all connect alike."""
    leaves_sessions: bool = False
    """True when a session of a call that was cancelled is left to its lease."""

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


# -- the client


async def _and_close(opening: Opening[Any]) -> None:
    await (await opening).close()


async def _in_a_block(opening: Opening[Any]) -> None:
    async with opening:
        pass


async def _raw_session(stage: Stage) -> None:
    reply = await stage.client.open_session_raw(proto.OpenSessionRequest())
    await stage.client.close_session_raw(reply.session_id)


async def _another_client(stage: Stage) -> GatewayClient:
    client = await stage.connect()
    await client.open_session()
    return client


async def _entered_opening(stage: Stage) -> Opening[Session]:
    opening = stage.client.open_session()
    await opening.__aenter__()
    return opening


async def close_again(stage: Stage) -> None:
    """Prove that the session is closed, and that the client can open another."""
    reply = await stage.session.close()
    assert reply.final_state == proto.SessionState.CLOSED
    async with stage.client.open_session() as session:
        await session.ping()


async def close_other_again(stage: Stage) -> None:
    """Prove that the other client is closed, and that this one works."""
    await stage.prepared.close()
    assert stage.prepared._channel._connections == set()
    await next_call(stage)


def _ping() -> proto.MxCommand:
    return proto.MxCommand(kind=proto.MxCommandKind.PING, ping=proto.PingCommand())


def _ping_request(stage: Stage) -> proto.MxCommandRequest:
    return proto.MxCommandRequest(session_id=stage.session.session_id, command=_ping())


CLIENT_CALLS: Final = [
    Call("GatewayClient.connect", lambda s: _and_close(s.connect())),
    Call("GatewayClient.close", lambda s: s.prepared.close(), close_other_again, _another_client, reconnects=True),
    Call("GatewayClient.__aenter__", lambda s: s.client.__aenter__()),
    Call("GatewayClient.__aexit__", lambda s: s.prepared.__aexit__(None, None, None), close_other_again, _another_client),
    Call("GatewayClient.open_session", lambda s: _and_close(s.client.open_session()), reconnects=True),
    Call("GatewayClient.open_session_raw", _raw_session, leaves_sessions=True),
    Call("GatewayClient.close_session_raw", lambda s: s.client.close_session_raw(s.session.session_id), close_again),
    Call("GatewayClient.invoke", lambda s: s.client.invoke(_ping_request(s))),
    Call("GatewayClient.invoke_raw", lambda s: s.client.invoke_raw(_ping_request(s))),
    Call("Opening.__await__", lambda s: _and_close(s.client.open_session())),
    Call("Opening.__aenter__", lambda s: _in_a_block(s.client.open_session())),
    Call("Opening.__aexit__", lambda s: s.prepared.__aexit__(None, None, None), prepare=_entered_opening),
]  # fmt: skip

# -- the session


async def write_again(stage: Stage) -> None:
    """Prove that a completion is not mistaken for that of the write which was given up."""
    event = await stage.session.write_confirmed(*stage.item.pair, 9, timeout=10)
    assert event.family == WRITE_COMPLETE
    assert not stage.session._ledger.pending


async def _write(stage: Stage) -> None:
    await stage.session.write_confirmed(*stage.item.pair, 1)


async def _write_behind_another(stage: Stage) -> None:
    """A write that waits for its turn."""
    first = asyncio.create_task(stage.session.write(*stage.item.pair, 1))
    try:
        await stage.session.write(*stage.item.pair, 2)
    finally:
        await asyncio.wait([first])


def _refused_write(stage: Stage) -> Coroutine[Any, Any, object]:
    value = proto.MxValue(data_type=proto.MxDataType.INTEGER, int32_value=1)
    body = proto.WriteCommand(server_handle=stage.item.server, item_handle=stage.item.handle, value=value)
    return stage.session.invoke_raw(proto.MxCommand(kind=proto.MxCommandKind.WRITE, write=body))


async def _unadvise(stage: Stage) -> None:
    await stage.session.unadvise(*stage.item.pair)


async def _advise_and_write(stage: Stage) -> None:
    await stage.session.advise(*stage.item.pair)
    await write_again(stage)


TAGS: Final = [TAG, "TestChildObject.TestBool"]
JANE: Final = SimulatorOptions().users[0]


async def _user(stage: Stage) -> int:
    return await stage.session.authenticate_user(stage.item.server, JANE.name, JANE.password)


def _write_secured(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_secured(*stage.item.pair, 5, current_user_id=stage.prepared)


def _write_secured2(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_secured2(*stage.item.pair, 5, datetime.now(UTC), current_user_id=stage.prepared)


def _write_elements(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_array_elements(*stage.item.pair, proto.MxDataType.INTEGER, 3, {1: 5})


def _bulk(stage: Stage) -> tuple[int, list[int], list[int]]:
    return stage.item.server, [stage.item.handle], [5]


def _write_secured_bulk(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_secured_bulk(*_bulk(stage), current_user_id=stage.prepared)


def _write_secured2_bulk(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_secured2_bulk(*_bulk(stage), datetime.now(UTC), current_user_id=stage.prepared)


async def _write_tags(stage: Stage) -> None:
    await stage.session.write_tags({TAG: 5}, confirm=True)


async def write_tags_again(stage: Stage) -> None:
    """Prove that a tag can be written by name, and its item by handle."""
    (write,) = await stage.session.write_tags({TAG: 9}, confirm=True, timeout=10)
    assert write.ok
    await write_again(stage)


SESSION_CALLS: Final = [
    Call("Session.register", lambda s: s.session.register("tests")),
    Call("Session.unregister", lambda s: s.session.unregister(s.item.server)),
    Call("Session.add_item", lambda s: s.session.add_item(s.item.server, TAG)),
    Call("Session.add_item2", lambda s: s.session.add_item2(s.item.server, "TestInt", "TestChildObject")),
    Call("Session.remove_item", lambda s: s.session.remove_item(*s.item.pair)),
    Call("Session.advise", lambda s: s.session.advise(*s.item.pair)),
    Call("Session.unadvise", lambda s: s.session.unadvise(*s.item.pair)),
    Call("Session.advise_supervisory", lambda s: s.session.advise_supervisory(*s.item.pair)),
    Call("Session.write", lambda s: s.session.write(*s.item.pair, 5), write_again, streams=1, reconnects=True),
    Call("Session.write (behind another)", _write_behind_another, write_again, streams=1),
    Call("Session.write2", lambda s: s.session.write2(*s.item.pair, 5, datetime.now(UTC)), write_again, streams=1),
    Call(
        "Session.write_confirmed",
        lambda s: s.session.write_confirmed(*s.item.pair, 5),
        write_again,
        streams=1,
        reconnects=True,
    ),
    Call(
        "Session.write_confirmed (again)", lambda s: s.session.write_confirmed(*s.item.pair, 5), write_again, _write, 1
    ),
    Call("Session.add_buffered_item", lambda s: s.session.add_buffered_item(s.item.server, TAG, "")),
    Call("Session.set_buffered_update_interval", lambda s: s.session.set_buffered_update_interval(s.item.server, 500)),
    Call("Session.suspend", lambda s: s.session.suspend(*s.item.pair)),
    Call("Session.activate", lambda s: s.session.activate(*s.item.pair)),
    Call("Session.write_secured", _write_secured, write_again, _user, streams=1),
    Call("Session.write_secured2", _write_secured2, write_again, _user, streams=1),
    Call("Session.write_array_elements", _write_elements, write_again, streams=1),
    Call("Session.authenticate_user", lambda s: _user(s)),
    Call("Session.archestra_user_to_id", lambda s: s.session.archestra_user_to_id(s.item.server, JANE.guid)),
    Call("Session.add_item_bulk", lambda s: s.session.add_item_bulk(s.item.server, TAGS)),
    Call("Session.subscribe_bulk", lambda s: s.session.subscribe_bulk(s.item.server, TAGS)),
    Call("Session.advise_item_bulk", lambda s: s.session.advise_item_bulk(s.item.server, [s.item.handle])),
    Call("Session.unadvise_item_bulk", lambda s: s.session.unadvise_item_bulk(s.item.server, [s.item.handle])),
    Call("Session.remove_item_bulk", lambda s: s.session.remove_item_bulk(s.item.server, [s.item.handle])),
    Call("Session.unsubscribe_bulk", lambda s: s.session.unsubscribe_bulk(s.item.server, [s.item.handle])),
    Call("Session.write_bulk", lambda s: s.session.write_bulk(*_bulk(s)), write_again, streams=1, reconnects=True),
    Call("Session.write2_bulk", lambda s: s.session.write2_bulk(*_bulk(s), datetime.now(UTC)), write_again, streams=1),
    Call("Session.write_secured_bulk", _write_secured_bulk, write_again, _user, streams=1),
    Call("Session.write_secured2_bulk", _write_secured2_bulk, write_again, _user, streams=1),
    Call("Session.read_bulk", lambda s: s.session.read_bulk(s.item.server, TAGS)),
    Call("Session.read", lambda s: s.session.read(TAGS), reconnects=True),
    Call("Session.read (again)", lambda s: s.session.read(TAGS), prepare=lambda s: s.session.read(TAGS)),
    Call("Session.write_tags", lambda s: s.session.write_tags({TAG: 5}), write_tags_again, streams=1),
    Call("Session.write_tags (confirmed)", _write_tags, write_tags_again, streams=1, reconnects=True),
    Call("Session.write_tags (again)", _write_tags, write_tags_again, _write_tags, 1),
    Call("Session.worker_info", lambda s: s.session.worker_info()),
    Call("Session.drain_events", lambda s: s.session.drain_events()),
    Call("Session.shutdown_worker", lambda s: s.session.shutdown_worker(), close_again),
    Call("Session.ping", lambda s: s.session.ping(), reconnects=True),
    Call("Session.state", lambda s: s.session.state()),
    Call("Session.invoke", lambda s: s.session.invoke(_ping())),
    Call("Session.invoke_raw", lambda s: s.session.invoke_raw(_ping())),
    Call(
        "Session.invoke_raw (a write that is refused)",
        _refused_write,
        _advise_and_write,
        _unadvise,
        streams=1,
        reconnects=True,
    ),
    Call("Session.close", lambda s: s.session.close(), close_again, reconnects=True),
    Call("Session.__aenter__", lambda s: s.session.__aenter__()),
    Call("Session.__aexit__", lambda s: s.session.__aexit__(None, None, None), close_again),
]

# -- event streams


async def read_on(stage: Stage) -> None:
    """Prove that the first stream brings what comes from now on."""
    change(stage.gateway, [11])
    async with asyncio.timeout(10):
        async for event in stage.streams[0]:
            if mxgateway.from_mx_value(event.value) == 11:
                return
    raise AssertionError("the stream has ended")


async def read_anew(stage: Stage) -> None:
    """Prove that the next stream of the session brings what comes from now on."""
    async with stage.session.stream_events() as events:
        stage.streams.insert(0, events)
        await stage.session.ping()
        await read_on(stage)


async def _entered(stage: Stage) -> None:
    stage.events()
    assert (await anext(stage.streams[0])).worker_sequence == 1


async def _raw_entered(stage: Stage) -> None:
    stage.raw_events()
    assert (await anext(stage.streams[0])).worker_sequence == 1


async def _waiting(stage: Stage) -> None:
    await _entered(stage)
    stage.publish_soon()


async def _raw_waiting(stage: Stage) -> None:
    await _raw_entered(stage)
    stage.publish_soon()


async def _far_ahead(stage: Stage) -> None:
    """Another reader has read events that the next one asks for."""
    await _entered(stage)
    for value in range(3):
        change(stage.gateway, [value])
        await anext(stage.streams[0])


def _leave(stage: Stage) -> Coroutine[Any, Any, object]:
    left: Coroutine[Any, Any, object] = stage.streams[0].__aexit__(None, None, None)
    return left


STREAM_CALLS: Final = [
    Call("EventStream.__aenter__", lambda s: s.events().__aenter__(), read_on, streams=1, reconnects=True),
    Call("EventStream.__aenter__ (beside another)", lambda s: s.events(1).__aenter__(), read_on, _far_ahead, 1),
    Call("EventStream.__anext__", lambda s: s.streams[0].__anext__(), read_on, _waiting, 1),
    Call("EventStream.__anext__ (the first)", lambda s: s.events().__anext__(), read_on, streams=1, reconnects=True),
    Call("EventStream.__aexit__", _leave, read_anew, _entered),
    Call("EventStream.aclose", lambda s: s.streams[0].aclose(), read_anew, _entered),
    Call("ServerStream.open", lambda s: s.raw_events().open(), read_on, streams=1, reconnects=True),
    Call("ServerStream.messages", lambda s: s.streams[0].messages(), read_on, _raw_waiting, 1),
    Call("ServerStream.messages (the first)", lambda s: s.raw_events().messages(), read_on, streams=1, reconnects=True),
    Call("ServerStream.__anext__", lambda s: s.streams[0].__anext__(), read_on, _raw_waiting, 1),
    Call("ServerStream.__aenter__", lambda s: s.raw_events().__aenter__(), read_on, streams=1),
    Call("ServerStream.__aexit__", _leave, read_anew, _raw_entered),
    Call("ServerStream.aclose", lambda s: s.streams[0].aclose(), read_anew, _raw_entered),
]  # fmt: skip

# -- subscriptions


async def _next_value(subscription: Subscription, value: int | None = None) -> None:
    async with asyncio.timeout(10):
        async for update in subscription:
            if isinstance(update, TagUpdate) and value in (None, update.value):
                return
    raise AssertionError("the subscription has ended")


async def _subscribed(stage: Stage) -> Subscription:
    """A subscription in the stage's session, whose first value has been read."""
    subscription = stage.subscription(stage.session)
    await subscription.__aenter__()
    await _next_value(subscription)
    return subscription


async def _subscribed_apart(stage: Stage) -> Subscription:
    """A subscription in a session of its own, whose first value has been read."""
    subscription = stage.subscription()
    await subscription.__aenter__()
    await _next_value(subscription)
    return subscription


async def _waiting_for_a_value(stage: Stage) -> Subscription:
    subscription = await _subscribed(stage)
    stage.publish_soon()
    return subscription


async def _waiting_for_a_state(stage: Stage) -> StateChanges:
    states = (await _subscribed(stage)).states()
    await anext(states)
    stage.soon(stage.gateway.drop_connections)
    return states


async def value_again(stage: Stage) -> None:
    """Prove that the subscription brings what comes from now on."""
    change(stage.gateway, [11])
    await _next_value(stage.subscriptions[0], 11)


async def state_again(stage: Stage) -> None:
    """Prove that the next change of the state is not missed, and that the subscription goes on."""
    while await anext(stage.prepared) is not SubscriptionState.CONNECTED:
        pass
    await value_again(stage)


async def entered_again(stage: Stage) -> None:
    """Prove that a block that was not entered has ended its subscription, and that there can be another one."""
    if stage.subscriptions[0].state is not SubscriptionState.CONNECTED:
        await ended_again(stage)
        await stage.subscription(stage.session).__aenter__()
        stage.subscriptions.reverse()
    await value_again(stage)


async def tags_again(stage: Stage) -> None:
    """Prove that tags can be removed and added after that was given up."""
    await stage.subscriptions[0].remove(TAGS)
    assert await stage.subscriptions[0].add([TAG]) == {}
    await value_again(stage)


async def ended_again(stage: Stage) -> None:
    """Prove that the subscription is closed, with a session of its own, and that there can be another one."""
    await stage.subscriptions[0].aclose()
    assert stage.subscriptions[0].state is SubscriptionState.CLOSED
    await until(lambda: set(stage.gateway.sessions) == {stage.session.session_id})
    async with stage.session.subscribe([TAG]) as another:
        await _next_value(another)


def _exit(stage: Stage) -> Coroutine[Any, Any, object]:
    left: Coroutine[Any, Any, object] = stage.prepared.__aexit__(None, None, None)
    return left


SUBSCRIPTION_CALLS: Final = [
    Call(
        "Subscription.__aenter__",
        lambda s: s.subscription(s.session).__aenter__(),
        entered_again,
        streams=1,
        reconnects=True,
    ),
    Call(
        "Subscription.__aenter__ (a session of its own)",
        lambda s: s.subscription().__aenter__(),
        ended_again,
        reconnects=True,
    ),
    Call("Subscription.__anext__", lambda s: s.prepared.__anext__(), value_again, _waiting_for_a_value, 1),
    Call("Subscription.__anext__ (the first)", lambda s: s.subscription(s.session).__anext__(), value_again, streams=1),
    Call("Subscription.__aexit__", _exit, ended_again, _subscribed),
    Call("Subscription.__aexit__ (a session of its own)", _exit, ended_again, _subscribed_apart),
    Call("Subscription.aclose", lambda s: s.prepared.aclose(), ended_again, _subscribed),
    Call("Subscription.aclose (a session of its own)", lambda s: s.prepared.aclose(), ended_again, _subscribed_apart),
    Call("Subscription.add", lambda s: s.prepared.add(TAGS), tags_again, _subscribed, 1),
    Call("Subscription.remove", lambda s: s.prepared.remove([TAG]), tags_again, _subscribed, 1),
    Call("Subscription.session", lambda s: s.prepared.session(), value_again, _subscribed, 1),
    Call("StateChanges.__anext__", lambda s: s.prepared.__anext__(), state_again, _waiting_for_a_state, 1),
]

CALLS: Final = [*CLIENT_CALLS, *SESSION_CALLS, *STREAM_CALLS, *SUBSCRIPTION_CALLS]


async def lose_connection(stage: Stage) -> None:
    """Cut the connection and wait until the client and the gateway know it."""
    stage.gateway.drop_connections()
    await until(lambda: stage.client._channel.current is None)
    await until(lambda: not is_streaming(stage.gateway, stage.session))
