"""Times are local on a terminal and UTC elsewhere; --local and --utc say otherwise."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway_cli.terminal.times import in_zone, shortened
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.looks import screens
from tests.cli.looks.screens import StoppedClock, on_terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the zone of a process can be chosen on POSIX only")

UTC_TEXT = "2026-03-01T08:30:00.123456Z"
LOCAL_TEXT = "2026-03-01T09:30:00.123456+01:00"
ON_SCREEN = {"utc": "2026-03-01 08:30:00.123Z", "local": "2026-03-01 09:30:00.123+01:00"}


@pytest.fixture
async def plant() -> AsyncIterator[Gateway]:
    with screens.in_zone():
        async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], clock=StoppedClock()) as simulated:
            simulated.set_tag(TAG, 17)
            yield Gateway(simulated)


async def test_a_terminal_has_local_times_unless_utc_is_asked_for(plant: Gateway) -> None:
    for option, zone in ((), "local"), (("--utc",), "utc"), (("--local",), "local"), (("--local", "--utc"), "utc"):
        outcome = await on_terminal("read", TAG, *option, "--plaintext", columns=120, env=plant.env)
        assert ON_SCREEN[zone] in outcome.out


async def test_a_pipe_has_utc_times_unless_local_ones_are_asked_for(plant: Gateway) -> None:
    for option, text in ((), UTC_TEXT), (("--utc",), UTC_TEXT), (("--local",), LOCAL_TEXT):
        for command in (
            ("read", TAG),
            ("read-bulk", "--items", TAG),
            ("stream-events", "--item", TAG, "--max-events", "1"),
        ):
            outcome = await plant.mxgw(*command, *option)
            assert text.rstrip("Z") in outcome.out, command


async def test_named_fields_follow_as_well_but_values_do_not(plant: Gateway) -> None:
    waited = await plant.mxgw("wait", TAG, "--until", ">= 0", "--local")
    written = await plant.mxgw("write", "TestChildObject.TestTime", UTC_TEXT, "--local")

    assert LOCAL_TEXT in waited.out
    assert UTC_TEXT in written.out


@pytest.mark.parametrize("form", ["json", "jsonl", "value"])
async def test_formats_for_programs_are_the_same_in_any_zone(plant: Gateway, form: str) -> None:
    outcome = await on_terminal("read", TAG, "--local", "-o", form, "--plaintext", columns=40, env=plant.env)

    assert LOCAL_TEXT not in outcome.out
    assert (UTC_TEXT in outcome.out) == (form != "value")


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (40, "2026-07-01 10:30:00.123+02:00"),
        (28, "2026-07-01 10:30:00+02:00"),
        (24, "10:30:00+02"),
        (1, "10:30:00+02"),
    ],
)
def test_a_time_is_as_short_as_its_column_needs_and_always_marked(width: int, text: str) -> None:
    with screens.in_zone():
        assert shortened(in_zone("2026-07-01T08:30:00.1234567Z", local=True), width) == text


@pytest.mark.parametrize(
    "text", ["", "never", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "2026-13-01T00:00:00Z", "12"]
)
def test_what_cannot_be_converted_stays_as_it_is(text: str) -> None:
    with screens.in_zone("XXX+14" if text.startswith("0001") else "XXX-14"):
        assert in_zone(text, local=True) == text


def test_a_zone_with_minutes_keeps_them() -> None:
    with screens.in_zone("IST-5:30"):
        assert shortened(in_zone("2026-03-01T08:30:00Z", local=True), 1) == "14:00:00+05:30"
