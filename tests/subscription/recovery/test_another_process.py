"""Another process goes on where this one has stopped: from a state that was exported, with no update twice and none lost."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    Gap,
    GatewayClient,
    MxGatewayInvalidRequestError,
    MxGatewaySessionError,
    Overflow,
    SubscriptionState,
    TagUpdate,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.confirming import accepted
from tests.client.support import connect, until
from tests.subscription.rig import consumed, options, publish, quiet_plant, tags_of

TAGS = tags_of(5)


async def test_another_process_goes_on_where_this_one_has_stopped(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    subscription = client.subscribe(TAGS, options())
    async with subscription:
        for _ in range(7):
            await anext(subscription)
        publish(gateway, TAGS, 1)
        await until(lambda: subscription.stats().queued == 5)
        state = json.loads(json.dumps(subscription.export_state()))
        await subscription.aclose(keep_session=True)
    publish(gateway, TAGS, 2)

    async with connect(gateway) as other:
        async with consumed(other.subscribe(resume_from=state, options=options())) as consumer:
            await until(lambda: len(consumer.updates) == 10)
            assert [update.value for update in consumer.updates] == [1] * 5 + [2] * 5
            assert len(gateway.sessions) == 1
            assert consumer.gaps == []
    assert gateway.sessions == {}


async def test_another_process_goes_on_in_a_session_that_has_confirmed_writes(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with client.subscribe(TAGS, options()) as subscription:
        session = await subscription.session()
        (write,) = await session.write_tags({TAGS[0]: 1}, confirm=True)
        assert write.confirmed
        await until(lambda: subscription.stats().received == gateway.sessions[session.session_id].events.last_sequence)
        gateway.hold_write_completions()
        waiting = asyncio.create_task(session.write_tags({TAGS[1]: 1}, confirm=True))
        await accepted(gateway, session, 1)
        state = subscription.export_state()
        await subscription.aclose(keep_session=True)
    assert not (await waiting)[0].confirmed
    gateway.release_write_completions()
    async with connect(gateway) as other:
        async with consumed(other.subscribe(resume_from=state, options=options())) as consumer:
            (there,) = gateway.sessions.values()
            assert list(there.worker.servers) == [state["serverHandle"]]
            publish(gateway, TAGS, 2)
            await until(lambda: consumer.values == dict.fromkeys(TAGS, 2))
            assert consumer.gaps == []
    assert gateway.sessions == {}


async def test_another_process_has_the_values_of_which_this_one_has_taken_none(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    subscription = client.subscribe(TAGS, options())
    async with subscription:
        await until(lambda: subscription.stats().queued == 5)
        state = subscription.export_state()
        await subscription.aclose(keep_session=True)
    async with consumed(client.subscribe(resume_from=state, options=options())) as consumer:
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 0))
        publish(gateway, TAGS, 1)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 1))
        assert consumer.gaps == []


@pytest.mark.parametrize("is_lossy", [False, True])
async def test_another_process_is_given_nothing_that_is_older_than_the_newest_update_which_was_taken_here(
    gateway: SimulatedGateway, client: GatewayClient, *, is_lossy: bool
) -> None:
    subscription = client.subscribe(TAGS, options(Overflow.LATEST_PER_TAG))
    async with subscription:
        await until(lambda: subscription.stats().received == 5)
        publish(gateway, TAGS[:1] * 2, 1)
        await until(lambda: subscription.stats().received == 7)
        while not isinstance(update := await anext(subscription), TagUpdate):
            pass
        assert (update.tag, update.worker_sequence, update.conflated) == (TAGS[0], 7, 2)
        if is_lossy:
            (session,) = gateway.sessions.values()
            session.events.faults.lose_next(2)
            publish(gateway, TAGS[1:2] * 3, 1)
            await until(lambda: subscription.stats().received == 8 and subscription.stats().lost == 2)
        state = json.loads(json.dumps(subscription.export_state()))
        await subscription.aclose(keep_session=True)
    async with consumed(client.subscribe(resume_from=state, options=options())) as consumer:
        expected = dict.fromkeys(TAGS[1:], 0) | ({TAGS[0]: 1, TAGS[1]: 1} if is_lossy else {})
        await until(lambda: consumer.values == expected)
        publish(gateway, TAGS, 2)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 2))
        assert [each.value for each in consumer.updates if each.tag == TAGS[0]][-1] == 2
        assert all(each.worker_sequence > 7 for each in consumer.updates if each.worker_sequence)


async def test_another_process_reads_values_that_were_sent_and_have_not_come(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    subscription = client.subscribe(TAGS, options())
    async with subscription:
        await until(lambda: subscription.stats().received == 5)
        state = subscription.export_state()
        await subscription.aclose(keep_session=True)
    state["afterWorkerSequence"] = 0  # as if the gateway had sent all of them on the way
    async with consumed(client.subscribe(resume_from=state, options=options())) as consumer:
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 0))
        publish(gateway, TAGS, 1)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 1))
        assert [(gap.first_lost, gap.last_lost) for gap in consumer.gaps] == [(1, 5)]


async def test_another_process_gets_no_update_twice_where_those_of_a_new_tag_were_overtaken(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with client.subscribe(TAGS[:1], options()) as subscription:
        while subscription.stats().delivered < 1 or subscription.state is not SubscriptionState.CONNECTED:
            await anext(subscription)
        gateway.delay_replies(0.1)
        adding = asyncio.create_task(subscription.add(TAGS[1:]))
        await until(lambda: next(iter(gateway.sessions.values())).events.last_sequence == 5)
        publish(gateway, TAGS[:1], 1)
        while not isinstance(update := await anext(subscription), TagUpdate):
            pass
        assert (update.worker_sequence, subscription.stats().queued) == (6, 0)
        assert await adding == {}
        gateway.delay_replies(0)
        assert subscription.stats().queued == 4
        state = subscription.export_state()
        await subscription.aclose(keep_session=True)
    async with consumed(client.subscribe(resume_from=state, options=options())) as consumer:
        await until(lambda: consumer.values == dict.fromkeys(TAGS[1:], 0))
        publish(gateway, TAGS, 2)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 2))
        assert [update.value for update in consumer.updates if update.tag == TAGS[0]] == [2]
        assert consumer.gaps == []


async def test_values_that_were_read_after_a_loss_and_not_taken_are_read_again_by_the_other_process() -> None:
    async with SimulatedGateway(plant=quiet_plant(5), options=SimulatorOptions(replay_limit=2)) as gateway:
        async with connect(gateway) as client, client.subscribe(TAGS, options()) as subscription:
            while subscription.stats().delivered < 5:
                await anext(subscription)
            (session,) = gateway.sessions.values()
            gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now")
            gateway.drop_connections()
            await until(lambda: not session.events.is_attached)
            publish(gateway, TAGS, 7)
            session.events.drain(1000)  # as if another reader had taken them; the ring keeps two
            while not isinstance(await anext(subscription), Gap):
                pass
            await until(lambda: subscription.stats().snapshots + subscription.stats().queued >= 5)
            state = json.loads(json.dumps(subscription.export_state()))
            await subscription.aclose(keep_session=True)
        assert set(state["unread"]) >= set(TAGS[:3])
        async with connect(gateway) as other:
            async with consumed(other.subscribe(resume_from=state, options=options())) as consumer:
                await until(lambda: consumer.values == dict.fromkeys(TAGS, 7))


async def test_a_session_that_is_gone_meanwhile_is_replaced(gateway: SimulatedGateway, client: GatewayClient) -> None:
    async with client.subscribe(TAGS, options()) as subscription:
        state = subscription.export_state()
        await subscription.aclose()
    async with consumed(client.subscribe([TAGS[0], "Unit.Tag0010"], options(), resume_from=state)) as consumer:
        await until(lambda: len(consumer.updates) == 6)
        assert [gap.cause.value for gap in consumer.gaps] == ["session lost"]
        assert [change.state.value for change in consumer.changes] == ["connecting", "connected"]


@pytest.mark.parametrize("state", [{}, {"version": 2}, {"version": 1, "items": 5}, "x"])
async def test_what_is_no_exported_state_is_refused(client: GatewayClient, state: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="resume_from"):
        client.subscribe(TAGS, resume_from=state)


async def test_a_shared_subscription_has_no_session_to_hand_over(client: GatewayClient) -> None:
    async with client.open_session() as session, session.subscribe(TAGS, options()) as subscription:
        with pytest.raises(MxGatewaySessionError, match="hand over"):
            subscription.export_state()
