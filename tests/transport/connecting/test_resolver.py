"""A name server that does not answer holds neither the loop nor the process, and costs one thread however long it is silent."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mxgateway import GatewayClient
from mxgateway.errors import MxGatewayTimeoutError
from mxgateway.transport.connecting.resolver import Resolver
from tests.peers.http2.raw_peers import RawServer, silent

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


class SlowNameServer:
    """Stands for the resolver of the system; it answers when it is told to."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked: list[str] = []

    def getaddrinfo(self, host: str, port: int, *, flags: int = 0, **_: Any) -> list[Any]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        self.asked.append(host)
        self.answer.wait(30)
        if host == "nobody.plant":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowNameServer]:
    server = SlowNameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.answer.set()


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", (socket.AF_INET, ("127.0.0.1", 5001))), ("::1", (socket.AF_INET6, ("::1", 5001, 0, 0)))],
)
async def test_an_address_is_not_looked_up(host: str, address: tuple[Any, ...]) -> None:
    before = threading.active_count()
    assert await Resolver(host, 5001).addresses() == [address]
    assert threading.active_count() == before


async def test_a_name_is_looked_up_anew_for_each_connection(name_server: SlowNameServer) -> None:
    name_server.answer.set()
    resolver = Resolver("gw.plant", 5001)
    for _ in range(3):
        assert await resolver.addresses() == [(socket.AF_INET, ("127.0.0.1", 5001))]
    assert name_server.asked == ["gw.plant"] * 3


async def test_a_lookup_that_hangs_is_waited_for_again_instead_of_being_doubled(name_server: SlowNameServer) -> None:
    resolver = Resolver("gw.plant", 5001)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await resolver.addresses()
    waiting = [asyncio.ensure_future(resolver.addresses()) for _ in range(2)]
    await asyncio.sleep(0)
    name_server.answer.set()
    assert await asyncio.gather(*waiting) == [[(socket.AF_INET, ("127.0.0.1", 5001))]] * 2
    assert name_server.asked == ["gw.plant"]
    await resolver.addresses()
    assert name_server.asked == ["gw.plant"] * 2


async def test_a_failure_is_told_to_everybody_who_waits_and_not_remembered(name_server: SlowNameServer) -> None:
    resolver = Resolver("nobody.plant", 5001)
    waiting = [asyncio.ensure_future(resolver.addresses()) for _ in range(3)]
    await asyncio.sleep(0)
    name_server.answer.set()
    faults = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(fault) for fault in faults] == [socket.gaierror] * 3
    with pytest.raises(socket.gaierror):
        await resolver.addresses()
    assert name_server.asked == ["nobody.plant"] * 2


async def test_the_connect_timeout_covers_a_name_server_that_is_silent(name_server: SlowNameServer) -> None:
    with pytest.raises(MxGatewayTimeoutError) as caught:
        await GatewayClient.connect("gw.plant:5001", plaintext=True, connect_timeout=0.1)
    assert caught.value.phase == "resolve"


async def test_a_connection_works_once_the_name_server_answers(name_server: SlowNameServer) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\0\0\0\x04\0\0\0\0\0")
        await silent(reader, writer)

    asyncio.get_running_loop().call_later(0.05, name_server.answer.set)
    async with RawServer(answer) as server:
        async with GatewayClient.connect(f"gw.plant:{server.port}", plaintext=True):
            pass
        await server.all_gone()


HANG = """
import asyncio, socket, threading
from mxgateway import GatewayClient, MxGatewayTimeoutError
def hang(host, port, *, flags=0, **options):
    if flags & socket.AI_NUMERICHOST:
        raise socket.gaierror
    threading.Event().wait()
socket.getaddrinfo = hang
async def main():
    try:
        await GatewayClient.connect("gw.plant:5001", plaintext=True, connect_timeout=0.1)
    except MxGatewayTimeoutError:
        print("told")
asyncio.run(main())
"""


def test_neither_the_loops_end_nor_the_programs_waits_for_a_name_server() -> None:
    done = subprocess.run([sys.executable, "-c", HANG], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "told\n", "")
