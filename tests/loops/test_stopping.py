"""A simulated gateway that has stopped serves nobody, whenever its client came."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from grpclib.protocol import Stream

from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.simulator.server.http2 import ReceivedHeaders
from mxgateway.simulator.server.listener import Listener
from tests.peers.network.certificates import self_signed
from tests.rows import each_row


@each_row("turns", range(8))
async def test_a_connection_that_is_accepted_in_the_step_in_which_the_gateway_stops_is_cut(turns: int) -> None:
    """A gateway that was started anew would have a ghost of its former self beside it."""
    loop = asyncio.get_running_loop()
    async with SimulatedGateway() as gateway:
        with socket.create_connection((gateway.host, gateway.port), timeout=10) as client:
            client.setblocking(False)
            for _ in range(turns):
                await asyncio.sleep(0)
            await gateway.stop()
            async with asyncio.timeout(5):
                try:
                    while await loop.sock_recv(client, 4096):
                        pass
                except ConnectionError:
                    pass
        await gateway.start()


async def serve(stream: Stream, headers: ReceivedHeaders, peer: str) -> None:
    raise AssertionError("a gateway that has stopped is asked")


@pytest.mark.parametrize("secure", [False, True], ids=["in plaintext", "with TLS"])
async def test_a_connection_that_the_loop_makes_after_the_gateway_has_stopped_is_cut(
    secure: bool,
) -> None:
    """As uvloop does where it had accepted the connection before."""
    loop = asyncio.get_running_loop()
    context = self_signed("localhost").context() if secure else None
    listener = Listener(serve, SimulatorOptions(), context)
    await listener.start("127.0.0.1", 0)
    late = await loop.create_server(listener._accept, "127.0.0.1", 0)
    await listener.stop()
    with socket.create_connection(late.sockets[0].getsockname(), timeout=10) as client:
        client.setblocking(False)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                while await loop.sock_recv(client, 4096):
                    pass
    late.close()
    await late.wait_closed()
    assert not listener.connections
