"""What becomes of a watch that is refused, given up, closed or cancelled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from grpclib.const import Status

from mxgateway import (
    DeployWatch,
    GalaxyRepositoryClient,
    GatewayClient,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayTransportError,
    RecoveryOptions,
    proto,
)
from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.client.support import PATIENCE, until
from tests.galaxy.deployments import QUICK, attached, deploy, event, take


async def test_a_refusal_of_the_first_attempt_is_raised(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    gateway.fail_next(
        "WatchDeployEvents", Status.PERMISSION_DENIED, "API key is missing required scope 'metadata:read'."
    )
    watch = galaxy.watch_deploy_events(recovery=QUICK)
    with pytest.raises(MxGatewayAuthorizationError) as caught:
        await anext(watch)
    assert caught.value.required_scope == "metadata:read"
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def test_a_refusal_of_a_later_attempt_is_waited_out(
    gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch
) -> None:
    await event(watch)
    gateway.fail_next("WatchDeployEvents", Status.PERMISSION_DENIED, "not now", times=2)
    gateway.fail_next("WatchDeployEvents", Status.INTERNAL, "not now")
    gateway.drop_connections()
    deploy(gateway, clock)
    assert (await event(watch)).sequence == 2
    assert watch.reconnects == 4


async def test_a_gateway_that_is_not_there_yet_is_waited_for(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    gateway.fail_next("WatchDeployEvents", Status.UNAVAILABLE, "not yet", times=7)
    watch = galaxy.watch_deploy_events(recovery=QUICK)
    assert (await event(watch)).sequence == 1
    await watch.aclose()


async def test_a_watch_gives_up_when_its_options_say_so(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    recovery = RecoveryOptions(initial_backoff=0.01, max_backoff=0.02, give_up_after=0.1)
    watch = galaxy.watch_deploy_events(recovery=recovery)
    await event(watch)
    await gateway.stop()
    with pytest.raises(MxGatewayTransportError) as caught:
        await take(watch, 1)
    assert caught.value.phase == "connect"
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def test_a_silent_stream_that_has_lasted_begins_another_series_of_attempts(
    gateway: SimulatedGateway, clock: ManualClock, galaxy: GalaxyRepositoryClient
) -> None:
    recovery = RecoveryOptions(initial_backoff=0.01, max_backoff=0.02, stable_after=0.05, give_up_after=0.06)
    async with galaxy.watch_deploy_events(recovery=recovery) as watch:
        await event(watch)
        reader = asyncio.create_task(event(watch))
        for number in (1, 2, 3):
            await until(lambda: attached(gateway))
            await asyncio.sleep(0.06)
            gateway.drop_connections()
            await until(lambda: watch.reconnects == number or reader.done())  # noqa: B023 - called within the iteration
        deploy(gateway, clock)
        assert (await reader).sequence == 2


async def test_closing_the_client_ends_the_watch_with_an_error(client: GatewayClient) -> None:
    watch = client.galaxy.watch_deploy_events(recovery=QUICK)
    await event(watch)
    reader = asyncio.create_task(event(watch))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(MxGatewayError, match="closed"):
        await reader
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


@pytest.mark.parametrize("away", [False, True], ids=["waiting for an event", "waiting to come back"])
async def test_closing_the_watch_frees_its_reader(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient, away: bool
) -> None:
    watch = galaxy.watch_deploy_events(recovery=RecoveryOptions(initial_backoff=3000, max_backoff=3000))
    await event(watch)
    if away:
        gateway.drop_connections()
    reader = asyncio.create_task(anext(watch, None))
    await asyncio.sleep(0.05)
    await watch.aclose()
    async with asyncio.timeout(PATIENCE):
        assert await reader is None
    await watch.aclose()
    await until(lambda: not attached(gateway))


async def test_a_cancelled_read_leaves_the_watch_to_the_next_one(
    gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch
) -> None:
    await event(watch)
    for lost in (False, True):
        if lost:
            gateway.drop_connections()
        reader = asyncio.create_task(anext(watch))
        await asyncio.sleep(0.01)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    deploy(gateway, clock)
    assert (await event(watch)).sequence == 2


async def test_two_tasks_cannot_read_one_watch(watch: DeployWatch) -> None:
    await event(watch)
    reader = asyncio.create_task(anext(watch, None))
    await asyncio.sleep(0)
    with pytest.raises(MxGatewayInvalidRequestError, match="another task is already reading this watch"):
        await anext(watch)
    await watch.aclose()
    assert await reader is None


async def test_a_last_deployment_without_a_time_is_malformed_and_none_is_none(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    from mxgateway import MxGatewayMalformedReplyError

    gateway.reply_override("GetLastDeployTime", lambda _: proto.GetLastDeployTimeReply(present=True))
    with pytest.raises(MxGatewayMalformedReplyError, match="without its time"):
        await galaxy.get_last_deploy_time()
    gateway.reply_override("GetLastDeployTime", lambda _: proto.GetLastDeployTimeReply())
    assert await galaxy.get_last_deploy_time() is None
    assert (await galaxy.get_last_deploy_time()) == datetime.fromtimestamp(gateway.clock.now_ns() / 1e9, UTC)
