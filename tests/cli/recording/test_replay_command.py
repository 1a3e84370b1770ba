"""`simulate --replay` plays a recording, and refuses a wrong one before anything is started."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from mxgateway.simulator import Recording
from tests.cli.gateway import Gateway
from tests.cli.in_process import mxgw, run_here
from tests.cli.process import finish, start
from tests.recording.recorder import events
from tests.recording.test_recording_files import WRONG, good
from tests.rows import each_row


@pytest.mark.parametrize(
    "name", ["empty", "other version", "other contract", "unknown tag", "no footer", "unknown field"]
)
def test_a_wrong_recording_is_one_line_and_nothing_is_started(tmp_path: Path, name: str) -> None:
    path = tmp_path / "wrong.jsonl"
    lines, words = WRONG[name]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    outcome = run_here("simulate", "--replay", str(path), "--port", "0")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"error: {path}: {words}")
    assert outcome.err.count("\n") == 1


@each_row(
    ("arguments", "words"),
    [
        (("--replay", "x", "--plant", "demo"), "exclude each other"),
        (("--replay", "x", "--tags", "5"), "exclude each other"),
        (("--speed", "2"), "require --replay"),
        (("--loop",), "require --replay"),
        (("--partial",), "require --replay"),
        (("--replay", "x", "--speed", "0"), "neither a positive number nor max"),
        (("--replay", "x", "--speed", "-1"), "neither a positive number nor max"),
        (("--replay", "x", "--speed", "nan"), "neither a positive number nor max"),
        (("--replay", "x", "--speed", "inf"), "neither a positive number nor max"),
        (("--replay", "x", "--speed", "1_0"), "neither a positive number nor max"),
        (("--replay", "x", "--speed", "1e999"), "neither a positive number nor max"),
        (("--replay", "x", "--speed", "quick"), "neither a positive number nor max"),
        (("--replay", "no-such-file"), "No such file or directory"),
        (("--replay", os.curdir), "not a regular file"),
    ],
)
def test_wrong_usage_is_refused(arguments: tuple[str, ...], words: str) -> None:
    outcome = run_here("simulate", "--port", "0", *arguments)
    assert outcome.code == 2
    assert words in outcome.err


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_a_recording_of_a_recording_is_the_same(gateway: Gateway, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    tags = ("TestMachine_001.TestChangingInt", "TestMachine_001.Speed", "TestMachine_004.Profile[]")
    done = await gateway.mxgw("record", str(first), *tags, "--count", "8", "--galaxy")
    assert done.code == 0, done.err
    process = await start("simulate", "--replay", str(first), "--speed", "max", "--port", "0", "-ojsonl")
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    env = {"MXGATEWAY_ENDPOINT": told["endpoint"], "MXGATEWAY_API_KEY": told["apiKey"]}
    again = await mxgw("record", str(second), *tags, "--count", "8", "--plaintext", env=env)
    process.send_signal(signal.SIGTERM)
    ended = await finish(process)

    assert (again.code, ended.code) == (0, 143), again.err + ended.err
    assert events(Recording.load(second)) == events(Recording.load(first))


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_a_truncated_recording_is_played_on_request(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_text("\n".join(good()[:-1]), "utf-8")
    process = await start("simulate", "--replay", str(path), "--partial", "--speed", "max", "--port", "0", "-ojsonl")
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    env = {"MXGATEWAY_ENDPOINT": told["endpoint"], "MXGATEWAY_API_KEY": told["apiKey"]}
    read = await mxgw("read", "Tank01.Product", "--plaintext", "-ovalue", env=env)
    process.send_signal(signal.SIGTERM)
    await finish(process)
    assert (read.code, read.out) == (0, "x\n"), read.err
