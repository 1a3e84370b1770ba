"""A command that runs as a process beside its gateway, and what it tells, in short."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from mxgateway.simulator import SimulatedKey
from tests.cli.gateway import TAG, Gateway
from tests.cli.process import Outcome, finish, start

WATCH = ("watch", TAG)
EVENTS = ("stream-events", "--item", TAG, "--resume")
ALARMS = ("stream-alarms", "--filter-prefix", "Galaxy!Area1")
WAIT = ("wait", TAG, "--until", "== 5", "--timeout", "50")
CHECK = ("check", TAG, "--timeout", "50")


class Running:
    """A process whose lines are read one by one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen: list[str] = []

    async def until(self, *words: str) -> None:
        """Read lines of stdout until one has all words."""
        assert self.process.stdout is not None
        async with asyncio.timeout(50):
            while not (self.seen and all(word in self.seen[-1] for word in words)):
                line = await self.process.stdout.readline()
                assert line, self.seen
                self.seen.append(line.decode().rstrip("\n"))

    async def outcome(self) -> Outcome:
        """Return how it ended, with all lines."""
        rest = await finish(self.process)
        return Outcome(rest.code, "\n".join([*self.seen, rest.out.rstrip("\n")]).strip("\n"), rest.err)

    def close_pipe(self) -> None:
        """Close the pipe that stdout goes into."""
        assert self.process.stdout is not None
        self.process.stdout._transport.close()  # type: ignore[attr-defined]


@asynccontextmanager
async def running(gateway: Gateway, *arguments: str) -> AsyncIterator[Running]:
    """Run a command while the block runs."""
    process = await start(*arguments, "--plaintext", env=gateway.env)
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def advised(gateway: Gateway, before: int = 0) -> None:
    """Wait until the command has had an event; others had so many before."""
    async with asyncio.timeout(50):
        while gateway.simulated.events_sent <= before:
            await asyncio.sleep(0.01)


async def drop(gateway: Gateway) -> None:
    """Cut the connection."""
    gateway.simulated.drop_connections()


async def go_away(gateway: Gateway) -> None:
    """End the connection politely."""
    gateway.simulated.drop_connections(politely=True)


async def restart(gateway: Gateway) -> None:
    """Restart the gateway: the session is lost."""
    await gateway.simulated.restart()


async def away(gateway: Gateway) -> None:
    """Stop the gateway for two seconds."""
    await gateway.simulated.stop()
    await asyncio.sleep(2)
    await gateway.simulated.start()


async def crash(gateway: Gateway) -> None:
    """Let the worker of the session crash."""
    [session_id] = gateway.simulated.sessions
    gateway.simulated.crash_worker(session_id)


async def revoke(gateway: Gateway) -> None:
    """Restart the gateway without the command's key."""
    gateway.simulated._keys = (SimulatedKey.parse("mxgw_other_0ther-s3cr3t"),)
    await gateway.simulated.restart()


Fault = Callable[[Gateway], Awaitable[None]]


def told(line: str) -> str:
    """Return one JSON line in short."""
    record: dict[str, Any] = json.loads(line)
    match record:
        case {"connection": {"state": state, "outcome": outcome, "time": _, "cause": cause}}:
            return f"{state} {cause['grpcStatus']}" if cause else f"{state} {outcome}"
        case {"gap": {"cause": cause, "firstLost": first, "lastLost": last}}:
            return f"gap {cause} {first} {last}"
        case {"disconnect": {"grpcStatus": status}}:
            return f"disconnect {status}"
        case {"tag": _, "changes": _, "value": value}:
            return f"value {value}"
        case {"family": _, "value": value}:
            return f"event {value['int32Value']}"
    return next(iter(record))


def in_short(out: str) -> list[str]:
    """Return all JSON lines in short."""
    return [told(line) for line in out.splitlines()]
