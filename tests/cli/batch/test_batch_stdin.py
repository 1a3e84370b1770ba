"""How a batch reads: one line at a time, beside its connections, to the end or to a signal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.cli.batches import MARKER, batch, dialogue, start_batch
from tests.cli.gateway import TAG, Gateway
from tests.cli.process import PROGRAM, environment, finish

CHANGING = "TestMachine_001.TestChangingInt"
posix = pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")


async def test_a_program_can_wait_for_the_answer_before_it_writes_the_next_line() -> None:
    async with dialogue() as talk:
        for _ in range(5):
            assert await talk.ask("version -o value")
            assert await talk.ask("") == ""
        outcome = await talk.end()

    assert outcome.code == 0


async def test_a_line_may_come_in_pieces() -> None:
    async with dialogue() as talk:
        assert talk.process.stdin is not None
        for piece in (b"ver", b"sion -o", b" value\nversion"):
            talk.process.stdin.write(piece)
            await talk.process.stdin.drain()
            await asyncio.sleep(0.05)
        assert await talk.read_line()
        assert await talk.read_line() == MARKER
        outcome = await talk.end()

    assert outcome.out.endswith(f"\n{MARKER}\n")
    assert outcome.out.startswith("operation")


async def test_a_stream_shows_its_events_as_they_come(gateway: Gateway) -> None:
    async with dialogue("--plaintext", env=gateway.env) as talk:
        talk.send(f"stream-events --item {CHANGING} -o value")
        first, second = await talk.read_line(), await talk.read_line()

    assert first != second


async def test_the_connection_answers_the_gateway_while_the_batch_waits_for_a_line(gateway: Gateway) -> None:
    async with dialogue("--plaintext", env=gateway.env) as talk:
        await talk.ask("ping")
        assert gateway.simulated.connections == 1
        gateway.simulated.drop_connections(politely=True)
        async with asyncio.timeout(20):
            while gateway.simulated.connections:
                await asyncio.sleep(0.01)
        outcome = await talk.end()

    assert outcome.code == 0


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_cancels_the_running_line_closes_its_session_and_the_connections(
    gateway: Gateway, number: signal.Signals, code: int
) -> None:
    async with FaultProxy(gateway.simulated.port) as proxy:
        env = {**gateway.env, "MXGATEWAY_ENDPOINT": proxy.endpoint}
        async with dialogue("--plaintext", env=env) as talk:
            await talk.ask("ping")
            talk.send(f"stream-events --item {CHANGING} -o jsonl")
            talk.send("open-session")
            await talk.read_line()
            assert len(gateway.simulated.sessions) == 1
            talk.process.send_signal(number)
            outcome = await finish(talk.process)
        await proxy.until_idle()

    assert (outcome.code, outcome.err) == (code, "")
    assert MARKER not in outcome.out
    assert not gateway.simulated.sessions


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_ends_a_batch_that_waits_for_a_line(gateway: Gateway, number: signal.Signals, code: int) -> None:
    async with dialogue("--plaintext", env=gateway.env) as talk:
        await talk.ask("ping")
        talk.process.send_signal(number)
        outcome = await asyncio.wait_for(talk.process.wait(), 20)

    assert outcome == code


@posix
async def test_a_signal_ends_lines_that_wait_for_nothing() -> None:
    process = await start_batch()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"version -o value\n" * 200_000)
    await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    outcome = await finish(process)

    assert outcome.code == 130
    assert outcome.out.count(MARKER) < 200_000


@posix
async def test_a_second_signal_ends_at_once(gateway: Gateway) -> None:
    async with dialogue("--plaintext", env=gateway.env) as talk:
        talk.send("smoke --item TestChildObject.SilentInt --timeout 60")
        await gateway.received("advise")
        gateway.simulated.hold_commands()
        talk.process.send_signal(signal.SIGINT)
        await gateway.received("un_advise", "remove_item")  # what the clean-up begins with, as far as it had come
        talk.process.send_signal(signal.SIGTERM)
        outcome = await finish(talk.process)

    assert (outcome.code, outcome.out, outcome.err) == (143, "", "")
    assert len(gateway.simulated.sessions) == 1, "the clean-up that the first signal began was not waited for"


@posix
async def test_a_closed_stdout_ends_quietly_with_0(gateway: Gateway) -> None:
    async with dialogue("--plaintext", env=gateway.env) as talk:
        talk.send(f"stream-events --item {CHANGING} -o jsonl")
        await talk.read_line()
        assert talk.process.stdout is not None
        talk.process.stdout._transport.close()  # type: ignore[attr-defined]
        outcome = await finish(talk.process)

    assert (outcome.code, outcome.err) == (0, "")
    assert not gateway.simulated.sessions


@posix
@pytest.mark.parametrize("line", ["version", "frobnicate", "# nothing", "--help"])
async def test_a_stdout_that_is_closed_before_the_first_answer_ends_quietly_with_0(line: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "batch",
        stdin=asyncio.subprocess.PIPE, stdout=writing, stderr=asyncio.subprocess.PIPE, env=environment(),
    )  # fmt: skip
    os.close(writing)
    _, err = await process.communicate(f"{line}\n".encode())

    assert (process.returncode, err) == (0, b"")


async def test_a_command_cannot_take_the_lines_of_the_batch() -> None:
    lines = f"read --from -\nauthenticate-user --user operator\nread {TAG} -o value\n"

    outcome = await batch(lines, "--simulator")

    assert "stdin is in use by the batch" in outcome.failure(1)
    assert "No terminal to prompt for a password" in outcome.failure(2)
    assert "error" not in outcome.answers[2]


@posix
def test_a_closed_stdin_is_an_empty_batch() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m mxgateway_cli batch <&-', sys.executable],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@posix
def test_a_stdin_that_cannot_be_read_is_one_clear_line() -> None:
    with open(os.devnull, "wb") as unreadable:
        done = subprocess.run(
            [*PROGRAM, "batch"], stdin=unreadable, env=environment(), capture_output=True, text=True, check=False
        )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "error: stdin cannot be read: Bad file descriptor\n"


@posix
async def test_a_pipe_that_someone_has_made_non_blocking_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "batch",
        stdin=reading, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(),
    )  # fmt: skip
    os.close(reading)
    await asyncio.sleep(1)
    os.write(writing, b"version -o value\n")
    os.close(writing)
    outcome = await finish(process)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(f"\n{MARKER}\n")


async def test_a_file_of_lines_is_read_to_its_end(gateway: Gateway) -> None:
    lines = "".join(f"write --item {TAG} --type int32 --value {n} -o value\n" for n in range(20))

    outcome = await batch(lines, "--plaintext", env=gateway.env)

    assert outcome.code == 0
    assert gateway.simulated.tag(TAG).sample.native == 19
