"""`check` reads again after a fault; a signal ends a command that still waits for its gateway."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.recovery.running import CHECK, WAIT, Fault, Running, away, crash, drop, go_away, restart, running
from tests.transport.connecting.test_greeted_first import closed_port

FAULTS = (drop, go_away, restart, away, crash)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize(
    ("form", "begins"), [((), "TAG OK - "), (("--format", "prometheus"), "# HELP "), (("--json",), "{\n"), (("-ovalue",), "OK")]
)  # fmt: skip
async def test_a_fault_during_a_check_costs_only_time(
    gateway: Gateway, fault: Fault, form: tuple[str, ...], begins: str
) -> None:
    gateway.simulated.hold_commands()
    async with running(gateway, *CHECK, *form) as command:
        await gateway.received("ping")
        await fault(gateway)
        gateway.simulated.release_commands()
        outcome = await command.outcome()

    assert outcome.code == 0, outcome
    assert outcome.out.startswith(begins)
    words = [line.split("connected again")[0].split("connection lost")[0] for line in outcome.err.splitlines()]
    prefix = '{"warning":{"message":"' if "--json" in form else "warning: "
    assert words in ([], [prefix, prefix]), outcome.err


async def test_without_a_timeout_a_check_makes_one_attempt(gateway: Gateway) -> None:
    gateway.simulated.hold_commands()
    async with running(gateway, "check", TAG) as command:
        await gateway.received("ping")
        await gateway.simulated.stop()
        outcome = await command.outcome()
    assert outcome.code == 2, outcome
    assert outcome.out.startswith("TAG CRITICAL - ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to one process")
@pytest.mark.parametrize(
    "arguments", [WAIT, CHECK, ("watch", TAG, "--wait-for-gateway", "50")], ids=lambda each: each[0]
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_ends_the_waiting_for_a_gateway(
    arguments: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    _, port = closed_port()
    nobody = Gateway(SimulatedGateway(port=port, api_keys=[SimulatedKey.parse(KEY)]))
    async with running(nobody, *arguments) as command:
        assert b"waiting for" in await said(command)
        command.process.send_signal(number)
        outcome = await command.outcome()
    assert (outcome.code, outcome.out, outcome.err) == (code, "", "")


async def said(command: Running) -> bytes:
    """Return the next line of stderr."""
    assert command.process.stderr is not None
    async with asyncio.timeout(50):
        return await command.process.stderr.readline()
