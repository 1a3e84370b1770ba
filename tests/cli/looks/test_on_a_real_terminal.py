"""One command of each kind as a process on a pseudo-terminal: it shows what the same command shows in this process."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator

import pyte
import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey, generated_plant
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.looks.screens import EXPECTED, WIDTHS, ZONE, StoppedClock, seen, styled
from tests.cli.looks.test_every_command import LINES
from tests.cli.terminal import terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")


@pytest.fixture
async def plant() -> AsyncIterator[Gateway]:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], clock=StoppedClock()) as simulated:
        yield Gateway(simulated)


def expected(name: str, heading: str) -> list[str]:
    sections = re.split(r"(?m)^## (.*)\n\n", (EXPECTED / f"{name}.txt").read_text(encoding="utf-8"))
    return dict(zip(sections[1::2], sections[2::2], strict=True))[heading].rstrip("\n").split("\n")


@pytest.mark.parametrize(("name", "columns"), [*(("read", columns) for columns in WIDTHS), ("galaxy-browse", 80)])
async def test_a_process_shows_what_is_expected(plant: Gateway, name: str, columns: int) -> None:
    arguments = LINES[name].split()
    env = {**plant.env, "TZ": ZONE, "NO_COLOR": "1"}
    async with terminal(*arguments, "--plaintext", env=env, columns=columns) as screen:
        assert await screen.ended() in (0, 21)
        text = screen.text.partition("error:")[0]

    assert "\x1b" not in text
    assert seen(text, columns) == expected(name, f"{columns} columns")


@pytest.mark.parametrize(
    ("variables", "options", "coloured"),
    [
        ({}, (), True),
        ({"NO_COLOR": "1"}, (), False),
        ({"NO_COLOR": "1"}, ("--color", "always"), True),
        ({}, ("--color", "never"), False),
    ],
)
async def test_colours_are_there_where_they_are_wanted(
    plant: Gateway, variables: dict[str, str], options: tuple[str, ...], coloured: bool
) -> None:
    env = {**plant.env, "TZ": ZONE, "FORCE_COLOR": "1", **variables}
    async with terminal(*LINES["read"].split(), *options, "--plaintext", env=env, columns=80) as screen:
        assert await screen.ended() == 21
        text = screen.text

    assert ("\x1b[31merror:" in text) == coloured
    if coloured:
        table = text.partition("\x1b[31merror:")[0]
        assert styled(table) == expected("read", "80 columns, with colours")
    else:
        assert "\x1b" not in text


@pytest.mark.parametrize("columns", WIDTHS)
async def test_the_live_table_has_trend_and_mark_at_any_width(gateway: Gateway, columns: int) -> None:
    gateway.simulated.set_tag(TAG, 1)
    env = {**gateway.env, "TZ": ZONE}
    async with terminal("watch", TAG, "--count", "3", "--plaintext", env=env, columns=columns, lines=6) as screen:
        await screen.until(lambda: screen.frame[-1:] == ["1 updates"])
        gateway.simulated.set_tag(TAG, 2)
        await screen.until(lambda: "▲" in "".join(screen.frame))
        heading, row, foot = screen.frame
        gateway.simulated.set_tag(TAG, 1)
        assert await screen.ended() == 0
        shown = last_screen(screen.text, columns)

    assert "▁█" in row
    assert row.split()[1:4] == ["▲", "2", "good"]
    assert ("changes" in heading, bool(re.search(r"\d\d:\d\d:\d\d\+0[12]", row))) == (columns > 40, columns > 40)
    assert foot == "2 updates"
    assert shown[-1] == "3 updates"


def last_screen(text: str, columns: int) -> list[str]:
    """Return what remains on the terminal after the live table was put away."""
    screen = pyte.Screen(columns, 20)
    pyte.Stream(screen).feed(text.rpartition("\x1b[?1049l")[2].replace("\n", "\r\n"))
    return "\n".join(line.rstrip() for line in screen.display).rstrip().split("\n")


async def test_a_bar_fits_the_terminal() -> None:
    columns = 80
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], plant=generated_plant(300)) as simulated:
        env = Gateway(simulated).env
        arguments = ("galaxy-discover", "--tree", "--no-attributes", "--plaintext")
        async with terminal(*arguments, env=env, columns=columns) as screen:
            assert await screen.ended() == 0
            lines = seen(screen.text, columns)

    (bar,) = [line for line in lines if "100%" in line]
    assert bar.startswith("galaxy-discover ━")
    assert len(bar) == columns
    assert "300/300" in bar
