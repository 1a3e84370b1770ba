"""A command uses the first of several gateways that can be reached, however they are given."""

from __future__ import annotations

from pathlib import Path

from tests.cli.gateway import Gateway
from tests.cli.in_process import mxgw
from tests.peers.network.connect_proxy import ConnectProxy

NOWHERE = "127.0.0.1:1"


async def test_of_several_endpoints_the_first_one_that_can_be_reached_is_used(gateway: Gateway, tmp_path: Path) -> None:
    there = gateway.simulated.endpoint
    env = {**gateway.env, "MXGATEWAY_PLAINTEXT": "1", "XDG_CONFIG_HOME": str(tmp_path)}
    written = await mxgw("profile", "set", "both", "--endpoint", NOWHERE, "--endpoint", there, "--plaintext", env=env)
    assert (written.code, written.err) == (0, "")
    without = {name: value for name, value in env.items() if name != "MXGATEWAY_ENDPOINT"}
    for arguments, variables in [
        (("--endpoint", NOWHERE, "--endpoint", there, "--plaintext"), env),
        (("--endpoint", f"{NOWHERE},{there}", "--plaintext"), env),
        (("--plaintext",), {**env, "MXGATEWAY_ENDPOINT": f"{NOWHERE},{there}"}),
        (("--profile", "both"), without),
    ]:
        outcome = await mxgw("ping", *arguments, env=variables)
        assert outcome.code == 0, (arguments, outcome.err)
        assert f"{NOWHERE} cannot be used: connect:" in outcome.err


async def test_the_lines_of_a_batch_use_them_as_well(gateway: Gateway) -> None:
    arguments = ("batch", "--endpoint", NOWHERE, "--endpoint", gateway.simulated.endpoint, "--plaintext", "-o", "jsonl")
    outcome = await mxgw(*arguments, env=gateway.env, stdin="ping\nping\n")
    assert outcome.code == 0, outcome.err


async def test_an_endpoint_among_others_is_read_as_strictly_as_one() -> None:
    for arguments, says in [
        (("--endpoint", f"{NOWHERE},gw", "--plaintext"), "the port is missing"),
        (("--endpoint", f"{NOWHERE},", "--plaintext"), "the port is missing"),
        (("--endpoint", NOWHERE, "--endpoint", f"http://{NOWHERE}"), "--plaintext is required"),
        (("--endpoint", f"{NOWHERE},user:secret,word@gw:1", "--plaintext"), "a user or a password before an @"),
    ]:
        outcome = await mxgw("ping", *arguments)
        assert outcome.code == 2
        assert says in outcome.err
        assert "secret" not in outcome.err


async def test_a_proxy_is_asked_for_one_after_the_other(gateway: Gateway) -> None:
    async with ConnectProxy() as proxy:
        there = gateway.simulated.endpoint
        outcome = await mxgw(
            "ping", "--plaintext", "--proxy", proxy.url, "--endpoint", f"{NOWHERE},{there}", env=gateway.env
        )
        await proxy.all_gone()
    assert outcome.code == 0, outcome.err
    assert [tunnel.target for tunnel in proxy.tunnels] == [NOWHERE, there]
