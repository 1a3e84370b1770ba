"""The result of `verify`: as a table, as JSON, as JUnit XML, and as an exit code."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from grpclib.const import Status

from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, SECRET, TAG, Gateway
from tests.cli.golden import golden
from tests.cli.in_process import mxgw

ROWS = f"tag,expected,tolerance,quality,comment\n{TAG},17,,,\n{TAG},20,2%,,fill level\nNo.Such,1,,,\n"


@pytest.fixture
def rows(tmp_path: Path) -> str:
    file = tmp_path / "expected.csv"
    file.write_text(ROWS)
    return str(file)


async def test_all_rows_hold(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("verify", TAG, "TestChildObject.TestWideInt", "--expect", "> 16")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        "tag                          expected  value          quality  outcome",
        f"{TAG}      > 16      17             good     ok",
        "TestChildObject.TestWideInt  > 16      1099511627776  good     ok",
        "2 rows: all hold",
    ]
    assert not gateway.simulated.sessions


async def test_a_table_says_why_a_row_does_not_hold(gateway: Gateway, rows: str) -> None:
    outcome = await gateway.mxgw("verify", "--from", rows)
    failed = await gateway.mxgw("verify", "--from", rows, "--failed")
    none_failed = await gateway.mxgw("verify", TAG, "--expect", "17", "--failed")

    assert (outcome.code, failed.code, none_failed.code) == (21, 21, 0)
    _, holds, differs, unread, totals = outcome.out.splitlines()
    assert re.fullmatch(rf"{TAG} +17 +17 +good +ok", holds)
    assert re.fullmatch(rf"{TAG} +20 ± 2% +17 +good +its value is 17, expected was 20 ± 2%", differs)
    assert re.match(r"No.Such +1 +it cannot be read: configuration error", unread)
    assert totals == "3 rows: 1 hold, 1 differ, 1 could not be read"
    assert [line.split()[0] for line in failed.out.splitlines()] == ["tag", TAG, "No.Such", "3"]
    assert outcome.err.splitlines() == [
        f"error: 2 of 3 rows do not hold, the first: {TAG} ({rows}:3): its value is 17, expected was 20 ± 2%"
    ]
    assert none_failed.out == "1 row: all hold\n"


async def test_json_is_one_document_with_totals(gateway: Gateway, rows: str) -> None:
    outcome = await gateway.mxgw("verify", "--from", rows, "--json", "--failed")
    lines = await gateway.mxgw("verify", "--from", rows, "-ojsonl")

    assert (outcome.code, lines.code) == (21, 21)
    document = golden(outcome.document)
    results = document.pop("results")
    assert json.dumps(document) == json.dumps(
        {
            "operation": "verify",
            "sessionId": "<sessionId>",
            "rounds": 1,
            "durationMs": "<durationMs>",
            "rowCount": 3,
            "okCount": 1,
            "differsCount": 1,
            "unreadCount": 1,
            "correlationId": "<correlationId>",
        }
    )
    assert json.dumps(results[0]) == json.dumps(
        {
            "tag": TAG,
            "value": 17,
            "quality": 192,
            "qualityText": "good",
            "sourceTime": "<sourceTime>",
            "ok": False,
            "error": "its value is 17, expected was 20 ± 2%",
            "outcome": "differs",
            "expected": "20",
            "tolerance": "2%",
            "expectedQuality": "good",
            "dataType": "MX_DATA_TYPE_INTEGER",
            "comment": "fill level",
            "place": f"{rows}:3",
        }
    )
    assert [(row["tag"], row["ok"], row["outcome"]) for row in lines.lines] == [
        (TAG, True, "holds"),
        (TAG, False, "differs"),
        ("No.Such", False, "unread"),
    ]
    assert outcome.error["message"].startswith("2 of 3 rows do not hold, the first: ")


# -- JUnit


def suite_of(file: Path) -> ElementTree.Element:
    """Return the only suite of a file, after its counts were compared with its cases."""
    root = ElementTree.fromstring(file.read_bytes())
    assert root.tag == "testsuites"
    [suite] = root
    assert suite.attrib["name"] == "mxgw-py verify"
    counts = [int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")]
    found = [list(suite.iter(tag)) for tag in ("testcase", "failure", "error", "skipped")]
    assert counts == list(map(len, found))
    assert float(suite.attrib["time"]) >= max(float(case.attrib["time"]) for case in suite)
    return suite


async def test_junit_has_a_case_for_each_row(gateway: Gateway, rows: str, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text("an older result")
    outcome = await gateway.mxgw("verify", "--from", rows, "--junit", str(file))

    assert outcome.code == 21
    holds, differs, unread = suite_of(file)
    assert [case.attrib["name"] for case in (holds, differs, unread)] == [f"{TAG}: 17", f"{TAG}: 20 ± 2%", "No.Such: 1"]
    assert {case.attrib["classname"] for case in (holds, differs, unread)} == {rows}
    assert list(holds) == []
    [failure] = differs
    assert (failure.tag, failure.attrib["type"]) == ("failure", "differs")
    assert failure.attrib["message"] == "its value is 17, expected was 20 ± 2%"
    details = dict(line.split(": ", 1) for line in (failure.text or "").splitlines())
    assert details.pop("source time").endswith("Z")
    assert details == {
        "tag": TAG,
        "expected": "20 ± 2%",
        "actual": "17",
        "quality": "good",
        "comment": "fill level",
        "row": f"{rows}:3",
    }
    [error] = unread
    assert (error.tag, error.attrib["type"]) == ("error", "unread")
    assert error.attrib["message"].startswith("it cannot be read: configuration error")
    assert sorted(os.listdir(tmp_path)) == ["expected.csv", "junit.xml"]


async def test_any_text_is_valid_xml_and_no_secret_is_in_it(gateway: Gateway, tmp_path: Path) -> None:
    controls = "".join(map(chr, [*range(1, 0x20), *range(0x7F, 0xB0), 0xFFFE, 0xFFFF, *range(0x2000, 0x2070), 0x1F600]))
    tag, text = "TestChildObject.TestString", f"]]></failure> {KEY} {controls}"
    gateway.simulated.set_tag(tag, text)
    written = [
        {"tag": tag, "expected": f"{text}.", "comment": f"{KEY}\x1b[31m"},
        {"tag": f"a<b>&\"'{controls}", "expected": 1},
    ]
    file = tmp_path / "junit.xml"
    command = ("verify", "--from", "-", "--format", "jsonl", "--junit", str(file), "--plaintext")
    outcome = await mxgw(*command, env=gateway.env, stdin="\n".join(map(json.dumps, written)))

    assert outcome.code == 21, outcome.err
    assert SECRET not in file.read_text(encoding="utf-8")
    first, second = suite_of(file)
    assert r"actual: ]]></failure> mxgw_tests_*** \x01\x02" in (first[0].text or "")
    assert r"\ufffe\uffff" in (first[0].text or "")
    assert second.attrib["name"].startswith("a<b>&\"'\\x01")


async def test_junit_says_that_the_gateway_was_not_reached(rows: str, tmp_path: Path, gateway: Gateway) -> None:
    file = tmp_path / "junit.xml"
    away = {**gateway.env, "MXGATEWAY_ENDPOINT": "127.0.0.1:1"}
    for more, code, says in (
        ((), 78, "nothing is listening"),
        (("--timeout", "0.5"), 78, "nothing is listening"),
    ):
        outcome = await mxgw("verify", "--from", rows, "--junit", str(file), "--plaintext", *more, env=away)
        assert (outcome.code, outcome.out) == (code, "")
        suite = suite_of(file)
        assert [case[0].tag for case in suite] == ["error"] * 3
        assert all(says in case[0].attrib["message"] for case in suite)
    wrong = {**gateway.env, "MXGATEWAY_API_KEY": "mxgw_tests_an0ther-s3cr3t"}
    outcome = await mxgw("verify", "--from", rows, "--junit", str(file), "--plaintext", "--timeout", "50", env=wrong)
    assert (outcome.code, outcome.out) == (80, ""), "a refused key is not waited for"
    assert suite_of(file).attrib["errors"] == "3"
    assert "an0ther" not in file.read_text(encoding="utf-8")


async def test_a_call_that_fails_in_the_middle_leaves_the_rows_unread(
    gateway: Gateway, rows: str, tmp_path: Path
) -> None:
    file = tmp_path / "junit.xml"
    gateway.simulated.fail_next("Invoke", Status.PERMISSION_DENIED, "no read")
    outcome = await gateway.mxgw("verify", "--from", rows, "--junit", str(file))

    assert (outcome.code, outcome.out) == (71, "")
    assert suite_of(file).attrib["errors"] == "3"


async def test_a_key_without_rights_is_reported_for_the_call_or_for_its_tag() -> None:
    command = ("verify", TAG, "Tank01.Level", "--expect", "> 0", "--plaintext", "-ojsonl")
    outcomes = []
    for key in (
        SimulatedKey.parse(KEY, scopes=frozenset(Scope) - {Scope.INVOKE_READ}),
        SimulatedKey(key_id="tests", secret=SECRET, read_globs=("TestChildObject.*",)),
    ):
        async with SimulatedGateway(api_keys=[key]) as simulated:
            outcomes.append(await mxgw(*command, env=Gateway(simulated).env))
            if len(outcomes) == 1:
                at_once = await mxgw(*command, "--timeout", "300", env=Gateway(simulated).env)
    without_scope, without_tag = outcomes
    assert (without_scope.code, without_scope.out, at_once.code, at_once.out) == (71, "", 71, "")
    assert "invoke:read" in without_scope.error["message"]
    assert without_tag.code == 21
    assert [(row["ok"], row["outcome"]) for row in without_tag.lines] == [(True, "holds"), (False, "unread")]


async def test_a_file_that_cannot_be_written_is_a_failure_of_its_own(
    gateway: Gateway, rows: str, tmp_path: Path
) -> None:
    link = tmp_path / "junit.xml"
    link.symlink_to(tmp_path / "no" / "such")
    holds = await gateway.mxgw("verify", TAG, "--expect", "17", "--junit", str(link))
    differs = await gateway.mxgw("verify", TAG, "--expect", "18", "--junit", str(link))

    assert (holds.code, differs.code) == (1, 21)
    assert holds.out.endswith("1 row: all hold\n")
    assert f"error: the JUnit file {str(link)!r} cannot be written: " in holds.err
    assert f"warning: the JUnit file {str(link)!r} cannot be written: " in differs.err
