"""The progress bar: one kind for all long work, with rate and remaining time, that fits the terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Final
from unittest import mock

import pytest

from mxgateway_cli.help.registry import COMMANDS
from mxgateway_cli.terminal import bar
from mxgateway_cli.terminal.bar import Bar, clock, short_number
from tests.cli.commands.test_galaxy_discover import deploying
from tests.cli.gateway import TAG, Gateway
from tests.cli.looks.screens import WIDTHS, compare, on_terminal, seen, styled
from tests.cli.test_every_command import PASSWORD, ROWS, SECURED, SESSION

MANY: Final = 1_001
"""Entries of a list that is sent in more than one call."""
BARS: Final = {
    "galaxy-discover": "--json",
    "bench-read-bulk": "--duration-seconds 0.1 --warmup-seconds 0 --json",
    "bench-stream-events": "--duration-seconds 0.1 --json",
    **{
        name: ROWS[name].replace(f"--items {SECURED}", f"{SESSION} --item-handles 2")
        for name in ROWS
        if name.endswith("-bulk") and name != "bench-read-bulk"
    },
}


def words(name: str, session_id: str) -> list[str]:
    found = [name]
    for word in BARS[name].format(session=session_id).replace("'", "").split():
        before = found[-1]
        if before == "--item-handles":
            word = ",".join(map(str, range(2, 2 + MANY)))
        elif before in ("--items", "--values"):
            word = ",".join([word] * MANY)
        found.append(word)
    return found


def test_every_command_for_lists_has_a_bar() -> None:
    assert {entry.name for entry in COMMANDS if entry.name.endswith("-bulk") or entry.name.startswith("bench-")} <= set(
        BARS
    )


@pytest.mark.parametrize("name", BARS)
async def test_long_work_shows_one_kind_of_bar(gateway: Gateway, name: str) -> None:
    session_id = await gateway.open_session()
    async with gateway.client() as client:
        session = client.attach_session(session_id)
        await session.register("test")
        await session.add_item(1, TAG)
    env = {**gateway.env, "PASSWORD": PASSWORD}
    outcome = await on_terminal(*words(name, session_id), "--plaintext", columns=80, env=env)
    (line,) = [line for line in seen(outcome.err, 80) if "%" in line]

    assert line.split()[0] == {"bench-read-bulk": "reading", "bench-stream-events": "streaming"}.get(name, name)
    assert "100%" in line
    assert "/s" in line
    assert line.endswith("0:00")
    assert outcome.err.rfind("\x1b[?25h") > outcome.err.rfind("\x1b[?25l"), "the cursor is hidden"


@pytest.mark.parametrize("kind", ["count", "duration"])
def test_a_bar_looks_as_expected(kind: str) -> None:
    sections = {}
    for columns in WIDTHS:
        for coloured in (False, True) if columns == 80 else (False,):
            text = drawn(columns, kind, coloured=coloured)
            heading = f"{columns} columns{', with colours' * coloured}"
            sections[heading] = styled(text.rpartition("\x1b[2K")[2]) if coloured else seen(text, columns)
    compare(f"bar-{kind}", sections)


def drawn(columns: int, kind: str, *, coloured: bool = False) -> str:
    """Return what a bar has written that is a third of its way, after ten seconds."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    size = {"COLUMNS": str(columns), "LINES": "24"}
    now = iter([0.0, *([10.0] * 100)])
    clock = SimpleNamespace(monotonic=now.__next__)
    with mock.patch.dict("os.environ", size), mock.patch.object(bar, "time", clock):
        shown = Bar("galaxy-discover", 36_000, stream, counts=kind == "count", coloured=coloured)
        with shown:
            shown.draw(12_000, None if kind == "count" else 4_321)
    stream.seek(0)
    return stream.read().replace("\x1b[?25l", "").replace("\x1b[?25h", "").rstrip("\n")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0.0"), (9.94, "9.9"), (12.3, "12"), (999, "999"), (1_234, "1.2k"), (12_345, "12k"), (3_400_000, "3.4M")],
)
def test_a_rate_is_short(number: float, text: str) -> None:
    assert short_number(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (-3, "0:00"), (61, "1:01"), (3_600, "1:00:00"), (36_061, "10:01:01")]
)
def test_a_remaining_time_is_short(seconds: float, text: str) -> None:
    assert clock(seconds) == text


async def test_a_dumb_terminal_gets_neither_bar_nor_escape_sequences(gateway: Gateway) -> None:
    for line in (
        ["bench-read-bulk", "--duration-seconds", "0.1", "--warmup-seconds", "0"],
        ["read", TAG],
        ["watch", TAG, "--count", "1"],
    ):
        outcome = await on_terminal(*line, "--plaintext", columns=80, env=gateway.env, term="dumb")
        assert (outcome.code, outcome.err) == (0, "")
        assert "\x1b" not in outcome.out


async def test_a_warning_takes_the_place_of_the_bar_on_its_line(gateway: Gateway) -> None:
    gateway.simulated.reply_override("DiscoverHierarchy", deploying(gateway))
    arguments = ("galaxy-discover", "--tree", "--page-size", "5", "--on-redeploy", "restart")
    outcome = await on_terminal(*arguments, "--plaintext", columns=80, env=gateway.env)

    lines = seen(outcome.err, 80)
    assert outcome.code == 0, outcome.err
    assert [line for line in lines if line.startswith("warning: the galaxy was deployed meanwhile")]
    assert len([line for line in lines if "%" in line]) == 1
