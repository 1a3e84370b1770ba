"""Deployments as they happen: each is told once or accounted for, also when the connection or the gateway goes away meanwhile."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from grpclib.const import Status
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import (
    DeployGap,
    DeployGapCause,
    DeployWatch,
    GalaxyRepositoryClient,
    MxGatewayInvalidRequestError,
    Timestamp,
)
from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.client.support import connect, until
from tests.galaxy.deployments import QUICK, asked, attached, deploy, event, take
from tests.wire.profiles import bounded

# -- the beginning


async def test_the_present_state_comes_at_once_and_then_every_deployment(
    gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch
) -> None:
    state = await event(watch)
    assert state == gateway.galaxy.state()
    assert (state.sequence, state.object_count) == (1, 16)
    deploy(gateway, clock, 2)
    second, third = await take(watch, 2)
    assert (second.sequence, third.sequence) == (2, 3)
    assert third == gateway.galaxy.state()
    assert watch.reconnects == 0


async def test_times_have_a_time_zone_and_every_digit(clock: ManualClock) -> None:
    moment = Timestamp.from_parts(1_704_067_200, 123_456_700)
    async with SimulatedGateway(clock=ManualClock(moment)) as gateway, connect(gateway) as client:
        state = await event(client.galaxy.watch_deploy_events())
        for time in (state.time_of_last_deploy, state.observed_at, await client.galaxy.get_last_deploy_time()):
            assert isinstance(time, Timestamp)
            assert time == moment
            assert time.utcoffset() == timedelta(0)


async def test_a_state_that_the_caller_knows_is_not_told(
    gateway: SimulatedGateway, clock: ManualClock, galaxy: GalaxyRepositoryClient
) -> None:
    known = await galaxy.get_last_deploy_time()
    assert known is not None
    elsewhere = known.astimezone(timezone(timedelta(hours=-5)))
    for last_seen in (known, elsewhere):
        async with galaxy.watch_deploy_events(last_seen) as watch:
            reader = asyncio.create_task(event(watch))
            await until(lambda: attached(gateway))
            await galaxy.test_connection()  # whatever the gateway says at once has come by now
            assert not reader.done()
            reader.cancel()
        await until(lambda: not attached(gateway))
    assert asked(gateway) == [known, known]
    async with galaxy.watch_deploy_events(known) as watch:
        reader = asyncio.create_task(event(watch))
        await until(lambda: attached(gateway))
        deploy(gateway, clock)
        assert (await reader).sequence == 2


async def test_a_state_that_is_newer_than_what_the_caller_knows_is_told_at_once(
    gateway: SimulatedGateway, clock: ManualClock, galaxy: GalaxyRepositoryClient
) -> None:
    known = await galaxy.get_last_deploy_time()
    deploy(gateway, clock, 3)
    state = await event(galaxy.watch_deploy_events(known))
    assert state.sequence == 4


async def test_a_galaxy_that_was_never_deployed_says_so_once(
    gateway: SimulatedGateway, clock: ManualClock, galaxy: GalaxyRepositoryClient, watch: DeployWatch
) -> None:
    gateway.galaxy.undeploy()
    assert await galaxy.get_last_deploy_time() is None
    assert not (await event(watch)).time_of_last_deploy_present
    reader = asyncio.create_task(event(watch))
    await until(lambda: attached(gateway))
    gateway.drop_connections()
    await until(lambda: watch.reconnects == 1 and attached(gateway))
    deploy(gateway, clock)
    assert (await reader).sequence == 2, "the state that was told is not told again"
    assert asked(gateway) == [None, None]


@pytest.mark.parametrize("wrong", [datetime(2024, 1, 1), "2024-01-01T00:00:00Z", 5])
async def test_a_time_without_a_time_zone_is_refused(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient, wrong: Any
) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=r"last_seen_deploy_time is .*time zone; nothing was sent"):
        galaxy.watch_deploy_events(wrong)
    assert not gateway.received


# -- gaps


async def test_a_watcher_that_is_too_slow_is_told_what_it_has_missed(
    gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch
) -> None:
    await event(watch)
    deploy(gateway, clock, 40)
    found: list[Any] = []
    while not found or found[-1].sequence < 41:
        found += await take(watch, 1)
        if isinstance(found[-1], DeployGap):
            gap, (after,) = found.pop(), await take(watch, 1)
            assert (gap.first_missed, gap.last_missed) == (len(found) + 2, after.sequence - 1)
            assert gap.cause is DeployGapCause.SEQUENCE
            missed = after.sequence - gap.first_missed
            found += [after]
    assert missed == 40 - len(found)


async def test_deployments_while_the_connection_was_away_are_a_gap(
    gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch
) -> None:
    await event(watch)
    gateway.drop_connections()
    deploy(gateway, clock, 3)
    gap, now = await take(watch, 2)
    assert gap == DeployGap(2, 3, DeployGapCause.INTERRUPTED)
    assert now == gateway.galaxy.state()
    assert watch.reconnects == 1


async def test_one_deployment_while_the_connection_was_away_is_simply_told(
    gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch
) -> None:
    await event(watch)
    gateway.drop_connections()
    deploy(gateway, clock)
    assert (await event(watch)).sequence == 2


async def test_a_reconnect_repeats_nothing(gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch) -> None:
    state = await event(watch)
    reader = asyncio.create_task(event(watch))
    for number in (1, 2, 3):
        gateway.drop_connections(politely=number == 3)
        await until(lambda: watch.reconnects >= number and attached(gateway))  # noqa: B023 - called within the iteration
    deploy(gateway, clock)
    assert (await reader).sequence == 2
    assert asked(gateway) == [None, *[state.time_of_last_deploy] * 3]


async def restart(gateway: SimulatedGateway, clock: ManualClock, *, deployed: bool = False) -> None:
    """Restart, perhaps with a deployment while the gateway was down."""
    clock.advance(1)
    await gateway.restart(deployed=deployed)


@pytest.mark.parametrize("down", [False, True], ids=["deployed afterwards", "deployed while it was down"])
async def test_a_restarted_gateway_begins_to_count_again_and_the_gap_says_so(
    gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch, down: bool
) -> None:
    await event(watch)
    deploy(gateway, clock, 2)
    await take(watch, 2)
    await restart(gateway, clock, deployed=down)
    if not down:
        deploy(gateway, clock)
    gap, now = await take(watch, 2)
    assert gap == DeployGap(4, None, DeployGapCause.RESTARTED)
    assert now == gateway.galaxy.state()
    assert now.sequence == (1 if down else 2)


async def test_a_restart_before_the_second_deployment_is_noticed_though_the_number_is_the_same(
    gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch
) -> None:
    await event(watch)
    await restart(gateway, clock, deployed=True)
    gap, now = await take(watch, 2)
    assert (gap.cause, now.sequence) == (DeployGapCause.RESTARTED, 1)


async def test_a_restart_that_changes_nothing_is_not_told(
    gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch
) -> None:
    await event(watch)
    reader = asyncio.create_task(event(watch))
    await until(lambda: attached(gateway))
    await gateway.restart()
    await until(lambda: watch.reconnects and attached(gateway))
    deploy(gateway, clock)
    assert (await reader).sequence == 2


STEPS = st.lists(
    st.sampled_from(
        ["deploy", "deploy", "deploy 20", "drop", "goaway", "read", "restart", "restart deployed", "refuse"]
    ),
    max_size=14,
)


@given(steps=STEPS)
@bounded(60)
def test_every_deployment_of_a_random_schedule_is_told_once_or_accounted_for(steps: list[str]) -> None:
    async def play() -> None:
        clock = ManualClock()
        async with SimulatedGateway(clock=clock) as gateway, connect(gateway) as client:
            async with client.galaxy.watch_deploy_events(recovery=QUICK) as watch:
                found = [await event(watch)]
                for step in steps:
                    await carry_out(step, gateway, clock, watch, found)
                clock.advance(1)
                gateway.deploy()
                while found[-1] != gateway.galaxy.state():
                    found += await take(watch, 1)
                check_account(found, restarted=any("restart" in step for step in steps))

    asyncio.run(play())


async def carry_out(
    step: str, gateway: SimulatedGateway, clock: ManualClock, watch: DeployWatch, found: list[Any]
) -> None:
    match step:
        case "read" if is_behind(found[-1], gateway):
            found += await take(watch, 1)
        case "drop" | "goaway":
            gateway.drop_connections(politely=step == "goaway")
        case "restart" | "restart deployed":
            await restart(gateway, clock, deployed=step == "restart deployed")
        case "refuse":
            gateway.fail_next("WatchDeployEvents", Status.UNAVAILABLE, "not now")
        case "deploy" | "deploy 20":
            deploy(gateway, clock, 20 if step == "deploy 20" else 1)


def is_behind(last: Any, gateway: SimulatedGateway) -> bool:
    """Tell whether there is more to be read."""
    return isinstance(last, DeployGap) or last.time_of_last_deploy != gateway.galaxy.state().time_of_last_deploy


def check_account(found: list[Any], *, restarted: bool) -> None:
    """See that numbers follow each other, or a gap stands between them and says which are missing."""
    previous = 0
    gap: DeployGap | None = None
    for each in found:
        if isinstance(each, DeployGap):
            assert gap is None
            assert each.first_missed == previous + 1
            gap = each
            continue
        if gap is None:
            assert each.sequence == previous + 1
        elif gap.cause is DeployGapCause.RESTARTED:
            assert restarted
            assert (gap.last_missed, each.sequence <= previous) == (None, True)
        else:
            assert gap.last_missed == each.sequence - 1 >= gap.first_missed
        previous, gap = each.sequence, None
    assert gap is None
