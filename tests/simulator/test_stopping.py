"""A simulated gateway that has stopped serves nobody, whenever its client came."""

from __future__ import annotations

import asyncio
import socket

import pytest

from mxgateway.simulator import SimulatedGateway


@pytest.mark.parametrize("turns", range(8))
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
