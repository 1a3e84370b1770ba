"""Every command and every way to end, as a process: it ends, writes and warns exactly as the same command line does in this process.

The other tests run most command lines in this process, which is quick; what they find holds for a process because of these.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import pytest

from mxgateway.simulator.options import DEFAULT_USERS
from mxgateway_cli.help.registry import COMMANDS
from mxgateway_cli.terminal import text
from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome, finish, fork, start_anew

NO_FILE: Final = os.path.join(os.path.dirname(__file__), "no-such-file.toml")
OPERATOR, PASSWORD, _ = DEFAULT_USERS[0]
SECURED: Final = "TestSecurity.SecuredWriteInt"
SESSION: Final = "--session-id {session} --server-handle 1"
ITEM: Final = f"{SESSION} --item-handle 2"
INT: Final = "--type int32 --value 5"
TIME: Final = "--timestamp 2026-03-01T08:30:00Z"
USER: Final = f"--user {OPERATOR} --password-env PASSWORD"
ROWS: Final = {
    "help": "read",
    "version": "--json",
    "smoke": f"--item {TAG} {INT} --json",
    "ping": "--json",
    "doctor": "--json",
    "contract": "--json",
    "completion": "bash",
    "open-session": "--json",
    "close-session": "--session-id {session} --json",
    "session-state": "--session-id {session} --json",
    "worker-info": "--session-id {session} --json",
    "shutdown-worker": "--session-id {session} --json",
    "drain-events": "--session-id {session} --json",
    "register": "--session-id {session} --json",
    "unregister": f"{SESSION} --json",
    "add-item": f"{SESSION} --item {TAG} --json",
    "add-item2": f"{SESSION} --item TestInt --context TestChildObject --json",
    "remove-item": f"{ITEM} --json",
    "advise": f"{ITEM} --json",
    "unadvise": f"{ITEM} --json",
    "advise-supervisory": f"{ITEM} --json",
    "add-buffered-item": f"{SESSION} --item TestInt --context TestChildObject --json",
    "set-buffered-update-interval": f"{SESSION} --milliseconds 500 --json",
    "suspend": f"{ITEM} --json",
    "activate": f"{ITEM} --json",
    "authenticate-user": f"{SESSION} {USER} --json",
    "user-to-id": f"{SESSION} --guid 5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0001 --json",
    "read": f"{TAG} --json",
    "write": f"{ITEM} {INT} --json",
    "write2": f"{ITEM} {INT} {TIME} --json",
    "write-secured": f"--item {SECURED} {INT} {USER} --json",
    "write-secured2": f"--item {SECURED} {INT} {TIME} {USER} --json",
    "write-array-elements": "--item TestChildObject.TestIntArray[] --element 1=5 --json",
    "wait": f"{TAG} --until '>= 0' --json",
    "verify": f"{TAG} --expect good --json",
    "watch": f"{TAG} --count 1 --json",
    "add-item-bulk": f"{SESSION} --items {TAG} --json",
    "advise-item-bulk": f"{SESSION} --item-handles 2 --json",
    "remove-item-bulk": f"{SESSION} --item-handles 2 --json",
    "unadvise-item-bulk": f"{SESSION} --item-handles 2 --json",
    "subscribe-bulk": f"{SESSION} --items {TAG} --json",
    "unsubscribe-bulk": f"{SESSION} --item-handles 2 --json",
    "read-bulk": f"{SESSION} --items {TAG} --json",
    "write-bulk": f"{SESSION} --item-handles 2 --type int32 --values 5 --json",
    "write2-bulk": f"{SESSION} --item-handles 2 --type int32 --values 5 {TIME} --json",
    "write-secured-bulk": f"--items {SECURED} --type int32 --values 5 {USER} --json",
    "write-secured2-bulk": f"--items {SECURED} --type int32 --values 5 {TIME} {USER} --json",
    "stream-events": f"--item {TAG} --max-events 1 --json",
    "stream-alarms": "--filter-prefix Galaxy!Area1 --max-messages 2 --json",
    "query-active-alarms": "--filter-prefix Galaxy!Area1 --json",
    "acknowledge-alarm": "--reference Galaxy!TankYard.Tank02.Lo --comment ok --operator me --json",
    "tags": "'Tank*' --json",
    "galaxy-test-connection": "--json",
    "galaxy-last-deploy": "--json",
    "galaxy-discover": "--json",
    "galaxy-browse": "--json",
    "galaxy-watch": "--count 1 --json",
    "bench-read-bulk": "--duration-seconds 0.1 --warmup-seconds 0 --json",
    "bench-stream-events": "--duration-seconds 0.1 --json",
    "check": f"{TAG} --json",
    "batch": "--json",
    "profile": "list --json",
    "record": f"- {TAG} --count 1 --json",
    "config": "--json",
    "sim": f"get {TAG} --json",
}
"""A good run of each command. Its words may name an open session with the server handle 1 and the advised item 2."""
SIM_ROWS: Final = {
    "sim set": f"{TAG} 7 --json",
    "sim get": f"{TAG} --json",
    "sim fail": "OpenSession --json",
    "sim crash": "{session} --json",
    "sim restart": "--json",
    "sim drop": "--json",
    "sim do": "go_away --json",
    "sim actions": "--json",
    "sim play": f"{os.path.join(os.path.dirname(__file__), 'sim', 'drop.toml')} --json",
    "sim status": "--json",
    "sim advance": "1 --json",
    "sim stop": "--json",
}
"""A good run of each command that controls a simulated gateway; `advance` needs a manual clock."""
RUNS_UNTIL_A_SIGNAL: Final = {"simulate"}
"""Processes in tests of their own."""
NEEDS_NO_GATEWAY: Final = {"help", "version", "completion", "profile", "sim"}
"""Commands without the options of a connection to a gateway."""
ENDS: Final = {
    1: f"check {TAG} --warning 10 --critical 20",
    2: "ping --no-such-option",
    3: "check TestChildObject.TestString --critical 10",
    20: "wait TestChildObject.SilentInt --until '== 1' --timeout 0.3",
    21: f"read {TAG} No.Such --json",
    22: "smoke --item No.Such --json",
    69: "ping --session-id session-of-nobody",
    78: "ping --endpoint 127.0.0.1:1",
    80: "ping --api-key mxgw_tests_not-this-one",
}
"""A command line for each exit code that is not 0 and no signal's."""


