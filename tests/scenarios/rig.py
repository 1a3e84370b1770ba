"""A gateway, its client and a scenario: what each row of the tables starts from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mxgateway import GatewayClient, RetryOptions, Session, proto
from mxgateway.simulator import Play, Scenario, SimulatedGateway
from tests.client.support import connect
from tests.subscription.rig import Consumer, consumed, options

TAG: Final = "TestChildObject.TestInt"
LEVEL: Final = "Tank01.Level"
ONCE: Final = RetryOptions(max_attempts=1)


@dataclass
class World:
    """What a row has."""

    gateway: SimulatedGateway
    client: GatewayClient
    text: str
    """The row's steps, as TOML."""

    async def play(self, text: str | None = None) -> Play:
        """Play the row's steps, or others, to their end."""
        return await self.gateway.play(Scenario.from_text(self.text if text is None else text))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Open a session of the client; a gateway that lost it meanwhile is no failure."""
        session = await self.client.open_session(client_session_name="mine")
        try:
            yield session
        finally:
            await asyncio.gather(session.close(timeout=2), return_exceptions=True)

    @asynccontextmanager
    async def events(self, *tags: str) -> AsyncIterator[AsyncIterator[proto.MxEvent]]:
        """Advise tags and read the events, from the first on."""
        async with self.session() as session, session.stream_events() as events:
            server = await session.register("tests")
            for tag in tags:
                await session.advise(server, await session.add_item(server, tag))
                await anext(events)
            yield events

    @asynccontextmanager
    async def subscribed(self, *tags: str) -> AsyncIterator[Consumer]:
        """Consume a subscription of tags whose first values have come."""
        async with consumed(self.client.subscribe(list(tags), options())) as consumer:
            await until(lambda: set(consumer.values) == set(tags))
            yield consumer


Outcome = Callable[[World], Awaitable[None]]


def table() -> tuple[dict[str, tuple[str, Outcome]], Callable[[str], Callable[[Outcome], Outcome]]]:
    """Return an empty table of outcomes, and what adds a row: steps as TOML, and what the client sees of them."""
    rows: dict[str, tuple[str, Outcome]] = {}

    def row(text: str) -> Callable[[Outcome], Outcome]:
        def add(outcome: Outcome) -> Outcome:
            rows[outcome.__name__] = (steps(text), outcome)
            return outcome

        return add

    return rows, row


def steps(text: str) -> str:
    """Return a scenario of steps that are parted by empty lines."""
    return "".join(f"[[steps]]\n{each.strip()}\n" for each in text.strip().split("\n\n"))


@asynccontextmanager
async def world(text: str, **gateway: Any) -> AsyncIterator[World]:
    """Start what a row needs."""
    async with (
        SimulatedGateway(**gateway) as simulated,
        connect(simulated, retry=ONCE, call_timeout=10) as client,
    ):
        yield World(simulated, client, text)


async def until(holds: Callable[[], Any], patience: float = 20) -> None:
    """Return once a condition holds."""
    async with asyncio.timeout(patience):
        while not holds():
            await asyncio.sleep(0.002)


def written(folder: Path, text: str, name: str = "scenario.toml") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def actions_of(rows: Mapping[str, tuple[str, Outcome]]) -> set[str]:
    """Return the actions that the rows of a table play."""
    return {step.action.name for text, _ in rows.values() for step in Scenario.from_text(text).steps}
