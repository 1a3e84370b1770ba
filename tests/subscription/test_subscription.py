"""Tags in, typed updates out: what a subscription does while nothing goes wrong, and when its consumer asks for something."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from mxgateway import (
    ConnectionChange,
    GatewayClient,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    Origin,
    Outcome,
    RecoveryOptions,
    Subscription,
    SubscriptionOptions,
    SubscriptionState,
    TagUpdate,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.support import connect, until
from tests.rows import each_row
from tests.subscription.rig import account, consumed, is_connected, options, publish, quiet_plant, tags_of

TAGS = tags_of(5)


async def test_the_current_values_come_first_and_then_every_change(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        await until(lambda: len(consumer.updates) == 5)
        assert {update.tag for update in consumer.updates} == set(TAGS)
        assert {update.origin for update in consumer.updates} == {Origin.SNAPSHOT}
        publish(gateway, TAGS[:2], 7)
        await until(lambda: len(consumer.updates) == 7)
        first, second = consumer.updates[5:]
        assert (first.tag, first.value, first.origin, first.is_good) == (TAGS[0], 7, Origin.LIVE, True)
        assert (second.tag, second.worker_sequence) == (TAGS[1], first.worker_sequence + 1)
        assert first.source_time is not None
        assert first.quality_text == "good"
        assert first.error == ""
        account(consumer.subscription, gateway)
    assert consumer.subscription.state is SubscriptionState.CLOSED
    assert gateway.sessions == {}


async def test_an_update_can_be_matched_and_not_changed(client: GatewayClient) -> None:
    async with client.subscribe(TAGS[:1], options()) as updates:
        async for update in updates:
            match update:
                case TagUpdate(tag=tag, value=value):
                    assert (tag, value) == (TAGS[0], 0)
                    break
                case ConnectionChange(state=state):
                    assert state is not SubscriptionState.FAILED
        assert isinstance(update, TagUpdate)
        with pytest.raises(FrozenInstanceError):
            update.value = 1  # type: ignore[misc]
        assert not hasattr(update, "__dict__")


async def test_an_unknown_tag_says_so_in_its_first_update(client: GatewayClient) -> None:
    async with consumed(client.subscribe(["Nowhere.AtAll", TAGS[0]], options())) as consumer:
        await until(lambda: len(consumer.updates) == 2)
        unknown = next(update for update in consumer.updates if update.tag == "Nowhere.AtAll")
        assert unknown.value is None
        assert not unknown.is_good
        assert "1003" in unknown.error


async def test_a_tag_that_is_refused_is_told_and_fails_no_other() -> None:
    from mxgateway.simulator import SimulatedKey

    key = SimulatedKey.parse("mxgw_narrow_secret")
    narrow = type(key)(
        **{**{name: getattr(key, name) for name in key.__dataclass_fields__}, "read_globs": ("Unit.Tag0000",)}
    )
    async with SimulatedGateway(plant=quiet_plant(3), api_keys=[narrow]) as gateway:
        async with connect(gateway) as client, consumed(client.subscribe(tags_of(3), options())) as consumer:
            await until(lambda: len(consumer.updates) == 1)
            assert set(consumer.subscription.refused) == set(tags_of(3)[1:])
            assert all(consumer.subscription.refused.values())


async def test_no_item_is_taken_for_two_tags_and_none_without_a_handle_is_taken_for_one(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    def nonsense(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        first, second, third = reply.subscribe_bulk.results
        second.item_handle, third.item_handle = first.item_handle, 0
        return reply

    one, two, three = names = ["TestChildObject.TestInt", "TestChildObject.TestDouble", "TestChildObject.TestBool"]
    gateway.reply_override("Invoke.SubscribeBulk", nonsense)
    async with client.subscribe(names) as subscription:
        assert subscription.refused == {
            two: f"it got the item of {one!r}", three: "the reply has the item handle 0",
        }  # fmt: skip
        assert await subscription.add([two, three]) == {}
        found = set()
        async for update in subscription:
            found |= {update.tag} if isinstance(update, TagUpdate) else set()
            if found == set(names):
                break


async def test_tags_come_and_go_while_it_runs(gateway: SimulatedGateway, client: GatewayClient) -> None:
    async with consumed(client.subscribe(TAGS[:1], options())) as consumer:
        subscription = consumer.subscription
        assert await subscription.add(iter([TAGS[1], TAGS[0], TAGS[1]])) == {}
        await until(lambda: consumer.values.keys() == set(TAGS[:2]))
        await subscription.remove([TAGS[0], "Never.Added"])
        assert subscription.tags == (TAGS[1],)
        publish(gateway, TAGS, 3)
        await until(lambda: consumer.values[TAGS[1]] == 3)
        assert consumer.values[TAGS[0]] == 0
        await subscription.add([TAGS[0]])
        await until(lambda: consumer.values[TAGS[0]] == 3)
        account(subscription, gateway)


@pytest.mark.parametrize("tags", [[], "Unit.Tag0000", [1], ["a\0b"], None])
async def test_bad_tags_are_refused_before_anything_is_sent(
    gateway: SimulatedGateway, client: GatewayClient, tags: Any
) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="tags"):
        client.subscribe(tags)
    async with consumed(client.subscribe(TAGS[:1], options())) as consumer:
        sent = len(gateway.received)
        for call in (consumer.subscription.add, consumer.subscription.remove):
            with pytest.raises(MxGatewayInvalidRequestError, match="tags"):
                await call(tags)
        assert len(gateway.received) == sent


@each_row(
    "fields",
    [{"max_items": 0}, {"max_bytes": -1}, {"block_timeout": 0}, {"stale_after": -1}, {"call_wait": -1},
     {"overflow": "drop"}, {"recovery": {}}],
)  # fmt: skip
def test_options_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    if "recovery" in fields:
        with pytest.raises(MxGatewayInvalidRequestError):
            RecoveryOptions(initial_backoff=0)
        return
    with pytest.raises(MxGatewayInvalidRequestError, match=next(iter(fields))):
        SubscriptionOptions(**fields)


async def test_subscriptions_iterators_and_confirmations_share_one_stream_of_a_session(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with client.open_session() as session:
        async with (
            consumed(session.subscribe(TAGS, options())) as one,
            consumed(session.subscribe(TAGS[:2], options())) as other,
            session.stream_events() as events,
        ):
            (write,) = await session.write_tags({TAGS[0]: 9}, confirm=True)
            assert write.ok
            await until(lambda: one.values.get(TAGS[0]) == other.values.get(TAGS[0]) == 9)
            assert (await anext(events)).worker_sequence > 0
            assert len([call for call in gateway.received if call.method == "StreamEvents"]) == 1
        assert len(gateway.sessions) == 1
        assert [server.client_name for server in gateway.sessions[session.session_id].worker.servers.values()] == [
            "mxgateway"
        ]


async def test_a_shared_session_ends_its_subscriptions(gateway: SimulatedGateway, client: GatewayClient) -> None:
    async with client.open_session() as session:
        async with consumed(session.subscribe(TAGS, options())) as consumer:
            await until(lambda: len(consumer.updates) == 5)
            gateway.crash_worker(session.session_id)
            await until(lambda: consumer.error is not None)
            assert isinstance(consumer.error, MxGatewayError)
            assert consumer.subscription.state is SubscriptionState.FAILED


async def test_every_state_is_seen_by_whoever_watches(gateway: SimulatedGateway, client: GatewayClient) -> None:
    subscription = client.subscribe(TAGS, options())
    watcher = subscription.states()
    async with consumed(subscription):
        gateway.drop_connections()
        await until(lambda: subscription.stats().reconnects == 1)
    states = [state async for state in watcher]
    assert [state.value for state in states] == ["new", "connecting", "connected", "recovering", "connected", "closed"]
    assert [state async for state in subscription.states()] == [SubscriptionState.CLOSED]


async def test_calls_wait_for_the_end_of_an_interruption_or_fail_in_time(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    slow = RecoveryOptions(initial_backoff=1000, max_backoff=1000)
    for wait in (0, 0.05):
        async with consumed(client.subscribe(TAGS[:1], options(recovery=slow, call_wait=wait))) as consumer:
            gateway.drop_connections()
            await until(lambda: consumer.subscription.state is SubscriptionState.RECOVERING)
            with pytest.raises(MxGatewayTimeoutError, match="recovering"):
                await consumer.subscription.add([TAGS[1]])
            assert consumer.subscription.tags == (TAGS[0],)

    async with consumed(client.subscribe(TAGS[:1], options(recovery=slow, call_wait=20))) as consumer:
        gateway.drop_connections()
        await until(lambda: consumer.subscription.state is SubscriptionState.RECOVERING)
        adding = asyncio.create_task(consumer.subscription.add([TAGS[1]]))
        asking = asyncio.create_task(consumer.subscription.session())
        await asyncio.sleep(0.02)
        consumer.subscription.wake()
        assert await adding == {}
        assert (await asking).session_id in gateway.sessions
        await until(lambda: consumer.values.keys() == set(TAGS[:2]))


async def test_a_call_waits_also_for_an_interruption_that_begins_while_it_waits_for_another_call(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with consumed(client.subscribe(TAGS[:1], options(call_wait=20))) as consumer:
        await until(lambda: len(consumer.updates) == 1)
        gateway.hold_commands()
        sent = len(gateway.received)
        calls = [asyncio.create_task(consumer.subscription.add([tag])) for tag in TAGS[1:3]]
        await until(lambda: len(gateway.received) > sent)
        gateway.drop_connections()
        await until(lambda: consumer.subscription.state is SubscriptionState.RECOVERING)
        gateway.release_commands()
        first, second = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(first, MxGatewayError)
        assert second == {}
        await until(lambda: consumer.values.keys() == {TAGS[0], TAGS[2]})


async def test_wake_ends_a_pause(gateway: SimulatedGateway, client: GatewayClient) -> None:
    slow = RecoveryOptions(initial_backoff=1000, max_backoff=1000)
    async with consumed(client.subscribe(TAGS, options(recovery=slow))) as consumer:
        gateway.drop_connections()
        await until(lambda: consumer.subscription.state is SubscriptionState.RECOVERING)
        await asyncio.sleep(0.05)
        assert not is_connected(consumer.subscription)
        consumer.subscription.wake()
        await until(lambda: is_connected(consumer.subscription) and consumer.outcomes == [Outcome.CONTINUOUS])


async def test_it_begins_with_the_first_read_and_ends_where_it_is_closed(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    subscription = client.subscribe(TAGS, options())
    assert gateway.sessions == {}
    assert isinstance(await anext(subscription), ConnectionChange)
    await subscription.aclose()
    await subscription.aclose()
    with pytest.raises(StopAsyncIteration):
        while True:
            await anext(subscription)
    await until(lambda: gateway.sessions == {})
    with pytest.raises(MxGatewaySessionError, match="closed"):
        await subscription.add(["A.B"])


async def test_a_beginning_that_fails_is_told_and_leaves_nothing(gateway: SimulatedGateway) -> None:
    async with connect(gateway, api_key="mxgw_wrong_key") as client:
        subscription = client.subscribe(TAGS, options())
        with pytest.raises(MxGatewayError, match="UNAUTHENTICATED"):
            async with subscription:
                raise AssertionError("never entered")
    assert gateway.sessions == {}


async def test_a_read_that_was_cancelled_while_the_subscription_begins_can_be_repeated(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    gateway.hold_commands()
    subscription = client.subscribe(TAGS, options())
    assert isinstance(await anext(subscription), ConnectionChange)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(subscription)
    gateway.release_commands()
    updates = [await anext(subscription) for _ in range(6)]
    assert sum(isinstance(update, TagUpdate) for update in updates) == 5
    assert len(gateway.sessions) == 1
    await subscription.aclose()
    assert gateway.sessions == {}


async def test_a_failed_beginning_reaches_the_reader_once_and_then_it_ends(gateway: SimulatedGateway) -> None:
    async with connect(gateway, api_key="mxgw_wrong_key") as client:
        subscription = client.subscribe(TAGS, options())
        with pytest.raises(MxGatewayError, match="UNAUTHENTICATED"):
            async for update in subscription:
                assert isinstance(update, ConnectionChange)
        assert [update async for update in subscription] == []
        assert subscription.state is SubscriptionState.FAILED
        await subscription.aclose()


async def test_closing_a_subscription_that_begins_ends_its_reader(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    gateway.hold_commands()
    subscription = client.subscribe(TAGS, options())
    reader = asyncio.create_task(_count(subscription))
    await until(lambda: len(gateway.sessions) == 1)
    closing = asyncio.create_task(subscription.aclose())
    assert await reader == 0
    gateway.release_commands()
    await closing
    await until(lambda: gateway.sessions == {})


async def _count(subscription: Subscription) -> int:
    return sum([isinstance(update, TagUpdate) async for update in subscription])
