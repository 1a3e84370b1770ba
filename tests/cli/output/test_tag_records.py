"""One record for a tag, wherever a tag is meant; one document or lines by one rule."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import mxgw
from tests.cli.test_every_command import ROWS
from tests.rows import each_row

RECORD: Final = ["tag", "value", "quality", "qualityText", "sourceTime", "ok", "error"]
OF_A_LIST: Final = (
    ("read", TAG), ("watch", TAG, "--count", "1"), ("wait", TAG, "TestChildObject.TestDouble", "--until", "good"),
    ("verify", TAG, "--expect", "17"), ("check", "TestChildObject.TestIn*"), ("tags", TAG), ("read-bulk", TAG),
    ("add-item-bulk", TAG), ("subscribe-bulk", TAG), ("advise-item-bulk", TAG), ("write-bulk", TAG, "--values", "17"),
    ("write-bulk", TAG, "--values", "17", "--confirm"),
)  # fmt: skip
OF_ONE_TAG: Final = (("wait", TAG, "--until", "good"), ("check", TAG), ("smoke", TAG))
ENDLESS: Final = {"watch", "stream-events", "stream-alarms", "galaxy-watch"}
"""Streams: lines, unless their number is limited."""
LINES: Final = {"watch"}
"""Lines in the format json also if their number is limited: it shows what is now, not what there was."""
OTHER: Final = {"help", "completion", "batch"}
"""Their results are texts, or those of other commands."""


def records(document: dict[str, Any]) -> list[dict[str, Any]]:
    return next(field for field in document.values() if isinstance(field, list))


@each_row("words", OF_A_LIST)
async def test_a_record_of_a_tag_begins_alike_in_every_command(gateway: Gateway, words: tuple[str, ...]) -> None:
    whole = await gateway.mxgw(*words, "--json")
    lines = await gateway.mxgw(*words, "-o", "jsonl")

    assert (whole.code, lines.code) == (0, 0), whole.err + lines.err
    found = whole.lines if words[0] in LINES else records(whole.document)
    found += lines.lines
    assert [list(each)[: len(RECORD)] for each in found] == [RECORD] * len(found)
    assert found[0]["tag"] == TAG
    assert all(each["ok"] is (each["error"] == "") for each in found)


@pytest.mark.parametrize("words", OF_ONE_TAG, ids=lambda words: words[0])
async def test_a_document_about_one_tag_has_its_record_in_one_piece(gateway: Gateway, words: tuple[str, ...]) -> None:
    outcome = await gateway.mxgw(*words, "--json")

    keys = list(outcome.document)
    begin = keys.index("tag")
    assert keys[begin : begin + len(RECORD)] == RECORD
    assert [outcome.document[key] for key in ("tag", "value", "quality", "ok", "error")] == [TAG, 17, 192, True, ""]


@each_row("name", [name for name in ROWS if name not in OTHER])
async def test_json_is_one_document_except_for_streams(gateway: Gateway, name: str) -> None:
    """A command has one document with --json, and each of its streams lines; with -o jsonl each result is a line."""
    if name not in ENDLESS:
        return
    import shlex

    words = shlex.split(ROWS[name])
    whole = await gateway.mxgw(name, *words)
    lines = await gateway.mxgw(name, *[word for word in words if word != "--json"], "-o", "jsonl")

    assert (whole.code, lines.code) == (0, 0), whole.err + lines.err
    for line in lines.out.splitlines():
        assert isinstance(json.loads(line), dict)
    if name in LINES:
        assert [list(each) for each in whole.lines] == [list(each) for each in lines.lines]
    else:
        assert len(records(whole.document)) == len(lines.lines)


async def test_an_event_has_its_tag_beside_the_handle_when_it_is_known() -> None:
    lines = """\
open-session -o value
"""
    opened = await mxgw("batch", "--simulator", "-o", "value", stdin=lines)
    assert opened.code == 0
    steps = [
        f"subscribe-bulk {TAG} --json",
        f"stream-events {TAG} --count 1 -o jsonl",
    ]
    outcome = await mxgw("batch", "--simulator", stdin="\n".join(steps) + "\n")

    assert outcome.code == 0, outcome.err
    event = json.loads(next(line for line in outcome.out.splitlines() if "ON_DATA_CHANGE" in line))
    assert list(event)[3:5] == ["itemHandle", "tag"]
    assert event["tag"] == TAG


async def test_a_failed_line_of_a_batch_has_the_same_error_as_the_command(gateway: Gateway) -> None:
    words = ("ping", "--session-id", "session-00000000000000000000000000000000")
    alone = await gateway.mxgw(*words, "--json")
    batch = await mxgw("batch", "--plaintext", "--json", env=gateway.env, stdin=" ".join(words) + "\n")

    line = json.loads(batch.out.splitlines()[0])
    assert line == {"error": alone.error["message"], "type": "error"}
    assert batch.err.splitlines()[0] == alone.err.rstrip("\n")


async def test_a_batch_knows_the_tags_of_its_earlier_lines(gateway: Gateway) -> None:
    session = f"--session-id {await gateway.open_session()}"
    steps = [
        f"register {session}",
        f"add-item {TAG} {session} --server-handle 1",
        f"advise {session} --server-handle 1 --item-handle 2",
        f"stream-events {session} --count 1",
        f"write {session} --server-handle 1 --item-handle 2 --type int32 5",
        f"advise-item-bulk {session} --server-handle 1 --item-handles 2",
    ]
    outcome = await mxgw("batch", "--plaintext", "-o", "jsonl", env=gateway.env, stdin="\n".join(steps) + "\n")

    found = [json.loads(line) for line in outcome.out.splitlines() if line.startswith("{")]
    assert outcome.code == 0, outcome.out
    assert [each.get("tag") for each in found] == [None, TAG, TAG, TAG, TAG, TAG]
