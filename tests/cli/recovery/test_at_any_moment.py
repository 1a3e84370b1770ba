"""The gateway restarts while a command waits for this very reply: while it looks tags up, opens its session, adds its items, reads.

Each command is a process at a gateway of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Final

import pytest
from grpclib.const import Status

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.process import Outcome, fork
from tests.cli.recovery.running import away, revoke

SUBSCRIBING: Final = ("OpenSession", "StreamEvents", "Invoke.Register", "Invoke.SubscribeBulk")
LOOKING_UP: Final = ("DiscoverHierarchy", *SUBSCRIBING)
MOMENTS: Final = {
    f"watch {TAG} --count 1 -ojsonl": SUBSCRIBING,
    "watch TestChildObject.TestIn? --count 1 -ojsonl": LOOKING_UP,
    f"record - {TAG} --count 1": SUBSCRIBING,
    "record - TestChildObject.TestIn? --galaxy --count 1": LOOKING_UP,
    f"stream-events {TAG} --resume --count 1 -ojsonl": (*SUBSCRIBING[:-1], "Invoke.AddItem", "Invoke.Advise"),
    "stream-alarms --filter-prefix Galaxy!Area1 --count 2 -ojsonl": ("StreamAlarms",),
    f"wait {TAG} --until good --timeout 50": SUBSCRIBING,
    f"verify {TAG} --expect good --timeout 50": ("OpenSession", "Invoke.ReadBulk"),
    f"check {TAG} --timeout 50": ("OpenSession", "Invoke.Ping", "Invoke.ReadBulk"),
    "check TestChildObject.TestIn? --timeout 50": ("DiscoverHierarchy", "OpenSession", "Invoke.Ping"),
    "galaxy-watch --count 1 -ojsonl": ("WatchDeployEvents",),
}  # fmt: skip
"""Commands that survive an outage, and the calls of each."""
LASTING: Final = {Status.UNIMPLEMENTED: 76, Status.RESOURCE_EXHAUSTED: 72, Status.INTERNAL: 77}
AT_ONCE: Final = 4


async def in_flight(gateway: Gateway, method: str) -> None:
    """Wait until the gateway has taken a call."""
    rpc, _, kind = method.partition(".")
    if kind:
        await gateway.received("".join(f"_{each.lower()}" if each.isupper() else each for each in kind).lstrip("_"))
        return
    async with asyncio.timeout(30):
        while all(call.method != rpc for call in gateway.simulated.received):
            await asyncio.sleep(0.005)


async def restarted(line: str, method: str, slots: asyncio.Semaphore, *, without_key: bool = False) -> Outcome:
    """Return how a command ends whose gateway restarts while a call of it is in flight."""
    async with slots, SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)]) as simulated:
        gateway = Gateway(simulated)
        simulated.hold(method)
        command = asyncio.ensure_future(fork(*line.split(), "--plaintext", env=gateway.env))
        await in_flight(gateway, method)
        if without_key:
            await revoke(gateway)
        elif method == "DiscoverHierarchy":
            await away(gateway)  # the library repeats this call by itself, for a while
        else:
            await simulated.restart()
        simulated.release(method)
        outcome = await command
        assert not simulated.sessions
        return outcome


@pytest.mark.parametrize("line", MOMENTS, ids=lambda line: line.replace("?", "*"))
async def test_a_restart_at_any_moment_is_survived(line: str) -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    outcomes = await asyncio.gather(*(restarted(line, method, slots) for method in MOMENTS[line]))
    for method, outcome in zip(MOMENTS[line], outcomes, strict=True):
        assert outcome.code == 0, (method, outcome)
        errors = [each for each in outcome.err.splitlines() if not each.startswith(("warning: ", '{"warning"'))]
        assert errors == [], (method, outcome)
        if "-ojsonl" in line and "galaxy" not in line:
            kinds = [next(iter(json.loads(each))) for each in outcome.out.splitlines()]
            told = [each for each in kinds if each != "gap"]  # if the session was ready just before the restart
            assert told[:2] == ["connection", "connection"], (method, kinds)
        if "--galaxy" in line:
            assert '"object"' in outcome.out.splitlines()[1], outcome.out


async def ended(line: str, status: Status, slots: asyncio.Semaphore) -> Outcome:
    """Return how a command ends whose first calls fail with a status that no outage has."""
    async with slots, SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)]) as simulated:
        method = MOMENTS[line][0]
        simulated.fail_next(method, status, times=1000)
        return await fork(*line.split(), "--plaintext", env=Gateway(simulated).env)


def exit_codes(line: str) -> Sequence[int]:
    """Return the codes that `LASTING` has for a command; those of `check` are its own."""
    return [2 if line.startswith("check") else code for code in LASTING.values()]


async def test_what_no_outage_causes_ends_a_command_at_once() -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    lines = [line for line in MOMENTS if MOMENTS[line][0] != "WatchDeployEvents"]
    for line in lines:
        found = await asyncio.gather(*(ended(line, status, slots) for status in LASTING))
        assert [outcome.code for outcome in found] == exit_codes(line), (line, found)
    refused = await asyncio.gather(*(restarted(line, MOMENTS[line][0], slots, without_key=True) for line in lines))
    for line, outcome in zip(lines, refused, strict=True):
        assert outcome.code == (3 if line.startswith("check") else 80), (line, outcome)
