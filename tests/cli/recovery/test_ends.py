"""What ends a command that watches or waits: a fault that lasts, a deadline, a signal, a closed pipe."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.in_process import mxgw
from tests.cli.recovery.running import (
    ALARMS,
    CHECK,
    EVENTS,
    WAIT,
    WATCH,
    Running,
    advised,
    in_short,
    revoke,
    running,
)
from tests.transport.connecting.test_greeted_first import closed_port

STREAMS = {"watch": WATCH, "stream-events": EVENTS, "stream-alarms": ALARMS}
streams = pytest.mark.parametrize("arguments", STREAMS.values(), ids=STREAMS)
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to one process")


async def begun(gateway: Gateway, command: Running, arguments: Sequence[str]) -> None:
    """Wait until the command has what a gateway says at first."""
    if arguments is WAIT:
        await advised(gateway)
    else:
        await command.until("providerStatus" if arguments is ALARMS else "17")


@streams
async def test_a_refused_key_ends_a_stream_at_once(gateway: Gateway, arguments: tuple[str, ...]) -> None:
    async with running(gateway, *arguments, "-ojsonl") as command:
        await begun(gateway, command, arguments)
        await revoke(gateway)
        outcome = await command.outcome()

    assert outcome.code == 80, outcome.err
    assert in_short(outcome.out)[-2:] == ["recovering UNAVAILABLE", "disconnect UNAUTHENTICATED"]
    assert outcome.error["grpcStatus"] == "UNAUTHENTICATED"


async def test_a_refused_key_ends_waiting_and_checking_at_once(gateway: Gateway) -> None:
    async with running(gateway, *WAIT) as command:
        await advised(gateway)
        await revoke(gateway)
        outcome = await command.outcome()
    assert (outcome.code, outcome.out) == (80, "")

    checked = await gateway.mxgw(*CHECK)
    assert checked.code == 3
    assert checked.out.startswith("TAG UNKNOWN - ")


async def test_what_mxaccess_refuses_ends_waiting_at_once(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("wait", "No.Such", "--until", "good", "--timeout", "50")
    assert outcome.code == 22


async def test_a_session_of_somebody_else_cannot_be_replaced(gateway: Gateway) -> None:
    session_id = await gateway.open_session()
    async with running(gateway, "stream-events", "--session-id", session_id, "--resume") as command:
        await command.until("sequence")
        gateway.simulated.crash_worker(session_id)
        outcome = await command.outcome()
    assert outcome.code not in (0, 20, 78), outcome
    assert outcome.err.startswith("error: ")


@pytest.mark.parametrize("arguments", [*STREAMS.values(), WAIT[:-1]], ids=[*STREAMS, "wait"])
async def test_a_deadline_that_passes_in_an_outage_is_20_and_says_so(
    gateway: Gateway, arguments: tuple[str, ...]
) -> None:
    bound = {WATCH: ("--count", "9"), EVENTS: ("--max-events", "9"), ALARMS: ("--max-messages", "9")}.get(arguments, ())
    last = ("8",) if arguments[-1] == "--timeout" else ("--timeout", "8")
    async with running(gateway, *arguments, *bound, *last, "-ojsonl") as command:
        await begun(gateway, command, WAIT if arguments[0] == "wait" else arguments)
        await gateway.simulated.stop()
        outcome = await command.outcome()

    assert outcome.code == 20, outcome.err
    assert "within 8 s" in outcome.error["message"]
    assert "the connection was lost: " in outcome.error["message"]


async def test_a_duration_goes_on_in_an_outage(gateway: Gateway) -> None:
    async with running(gateway, *WATCH, "--duration", "3", "-ojsonl") as command:
        await command.until("17")
        await gateway.simulated.stop()
        outcome = await command.outcome()
    assert (outcome.code, outcome.err) == (0, "")
    assert in_short(outcome.out) == ["value 17", "recovering UNAVAILABLE"]


@on_posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_in_an_outage_ends_a_command_quietly(
    gateway: Gateway, number: signal.Signals, code: int
) -> None:
    for arguments in (*STREAMS.values(), WAIT):
        await gateway.simulated.restart()
        before = gateway.simulated.events_sent
        async with running(gateway, *arguments, "-ojsonl") as command:
            if arguments is WAIT:
                await advised(gateway, before)
            else:
                await begun(gateway, command, arguments)
            await gateway.simulated.stop()
            if arguments is WAIT:
                assert command.process.stderr is not None
                assert b"connection lost: " in await command.process.stderr.readline()
            else:
                await command.until("recovering")
            command.process.send_signal(number)
            outcome = await command.outcome()
        assert (outcome.code, outcome.err) == (code, ""), arguments


@on_posix
@streams
async def test_a_closed_pipe_in_an_outage_ends_a_command_quietly(gateway: Gateway, arguments: tuple[str, ...]) -> None:
    async with running(gateway, *arguments, "-ojsonl") as command:
        await begun(gateway, command, arguments)
        await gateway.simulated.stop()
        await command.until("recovering")
        command.close_pipe()
        await gateway.simulated.start()
        outcome = await command.outcome()
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize("arguments", [(*WAIT, "-ovalue"), CHECK], ids=["wait", "check"])
async def test_the_whole_timeout_is_used_for_a_gateway_that_is_not_up_yet(arguments: tuple[str, ...]) -> None:
    _, port = closed_port()
    gateway = SimulatedGateway(port=port, api_keys=[SimulatedKey.parse(KEY)])
    env = {"MXGATEWAY_API_KEY": KEY, "MXGATEWAY_ENDPOINT": gateway.endpoint}
    waiting = asyncio.ensure_future(mxgw(*arguments, "--plaintext", env=env))
    await asyncio.sleep(2)
    assert not waiting.done()
    async with gateway:
        gateway.set_tag(TAG, 5)
        outcome = await waiting
    assert outcome.code == 0, outcome.err
    assert "waiting for" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code"), [(WAIT[:-1], 78), ((*CHECK[:-1],), 2), (("check", TAG, "--json", "--timeout"), 78)]
)
async def test_a_gateway_that_never_comes_has_the_code_of_the_last_attempt(
    arguments: tuple[str, ...], code: int
) -> None:
    _, port = closed_port()
    outcome = await mxgw(*arguments, "1.5", "--plaintext", "--endpoint", f"127.0.0.1:{port}")
    assert outcome.code == code, outcome.err


async def test_check_reads_again_after_a_fault_and_is_critical_when_its_time_is_up(gateway: Gateway) -> None:
    gateway.simulated.hold_commands()
    async with running(gateway, *CHECK) as command:
        await gateway.received("ping")
        gateway.simulated.release_commands()
        await gateway.simulated.restart()
        outcome = await command.outcome()
    assert outcome.code == 0, outcome
    assert outcome.out.startswith("TAG OK - ")

    gateway.simulated.hold_commands()
    late = await gateway.mxgw("check", TAG, "--timeout", "1.5")
    as_json = await gateway.mxgw("check", TAG, "--timeout", "1.5", "--json")
    gateway.simulated.release_commands()
    assert (late.code, as_json.code) == (2, 20), late.err + as_json.err
    assert late.out.startswith("TAG CRITICAL - ")
