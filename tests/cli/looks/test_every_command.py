"""Every command that prints a table, a tree or named fields, on terminals of three widths and with colours."""

from __future__ import annotations

import os
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from mxgateway.simulator import ControlServer, SimulatedGateway, SimulatedKey, SimulatorOptions
from mxgateway_cli.help.registry import COMMANDS
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.looks.screens import (
    EXPECTED,
    WIDTHS,
    Drawing,
    StoppedClock,
    compare,
    in_zone,
    on_terminal,
    seen,
    styled,
)
from tests.cli.test_every_command import NEEDS_NO_GATEWAY, NO_FILE, PASSWORD, ROWS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the zone of a process can be chosen on POSIX only")

OWN_ROWS: Final = {
    "read": f"{TAG} TestChildObject.TestString TestChildObject.TestDoubleArray[] TestChildObject.BadInt No.Such",
    "read-bulk": f"--session-id {{session}} --server-handle 1 --items {TAG},No.Such",
    "query-active-alarms": "",
    "stream-alarms": "--max-messages 3",
    "galaxy-browse": "--depth 2 --attributes",
    "galaxy-discover": "--tree --no-attributes",
    "write": "'TestMachine_00*.TestChangingInt' --value 5 --dry-run",
    "profile": "list",
    "config": "--endpoint gateway.example.com:5001",
    "sim": f"get {TAG} TestChildObject.TestString TestChildObject.TestDoubleArray[] No.Such",
    "record": f"{{dir}}/tanks.jsonl {TAG} --count 1",
}
"""Commands that have more to show than in the good run."""
MORE_ROWS: Final = {
    "galaxy-discover-list": "galaxy-discover --no-attributes",
    "write-pattern": "write 'TestMachine_00*.TestChangingInt' --value 5 --tag-count 6",
    "write-one": "write --session-id {session} --server-handle 1 --item-handle 2 --type int32 --value 5",
    "stream-alarms-filtered": "stream-alarms --filter-prefix Galaxy!Nowhere --max-messages 1",
    "profile-list": "profile list",
    "sim-set": f"sim set {TAG} 7",
    "sim-do": "sim do drop_connections politely=true",
    "sim-actions": "sim actions",
    "sim-actions-one": "sim actions fail_next deploy",
    "sim-status": "sim status",
    "doctor-nobody-listens": "doctor --endpoint 127.0.0.1:1",
    "query-active-alarms-none": "query-active-alarms --filter-prefix Galaxy!Nowhere",
}
"""Other tables of the same commands, by the name of their expectation."""
NO_TABLE: Final = {"completion", "batch", "check", "simulate", "help"}
"""Commands whose output is help, or for programs: a script, the output of other commands, a monitoring system's format."""
CODES: Final = {"doctor-nobody-listens": 78}
"""The exit codes of what has failed, by the name of the expectation."""
LINES: Final = {
    **{name: f"{name} {OWN_ROWS.get(name, row.replace('--json', ''))}" for name, row in ROWS.items() if name not in NO_TABLE},
    **MORE_ROWS,
}  # fmt: skip
PROFILES: Final = str(Path(__file__).parent / "profiles.toml")
LEFT: Final = "\x1b[?1049l"
"""What ends the live table of `watch`; the table that remains comes after it."""


@pytest.fixture
def fixed() -> Iterator[None]:
    with in_zone():
        yield


@pytest.fixture
async def plant(fixed: None) -> AsyncIterator[Gateway]:
    options = SimulatorOptions(record_limit=20_000)
    async with (
        SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], options=options, clock=StoppedClock()) as simulated,
        ControlServer(simulated) as control,
    ):
        yield Gateway(simulated, control)


def test_no_command_is_missing() -> None:
    assert {entry.name for entry in COMMANDS} == {line.split()[0] for line in LINES.values()} | NO_TABLE
    assert {path.stem for path in EXPECTED.glob("*.txt")} >= set(LINES)


@pytest.mark.parametrize("name", LINES)
async def test_a_terminal_shows_what_is_expected(plant: Gateway, tmp_path: Path, name: str) -> None:
    drawn = Drawing()
    with drawn.recorded():
        text = await shown(plant, tmp_path, name)
    assert text == drawn.again(80, masked=False), "something was written past the screen"

    sections = {}
    for columns in WIDTHS:
        lines = seen(drawn.again(columns), columns)
        assert len(lines) == drawn.again(columns).rstrip().count("\n") + 1, "the terminal has wrapped a line"
        sections[f"{columns} columns"] = lines
    sections["80 columns, with colours"] = styled(drawn.again(80, coloured=True))
    compare(name, sections)


async def shown(plant: Gateway, folder: Path, name: str) -> str:
    """Return what a command writes to a terminal."""
    session_id = await plant.open_session()
    async with plant.client() as client:
        session = client.attach_session(session_id)
        await session.register("test")
        await session.add_item(1, TAG)
        await session.advise(1, 2)
    words = shlex.split(LINES[name].format(session=session_id, dir=folder))
    if words[0] not in NEEDS_NO_GATEWAY:
        words.append("--plaintext")
    config = PROFILES if name == "profile-list" else NO_FILE
    env = {**plant.env, "PASSWORD": PASSWORD, "MXGATEWAY_CONFIG": config}
    outcome = await on_terminal(*words, "--color", "never", columns=80, env=env)
    assert outcome.code in ((CODES[name],) if name in CODES else (0, 21)), outcome.err
    return outcome.out.rpartition(LEFT)[2]
