"""What a consumer is told of an interruption when one fault comes on top of another."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from grpclib.const import Status

from mxgateway import (
    GapCause,
    GatewayClient,
    MxGatewayAuthorizationError,
    Origin,
    Outcome,
    RecoveryOptions,
    Session,
    SubscriptionState,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import connect, until
from tests.subscription.rig import account, consumed, is_connected, options, publish, quiet_plant, tags_of

TAGS: Final = tags_of(5)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sessions be opened without the stagger."""
    monkeypatch.setattr("mxgateway.commands.session.opener.OPEN_INTERVAL", 0.0)


@pytest.fixture
async def gateway() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(plant=quiet_plant(20), options=SimulatorOptions(replay_limit=5)) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: SimulatedGateway) -> AsyncIterator[GatewayClient]:
    async with connect(gateway) as client:
        yield client


def on_reply(gateway: SimulatedGateway, method: str, what: Callable[[], None]) -> None:
    """Do something at the moment at which the gateway answers the next call of a method."""

    def answer(reply: Any) -> Any:
        what()
        return reply

    gateway.reply_override(method, answer)


@pytest.mark.parametrize("pause", [0.0001, 0.3], ids=["and is back before the tags are", "and is back after them"])
async def test_a_new_session_is_told_as_rebuilt_also_when_its_first_stream_is_refused(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    monkeypatch.setattr("mxgateway.subscription.supervisor.CHUNK", 1)
    recovery = RecoveryOptions(initial_backoff=pause, max_backoff=pause)
    async with consumed(client.subscribe(TAGS, options(recovery=recovery))) as consumer:
        await until(lambda: len(consumer.updates) == len(TAGS))
        on_reply(gateway, "OpenSession", lambda: gateway.fail_next("StreamEvents", Status.UNAVAILABLE, times=2))
        gateway.crash_worker(next(iter(gateway.sessions)))
        # A value may be read besides: while the first stream is away nobody knows whether it has brought something.
        await until(lambda: consumer.outcomes != [] and len(consumer.updates) >= 2 * len(TAGS))
        assert is_connected(consumer.subscription)
        states = [(change.state.value, change.outcome) for change in consumer.changes]
        assert states[2:] == [("recovering", None), ("connected", Outcome.REBUILT)]
        assert consumer.subscription.stats().rebuilds == 1
        account(consumer.subscription, gateway, consumer.gaps)


async def test_events_of_a_session_in_which_not_all_tags_could_be_had_are_accounted_for(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway.subscription.supervisor.CHUNK", 2)
    subscription = client.subscribe(TAGS, options())
    async with consumed(subscription) as consumer:
        await until(lambda: len(consumer.updates) == len(TAGS))

        def fail_the_second_chunk() -> None:
            on_reply(
                gateway,
                "Invoke.SubscribeBulk",
                lambda: gateway.fail_next("Invoke.SubscribeBulk", Status.INTERNAL, "ordered by the test"),
            )

        on_reply(gateway, "OpenSession", fail_the_second_chunk)
        gateway.crash_worker(next(iter(gateway.sessions)))
        await until(lambda: is_connected(subscription) and subscription.stats().rebuilds == 1)
        await until(lambda: consumer.updates[-1].worker_sequence == len(TAGS))
        assert [(gap.first_lost, gap.cause) for gap in consumer.gaps] == [
            (len(TAGS) + 1, GapCause.SESSION_LOST),
            (3, GapCause.SESSION_LOST),
        ]
        account(subscription, gateway, consumer.gaps)


async def test_a_session_that_is_lost_while_the_subscription_begins_is_replaced(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    on_reply(gateway, "Invoke.SubscribeBulk", lambda: gateway.crash_worker(next(iter(gateway.sessions))))
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        await until(lambda: len(consumer.outcomes) == 1 and consumer.values.keys() == set(TAGS))
        states = [change.state.value for change in consumer.changes if change.state is not SubscriptionState.CONNECTED]
        assert states == ["connecting", "recovering"]
        assert consumer.outcomes == [Outcome.REBUILT]
        account(consumer.subscription, gateway, consumer.gaps)


async def test_a_subscription_whose_stream_is_refused_at_the_beginning_is_not_called_connected(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    gateway.fail_next("StreamEvents", Status.ALREADY_EXISTS, times=5)
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        await until(lambda: consumer.values.keys() == set(TAGS))
        await until(lambda: consumer.outcomes != [])
        assert is_connected(consumer.subscription)
        states = [(change.state.value, change.outcome) for change in consumer.changes]
        assert states == [("connecting", None), ("recovering", None), ("connected", Outcome.CONTINUOUS)]
        account(consumer.subscription, gateway)


async def test_lost_events_are_told_once_also_when_nothing_follows_them(gateway: SimulatedGateway) -> None:
    async with FaultProxy(gateway.port) as proxy, connect(gateway, endpoint=proxy.endpoint) as client:
        async with consumed(client.subscribe(TAGS, options())) as consumer:
            await until(lambda: len(consumer.updates) == len(TAGS))
            (session,) = gateway.sessions.values()
            proxy.to_client.freeze()
            publish(gateway, TAGS * 2, 7)
            await until(lambda: session.events.sent == 3 * len(TAGS))
            session.events._ring.clear()  # as the ring is when what it held is too old
            proxy.reset_all()
            proxy.to_client.heal()
            await until(lambda: consumer.values == dict.fromkeys(TAGS, 7))
            proxy.reset_all()
            await until(lambda: len(consumer.outcomes) == 2)
            assert consumer.outcomes == [Outcome.GAP, Outcome.CONTINUOUS]
            assert [(gap.first_lost, gap.last_lost, gap.count) for gap in consumer.gaps] == [(6, 15, 10)]
            assert client.stats().events_lost == 10
            assert 0 <= consumer.subscription.stats().lag < 60
            account(consumer.subscription, gateway)


async def test_silence_is_noticed_also_before_the_first_event_after_an_interruption(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with consumed(client.subscribe(TAGS, options(stale_after=0.03, stale_timeout=0.03))) as consumer:
        gateway.drop_connections()
        await until(lambda: consumer.outcomes == [Outcome.CONTINUOUS])
        gateway.hold_commands()
        await until(lambda: consumer.subscription.state is SubscriptionState.RECOVERING)
        gateway.release_commands()
        await until(lambda: is_connected(consumer.subscription))


async def test_what_a_consumer_keeps_of_an_interruption_keeps_no_events_alive(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        for number in range(1, 4):
            publish(gateway, TAGS, number)
            await until(lambda: consumer.values == dict.fromkeys(TAGS, number))  # noqa: B023 - called within the iteration
            gateway.drop_connections()
            await until(lambda: len(consumer.outcomes) == number)  # noqa: B023 - called within the iteration
        assert len([change.cause for change in consumer.changes if change.cause is not None]) == 3
        (own,) = gateway.sessions
        gc.collect()
        events = [each for each in gc.get_objects() if isinstance(each, proto.MxEvent)]
        assert [each for each in events if each.session_id == own] == []


async def test_a_stream_that_is_opened_for_an_iterator_in_the_middle_of_a_pause_ends_the_interruption(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    slow = RecoveryOptions(initial_backoff=1000, max_backoff=1000)
    async with client.open_session() as session, consumed(session.subscribe(TAGS, options(recovery=slow))) as consumer:
        await until(lambda: len(consumer.updates) == len(TAGS))
        gateway.drop_connections()
        await until(lambda: consumer.subscription.state is SubscriptionState.RECOVERING)
        async with session.stream_events(2) as events:
            assert (await anext(events)).worker_sequence == 3
            await until(lambda: is_connected(consumer.subscription) and consumer.outcomes == [Outcome.CONTINUOUS])
            publish(gateway, TAGS, 7)
            await until(lambda: consumer.values == dict.fromkeys(TAGS, 7))
            assert consumer.subscription.stats().reconnects == 1


async def test_a_subscription_that_joins_in_the_middle_of_a_pause_is_not_called_connected_before_the_stream_is_back(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    slow = RecoveryOptions(initial_backoff=1000, max_backoff=1000)
    async with client.open_session() as session, consumed(session.subscribe(TAGS, options(recovery=slow))) as first:
        gateway.drop_connections()
        await until(lambda: first.subscription.state is SubscriptionState.RECOVERING)
        async with consumed(session.subscribe(TAGS, options())) as second:
            assert second.subscription.state is SubscriptionState.RECOVERING
            first.subscription.wake()
            await until(lambda: is_connected(second.subscription) and second.values.keys() == set(TAGS))


async def test_a_new_session_that_is_lost_before_it_was_told_makes_no_later_interruption_pass_for_a_rebuilt_one(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway.subscription.supervisor.CHUNK", 1)
    subscription = client.subscribe(TAGS, options(recovery=RecoveryOptions(initial_backoff=1, max_backoff=1)))
    async with consumed(subscription) as consumer:
        await until(lambda: len(consumer.updates) == len(TAGS))
        on_reply(gateway, "OpenSession", lambda: gateway.fail_next("StreamEvents", Status.UNAVAILABLE, times=2))
        gateway.crash_worker(next(iter(gateway.sessions)))
        await until(lambda: subscription.stats().rebuilds == 1)
        gateway.crash_worker(next(iter(gateway.sessions)))
        await until(lambda: consumer.outcomes == [Outcome.REBUILT])
        gateway.drop_connections()
        await until(lambda: len(consumer.outcomes) == 2)
        assert consumer.outcomes == [Outcome.REBUILT, Outcome.CONTINUOUS]


async def test_sessions_whose_streams_are_refused_are_not_opened_one_after_the_other_without_a_pause(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    gateway.fail_next("StreamEvents", Status.FAILED_PRECONDITION, "ordered by the test", times=100_000)
    limited = RecoveryOptions(initial_backoff=0.1, max_backoff=0.1, give_up_after=0.3)
    async with consumed(client.subscribe(TAGS, options(recovery=limited))) as consumer:
        await until(lambda: consumer.error is not None)
        assert "ordered by the test" in str(consumer.error)
        assert all(gap.cause is GapCause.SESSION_LOST for gap in consumer.gaps)


@pytest.mark.parametrize("hours", [1, 0], ids=["an older time", "the same time"])
async def test_a_change_after_a_value_that_was_read_is_delivered_also_when_its_source_gives_it(
    gateway: SimulatedGateway, client: GatewayClient, hours: int
) -> None:
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        await until(lambda: len(consumer.updates) == len(TAGS))
        (session,) = gateway.sessions.values()
        time = datetime.now(UTC)
        for tag in TAGS:
            gateway.set_tag(tag, 7, source_time=time)
        session.events.drain(1000)  # as if another reader had taken them
        session.events._ring.clear()
        gateway.drop_connections()
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 7) and is_connected(consumer.subscription))
        gateway.set_tag(TAGS[0], 8, source_time=time - timedelta(hours=hours))
        await until(lambda: consumer.values[TAGS[0]] == 8)
        account(consumer.subscription, gateway)


async def test_a_tag_that_cannot_be_read_after_a_loss_does_not_keep_its_old_value(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    def denied(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        reply.read_bulk.results[0] = proto.BulkReadResult(tag_address=TAGS[0], error_message="ordered by the test")
        return reply

    async with consumed(client.subscribe(TAGS, options())) as consumer:
        await until(lambda: len(consumer.updates) == len(TAGS))
        (session,) = gateway.sessions.values()
        gateway.reply_override("Invoke.ReadBulk", denied)
        publish(gateway, TAGS, 7)
        session.events.drain(1000)  # as if another reader had taken them
        session.events._ring.clear()
        gateway.drop_connections()
        await until(lambda: consumer.values == {**dict.fromkeys(TAGS, 7), TAGS[0]: None})
        unknown = next(update for update in consumer.updates if update.value is None)
        assert (unknown.tag, unknown.is_good, unknown.origin) == (TAGS[0], False, Origin.SNAPSHOT)
        publish(gateway, TAGS[:1], 8)
        await until(lambda: consumer.values[TAGS[0]] == 8)
        account(consumer.subscription, gateway)


async def test_while_the_values_cannot_be_read_after_a_loss_the_subscription_says_so(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        await until(lambda: len(consumer.updates) == len(TAGS))
        (session,) = gateway.sessions.values()
        gateway.fail_next(
            "Invoke.ReadBulk", Status.PERMISSION_DENIED, "missing required scope 'invoke:read'", times=9999
        )
        publish(gateway, TAGS, 7)
        session.events.drain(1000)  # as if another reader had taken them
        session.events._ring.clear()
        gateway.drop_connections()
        await until(lambda: isinstance(consumer.changes[-1].cause, MxGatewayAuthorizationError))
        assert consumer.subscription.state is SubscriptionState.RECOVERING
        gateway.switches._failures.clear()
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 7))
        await until(lambda: consumer.subscription.state is SubscriptionState.CONNECTED)
        assert consumer.changes[-1].outcome is Outcome.GAP
        assert len(gateway.sessions) == 1
        account(consumer.subscription, gateway)


async def test_first_values_that_are_lost_before_the_stream_is_there_are_read(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    def lose(reply: Any) -> Any:
        (session,) = gateway.sessions.values()
        session.events.drain(1000)  # as if they had been sent on the way
        return reply

    gateway.fail_next("StreamEvents", Status.UNAVAILABLE, times=2)
    gateway.reply_override("Invoke.SubscribeBulk", lose)
    async with consumed(client.subscribe(TAGS, options())) as consumer:
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 0))
        publish(gateway, TAGS[:1], 7)
        await until(lambda: consumer.values[TAGS[0]] == 7)
        assert [(gap.first_lost, gap.last_lost) for gap in consumer.gaps] == [(1, 5)]
        account(consumer.subscription, gateway)


async def test_values_of_tags_that_are_being_added_while_events_are_lost_are_read(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with consumed(client.subscribe(TAGS[:1], options())) as consumer:
        await until(lambda: len(consumer.updates) == 1)
        (session,) = gateway.sessions.values()
        subscribe_bulk = Session.subscribe_bulk

        async def lose(self: Session, *args: Any, **fields: Any) -> Any:
            results = await subscribe_bulk(self, *args, **fields)
            await until(lambda: consumer.subscription.stats().received == 3)
            publish(gateway, TAGS[1:2], 7)
            session.events.drain(1000)  # as if another reader had taken it
            publish(gateway, TAGS[:1], 9)
            await until(lambda: consumer.values[TAGS[0]] == 9 and len(consumer.gaps) == 1)
            return results

        monkeypatch.setattr(Session, "subscribe_bulk", lose)
        await consumer.subscription.add(TAGS[1:3])
        await until(lambda: consumer.values == {TAGS[0]: 9, TAGS[1]: 7, TAGS[2]: 0})
        account(consumer.subscription, gateway)


@pytest.mark.parametrize("gone", [False, True], ids=["and stays", "and is gone"])
async def test_silence_is_noticed_also_where_an_iterator_that_resumes_was_there_first(
    gateway: SimulatedGateway, client: GatewayClient, gone: bool
) -> None:
    async with client.open_session() as session, session.stream_events(resume=True) as events:
        if gone:
            await events.aclose()
        wanted = options(stale_after=0.03, stale_timeout=0.03)
        async with consumed(session.subscribe(TAGS, wanted)) as consumer:
            await until(lambda: len(consumer.updates) == len(TAGS))
            gateway.hold_commands()
            await until(lambda: consumer.subscription.state is SubscriptionState.RECOVERING)
            gateway.release_commands()
            await until(lambda: is_connected(consumer.subscription))
