"""The connections of a batch: one for each way to a gateway, made when a line needs it, closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import mxgateway
from mxgateway_cli.connecting.connection import log_connecting, simulated_gateway

if TYPE_CHECKING:
    from mxgateway import ClientOptions, Endpoint, GatewayClient
    from mxgateway.contract import Contract
    from mxgateway.simulator import SimulatedGateway
    from mxgateway_cli.running.settings import ConnectionSettings

    _Way = tuple[Endpoint, ClientOptions]


@dataclass(frozen=True, slots=True)
class _Connected:
    client: GatewayClient
    connect_timeout: float
    """Seconds that the client allows for a new connection when its own is lost."""


class Connections:
    """Lends clients to the lines of a batch, which use them one after the other.

    ``--timeout`` is no part of the way: it is set on the client for each line.
    """

    def __init__(self) -> None:
        self._connected: dict[_Way, _Connected] = {}
        self._simulated: dict[Contract | Literal["auto"] | None, SimulatedGateway] = {}

    @asynccontextmanager
    async def lend(self, settings: ConnectionSettings) -> AsyncIterator[GatewayClient]:
        """Give the client for these settings; its connection is replaced by the library when it is lost."""
        address, options = settings.endpoint, settings.client_options()
        if settings.simulator:
            gateway = await self._gateway(settings.contract)
            address, options = gateway.endpoint, replace(options, api_key=mxgateway.ApiKey(gateway.api_key))
        client = await self._client(address, options)
        client.call_timeout = options.call_timeout
        yield client

    async def close(self) -> None:
        """Close everything, the simulated gateway last: its sessions lived as long as the batch."""
        clients = [each.client for each in self._connected.values()]
        self._connected.clear()
        try:
            await asyncio.gather(*(client.close() for client in clients))
        finally:
            for gateway in self._simulated.values():
                await gateway.stop()

    async def _client(self, address: str, options: ClientOptions) -> GatewayClient:
        way = (mxgateway.Endpoint.parse(address), replace(options, connect_timeout=1.0, call_timeout=None))
        known = self._connected.get(way)
        if known is not None and known.connect_timeout < options.connect_timeout and not known.client.stats().connected:
            del self._connected[way]  # it would give a line with patience no more time than it gave one without
            await known.client.close()
            known = None
        if known is None:
            log_connecting(address, options)
            client = await mxgateway.GatewayClient.connect(address, options=options)
            known = self._connected[way] = _Connected(client, options.connect_timeout)
        return known.client

    async def _gateway(self, contract: Contract | Literal["auto"] | None) -> SimulatedGateway:
        gateway = self._simulated.get(contract)
        if gateway is None:
            gateway = simulated_gateway(contract)
            await gateway.start()
            self._simulated[contract] = gateway
        return gateway
