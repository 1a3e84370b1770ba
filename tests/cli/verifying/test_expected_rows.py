"""A file of expected values is read whole and checked before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import mxgw, refused
from tests.rows import each_row

ROWS: list[dict[str, Any]] = [
    {"tag": TAG, "expected": 17},
    {"tag": TAG, "expected": "10..20", "comment": 'the "set, point"'},
    {"tag": "TestChildObject.TestIntArray[]", "expected": [1, 2, 3, 4, 5]},
    {"tag": "TestChildObject.TestBool", "expected": True},
    {"tag": "TestChildObject.TestDouble", "expected": 2.7, "tolerance": 0.05},
    {"tag": "TestChildObject.UncertainInt", "expected": 5, "quality": 64},
]
CSV = f'''\
comment,Expected,tag,quality,tolerance

,17,{TAG},,
"the ""set, point""",10..20,{TAG},good,
,"[1, 2, 3, 4, 5]",TestChildObject.TestIntArray[],,
,true,TestChildObject.TestBool,,
,2.7,TestChildObject.TestDouble,,0.05
,5,TestChildObject.UncertainInt,64,
'''
FILES = {
    "expected.csv": CSV.encode("utf-8-sig"),
    "expected.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "expected.json": json.dumps(ROWS, indent=1).encode(),
}


@pytest.mark.parametrize("name", FILES)
async def test_each_format_says_the_same(gateway: Gateway, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(FILES[name])
    from_file = await gateway.mxgw("verify", "--from", str(file), "--json")
    stdin = ("verify", "--from", "-", "--format", file.suffix[1:], "-ojsonl", "--plaintext")
    from_stdin = await mxgw(*stdin, env=gateway.env, stdin=FILES[name])

    assert (from_file.code, from_file.err, from_stdin.code) == (0, "", 0)
    rows = from_file.document["results"]
    assert [(row["tag"], row["comment"], row["ok"]) for row in rows] == [
        (row["tag"], row.get("comment", ""), True) for row in ROWS
    ]
    place = ": entry 1" if name.endswith(".json") else ":3" if name.endswith(".csv") else ":1"
    assert rows[0]["place"] == f"{file}{place}"
    assert from_stdin.lines[0]["place"] == f"stdin{place}"
    assert len(from_stdin.lines) == len(ROWS)


async def test_bulk_commands_read_json_arrays_as_well(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(
        json.dumps([{"tag": TAG, "type": "int32", "value": 5}, {"tag": TAG, "type": "int32", "value": "x"}])
    )
    read = await gateway.mxgw("read-bulk", "--from", str(file), "-ovalue")
    write = await gateway.mxgw("write-bulk", "--from", str(file))

    assert (read.code, read.out) == (0, "17\n17\n")
    assert (write.code, write.out) == (2, "")
    assert write.err.startswith(f"error: {file}: entry 2: ")


def bad(text: str | bytes, *says: str, name: str = "bad.csv") -> object:
    data = text if isinstance(text, bytes) else text.encode()
    return pytest.param(name, data, says, id=says[0][:40])


@each_row(
    ("name", "data", "says"),
    [
        bad("", "bad.csv has no entries; give at least one"),
        bad("tag,expected\n", "bad.csv has no entries"),
        bad("[]", "bad.json has no entries", name="bad.json"),
        bad("tag,expect\nA.B,5\n", "bad.csv: 'expect' is no column; the columns are tag, expected, tolerance, quality"),
        bad("tag;expected\nA.B;5\n", "'tag;expected' is no column", "separate columns by commas"),
        bad('{"tag":"A.B","expected":1}\n{"tag":"A.B","value":1}', ".jsonl:2: 'value' is no column", name="bad.jsonl"),
        bad("expected\n5\n", "bad.csv:2: tag is missing"),
        bad("tag,expected\n,5\n", "bad.csv:2: tag is empty"),
        bad("tag\nA.B\n", "bad.csv:2: expected is empty; an empty text is '\"\"'"),
        bad("tag,expected\nA.*,5\n", "bad.csv:2: tag is 'A.*', a pattern"),
        bad("tag,expected\nA.B,=5\n", "bad.csv:2: expected is wrong: '=5' is not a condition"),
        bad("tag,expected\nA.B,>\n", "'>' has no operand"),
        bad("tag,expected\nA.B,20..10\n", "'20..10' starts above its end"),
        bad("tag,expected\nA.B,changes\n", "expected is 'changes', which wait can wait for"),
        bad("tag,expected,tolerance\nA.B,5,x\n", "bad.csv:2: tolerance: 'x' is not a tolerance: use 0.5, or 2%"),
        bad("tag,expected,tolerance\nA.B,5,-1\n", "'-1' is not a tolerance"),
        bad("tag,expected,tolerance\nA.B,> 5,1\n", "tolerance is '1', but only an equal value has one, not '> 5'"),
        bad("tag,expected,quality\nA.B,5,fine\n", "bad.csv:2: quality: 'fine' is not a quality: use good, uncertain"),
        bad("tag,expected,quality\nA.B,5,70000\n", "'70000' is not a quality"),
        bad("tag,expected\nA.B,1\nA.B\n", "bad.csv:3: has 1 cells, but the header has 2"),
        bad('tag,expected\nA.B,1\nA.B,"1', "bad.csv:3: not valid CSV: unexpected end of data"),
        bad("tag,expected\nA.B,\udce4\n".encode("utf-8", "surrogateescape"), "bad.csv:2: not valid UTF-8"),
        bad("tag,expected\nA.B,1\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        bad(b"t\xe4g,expected\nA.B,1\n", "bad.csv:1: not valid UTF-8"),
        bad('[{"tag":"A.B","expected":1},{"ta', "bad.json is not valid JSON", "column", name="bad.json"),
        bad('[{"tag":"A.B",\n"expected":1,}]', "at line 2, column", name="bad.json"),
        bad('{"tag":"A.B","expected":1}', "bad.json is not a JSON array of objects", name="bad.json"),
        bad('["A.B"]', "bad.json: entry 1: not a JSON object", name="bad.json"),
        bad('[{"tag":5,"expected":1}]', "entry 1: tag is 5, not a string", name="bad.json"),
        bad('[{"tag":"A.B","expected":{"a":1}}]', 'expected is {"a": 1}, which is no value', name="bad.json"),
        bad('[{"tag":"A.B","expected":null}]', "expected is empty", name="bad.json"),
        bad('[{"tag":"A.B","expected":1,"quality":true}]', "quality is true, neither a text nor", name="bad.json"),
        bad('[{"tag":"A.B","expected":1,"tag":"C.D"}]', "tag occurs twice", name="bad.json"),
        bad("tag,expected,tag\n", "two columns are named tag"),
        bad("tag,expected\n" + "A.B,=1\n" * 30, "30 of 30 entries are invalid: ", "; and 20 more"),
    ],
)
def test_a_bad_file_is_refused_whole(tmp_path: Path, name: str, data: bytes, says: tuple[str, ...]) -> None:
    (tmp_path / name).write_bytes(data)
    outcome = refused("verify", "--from", str(tmp_path / name), "--junit", str(tmp_path / "junit.xml"))

    assert (outcome.code, outcome.out) == (2, "")
    first, *more = outcome.err.splitlines()
    assert [text for text in says if text not in first] == []
    assert more == ["hint: nothing was sent"]
    assert not (tmp_path / "junit.xml").exists()


@each_row(
    ("arguments", "says"),
    [
        ((), "Name a TAG with --expect, or a file of rows with --from FILE"),
        ((TAG,), "Say with --expect what is expected of each TAG"),
        ((TAG, "--expect", ""), "error: --expect is empty; an empty text is"),
        ((TAG, "--expect", "=> 5"), "is not a condition"),
        ((TAG, "--expect", "changes"), "wait waits for a change"),
        ((TAG, "--expect", "> 5", "--tolerance", "1"), "only an equal value has one"),
        ((TAG, "--expect", "5", "--tolerance", "some"), "is not a tolerance"),
        ((TAG, "--expect", "5", "--quality", "fine"), "is not a quality"),
        ((TAG, "--expect", "5", "--format", "csv"), "--format requires --from"),
        (("Tank*.Level", "--expect", "5"), "tag is 'Tank*.Level', a pattern"),
        (("", "--expect", "5"), "TAG is empty"),
        (("--from", "no-such-file.csv"), "no-such-file.csv"),
        (("--from", "-"), "Give --format csv, jsonl or json for --from: stdin has no suffix"),
        ((TAG, "--expect", "5", "--junit", "no/such/directory/junit.xml"), "there is no directory 'no/such/directory'"),
        ((TAG, "--expect", "5", "--junit", "."), "--junit"),
        ((TAG, "--expect", "5", "--junit", ""), "--junit is empty"),
    ],
)
def test_a_command_line_that_says_too_little_or_contradicts_itself(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused("verify", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err.splitlines()[0]
