"""What a row says of a value that was read."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from mxgateway.wire import which_one_of
from mxgateway_cli.input.tolerances import Tolerance
from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import mxgw
from tests.rows import each_row

FLOAT, DOUBLE = "TestChildObject.TestFloat", "TestChildObject.TestDouble"
VALUES = {
    FLOAT: 69.8,
    DOUBLE: 0.4,
    "TestMachine_001.SpeedSetpoint": math.nan,
    "TestMachine_002.SpeedSetpoint": math.inf,
    "TestChildObject.TestString": "== 5",
}
TIME = "2024-01-01T00:00:00.1234567Z"
VERDICTS: list[tuple[dict[str, Any], str]] = [
    # numbers
    ({"tag": TAG, "expected": 17}, "holds"),
    ({"tag": TAG, "expected": "17.0"}, "holds"),
    ({"tag": TAG, "expected": "17.5"}, "its value is 17, expected was 17.5"),
    ({"tag": TAG, "expected": "> 16.5"}, "holds"),
    ({"tag": TAG, "expected": "17..20"}, "holds"),
    ({"tag": TAG, "expected": "-5..17"}, "holds"),
    ({"tag": TAG, "expected": "17.5..20"}, "its value is 17, expected was 17.5..20"),
    ({"tag": TAG, "expected": "!= 17"}, "its value is 17, expected was != 17"),
    ({"tag": FLOAT, "expected": 69.8}, "holds"),
    ({"tag": FLOAT, "expected": "<= 69.8"}, "holds"),
    ({"tag": FLOAT, "expected": "69.8..70"}, "holds"),
    ({"tag": "TestMachine_001.SpeedSetpoint", "expected": "NaN"}, "the operand is 'NaN', not a finite number"),
    ({"tag": "TestMachine_001.SpeedSetpoint", "expected": 5}, "its value is nan, expected was 5"),
    ({"tag": "TestMachine_001.SpeedSetpoint", "expected": "0..1e300"}, "its value is nan, expected was 0..1e300"),
    ({"tag": "TestMachine_001.SpeedSetpoint", "expected": 5, "tolerance": 9}, "its value is nan, expected was 5 ± 9"),
    ({"tag": "TestMachine_002.SpeedSetpoint", "expected": 5, "tolerance": "900%"}, "its value is inf"),
    ({"tag": "TestMachine_002.SpeedSetpoint", "expected": "> 5"}, "holds"),
    # tolerances
    ({"tag": DOUBLE, "expected": 0.3, "tolerance": 0.1}, "holds"),
    ({"tag": DOUBLE, "expected": 0.3, "tolerance": "0.0999"}, "its value is 0.4, expected was 0.3 ± 0.0999"),
    ({"tag": DOUBLE, "expected": -0.5, "tolerance": "180%"}, "holds"),
    ({"tag": FLOAT, "expected": 69.7, "tolerance": "0.1"}, "holds"),
    ({"tag": TAG, "expected": 20, "tolerance": "15 %"}, "holds"),
    ({"tag": TAG, "expected": 20, "tolerance": "14.9%"}, "expected was 20 ± 14.9%"),
    ({"tag": TAG, "expected": 0, "tolerance": "50%"}, "expected was 0 ± 50%"),
    ({"tag": "TestChildObject.TestDoubleArray[]", "expected": [0.2, 0.3, 0.4], "tolerance": 0.1}, "holds"),
    ({"tag": "TestChildObject.TestDoubleArray[]", "expected": [0.1, 0.2], "tolerance": 9}, "its value is [0.1, 0.2, 0"),
    # other types
    ({"tag": "TestChildObject.TestBool", "expected": "true"}, "holds"),
    ({"tag": "TestChildObject.TestBool", "expected": False}, "its value is true, expected was false"),
    ({"tag": "TestChildObject.TestString", "expected": '"== 5"'}, "holds"),
    ({"tag": "TestChildObject.TestString", "expected": "== '== 5'"}, "holds"),
    ({"tag": "TestChildObject.TestString", "expected": '""'}, "its value is == 5"),
    ({"tag": "TestMachine_001.State", "expected": "good"}, "holds"),
    ({"tag": "TestMachine_001.State", "expected": '"good"'}, 'expected was "good"'),
    ({"tag": "TestChildObject.TestTime", "expected": TIME}, "holds"),
    ({"tag": "TestChildObject.TestTime", "expected": "2024-01-01T00:00:00Z", "tolerance": 0.2}, "holds"),
    ({"tag": "TestChildObject.TestTime", "expected": "2024-01-01T00:00:01Z", "tolerance": 0.2}, "its value is 2024"),
    ({"tag": "TestChildObject.TestTime", "expected": f"2023-12-31T23:00:00Z..{TIME}"}, "holds"),
    ({"tag": "TestChildObject.TestElapsed", "expected": "90..91"}, "holds"),
    ({"tag": "TestChildObject.TestStringArray[]", "expected": ["one", "two", "three"]}, "holds"),
    # what does not fit the type
    ({"tag": TAG, "expected": "many"}, "'many' does not fit TestChildObject.TestInt: its type is int64"),
    ({"tag": "TestChildObject.TestBool", "expected": "> 0"}, "values of type bool have no order"),
    ({"tag": "TestChildObject.TestBool", "expected": True, "tolerance": 1}, "values of type bool have no tolerance"),
    ({"tag": "TestChildObject.TestTime", "expected": TIME, "tolerance": "1%"}, "values of type time have no tolerance"),
    ({"tag": "TestChildObject.TestTime", "expected": f"{TIME}..2023-01-01T00:00:00Z"}, "starts above its end"),
    # qualities
    ({"tag": "TestChildObject.UncertainInt", "expected": 5}, "its quality is uncertain, expected was good"),
    ({"tag": "TestChildObject.UncertainInt", "expected": 5, "quality": "uncertain"}, "holds"),
    ({"tag": "TestChildObject.UncertainInt", "expected": 5, "quality": "any"}, "holds"),
    ({"tag": "TestChildObject.UncertainInt", "expected": 5, "quality": 64}, "holds"),
    ({"tag": TAG, "expected": 17, "quality": "64"}, "its quality is 192 (good), expected was 64 (uncertain)"),
    ({"tag": "TestChildObject.UncertainInt", "expected": "good", "quality": "any"}, "its quality is uncertain"),
    ({"tag": "TestChildObject.BadInt", "expected": 5, "quality": "uncertain"}, "expected was at least uncertain"),
    ({"tag": "TestChildObject.BadInt", "expected": 5, "quality": "any"}, "it has no value, expected was 5"),
    # what cannot be read
    ({"tag": "No.Such", "expected": 5}, "it cannot be read: configuration error"),
    ({"tag": "TestChildObject.SilentInt", "expected": "good"}, "it cannot be read: No value within 50 ms"),
]


async def test_each_row_is_judged_by_itself(gateway: Gateway) -> None:
    for tag, value in VALUES.items():
        gateway.simulated.set_tag(tag, value)
    lines = "\n".join(json.dumps(row) for row, _ in VERDICTS)
    command = ("verify", "--from", "-", "--format", "jsonl", "-ojsonl", "--timeout-ms", "50", "--plaintext")
    outcome = await mxgw(*command, env=gateway.env, stdin=lines)

    assert outcome.code == 21, outcome.err
    for found, (row, says) in zip(outcome.lines, VERDICTS, strict=True):
        if says == "holds":
            assert (found["ok"], found["outcome"], found["error"]) == (True, "holds", ""), row
        else:
            assert not found["ok"], row
            assert says in found["error"], row
            assert found["outcome"] == ("unread" if "cannot be read" in says else "differs"), row
    assert not gateway.simulated.sessions


async def test_contradicting_rows_of_one_tag_are_judged_each(gateway: Gateway) -> None:
    command = ("verify", "--from", "-", "--format", "csv", "-ovalue", "--plaintext")
    outcome = await mxgw(*command, env=gateway.env, stdin=f"tag,expected\n{TAG},17\n{TAG},18\n{TAG},> 16\n")

    assert (outcome.code, outcome.out) == (21, "true\nfalse\ntrue\n")
    requests = [call.request for call in gateway.simulated.received if call.method == "Invoke"]
    reads = [each for each in requests if each is not None and which_one_of(each.command, "payload") == "read_bulk"]
    assert [list(each.command.read_bulk.tag_addresses) for each in reads] == [[TAG]], "each tag is read once"


@each_row("text", ["", "%", "-1", "1,5", "inf", "NaN", "1e9999", "± 1", "1 2", "٣", "1%%"])
def test_what_is_no_tolerance_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a tolerance: use 0\.5, or 2%"):
        Tolerance.parse(text)
