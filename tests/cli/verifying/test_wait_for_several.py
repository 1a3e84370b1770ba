"""`wait` for several tags, and for the rows of a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import mxgw, refused
from tests.cli.recovery.running import Fault, advised, away, crash, drop, restart, running

DOUBLE, SILENT = "TestChildObject.TestDouble", "TestChildObject.SilentInt"
BOTH = ("wait", TAG, DOUBLE, "--until", "> 20")


async def test_each_tag_has_a_record_when_its_condition_comes_true(gateway: Gateway) -> None:
    async with running(gateway, *BOTH, "--timeout", "50", "-ojsonl") as command:
        await advised(gateway)
        gateway.simulated.set_tag(DOUBLE, 20.5)
        await command.until(DOUBLE)
        gateway.simulated.set_tag(DOUBLE, 1.5)
        gateway.simulated.set_tag(TAG, 21)
        outcome = await command.outcome()

    assert (outcome.code, outcome.err) == (0, "")
    first, second = outcome.lines
    assert list(first) == [
        "tag", "value", "quality", "qualityText", "sourceTime", "ok", "error", "until", "dataType", "valueCount",
        "durationMs", "place",
    ]  # fmt: skip
    assert [(each["tag"], each["ok"], each["until"], each["value"], each["error"]) for each in (first, second)] == [
        (DOUBLE, True, "> 20", 20.5, ""),
        (TAG, True, "> 20", 21, ""),
    ]
    assert first["durationMs"] <= second["durationMs"]
    assert not gateway.simulated.sessions


async def test_any_is_over_with_the_first(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("wait", SILENT, TAG, DOUBLE, "--any", "--until", "> 3", "--json")

    assert (outcome.code, outcome.err) == (0, "")
    document = outcome.document
    assert (document["operation"], document["tagCount"], document["heldCount"]) == ("wait", 3, 1)
    assert [each["tag"] for each in document["results"]] == [TAG]


async def test_rows_have_their_own_conditions_and_good_quality(gateway: Gateway) -> None:
    rows = (
        "tag,expected,tolerance,quality\n"
        f"{TAG},16,1,\n{TAG},> 3,,\n"
        "TestChildObject.UncertainInt,5,,uncertain\n"
        "TestMachine_001.TestChangingInt,changes,,\n"
        f"{DOUBLE},,,\n"
    )
    command = ("wait", "--from", "-", "--format", "csv", "--until", "2..3", "--plaintext", "-ojsonl")
    outcome = await mxgw(*command, env=gateway.env, stdin=rows)

    assert (outcome.code, outcome.err) == (0, "")
    found = {each["place"]: each["until"] for each in outcome.lines}
    assert found == {"stdin:2": "16", "stdin:3": "> 3", "stdin:4": "5", "stdin:5": "changes", "stdin:6": "2..3"}


async def test_time_that_runs_out_says_which_tags_did_not_hold(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"tag,expected\n{TAG},17\n{DOUBLE},9\n{SILENT},good\nTestChildObject.UncertainInt,5\n")
    table = await gateway.mxgw("wait", "--from", str(file), "--timeout", "3")
    document = await gateway.mxgw("wait", "--from", str(file), "--timeout", "3", "--json")
    nothing = await gateway.mxgw("wait", TAG, SILENT, "--any", "--until", "== 5", "--timeout", "1", "-ovalue")

    assert (table.code, document.code, nothing.code) == (20, 20, 20)
    assert table.err.removeprefix("error: ").rstrip() == document.error["message"]
    assert document.error["message"] == (
        "3 of 4 conditions did not come true within 3 s: "
        f"{DOUBLE} did not meet '9': its last value was 2.75 (good); {SILENT} did not meet 'good': no value arrived; "
        "TestChildObject.UncertainInt did not meet '5': its last value was 5 (uncertain)"
    )
    cells = [line.split() for line in table.out.splitlines()]
    assert [(row[0], row[-1]) for row in cells] == [
        ("tag", "outcome"),
        (TAG, "holds"),
        (DOUBLE, "hold"),
        (SILENT, "hold"),
        ("TestChildObject.UncertainInt", "hold"),
    ]
    results = document.document["results"]
    assert [(each["tag"], each["ok"]) for each in results][:2] == [(TAG, True), (DOUBLE, False)]
    assert document.document["heldCount"] == 1
    assert nothing.err.startswith("error: 2 of 2 conditions did not come true within 1 s: ")
    assert not gateway.simulated.sessions


@pytest.mark.parametrize("fault", [drop, restart, away, crash], ids=lambda fault: fault.__name__)
async def test_a_condition_that_came_true_before_a_fault_counts(gateway: Gateway, fault: Fault) -> None:
    async with running(gateway, *BOTH, "--timeout", "50", "-ovalue") as command:
        await advised(gateway)
        gateway.simulated.set_tag(DOUBLE, 20.5)
        await command.until("20.5")
        await fault(gateway)
        gateway.simulated.set_tag(DOUBLE, 1.5)
        gateway.simulated.set_tag(TAG, 21)
        outcome = await command.outcome()
    assert (outcome.code, outcome.out.split()) == (0, ["20.5", "21"])


async def test_what_is_wrong_with_one_tag_ends_the_wait_at_once(gateway: Gateway) -> None:
    unknown = await gateway.mxgw("wait", TAG, "No.Such", "--until", "== 5", "--timeout", "300")
    unfit = await gateway.mxgw("wait", TAG, "TestChildObject.TestBool", "--until", "> 50", "--timeout", "300")

    assert (unknown.code, unfit.code) == (22, 2)
    assert "does not know the tag No.Such" in unknown.err
    assert "does not fit TestChildObject.TestBool: values of type bool have no order" in unfit.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Name a TAG with --until, or a file of rows with --from FILE"),
        ((TAG, DOUBLE), "Missing option '--until'"),
        ((TAG, "--until", "20..10"), "starts above its end"),
        ((TAG, "--until", "== 5", "--format", "csv"), "--format requires --from"),
        ((TAG, "--until", "== 5", "--quality", "none"), "'none' is not a quality"),
        ((TAG, "Tank*.Level", "--until", "good"), "tag is 'Tank*.Level', a pattern"),
        ([f"A.B{i}" for i in range(10_001)] + ["--until", "good"], "wait takes up to 10000 tags, not 10001"),
    ],
)
def test_a_command_line_that_says_too_little(arguments: Sequence[str], says: str) -> None:
    outcome = refused("wait", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err.splitlines()[0]
