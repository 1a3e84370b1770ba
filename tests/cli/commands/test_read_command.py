from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.cli.gateway import TAG, Gateway
from tests.cli.golden import golden
from tests.cli.in_process import mxgw
from tests.cli.process import PROGRAM, Outcome, environment

GOOD = {"success": -1, "category": "MX_STATUS_CATEGORY_OK", "detectedBy": "MX_STATUS_SOURCE_RESPONDING_LMX"}


async def with_stdin(gateway: Gateway, *arguments: str, text: bytes) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, "--plaintext", env=environment(gateway.env),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(text)
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


async def test_the_document_tells_value_type_quality_and_time_of_a_tag() -> None:
    outcome = await mxgw("read", TAG, "--simulator", "--json")

    assert (outcome.code, outcome.err) == (0, "")
    expected = {
        "operation": "read",
        "sessionId": "<sessionId>",
        "tagCount": 1,
        "failedCount": 0,
        "results": [
            {
                "tag": TAG,
                "value": 17,
                "quality": 192,
                "qualityText": "good",
                "sourceTime": "<sourceTime>",
                "ok": True,
                "error": "",
                "dataType": "MX_DATA_TYPE_INTEGER",
                "wasCached": False,
                "statuses": [GOOD],
            }
        ],
        "correlationId": "<correlationId>",
    }
    assert json.dumps(golden(outcome.document), indent=1) == json.dumps(expected, indent=1)


@pytest.mark.parametrize("form", ["json", "jsonl"])
async def test_values_of_every_type_keep_what_json_readers_would_lose(gateway: Gateway, form: str) -> None:
    expected = {
        "TestBool": True,
        "TestInt": 17,
        "TestWideInt": str(2**40),
        "TestFloat": 1.5,
        "TestDouble": 2.75,
        "TestString": "Grüße",
        "TestTime": "2024-01-01T00:00:00.123456700Z",
        "TestElapsed": 90.5,
        "TestEnum": 2,
        "TestCustom": {
            "rawDataType": 14,
            "variantType": "VT_RECORD",
            "rawDiagnostic": "Custom values are passed through as bytes.",
            "rawValue": "AQID",
        },
        "TestIntArray[]": [1, 2, 3, 4, 5],
        "TestTimeArray[]": ["1970-01-01T00:00:00Z", "2024-01-01T00:00:00.123456700Z"],
        "BadInt": None,
    }
    outcome = await gateway.mxgw("read", *(f"TestChildObject.{name}" for name in expected), "-o", form)

    assert outcome.code == 0, outcome.err
    records = outcome.document["results"] if form == "json" else outcome.lines
    assert [record["value"] for record in records] == list(expected.values())


async def test_one_tag_that_cannot_be_read_fails_no_other(gateway: Gateway) -> None:
    tags = (TAG, "No.Such", "TestChildObject.SilentInt", "TestChildObject.UncertainInt")
    table = await gateway.mxgw("read", *tags, "--timeout-ms", "50")
    document = await gateway.mxgw("read", *tags, "--timeout-ms", "50", "--json")

    assert table.code == document.code == 21
    heading, good, unknown, silent, uncertain = table.out.splitlines()
    assert heading.split() == ["tag", "value", "quality", "source", "time", "error"]
    assert good.split()[:3] == [TAG, "17", "good"]
    assert "unknown tag" in unknown
    assert "No value within 50 ms." in silent
    assert uncertain.split()[1:3] == ["5", "uncertain"]
    assert document.document["failedCount"] == 2
    assert document.error["message"].startswith("2 of 4 tags could not be read; check the tag's name")
    assert not gateway.simulated.sessions


async def test_tags_come_from_files_and_stdin_as_well(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "tags.txt"
    file.write_bytes(b"\xef\xbb\xbf# the line\r\nTestChildObject.TestInt\r\n\r\n  TestChildObject.TestBool \r\n")
    arguments = ("read", "TestChildObject.TestDouble", "--from", str(file), "--from", "-", "-o", "value")

    outcome = await with_stdin(gateway, *arguments, text=b"TestChildObject.TestString\n# no tag")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == ["2.75", "17", "true", "Grüße"]


async def test_tags_are_read_in_an_open_session_which_is_left_as_it_was(gateway: Gateway) -> None:
    session_id = await gateway.open_session()

    outcome = await gateway.mxgw("read", TAG, "--session-id", session_id, "-ovalue")

    assert (outcome.code, outcome.out) == (0, "17\n")
    session = gateway.simulated.sessions[session_id]
    assert not session.worker.servers


async def test_a_list_of_no_tags_is_refused_before_anything_is_sent(gateway: Gateway, tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("# nothing\n\n")
    binary.write_bytes(b"\xff\xfe\x00")
    commands = {
        ("read",): "Name a TAG",
        ("read", "--from", str(empty)): "Name a TAG",
        ("read", "--from", str(binary)): "not valid UTF-8",
        ("read", "--from", str(tmp_path / "missing")): "does not exist",
    }
    for arguments, says in commands.items():
        outcome = await gateway.mxgw(*arguments)
        assert (outcome.code, outcome.out) == (2, ""), outcome.err
        assert says in outcome.err.splitlines()[0]
    assert not gateway.simulated.received
