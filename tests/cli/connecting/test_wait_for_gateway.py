"""``--wait-for-gateway`` waits for a gateway that is not up yet: once for a command, or for the first line of a batch."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY
from tests.cli.in_process import mxgw
from tests.peers.http2.raw_peers import RawServer, http1
from tests.transport.connecting.test_greeted_first import closed_port

WAYS = ("flag", "environment", "profile", "batch")


@pytest.mark.parametrize("way", WAYS)
async def test_a_command_waits_for_a_gateway_that_starts_later(way: str, tmp_path: Path) -> None:
    _, port = closed_port()
    gateway = SimulatedGateway(port=port, api_keys=[SimulatedKey.parse(KEY)])
    env = {"MXGATEWAY_API_KEY": KEY, "MXGATEWAY_ENDPOINT": gateway.endpoint, "XDG_CONFIG_HOME": str(tmp_path)}
    asked = ("--wait-for-gateway", "60")
    arguments: tuple[str, ...] = ("ping", "--plaintext")
    if way == "flag":
        arguments = (*arguments, *asked)
    elif way == "environment":
        env["MXGATEWAY_WAIT_FOR_GATEWAY"] = "60"
    elif way == "profile":
        written = await mxgw("profile", "set", "slow", *asked, "--json", env=env)
        assert written.document["options"] == {"wait-for-gateway": 60.0}
        arguments = (*arguments, "--profile", "slow")
    else:
        arguments = ("batch", "--plaintext", *asked)
    running = asyncio.ensure_future(mxgw(*arguments, env=env, stdin="ping\nping --wait-for-gateway 1\n"))
    await asyncio.sleep(0.3)
    assert not running.done()
    async with gateway:
        outcome = await running
        assert outcome.code == 0, outcome.err
        assert len({call.peer for call in gateway.received}) == 1
    assert f"waiting for {gateway.endpoint}" in outcome.err


async def test_it_ends_when_its_time_is_up_and_at_once_for_what_waiting_does_not_mend() -> None:
    _, port = closed_port()
    nobody = await mxgw("ping", "--plaintext", "--endpoint", f"127.0.0.1:{port}", "--wait-for-gateway", "0.1")
    assert nobody.code == 78
    assert "waiting for" in nobody.err
    async with RawServer(http1) as web:
        other = await mxgw("ping", "--plaintext", "--endpoint", web.endpoint, "--wait-for-gateway", "60")
        await web.all_gone()
    assert other.code not in (0, 78)
    assert "waiting for" not in other.err


async def test_a_simulated_gateway_needs_no_waiting() -> None:
    outcome = await mxgw("ping", "--simulator", env={"MXGATEWAY_WAIT_FOR_GATEWAY": "60"})
    assert (outcome.code, outcome.err) == (0, "")


async def test_the_timeout_of_the_whole_command_bounds_the_waiting() -> None:
    _, port = closed_port()
    where = ("--plaintext", "--endpoint", f"127.0.0.1:{port}", "--wait-for-gateway", "60", "--timeout", "0.5")
    async with asyncio.timeout(10):
        outcome = await mxgw("watch", "TestChildObject.TestInt", "--count", "1", *where)
    assert outcome.code == 78, outcome.err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", ""])
async def test_what_is_no_time_to_wait_is_refused(seconds: str, tmp_path: Path) -> None:
    for command in (("ping", "--simulator"), ("profile", "set", "slow")):
        outcome = await mxgw(*command, "--wait-for-gateway", seconds, env={"XDG_CONFIG_HOME": str(tmp_path)})
        assert outcome.code == 2
        assert "--wait-for-gateway" in outcome.err