async def both(
    gateway: Gateway, line: str, as_process: Callable[..., Awaitable[Outcome]] = fork
) -> tuple[Outcome, Outcome]:
    """Run a command line as a process and in this one, each with a session that was made ready in the same way."""
    outcomes = []
    for run in (as_process, mxgw):
        session_id = await gateway.open_session()
        async with gateway.client() as client:
            session = client.attach_session(session_id)
            assert await session.register("test") == 1
            assert await session.add_item(1, TAG) == 2
            await session.advise(1, 2)
        words = shlex.split(line.format(session=session_id))
        if words[0] not in NEEDS_NO_GATEWAY:
            words.append("--plaintext")
        env = {**gateway.env, "PASSWORD": PASSWORD, "MXGATEWAY_CONFIG": NO_FILE}
        outcomes.append(masked(await run(*words, env=env)))
    return outcomes[0], outcomes[1]


def masked(outcome: Outcome) -> Outcome:
    """Leave out what differs from run to run: identifiers, times and counts."""

    def mask(text: str) -> str:
        return re.sub(r"\d+(\.\d+)?(e-?\d+)?", "0", re.sub(r"[0-9a-f]{32}", "<id>", text))

    return Outcome(outcome.code, mask(outcome.out), mask(outcome.err))


def test_every_command_has_its_run_here() -> None:
    assert {entry.name for entry in COMMANDS} == {*ROWS, *RUNS_UNTIL_A_SIGNAL}


@pytest.mark.parametrize("name", ROWS)
async def test_a_command_is_the_same_as_a_process(gateway: Gateway, name: str) -> None:
    process, here = await both(gateway, f"{name} {ROWS[name]}")

    assert process == here
    assert process.code == 0, process.err


@pytest.mark.parametrize("code", ENDS)
async def test_an_end_is_the_same_as_a_process(gateway: Gateway, code: int) -> None:
    process, here = await both(gateway, ENDS[code])

    assert process == here
    assert process.code == code, process.err
    assert process.err or process.out


async def test_a_process_from_its_start_is_the_same(gateway: Gateway) -> None:
    """The processes of the tests above are copies of one that has everything loaded; this one loads what it needs."""

    async def from_its_start(*words: str, env: Mapping[str, str]) -> Outcome:
        return await finish(await start_anew(*words, env=env))

    process, here = await both(gateway, f"smoke {ROWS['smoke']}", from_its_start)

    assert process == here
    assert process.code == 0, process.err


async def test_nothing_of_a_command_stays_in_this_process(gateway: Gateway) -> None:
    logger = logging.getLogger("mxgateway")

    def held() -> list[object]:
        return [
            dict(os.environ),
            sys.stdin,
            sys.stdout,
            sys.stderr,
            text._gate,
            logger.handlers[:],
            logger.level,
            logger.propagate,
        ]

    before, threads = held(), set(threading.enumerate())
    outcome = await gateway.mxgw("ping", "-v", "--json")

    assert outcome.code == 0
    assert '"debug: ' in outcome.err or "debug: " in outcome.err
    assert held() == before
    assert not [
        thread for thread in set(threading.enumerate()) - threads if not thread.daemon and thread.name == "mxgw-py"
    ]


async def test_a_second_command_at_the_same_time_is_a_process(gateway: Gateway) -> None:
    outcomes = await asyncio.gather(*[gateway.mxgw("ping", "-o", "value") for _ in range(2)])

    assert [outcome.code for outcome in outcomes] == [0, 0]
