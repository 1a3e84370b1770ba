"""What the tests of the client share: waiting without a clock, and a look at what the gateway has received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from mxgateway import (
    GatewayClient,
    Session,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.transport.connecting.open_channel import Opening

TAG: Final = "TestChildObject.TestInt"
REFUSED_TAG: Final = "TestChildObject.RefusedInt"
"""Accepts a write and fails it later."""
DENIED_TAG: Final = "TestChildObject.DeniedInt"
"""Refuses a write at once."""

PATIENCE: Final = 20.0
"""Seconds until a wait for something that never comes fails the test."""

DATA_CHANGE: Final = proto.MxEventFamily.ON_DATA_CHANGE
WRITE_COMPLETE: Final = proto.MxEventFamily.ON_WRITE_COMPLETE


@dataclass(frozen=True)
class Item:
    """An item of a session."""

    server: int
    handle: int

    @property
    def pair(self) -> tuple[int, int]:
        """Both handles, as every call takes them."""
        return self.server, self.handle


def connect(gateway: SimulatedGateway, **fields: Any) -> Opening[GatewayClient]:
    """Connect in plaintext with a key that may do everything."""
    return GatewayClient.connect(
        **{"endpoint": gateway.endpoint, "api_key": gateway.api_key, "plaintext": True, **fields}
    )


@asynccontextmanager
async def opened(options: SimulatorOptions) -> AsyncIterator[tuple[SimulatedGateway, Session]]:
    """A gateway with options of the test's own, and a session of it."""
    async with (
        SimulatedGateway(options=options) as gateway,
        connect(gateway) as client,
        client.open_session() as session,
    ):
        yield gateway, session


async def advised(session: Session, tag: str = TAG) -> Item:
    """Register, add a tag and advise it."""
    server = await session.register("tests")
    handle = await session.add_item(server, tag)
    await session.advise(server, handle)
    return Item(server, handle)


async def until(holds: Callable[[], Any], *, patience: float = PATIENCE) -> None:
    """Return once a condition holds."""
    async with asyncio.timeout(patience):
        while not holds():
            await asyncio.sleep(0.001)


def requests(gateway: SimulatedGateway, method: str) -> list[Any]:
    """Return the requests of one method that the gateway has received, oldest first."""
    return [call.request for call in gateway.received if call.method == method]


def commands(gateway: SimulatedGateway) -> list[proto.MxCommandRequest]:
    """Return the commands that the gateway has received, oldest first."""
    return requests(gateway, "Invoke")


def kinds(gateway: SimulatedGateway) -> list[str | None]:
    """Return the kinds of the commands that the gateway has received, oldest first."""
    return [request.command.kind.name for request in commands(gateway)]


def is_streaming(gateway: SimulatedGateway, session: Session) -> bool:
    """Tell whether an event stream is attached to the session at the gateway."""
    return gateway.sessions[session.session_id].events.is_attached


def change(gateway: SimulatedGateway, values: Iterable[Any], tag: str = TAG) -> None:
    """Let a tag's provider publish values."""
    for value in values:
        gateway.set_tag(tag, value)


def in_words(error: BaseException, *words: str) -> bool:
    """Tell whether an error's text holds all of these words, on one line."""
    text = str(error)
    return "\n" not in text and all(word in text for word in words)


def advised_items(gateway: SimulatedGateway, session: Session) -> list[str]:
    """Return what is advised in a session at the gateway."""
    servers = gateway.sessions[session.session_id].worker.servers.values()
    return [item.definition for server in servers for item in server.items.values() if item.is_advised]


def written(gateway: SimulatedGateway) -> list[proto.MxValue]:
    """Return the values of all bulk writes that the gateway has received."""
    bodies = [request.command.write_bulk for request in commands(gateway) if request.command.kind.name == "WRITE_BULK"]
    return [entry.value for body in bodies for entry in body.entries]
