"""`ControlServer`: a second listener beside a simulated gateway, through which it is controlled while it runs."""

from __future__ import annotations

import ipaddress
from collections import deque
from types import TracebackType
from typing import Final, Self

from mxgateway.simulator.control.service import ControlService
from mxgateway.simulator.gateway import SimulatedGateway
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.server.calls import CallRecord, ReceivedCall
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.simulator.server.keys import Authenticator, SimulatedKey
from mxgateway.simulator.server.listener import Listener, join_host_port
from mxgateway.simulator.server.log_guard import hide_headers
from mxgateway.simulator.server.router import Router
from mxgateway.simulator.switches import Switches

_RECORDED: Final = 100
"""Calls of its own that it keeps."""


class ControlServer:
    """Serves SimulatorControl for a gateway inside its ``async with`` block. It stays when the gateway restarts.

    Args:
        gateway: The gateway.
        host: An address of this machine's own, such as ``127.0.0.1`` or ``::1``.
        port: The port; 0 for a free one.
        key: The key that callers must have; None makes one.

    Raises:
        ValueError: The address is not a loopback address, or the gateway accepts the same key.
    """

    def __init__(
        self, gateway: SimulatedGateway, *, host: str = "127.0.0.1", port: int = 0, key: SimulatedKey | None = None
    ) -> None:
        self._host = "127.0.0.1" if host.casefold() == "localhost" else host
        if not _is_loopback(self._host):
            raise ValueError(f"the control is for this machine only: {host!r} is not a loopback address")
        self._port = port
        self._key = SimulatedKey(key_id="control") if key is None else key
        if gateway.accepts(self._key):
            raise ValueError("the control needs a key of its own: the gateway accepts this one")
        self._service = ControlService(gateway, gateway)
        self.switches = Switches(gateway.clock)
        """The switches of its own calls."""
        self._options = SimulatorOptions()
        self._record = CallRecord(_RECORDED, self._options.message_limit)
        self._listener: Listener | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start listening.

        Raises:
            OSError: The address is not available.
            RuntimeError: It is listening.
        """
        if self._listener is not None:
            raise RuntimeError("the control is already running")
        hide_headers()
        router = Router(
            self._service.methods(),
            Authenticator([self._key]),
            self.switches,
            self._options.message_limit,
            self._record,
            Encoding(),
        )
        listener = self._listener = Listener(router.serve, self._options, None)
        try:
            self._port = await listener.start(self._host, self._port)
        except BaseException:
            self._listener = None
            await listener.stop()
            raise

    async def stop(self) -> None:
        """End every call and connection, and stop listening; no effect if it does not."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.stop()
            await self._service.close()

    @property
    def received(self) -> deque[ReceivedCall]:
        """Its own last calls, oldest first."""
        return self._record.calls

    @property
    def host(self) -> str:
        """The address."""
        return self._host

    @property
    def port(self) -> int:
        """The port; 0 before the start if any port was requested."""
        return self._port

    @property
    def endpoint(self) -> str:
        """``host:port``"""
        return join_host_port(self._host, self._port)

    @property
    def key(self) -> str:
        """The whole key, as a client sends it."""
        return self._key.reveal()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
