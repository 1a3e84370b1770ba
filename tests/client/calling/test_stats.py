"""What `client.stats()` tells: every field moves as it is documented, and nothing stays open."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest
from grpclib.const import Status

from mxgateway import (
    ClientStats,
    GatewayClient,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayTimeoutError,
    RetryOptions,
    Session,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatedKey, SimulatorOptions
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import Item, advised, change, connect, opened, until

FIELDS = [field.name for field in dataclasses.fields(ClientStats)]


def moved(before: ClientStats, after: ClientStats) -> dict[str, int]:
    """Return the counts of calls and messages that have changed, with by how much."""
    names = [name for name in FIELDS if name.startswith(("calls", "messages"))]
    return {
        name: getattr(after, name) - getattr(before, name)
        for name in names
        if getattr(after, name) != getattr(before, name)
    }


async def test_a_new_client_has_connected_and_done_nothing(gateway: SimulatedGateway, client: GatewayClient) -> None:
    stats = client.stats()
    assert (stats.connections_opened, stats.reconnects, stats.connected) == (1, 0, True)
    assert (stats.last_error, stats.last_error_time) == ("", None)
    assert stats.bytes_sent > 0
    assert stats.bytes_received > 0
    others = [name for name in FIELDS if not name.startswith(("connect", "bytes", "last_error"))]
    assert {name: getattr(stats, name) for name in others} == dict.fromkeys(others, 0)
    assert stats.calls_open == 0


async def test_a_snapshot_does_not_move(client: GatewayClient, session: Session) -> None:
    stats = client.stats()
    copy = dataclasses.asdict(stats)
    await session.ping()
    assert dataclasses.asdict(stats) == copy
    assert client.stats() != stats
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats.calls_started = 0  # type: ignore[misc]


async def test_a_call_that_succeeds(client: GatewayClient, session: Session) -> None:
    before = client.stats()
    await session.register("tests")
    assert moved(before, client.stats()) == {
        "calls_started": 1, "calls_succeeded": 1, "messages_sent": 1, "messages_received": 1,
    }  # fmt: skip


async def test_a_command_that_mxaccess_refuses_is_a_call_that_succeeded(
    client: GatewayClient, session: Session
) -> None:
    before = client.stats()
    with pytest.raises(MxGatewayError):
        await session.advise(99, 99)
    after = client.stats()
    assert (after.calls_succeeded - before.calls_succeeded, after.calls_failed, after.last_error) == (1, 0, "")


async def test_a_call_that_fails(gateway: SimulatedGateway, client: GatewayClient, session: Session) -> None:
    before, began = client.stats(), datetime.now(UTC)
    gateway.fail_next("Invoke.Register", Status.INTERNAL, "no luck today")
    with pytest.raises(MxGatewayError) as caught:
        await session.register("tests")
    after = client.stats()
    assert moved(before, after) == {"calls_started": 1, "calls_failed": 1, "messages_sent": 1}
    assert after.last_error == str(caught.value)
    assert "no luck today" in after.last_error
    assert after.last_error_time is not None
    assert began <= after.last_error_time <= datetime.now(UTC)


async def test_a_call_that_is_refused_before_it_is_sent(client: GatewayClient, session: Session) -> None:
    before = client.stats()
    request = proto.MxCommandRequest(session_id=session.session_id, client_correlation_id="x" * (17 << 20))
    with pytest.raises(MxGatewayInvalidRequestError):
        await client.invoke_raw(request)
    assert moved(before, client.stats()) == {"calls_started": 1, "calls_failed": 1}


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
async def test_a_call_that_is_given_up(
    gateway: SimulatedGateway, client: GatewayClient, session: Session, how: str
) -> None:
    before = client.stats()
    gateway.hold_commands()
    call = asyncio.create_task(session.register("tests", timeout=0.05 if how == "deadline" else None))
    await until(lambda: client.stats().messages_sent > before.messages_sent)
    assert client.stats().calls_open == 1
    if how == "cancelled":
        call.cancel()
    await asyncio.wait([call])
    after, outcome = client.stats(), "calls_cancelled" if how == "cancelled" else "calls_failed"
    assert moved(before, after) == {"calls_started": 1, outcome: 1, "messages_sent": 1}
    assert after.calls_open == 0
    gateway.release_commands()


async def test_a_call_that_is_tried_again(gateway: SimulatedGateway) -> None:
    async with connect(gateway, retry=RetryOptions(initial_backoff=0.001)) as client, client.open_session() as session:
        before = client.stats()
        gateway.fail_next("Invoke.Ping", Status.UNAVAILABLE, "the worker is gone", times=3)
        await session.ping()
        after = client.stats()
        assert moved(before, after) == {
            "calls_started": 1, "calls_succeeded": 1, "calls_retried": 3, "messages_sent": 4, "messages_received": 1,
        }  # fmt: skip
        assert after.last_error == ""  # the call has succeeded


async def test_a_stream_is_one_call_until_it_ends(
    gateway: SimulatedGateway, client: GatewayClient, session: Session, item: Item
) -> None:
    before = client.stats()
    async with session.stream_events() as events:
        change(gateway, range(9))
        for _ in range(10):
            await anext(events)
        assert client.stats().calls_open == 1
    after = client.stats()
    assert moved(before, after) == {
        "calls_started": 1, "calls_cancelled": 1, "messages_sent": 1, "messages_received": 10,
    }  # fmt: skip
    assert after.calls_open == 0


@pytest.mark.parametrize("how", ["dropped", "closed", "never read"])
async def test_a_raw_stream_that_nobody_reads_to_its_end(
    gateway: SimulatedGateway, client: GatewayClient, session: Session, item: Item, how: str
) -> None:
    before = client.stats()
    events = client.stream_events_raw(proto.StreamEventsRequest(session_id=session.session_id))
    if how != "never read":
        await anext(events)
    if how == "closed":
        await events.aclose()
        await events.aclose()
    del events
    await until(lambda: client.stats().calls_open == 0)
    changed = moved(before, client.stats())
    if how == "never read":
        assert changed == {}
    else:
        assert changed == {"calls_started": 1, "calls_cancelled": 1, "messages_sent": 1, "messages_received": 1}


async def test_a_stream_that_fails(
    gateway: SimulatedGateway, client: GatewayClient, session: Session, item: Item
) -> None:
    async with session.stream_events() as events:
        await anext(events)
        gateway.drop_connections()
        with pytest.raises(MxGatewayError) as caught:
            await anext(events)
    stats = client.stats()
    assert (stats.calls_failed, stats.calls_cancelled, stats.calls_open) == (1, 0, 0)
    assert stats.last_error == str(caught.value)


async def test_connections_beyond_the_first_are_reconnects(gateway: SimulatedGateway, client: GatewayClient) -> None:
    for reconnects in (1, 2):
        gateway.drop_connections()
        await until(lambda: not client.stats().connected)
        await client.open_session()
        stats = client.stats()
        assert (stats.connections_opened, stats.reconnects, stats.connected) == (reconnects + 1, reconnects, True)
    await client.close()
    assert not client.stats().connected
    assert client.stats().reconnects == 2


async def test_the_bytes_are_those_that_pass_over_the_wire(gateway: SimulatedGateway) -> None:
    async with FaultProxy(gateway.port) as proxy:
        async with GatewayClient.connect(proxy.endpoint, api_key=gateway.api_key, plaintext=True) as client:
            session = await client.open_session()
            item = await advised(session)
            async with session.stream_events() as events:
                change(gateway, range(200))
                for _ in range(201):
                    await anext(events)
            await session.write(*item.pair, 5)
            await session.ping()
            await proxy.until(lambda: proxy.to_server.received == client.stats().bytes_sent)
            assert client.stats().bytes_received == proxy.to_client.forwarded
            assert client.stats().bytes_received > 200 * 20


async def test_events_are_counted_for_each_iterator(
    gateway: SimulatedGateway, client: GatewayClient, session: Session, item: Item
) -> None:
    async with session.stream_events() as one, session.stream_events() as two:
        change(gateway, range(4))
        for events in (one, two):
            for _ in range(5):
                await anext(events)
        stats = client.stats()
    assert (stats.events_delivered, stats.events_dropped, stats.events_lost) == (10, 0, 0)
    assert stats.messages_received - stats.calls_succeeded == 5


async def test_events_that_the_gateway_has_lost_are_counted() -> None:
    async with opened(SimulatorOptions(replay_limit=10)) as (gateway, session):
        await advised(session)
        change(gateway, range(99))
        channel = session._channel
        async with session.stream_events() as events:
            for _ in range(100):
                await anext(events)
        assert channel.stats().events_lost == 0
        async with session.stream_events(after_worker_sequence=5) as events:
            gap = (await anext(events)).replay_gap
            assert gap is not None
            assert (gap.requested_after_sequence, gap.oldest_available_sequence) == (5, 91)
        assert channel.stats().events_lost == 85  # 6 to 90


async def test_events_that_nobody_reads_are_counted_when_they_are_thrown_away(
    gateway: SimulatedGateway, client: GatewayClient, session: Session, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway.events.backlog.KEPT_LIMIT", 10)
    await session.write_confirmed(*item.pair, 1)  # from now on the stream stays open, and events are kept
    change(gateway, range(30))
    await session.write_confirmed(*item.pair, 2)
    received = 35  # the first value, two completions, thirty-two changes
    await until(lambda: client.stats().messages_received - client.stats().calls_succeeded >= received)
    stats = client.stats()
    assert (stats.events_dropped, stats.events_delivered, stats.events_lost) == (received - 10, 0, 0)
    async with session.stream_events() as events:
        assert (await anext(events)).replay_gap is not None
        stats = client.stats()
    # Ten events and the mark of those that were dropped; they are dropped, and not lost by the gateway.
    assert (stats.events_delivered, stats.events_dropped, stats.events_lost) == (11, received - 10, 0)


async def test_the_last_error_shows_no_secret() -> None:
    key = SimulatedKey(key_id="tests", secret="s3cr3t-0f-the-pl4nt")
    async with SimulatedGateway(api_keys=[key]) as gateway, connect(gateway, api_key=key.reveal()) as client:
        gateway.fail_next("OpenSession", Status.INTERNAL, f"you sent Bearer {key.reveal()}")
        with pytest.raises(MxGatewayError):
            await client.open_session()
        assert "you sent Bearer mxgw_tests_***" in client.stats().last_error
        assert "s3cr3t" not in repr(client.stats())


async def test_nothing_stays_open_after_everything_has_gone_wrong(gateway: SimulatedGateway) -> None:
    async with connect(gateway, retry=RetryOptions(max_attempts=2, initial_backoff=0.001)) as client:
        session = await client.open_session()
        await advised(session)
        raw = [client.stream_events_raw(proto.StreamEventsRequest(session_id=session.session_id)) for _ in range(3)]
        gateway.fail_next("Invoke.Ping", Status.UNAVAILABLE, times=3)
        calls = [
            asyncio.create_task(call)
            for call in (
                session.ping(), session.ping(timeout=1e-6), session.write(1, 1, 1), raw[0].messages(), raw[1].messages(),
                session.state(), client.close_session_raw("session-of-nobody"),
            )
        ]  # fmt: skip
        await asyncio.sleep(0)
        calls[0].cancel()
        await asyncio.sleep(0.01)
        gateway.drop_connections()
        await gateway.stop()
        await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(MxGatewayError):
            await raw[2].messages()
        for each in raw:
            await each.aclose()
    stats = client.stats()
    assert stats.calls_open == 0
    assert stats.calls_started >= 10
    assert stats.calls_started == stats.calls_succeeded + stats.calls_failed + stats.calls_cancelled


async def test_a_call_whose_coroutine_is_thrown_away_counts_as_given_up(
    gateway: SimulatedGateway, client: GatewayClient, session: Session
) -> None:
    gateway.hold_commands()
    call = session.register("tests")
    call.send(None)  # it waits for the reply now
    call.close()
    stats = client.stats()
    assert (stats.calls_cancelled, stats.calls_open) == (1, 0)
    gateway.release_commands()
    with pytest.raises(MxGatewayTimeoutError):
        await session.register("tests", timeout=1e-6)
