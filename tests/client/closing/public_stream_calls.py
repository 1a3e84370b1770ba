"""The public calls of event streams and subscriptions, ready to be made."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import mxgateway
from mxgateway import (
    Subscription,
    SubscriptionState,
    TagUpdate,
)
from mxgateway.subscription.states import StateChanges
from tests.client.stage import TAGS, Call, Stage
from tests.client.support import TAG, change, until

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
