from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedUser
from tests.simulator.peer import Peer, ok


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """Log all there is, from every logger, as a curious user would."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)


async def test_no_log_shows_a_key_or_a_password_even_at_the_lowest_level(everything_logged: io.StringIO) -> None:
    async with SimulatedGateway() as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
        secret = gateway.api_key.rpartition("_")[2]
        session = await peer.open()
        ok(
            await session.on_server(
                "authenticate_user", verify_user="operator", verify_user_password="operator-password"
            )
        )
        gateway.reply_override("OpenSession", lambda reply: "not a message")
        assert "see its log" in (await peer.fails("OpenSession")).details()
        logging.getLogger("elsewhere").debug("the log works")
    shown = everything_logged.getvalue()
    assert "the log works" in shown
    assert "Traceback" in shown
    assert secret not in shown
    assert "operator-password" not in shown


def test_the_keys_stay_hidden_when_logging_is_configured_after_the_start() -> None:
    program = """
import asyncio, logging, sys
from mxgateway.simulator import SimulatedGateway
from tests.simulator.peer import Peer

async def main():
    async with SimulatedGateway() as gateway:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
        for name in list(logging.root.manager.loggerDict):
            logging.getLogger(name).setLevel(logging.DEBUG)
        async with Peer(gateway.endpoint, gateway.api_key) as peer:
            await peer.open()
        logging.getLogger("hpack.hpack").warning("a warning is not hidden")
        print("KEY", gateway.api_key)

asyncio.run(main(), debug=True)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    output, _, key = run.stdout.rpartition("KEY ")
    assert "DEBUG" in output + run.stderr
    assert "a warning is not hidden" in output
    assert key.strip().rpartition("_")[2] not in output + run.stderr


async def test_no_repr_shows_a_key_or_a_password() -> None:
    async with SimulatedGateway() as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
        session = await peer.open()
        await session.on_server("authenticate_user", verify_user="operator", verify_user_password="operator-password")
        shown = repr([gateway, gateway.options, list(gateway.received), dict(gateway.sessions), gateway._keys])
    assert gateway.api_key.rpartition("_")[2] not in shown
    assert "operator-password" not in shown
    assert "hunter2" not in repr(SimulatedUser("a", "hunter2", "g"))


async def test_the_record_of_calls_keeps_the_metadata_as_received(gateway: SimulatedGateway, peer: Peer) -> None:
    peer.metadata = (*peer.metadata, ("x-trace", "7"))
    await peer.call("OpenSession", client_session_name="svc")
    call = gateway.received[-1]
    assert call.path == "/mxaccess_gateway.v1.MxAccessGateway/OpenSession"
    assert call.method == "OpenSession"
    assert call.header("authorization") == f"Bearer {gateway.api_key}"
    assert call.header("x-trace") == "7"
    assert call.header(":authority") == gateway.endpoint
    assert call.request.client_session_name == "svc"
    assert call.peer.startswith("127.0.0.1:")
