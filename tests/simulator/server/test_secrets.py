from __future__ import annotations

import asyncio
import copy
import io
import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpclib.const import Status

from mxgateway.simulator import SimulatedGateway, SimulatedKey, SimulatedUser, SimulatorOptions
from mxgateway.simulator.server.keys import Authenticator
from tests.secrets.awkward import raising_frames, ways_out, ways_out_of_object
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


class Given:
    """Where a test keeps what is secret, so that its own variables do not show it."""

    key = "mxgw_tests_s3cr3t-0f-the-s1mulator"
    password = "s3cr3t-0f-a-us3r"
    marks = ("s3cr3t-0f-the-s1mulator", "s3cr3t-0f-a-us3r")

    def __repr__(self) -> str:
        return "<secrets>"


GIVEN = Given()


def shown(texts: Iterable[tuple[str, str]]) -> list[str]:
    """Return where one of the secrets shows."""
    return [where for where, text in texts if any(mark in text for mark in GIVEN.marks)]


def test_no_way_to_text_shows_a_key_or_a_password_of_a_simulated_gateway() -> None:
    key, user = SimulatedKey.parse(GIVEN.key), SimulatedUser("jane", GIVEN.password, "guid")
    options = SimulatorOptions(users=(user,))
    things = (key, replace(key, scopes=frozenset()), copy.copy(key), user, options, SimulatedGateway(api_keys=[key]))
    assert [where for thing in things for where in shown(ways_out_of_object(thing))] == []
    assert shown([("variables", repr([vars(key), user.password, vars(Authenticator([key]))]))]) == []
    assert key.reveal() == GIVEN.key
    for other in (replace(key, scopes=frozenset()), copy.copy(key), copy.deepcopy(key)):
        assert other.reveal() == GIVEN.key
    assert copy.deepcopy(options) == options


@pytest.mark.parametrize(
    "wrong",
    [GIVEN.key[5:], GIVEN.key.encode(), [GIVEN.key], " " + GIVEN.key, None],
    ids=lambda wrong: type(wrong).__name__,
)
def test_what_is_no_key_is_refused_and_shows_in_no_frame(wrong: Any) -> None:
    with pytest.raises(ValueError, match="mxgw_<key-id>_<secret>") as caught:
        SimulatedKey.parse(wrong)
    assert shown(ways_out(caught.value)) == []


async def test_no_frame_that_an_error_passes_shows_a_key_or_a_password() -> None:
    options = SimulatorOptions(users=(SimulatedUser("jane", GIVEN.password, "guid"),))
    with raising_frames("mxgateway.simulator") as frames:
        async with SimulatedGateway(api_keys=[SimulatedKey.parse(GIVEN.key)], options=options) as gateway:
            async with Peer(gateway.endpoint, GIVEN.key[:-1]) as stranger:
                await stranger.fails("OpenSession")
            async with Peer(gateway.endpoint, GIVEN.key) as peer:
                session = await peer.open()
                login = {"verify_user": "jane", "verify_user_password": GIVEN.password}
                ok(await session.on_server("authenticate_user", **login))
                await session.invoke("authenticate_user", server_handle=77, **login)
                gateway.fail_next("Invoke.AuthenticateUser", Status.INTERNAL, "no")
                with pytest.raises(grpc.aio.AioRpcError):
                    await session.on_server("authenticate_user", **login)
                gateway.reply_override("OpenSession", lambda reply: "not a message")
                await peer.fails("OpenSession")
                gateway.hold("Invoke.AuthenticateUser")
                waiting = asyncio.create_task(session.on_server("authenticate_user", **login))
                await asyncio.sleep(0.05)
                gateway.drop_connections()
                with pytest.raises(grpc.aio.AioRpcError):
                    await waiting
    assert {"call of Router._answer", "authorization of Authenticator.authenticate"} <= {where for where, _ in frames}
    assert shown(frames) == []


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
