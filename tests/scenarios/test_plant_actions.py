"""What each action on the plant does, as the client sees it."""

from __future__ import annotations

import asyncio

import pytest

from mxgateway import (
    AlarmProviderStatus,
    AlarmTransition,
    MxGatewayTransportError,
    from_mx_value,
    proto,
)
from tests.scenarios.rig import TAG, World, table, world

ROWS, row = table()
HI = "Galaxy!Area1.Tank01.Hi"
Kind = proto.AlarmTransitionKind


@row(f"""
set_tag = {{ tag = "{TAG}", value = 7 }}

set_tag = {{ tag = "{TAG}", quality = 64 }}

set_tag = {{ tag = "{TAG}", value = 8, quality = 0 }}
""")
async def set_tag(world: World) -> None:
    async with world.events(TAG) as events:
        await world.play()
        seen = [await anext(events) for _ in range(3)]
        assert [(from_mx_value(each.value), each.quality) for each in seen] == [(7, 192), (7, 64), (None, 0)]


@row("""
deploy = { remove = ["Tank01"], rename = { "Tank02" = "Tank09" }, add = { "Tank03" = "Tank02" } }
""")
async def deploy(world: World) -> None:
    await world.play()
    names = {obj.tag_name for obj in await world.client.galaxy.discover_hierarchy()}
    assert {"Tank03", "Tank09"} <= names
    assert not {"Tank01", "Tank02"} & names
    await world.play("[[steps]]\ndeploy = { first = true }")
    names = {obj.tag_name for obj in await world.client.galaxy.discover_hierarchy()}
    assert {"Tank01", "Tank02"} <= names
    assert "Tank03" not in names


@row("""
hold_deploy_events = {}

deploy = {}

after = 0.05
release_deploy_events = {}
""")
async def deploy_events(world: World) -> None:
    async with world.client.galaxy.watch_deploy_events() as watch:
        await anext(watch)
        play = asyncio.create_task(world.play())
        deployed = await anext(watch)
        await play
        assert isinstance(deployed, proto.DeployEvent)
        assert deployed.sequence == 2


@row("""
chill_galaxy = {}
""")
async def chill(world: World) -> None:
    await world.play()
    with pytest.raises(MxGatewayTransportError, match="UNAVAILABLE"):
        await world.client.galaxy.discover_hierarchy()
    await world.play("[[steps]]\nload_galaxy = {}")
    assert await world.client.galaxy.discover_hierarchy()


@row("""
undeploy_galaxy = {}

galaxy_database = { answers = false }
""")
async def undeploy(world: World) -> None:
    assert await world.client.galaxy.get_last_deploy_time() is not None
    await world.play()
    assert await world.client.galaxy.get_last_deploy_time() is None
    assert not await world.client.galaxy.test_connection()


@row(f"""
raise_alarm = {{ alarm = "{HI}" }}

acknowledge_alarm = {{ alarm = "{HI}", comment = "seen", operator = "me" }}

clear_alarm = {{ alarm = "{HI}" }}

fail_over = {{ degraded = true, reason = "the alarm manager is gone" }}
""")
async def alarms(world: World) -> None:
    async with world.client.stream_alarms(HI) as feed:
        while not isinstance(await anext(feed), AlarmProviderStatus):
            pass
        await world.play()
        seen = [await anext(feed) for _ in range(4)]
    kinds = [each.kind for each in seen if isinstance(each, AlarmTransition)]
    assert kinds == [Kind.RAISE, Kind.ACKNOWLEDGE, Kind.CLEAR]
    status = seen[-1]
    assert isinstance(status, AlarmProviderStatus)
    assert (status.degraded, status.reason) == (True, "the alarm manager is gone")


@pytest.mark.parametrize("name", ROWS)
async def test_the_client_sees_what_the_action_does(name: str) -> None:
    text, outcome = ROWS[name]
    async with world(text) as started, asyncio.timeout(20):
        await outcome(started)
