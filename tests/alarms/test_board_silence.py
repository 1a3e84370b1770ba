"""The board of a gateway that is silent, or says what nobody expects, and wrong arguments."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    GrpcStatus,
    MxGatewayInvalidRequestError,
    MxGatewayTimeoutError,
    Origin,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.alarms.rig import (
    CONNECTED,
    CONNECTING,
    HI,
    HIHI,
    RECOVERING,
    board_of,
    feeds,
    is_right,
    script,
)
from tests.client.support import connect, requests, until


@pytest.fixture
def client(proxied: GatewayClient) -> GatewayClient:
    return proxied


# -- silence


async def test_a_silent_connection_is_a_fault(gateway: SimulatedGateway, proxy: FaultProxy) -> None:
    pings = {"keepalive_time": 0.1, "keepalive_timeout": 0.1}
    async with connect(gateway, endpoint=proxy.endpoint, **pings) as client, board_of(client) as replay:
        proxy.both.black_hole(on="current")
        gateway.alarms.raise_alarm(HIHI)
        await until(lambda: is_right(replay.board, gateway) and replay.changes)
    assert RECOVERING in replay.states


async def test_a_gateway_that_is_silent_and_does_not_say_what_is_active_has_lost_the_feed(
    gateway: SimulatedGateway, client: GatewayClient, proxy: FaultProxy
) -> None:
    async with board_of(client, stale_after=0.05, stale_timeout=0.05) as replay:
        await until(lambda: len(requests(gateway, "QueryActiveAlarms")) > 1)
        assert replay.states[-1] is CONNECTED
        assert feeds(gateway) == 1
        gateway.fail_next("QueryActiveAlarms", Status.INTERNAL, "stuck", times=1)
        await until(lambda: RECOVERING in replay.states)
        await until(lambda: replay.states[-1] is CONNECTED)
    cause = next(change.cause for change in replay.connections if change.cause is not None)
    assert cause.grpc_status is GrpcStatus.INTERNAL


async def test_a_feed_that_has_kept_a_transition_back_is_begun_anew_after_a_silence(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with board_of(client, stale_after=0.05) as replay:
        gateway.alarms._feeds.clear()  # what happens now is told to nobody
        gateway.alarms.raise_alarm(HIHI)
        await until(lambda: replay.changes)
        assert is_right(replay.board, gateway)
    assert replay.states == [CONNECTING, CONNECTED]
    assert replay.changes[0].origin is Origin.SNAPSHOT


async def test_a_snapshot_that_does_not_end_is_a_fault(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(gateway, monkeypatch, proto.AlarmFeedMessage(provider_status=gateway.alarms.provider_status()))
    with pytest.raises(MxGatewayTimeoutError, match="has not sent the whole snapshot of active alarms"):
        async with client.alarm_board(stale_after=0.05):
            pytest.fail("the block was entered")


# -- an odd gateway


async def test_transitions_that_come_before_the_snapshot_is_complete_are_applied_behind_it(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.alarms.raise_alarm(HIHI)
    (snapshot,) = gateway.alarms.snapshots()
    status = proto.AlarmFeedMessage(provider_status=gateway.alarms.provider_status())
    clear = proto.OnAlarmTransitionEvent(alarm_full_reference=HIHI, transition_kind=proto.AlarmTransitionKind.CLEAR)
    raised = proto.OnAlarmTransitionEvent(alarm_full_reference=HI, transition_kind=proto.AlarmTransitionKind.RAISE)
    messages = [
        proto.AlarmFeedMessage(transition=raised),
        status,
        proto.AlarmFeedMessage(active_alarm=snapshot),
        proto.AlarmFeedMessage(transition=clear),
        proto.AlarmFeedMessage(snapshot_complete=True),
        proto.AlarmFeedMessage(snapshot_complete=True),
        proto.AlarmFeedMessage(active_alarm=snapshot),
    ]
    script(gateway, monkeypatch, *messages)
    async with board_of(client) as replay:
        await until(lambda: list(replay.board.active) == [HI])


async def test_a_provider_that_flaps_does_not_keep_the_gateway_busy(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway.alarms.supervisor.READING_INTERVAL", 600.0)
    modes = [proto.AlarmProviderStatus(mode=proto.AlarmProviderMode.try_value(mode)) for mode in (1, 2)]
    statuses = [proto.AlarmFeedMessage(provider_status=mode) for mode in modes]
    script(gateway, monkeypatch, proto.AlarmFeedMessage(snapshot_complete=True), *statuses)
    async with board_of(client) as replay:
        await until(lambda: feeds(gateway) == 2)
        await until(lambda: len(replay.statuses) >= 2)
        await asyncio.sleep(0.05)
        assert feeds(gateway) == 2
        assert replay.board.state is CONNECTED


async def test_wrong_arguments_are_refused_before_anything_is_sent(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    bad: list[dict[str, Any]] = [
        {"prefix": "\0"}, {"prefix": 5}, {"recovery": 5}, {"stale_after": 0}, {"stale_after": "1"}, {"stale_timeout": -1},
    ]  # fmt: skip
    for keywords in bad:
        with pytest.raises(MxGatewayInvalidRequestError, match=next(iter(keywords))):
            client.alarm_board(**keywords)
    assert not gateway.received
