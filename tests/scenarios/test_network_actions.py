"""What each action on the network, the process, the clock and the keys does, as the client sees it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mxgateway import (
    GatewayClient,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewayTimeoutError,
    Outcome,
    TlsOptions,
)
from mxgateway.simulator import Scenario, SimulatedGateway
from tests.client.support import connect
from tests.peers.network.certificates import Authority
from tests.scenarios.rig import TAG, World, table, until, world

ROWS, row = table()


@row("""
drop_connections = {}
""")
async def drop_connections(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        await world.play()
        await until(lambda: consumer.outcomes == [Outcome.CONTINUOUS])
        await world.play("[[steps]]\ndrop_connections = { politely = true }")
        world.gateway.set_tag(TAG, 3)
        await until(lambda: consumer.values[TAG] == 3)
        assert not consumer.gaps


@row("""
go_away = {}
""")
async def go_away(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        await world.play()
        assert await world.client.galaxy.test_connection(), "a new call has a connection"
        world.gateway.set_tag(TAG, 3)
        await until(lambda: consumer.values[TAG] == 3)
        assert consumer.outcomes in ([], [Outcome.CONTINUOUS])
        assert not consumer.gaps


@row("""
refuse_connections = {}
""")
async def refuse_connections(world: World) -> None:
    async with world.session() as session:
        await world.play()
        await session.ping()  # an open connection stays
        with pytest.raises(MxGatewayError, match="refused"):
            await connect(world.gateway, connect_timeout=2)
        await world.play("[[steps]]\naccept_connections = {}")
        await (await connect(world.gateway)).close()


@row("""
black_hole = {}
""")
async def black_hole(world: World) -> None:
    async with world.session() as session:
        await world.play()
        with pytest.raises(MxGatewayTimeoutError):
            await session.ping(timeout=0.2)
        with pytest.raises(MxGatewayTimeoutError):
            await connect(world.gateway, connect_timeout=0.2)
        assert world.gateway.connections >= 1, "nothing was closed"
        await world.play("[[steps]]\nblack_hole = { on = false }")
        await session.ping()


@row("""
delay_replies = { seconds = 0.3 }
""")
async def delay_replies(world: World) -> None:
    async with world.session() as session:
        await world.play()
        with pytest.raises(MxGatewayTimeoutError):
            await session.ping(timeout=0.1)
        await session.ping(timeout=10)
        await world.play("[[steps]]\ndelay_replies = { seconds = 0 }")


@row("""
slow_streams = { events_per_second = 0.001 }
""")
async def slow_streams(world: World) -> None:
    async with world.events(TAG) as events:
        await world.play()
        for value in (1, 2):
            world.gateway.set_tag(TAG, value)
        assert (await anext(events)).value.int32_value == 1
        waiting = asyncio.ensure_future(anext(events))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done, "the next event is a thousand seconds away"
        waiting.cancel()


@row("""
restart = { down = 0.05, deployed = true }
""")
async def restart(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        before = await world.client.galaxy.get_last_deploy_time()
        await world.play()
        await until(lambda: consumer.outcomes == [Outcome.REBUILT])
        after = await world.client.galaxy.get_last_deploy_time()
        assert before is not None
        assert after is not None
        assert after > before


@row("""
step_clock = { seconds = -3600 }
""")
async def step_clock(world: World) -> None:
    async with world.events(TAG) as events:
        world.gateway.set_tag(TAG, 1)
        before = (await anext(events)).worker_timestamp
        await world.play()
        world.gateway.set_tag(TAG, 2)
        after = (await anext(events)).worker_timestamp
        assert -3600.5 < (after - before).total_seconds() < -3599.5


@row("""
add_key = { key = "mxgw_new_s3cr3tt3xt", scopes = ["session:open"] }

revoke_key = { key_id = "simulator" }
""")
async def keys(world: World) -> None:
    async with world.session() as session:
        play = await world.play()
        with pytest.raises(MxGatewayAuthenticationError):
            await session.ping()
        new: dict[str, Any] = {"api_key": "mxgw_new_s3cr3tt3xt", "plaintext": True}
        async with GatewayClient.connect(world.gateway.endpoint, **new) as other:
            with pytest.raises(MxGatewayAuthorizationError):
                await other.galaxy.test_connection()
        assert "s3cr3tt3xt" not in repr(play.scenario.steps) + repr(play.log)
        await world.play("[[steps]]\nrevoke_key = {}")


@pytest.mark.parametrize("name", ROWS)
async def test_the_client_sees_what_the_action_does(name: str) -> None:
    text, outcome = ROWS[name]
    async with world(text) as started, asyncio.timeout(20):
        await outcome(started)


async def test_another_certificate_is_presented_from_now_on(tmp_path: Path) -> None:
    first, second = Authority(), Authority()
    for name, authority in (("first", first), ("second", second)):
        (tmp_path / name).mkdir()
        authority.issue("localhost", "127.0.0.1").write(tmp_path / name)
        (tmp_path / name / "ca.pem").write_bytes(authority.pem)
    text = '[[steps]]\nserve_certificate = { certificate = "certificate.pem", private_key = "key.pem" }'
    scenario = Scenario.from_text(text, folder=str(tmp_path / "second"))
    certificate, key = tmp_path / "first/certificate.pem", tmp_path / "first/key.pem"
    async with SimulatedGateway(certificate=certificate, private_key=key) as gateway:
        trust = {name: TlsOptions(ca_file=tmp_path / name / "ca.pem") for name in ("first", "second")}
        where: dict[str, Any] = {"endpoint": gateway.endpoint, "api_key": gateway.api_key}
        async with GatewayClient.connect(**where, tls=trust["first"]) as client:
            await gateway.play(scenario)
            assert await client.galaxy.test_connection(), "an open connection stays"
        with pytest.raises(MxGatewayError, match="certificate"):
            await GatewayClient.connect(**where, tls=trust["first"])
        await (await GatewayClient.connect(**where, tls=trust["second"])).close()


async def test_a_black_hole_swallows_handshakes_too(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("localhost", "127.0.0.1").write(tmp_path)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    trust = TlsOptions(ca_file=tmp_path / "ca.pem")
    async with SimulatedGateway(certificate=certificate, private_key=key) as gateway:
        where: dict[str, Any] = {"endpoint": gateway.endpoint, "api_key": gateway.api_key, "tls": trust}
        await gateway.play(Scenario.from_text("[[steps]]\nblack_hole = {}"))
        with pytest.raises(MxGatewayTimeoutError):
            await GatewayClient.connect(**where, connect_timeout=0.2)
        waiting = asyncio.ensure_future(_connected(where))
        await asyncio.sleep(0.05)
        await gateway.play(Scenario.from_text("[[steps]]\nblack_hole = { on = false }"))
        await waiting


async def _connected(where: dict[str, Any]) -> None:
    await (await GatewayClient.connect(**where)).close()
