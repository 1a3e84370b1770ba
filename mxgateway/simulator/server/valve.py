"""A transport whose bytes can be held back in both directions, as by a network that carries nothing."""

from __future__ import annotations

import asyncio
from typing import Any


class Valve:
    """A transport that can be closed like a valve; everything else is the transport's own.

    Args:
        transport: The transport.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []
        self.write = transport.write
        """Writes bytes, or keeps them while they are held back."""
        self.is_closing = transport.is_closing
        self.get_write_buffer_size = transport.get_write_buffer_size

    def hold(self) -> None:
        """Receive and send nothing until `release`."""
        self._transport.pause_reading()
        self.write = self._keep

    def release(self) -> None:
        """Send what was held back, and receive again."""
        self.write = self._transport.write
        held, self._held = self._held, []
        if not self._transport.is_closing():
            self._transport.write(b"".join(held))
            self._transport.resume_reading()

    def _keep(self, data: bytes | bytearray | memoryview) -> None:
        self._held.append(bytes(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
