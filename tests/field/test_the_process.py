"""The process around the command line: streams that are closed, signals, files of another owner, frozen and stripped programs."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mxgateway.simulator import ControlServer, SimulatedGateway, SimulatedKey, SimulatorOptions
from tests.cli import test_every_command as commands
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.process import environment, finish, start_anew
from tests.field.behaviours import Behaviour
from tests.peers.http2.raw_peers import RawServer, silent

BEHAVIOURS = [
    Behaviour(
        "a standard stream that is missing is the null device, and the exit code is the same",
        "cli/running/test_missing_streams.py::test_a_command_does_the_same_without_a_standard_stream",
        ("field/test_the_process.py::test_every_command_ends_as_usual_without_standard_streams",),
    ),
    Behaviour(
        "a write without stdout is carried out, and no socket gets what was meant for it",
        "cli/running/test_missing_streams.py::test_a_write_without_stdout_is_carried_out_and_no_socket_gets_what_was_meant_for_it",
    ),
    Behaviour(
        "SIGHUP ends as SIGTERM does: the session is closed first",
        "cli/running/test_signals_and_pipes.py::test_a_signal_cancels_the_stream_and_closes_the_session_first",
        (
            "field/test_the_process.py::test_a_hang_up_ends_a_command_in_every_phase",
            "cli/running/test_signals_and_pipes.py::test_a_hang_up_that_the_caller_ignores_stays_ignored",
            "cli/running/test_signals_and_pipes.py::test_a_second_signal_ends_at_once",
        ),
    ),
    Behaviour(
        "ownership of the files that are kept is best effort: root without CAP_CHOWN works",
        "files/test_accepted_files.py::test_what_the_superuser_makes_in_a_home_is_its_owners",
    ),
    Behaviour(
        "PyInstaller finds the hooks by an entry point",
        "packaging/test_frozen.py::test_pyinstaller_finds_the_hooks_by_the_entry_point",
        ("packaging/test_frozen.py::test_a_frozen_command_line_runs_the_main_job",),
    ),
    Behaviour(
        "-OO loses no help",
        "cli/help/test_stripped_docstrings.py::test_the_help_of_every_command_is_the_same_without_docstrings",
    ),
]

on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither these signals nor these redirections")

RUN_ALL = """
import json, sys
from mxgateway_cli.main import run
lines = json.loads(sys.argv[1])
with open(sys.argv[2], "w") as file:
    for line in lines:
        print(json.dumps([line, run(line)]), file=file, flush=True)
"""


async def lines_of(gateway: Gateway) -> list[list[str]]:
    """Return a line for every exit code but 0, and a good run of every command, which may change the plant."""
    lines = []
    for line in [*commands.ENDS.values(), *(f"{name} {words}" for name, words in commands.ROWS.items())]:
        session = ""
        if "{session}" in line:
            session = await gateway.open_session()
            async with gateway.client() as client:
                attached = client.attach_session(session)
                await attached.advise(await attached.register("test"), await attached.add_item(1, TAG))
        words = shlex.split(line.format(session=session))
        lines.append([*words, *(["--plaintext"] if words[0] not in commands.NEEDS_NO_GATEWAY else [])])
    return lines


async def codes_without(closed: str, file: Path) -> list[int]:
    """Return the exit codes of all lines in one process whose shell has closed these streams, at a gateway of its own."""
    options = SimulatorOptions(session_limit=1000)
    async with (
        SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], options=options) as simulated,
        ControlServer(simulated) as control,
    ):
        gateway = Gateway(simulated, control)
        env = {**gateway.env, "PASSWORD": commands.PASSWORD, "MXGATEWAY_CONFIG": commands.NO_FILE}
        words = [sys.executable, "-c", RUN_ALL, json.dumps(await lines_of(gateway)), str(file)]
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", f'exec "$@" {closed}', "sh", *words, env=environment(env), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert await process.wait() == 0
    return codes_of(file)


def codes_of(file: Path) -> list[int]:
    return [json.loads(line)[1] for line in file.read_text().splitlines()]


@on_posix
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
async def test_every_command_ends_as_usual_without_standard_streams(closed: str, tmp_path: Path) -> None:
    codes = await codes_without(closed, tmp_path / "codes")
    others, good = codes[: len(commands.ENDS)], codes[len(commands.ENDS) :]
    assert others == list(commands.ENDS)
    assert len(good) == len(commands.ROWS)
    assert good.count(0) >= len(good) - 1  # an alarm of the plant may be over before it is acknowledged


@on_posix
@pytest.mark.parametrize(
    "phase", ["waiting for the gateway", "connecting", "opening", "working", "batch", "simulating"]
)
async def test_a_hang_up_ends_a_command_in_every_phase(phase: str) -> None:
    simulated = SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)])
    async with simulated, RawServer(silent) as mute:
        here, nowhere = Gateway(simulated), ("--endpoint", "127.0.0.1:1", "--wait-for-gateway", "60")
        has_begun: Callable[[], bool] = lambda: len(simulated.received) > 0  # noqa: E731
        arguments: tuple[str, ...] = ("read", TAG)
        if phase == "waiting for the gateway":
            arguments, has_begun = ("read", TAG, *nowhere), lambda: True
        elif phase == "connecting":
            arguments, has_begun = ("read", TAG, "--endpoint", mute.endpoint), lambda: mute.connections > 0
        elif phase == "opening":
            simulated.hold_commands()
        elif phase == "working":
            arguments = ("wait", TAG, "--until", "== 123456", "--timeout", "60")
        elif phase == "batch":
            arguments = ("batch",)
        else:
            arguments, has_begun = ("simulate", "--port", "0", "--json"), lambda: True
        plaintext = () if phase == "simulating" else ("--plaintext",)
        process = await start_anew(*arguments, *plaintext, env=here.env, stdin=asyncio.subprocess.PIPE)
        if phase == "batch":
            assert process.stdin is not None
            process.stdin.write(f"watch {TAG}\n".encode())
        waiting = phase in ("waiting for the gateway", "simulating")
        stream = process.stderr if phase == "waiting for the gateway" else process.stdout
        async with asyncio.timeout(30):
            while not has_begun():
                await asyncio.sleep(0.01)
            if waiting:
                assert stream is not None
                await stream.readline()
        process.send_signal(signal.SIGHUP)
        outcome = await finish(process)
        await mute.all_gone()
        assert outcome.code == 129, outcome.err
        assert "Traceback" not in outcome.err
        assert not simulated.sessions
