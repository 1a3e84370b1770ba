from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import mxgw
from tests.cli.process import PROGRAM, environment, finish, start_anew

CHANGING = "TestMachine_001.TestChangingInt"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")


async def first_line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return await process.stdout.readline()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_cancels_the_stream_and_closes_the_session_first(
    gateway: Gateway, number: signal.Signals, code: int
) -> None:
    process = await start_anew("stream-events", "--item", CHANGING, "--plaintext", "-ojsonl", env=gateway.env)
    await first_line(process)
    assert len(gateway.simulated.sessions) == 1

    process.send_signal(number)
    outcome = await finish(process)

    assert outcome.code == code
    assert outcome.err == ""
    assert not gateway.simulated.sessions


def test_a_signal_while_the_program_is_loaded_ends_it_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n")
    done = subprocess.run(
        [*PROGRAM, "version"], env=environment({"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}"}), capture_output=True,
        text=True, timeout=30, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


ANOTHER_THREADS_SIGNAL = """
import asyncio, signal, threading, time
from mxgateway_cli.running import runner
from mxgateway_cli.terminal import exit_codes

def send() -> None:
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

async def main() -> None:
    threading.Thread(target=send).start()
    await asyncio.sleep(60)

try:
    runner.run(main)
except exit_codes.Interrupted as end:
    print(end.signal_number)
"""


def test_a_signal_that_the_system_hands_to_another_thread_wakes_the_sleeping_loop() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_THREADS_SIGNAL], env=environment(), capture_output=True, text=True, timeout=30, check=True
    )  # fmt: skip

    assert done.stdout == f"{signal.SIGTERM.value}\n"


async def test_a_second_signal_ends_at_once(gateway: Gateway) -> None:
    arguments = ("--item", "TestChildObject.SilentInt", "--timeout", "60")
    process = await start_anew("smoke", *arguments, "--plaintext", env=gateway.env)
    await gateway.received("advise")
    gateway.simulated.hold_commands()
    process.send_signal(signal.SIGINT)
    await gateway.received("un_advise", "remove_item")  # what the clean-up begins with, as far as it had come

    process.send_signal(signal.SIGTERM)
    outcome = await finish(process)

    assert outcome.code == 143
    assert outcome.err == ""
    assert len(gateway.simulated.sessions) == 1, "the clean-up that the first signal began was not waited for"


async def test_an_attached_session_survives_the_signal(gateway: Gateway) -> None:
    session_id = await gateway.open_session()
    async with gateway.client() as client:
        session = client.attach_session(session_id)
        server = await session.register("test")
        await session.advise(server, await session.add_item(server, TAG))
    process = await start_anew("stream-events", "--session-id", session_id, "--plaintext", "-ojsonl", env=gateway.env)
    await first_line(process)

    process.send_signal(signal.SIGINT)
    outcome = await finish(process)

    assert outcome.code == 130
    assert session_id in gateway.simulated.sessions


async def test_a_closed_pipe_ends_quietly_with_0(gateway: Gateway) -> None:
    process = await start_anew("stream-events", "--item", CHANGING, "--plaintext", "-ojsonl", env=gateway.env)
    await first_line(process)
    assert process.stdout is not None
    process.stdout._transport.close()  # type: ignore[attr-defined]

    outcome = await finish(process)

    assert outcome.code == 0
    assert outcome.err == ""
    assert not gateway.simulated.sessions


async def test_help_into_a_closed_pipe_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "--help", stdout=writing, stderr=asyncio.subprocess.PIPE, env=environment()
    )
    os.close(writing)
    _, err = await process.communicate()

    assert process.returncode == 0
    assert err == b""


async def test_diagnostics_are_coloured_on_demand_and_not_in_a_pipe() -> None:
    piped = await mxgw("ping", "--plaintext", "--endpoint", "127.0.0.1:1")
    asked = await mxgw("ping", "--plaintext", "--endpoint", "127.0.0.1:1", "--color", "always", env={"NO_COLOR": "1"})

    assert piped.err.startswith("error: ")
    assert asked.err.startswith("\x1b[31merror:\x1b[0m ")


async def test_a_hang_up_that_the_caller_ignores_stays_ignored(gateway: Gateway) -> None:
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", 'trap "" HUP; exec "$@"', "sh", *PROGRAM, "stream-events", "--item", CHANGING, "--plaintext", "-ojsonl",
        "--max-events", "100", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(gateway.env),
    )  # fmt: skip
    await first_line(process)
    process.send_signal(signal.SIGHUP)
    assert process.stdout is not None
    await process.stdout.readline()
    assert process.returncode is None
    process.send_signal(signal.SIGTERM)
    assert (await finish(process)).code == 143
