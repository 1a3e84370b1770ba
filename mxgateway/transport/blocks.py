"""What is closed at the end of its ``async with`` block: a client, and an iterator of a client."""

from __future__ import annotations

from typing import Self

from mxgateway.transport.channel import Channel
from mxgateway.transport.loop_guard import LoopGuard


class ChannelClient:
    """A client that calls on one channel.

    Args:
        channel: The channel.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    @property
    def endpoint(self) -> str:
        """Where it is connected, as ``host:port``; of several gateways, the one in use."""
        return str(self._channel.endpoint)

    async def close(self) -> None:
        """End every call, and disconnect. Idempotent."""
        self._channel.guard.check()
        await self._channel.aclose()

    async def __aenter__(self) -> Self:
        self._channel.guard.check()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


class ClientReader:
    """An async iterator of one client that is a context manager as well: leaving its block closes it.

    A subclass sets `_guard`, and has `__anext__` and `aclose`.
    """

    _guard: LoopGuard

    async def aclose(self) -> None:
        """Close the iterator. Idempotent."""

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        self._guard.check()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
