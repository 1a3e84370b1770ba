"""Standard streams that are closed when the program starts: cron, supervisors and launchers do that. They are the null device then."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.cli.gateway import TAG, Gateway
from tests.cli.process import PROGRAM, environment, fork

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows programs cannot be started without these numbers")

COMMANDS = {
    "read": ("read", TAG, "--plaintext", "-ovalue"),
    "a tag that does not exist": ("read", "Nowhere.AtAll", "--plaintext", "--json"),
    "write": ("write", TAG, "--type", "int32", "--value", "5", "--confirm", "--plaintext", "--json"),
    "check": ("check", TAG, "--plaintext", "--critical", "0:3"),
    "batch": ("batch", "--plaintext"),
    "help": ("--help",),
    "wrong usage": ("frobnicate",),
    "a gateway that is not there": ("ping", "--endpoint", "localhost:1", "--plaintext"),
}


def run(arguments: tuple[str, ...], closed: tuple[int, ...], env: dict[str, str]) -> tuple[int, bytes, bytes]:
    redirections = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *PROGRAM, *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, env=environment(env), check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_does_the_same_without_a_standard_stream(gateway: Gateway, name: str) -> None:
    import asyncio

    arguments = COMMANDS[name]
    gateway.simulated.set_tag(TAG, 5)
    whole = await fork(*arguments, env=gateway.env)
    for closed in ((0,), (1,), (2,), (0, 1, 2)):
        found = await asyncio.to_thread(run, arguments, closed, gateway.env)
        assert found[0] == whole.code, closed
        assert b"internal error" not in found[1] + found[2], closed
        assert (found[1] == b"") == (1 in closed or whole.out == ""), closed
        assert (found[2] == b"") == (2 in closed or whole.err == ""), closed
    assert not gateway.simulated.sessions


async def test_a_write_without_stdout_is_carried_out_and_no_socket_gets_what_was_meant_for_it(gateway: Gateway) -> None:
    import asyncio

    gateway.simulated.set_tag(TAG, 0)
    for closed in ((1,), (1, 2), (0, 1, 2)):
        code, out, _ = await asyncio.to_thread(run, COMMANDS["write"], closed, gateway.env)
        assert (code, out) == (0, b"")
        assert gateway.simulated.tag(TAG).sample.native == 5
        gateway.simulated.set_tag(TAG, 0)


@pytest.mark.parametrize("name", ["a tag that does not exist", "wrong usage"])
@pytest.mark.parametrize("target", ["2>&1 >/dev/null | true", "2>/dev/full"])
async def test_a_stderr_that_takes_nothing_does_not_change_the_exit_code(
    gateway: Gateway, name: str, target: str
) -> None:
    import asyncio

    whole = await fork(*COMMANDS[name], env=gateway.env)
    script = f'exec 3>&1; {{ "$@" 3>&-; echo code $? >&3; }} {target}'
    done = await asyncio.to_thread(
        subprocess.run, ("sh", "-c", script, "sh", *PROGRAM, *COMMANDS[name]), stdin=subprocess.DEVNULL,
        capture_output=True, env=environment(gateway.env), check=False, timeout=60,
    )  # fmt: skip

    assert f"code {whole.code}" in done.stdout.decode().splitlines()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
@pytest.mark.parametrize("name", ["read", "a tag that does not exist", "batch", "version", "no command"])
async def test_a_full_disk_below_stdout_is_one_line_and_exit_code_1(gateway: Gateway, name: str) -> None:
    import asyncio

    arguments = {**COMMANDS, "version": ("version",), "no command": ()}[name]
    done = await asyncio.to_thread(
        subprocess.run, ("sh", "-c", 'exec "$@" >/dev/full', "sh", *PROGRAM, *arguments), input=b"version\n",
        stderr=subprocess.PIPE, env=environment(gateway.env), check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert "stdout cannot be written: No space left on device" in line
    assert not gateway.simulated.sessions
