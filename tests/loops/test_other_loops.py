"""The client and the simulated gateway run on event loops other than asyncio's own, in plaintext and through TLS, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, MxGatewayError, MxGatewayTlsError, TlsOptions
from mxgateway.simulator import SimulatedGateway
from tests.client.support import TAG, advised, change
from tests.loops.policy import FACTORIES, LoopFactory
from tests.peers.http2.raw_server import RawServer, says
from tests.peers.network.certificates import Authority

on_each_loop = pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)


def run(factory: LoopFactory, main: Callable[[], Awaitable[None]]) -> None:
    """Run a program on a loop, in debug mode, and let whatever it has left complain."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await main()

    with asyncio.Runner(loop_factory=factory, debug=True) as runner:
        runner.run(bounded())
    gc.collect()


async def tour(endpoint: str, gateway: SimulatedGateway, **options: Any) -> None:
    """Read, write, confirm, subscribe, watch alarms and deployments, and go through a lost connection."""
    async with (
        GatewayClient.connect(endpoint, api_key=gateway.api_key, **options) as client,
        client.open_session() as session,
    ):
        assert (await session.read([TAG]))[0].tag == TAG
        item = await advised(session)
        await session.write_confirmed(*item.pair, 7)
        async with session.stream_events() as events, client.alarm_board() as board:
            change(gateway, range(2_000))
            assert len([await anext(events) for _ in range(1_000)]) == 1_000
            assert board.provider is not None
        async with client.galaxy.watch_deploy_events() as watch:
            await anext(watch)
            gateway.drop_connections(politely=False)
            gateway.deploy()
            await anext(watch)
        await session.ping()


@on_each_loop
def test_a_tour_in_plaintext(factory: LoopFactory) -> None:
    async def main() -> None:
        async with SimulatedGateway() as gateway:
            await tour(gateway.endpoint, gateway, plaintext=True)

    run(factory, main)


@on_each_loop
def test_a_tour_through_tls(factory: LoopFactory, tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("localhost").write(tmp_path)
    tls = TlsOptions(ca_file=authority.write(tmp_path / "ca.pem"))

    async def main() -> None:
        async with SimulatedGateway(certificate=certificate, private_key=key) as gateway:
            await tour(f"localhost:{gateway.port}", gateway, tls=tls)

    run(factory, main)


@on_each_loop
def test_a_peer_that_speaks_before_it_is_asked_is_refused_through_tls(factory: LoopFactory) -> None:
    async def main() -> None:
        async with RawServer(says(b"SSH-2.0-OpenSSH_9.6\r\n")) as server:
            for _ in range(20):
                with pytest.raises(MxGatewayTlsError):
                    await GatewayClient.connect(server.endpoint, api_key="mxgw_a_b", connect_timeout=5.0)
            await server.all_gone()

    run(factory, main)


@on_each_loop
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the open files of the process")
@pytest.mark.parametrize("secure", [False, True], ids=["plaintext", "TLS"])
def test_connecting_can_be_given_up_at_any_moment(factory: LoopFactory, tmp_path: Path, secure: bool) -> None:
    authority = Authority()
    certificate, key = authority.issue("localhost").write(tmp_path) if secure else (None, None)
    ca_file = authority.write(tmp_path / "ca.pem")
    options: dict[str, Any] = {"tls": TlsOptions(ca_file=ca_file)} if secure else {"plaintext": True}

    async def main() -> None:
        async with SimulatedGateway(certificate=certificate, private_key=key) as gateway:

            async def connect() -> None:
                async with GatewayClient.connect(f"localhost:{gateway.port}", api_key=gateway.api_key, **options):
                    pass

            await connect()
            await settled()
            before = open_files()
            for turns in range(80):
                connecting = asyncio.ensure_future(connect())
                for _ in range(turns):
                    await asyncio.sleep(0)
                connecting.cancel()
                await asyncio.wait([connecting])
                assert connecting.cancelled() or not isinstance(connecting.exception(), OSError | MxGatewayError)
            await settled()
            assert open_files() <= before

    run(factory, main)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def settled() -> None:
    """Wait until the simulated gateway has noticed that clients are gone."""
    count = -1
    while count != (count := open_files()):
        await asyncio.sleep(0.2)


def test_what_is_left_out_of_the_runs_on_other_loops_makes_no_loop() -> None:
    script = (Path(__file__).parent / "run").read_text()
    (left_out,) = re.findall(r"^without_a_loop=\(([^)]*)\)", script, re.MULTILINE)
    files = [Path(__file__).parents[2] / name for name in left_out.split()]
    assert files
    assert [path.name for path in files if re.search(r"\basync\b|asyncio|play_block", path.read_text())] == []
