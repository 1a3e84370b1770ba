"""The connections of a batch: one per set of connection options, opened when a line needs it, closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import mxgateway
from mxgateway_cli.connecting.connection import log_connecting, simulated_gateway

if TYPE_CHECKING:
    from mxgateway import ClientOptions, Endpoint, GatewayClient
    from mxgateway.contract import Contract
    from mxgateway.simulator import SimulatedGateway
    from mxgateway_cli.running.settings import ConnectionSettings

    _Key = tuple[tuple[Endpoint, ...], ClientOptions]


class Connections:
    """Provides shared clients to the lines of a batch, which use them one after another.

    ``--timeout`` is not part of the key: it is set on the client for each line. Nor is ``--wait-for-gateway``: it is
    only about the first connection.
    """

    def __init__(self) -> None:
        self._shared: dict[_Key, tuple[GatewayClient, float]] = {}
        """The clients, each with its timeout in seconds for a new connection when its own is lost."""
        self._simulated: dict[Contract | Literal["auto"] | None, SimulatedGateway] = {}

    @asynccontextmanager
    async def client(self, settings: ConnectionSettings) -> AsyncIterator[GatewayClient]:
        """Yield the client for these settings; the library reconnects it when its connection is lost."""
        address, options = settings.endpoint, settings.client_options()
        if settings.simulator:
            gateway = await self._gateway(settings.contract)
            address, options = gateway.endpoint, replace(options, api_key=mxgateway.ApiKey(gateway.api_key))
        client = await self._shared_client(address, options)
        client.call_timeout = options.call_timeout
        yield client

    async def close(self) -> None:
        """Close everything, simulated gateways last."""
        clients = [client for client, _ in self._shared.values()]
        self._shared.clear()
        try:
            await asyncio.gather(*(client.close() for client in clients))
        finally:
            for gateway in self._simulated.values():
                await gateway.stop()

    async def _shared_client(self, address: str, options: ClientOptions) -> GatewayClient:
        same = replace(options, connect_timeout=1.0, call_timeout=None, wait=0.0)
        key = mxgateway.Endpoint.parse_all(address), same
        if key in self._shared:
            client, timeout = self._shared[key]
            if timeout >= options.connect_timeout or client.stats().connected:
                return client
            del self._shared[key]  # it would reconnect with the shorter timeout of an earlier line
            await client.close()
        log_connecting(address, options)
        client = await mxgateway.GatewayClient.connect(address, options=options)
        self._shared[key] = client, options.connect_timeout
        return client

    async def _gateway(self, contract: Contract | Literal["auto"] | None) -> SimulatedGateway:
        gateway = self._simulated.get(contract)
        if gateway is None:
            gateway = simulated_gateway(contract)
            await gateway.start()
            self._simulated[contract] = gateway
        return gateway
