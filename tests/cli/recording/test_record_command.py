"""`record` writes what a gateway sends into a new file, or to stdout."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from mxgateway.simulator import Recording, SimulatedKey
from mxgateway.simulator.recording.records import RecordedAlarm, RecordedEvent, RecordedObject
from tests.cli.gateway import KEY, SECRET, TAG, Gateway
from tests.cli.in_process import refused
from tests.recording.recorder import of_kind

CHANGING = "TestMachine_001.TestChangingInt"


async def test_tags_are_recorded_into_a_private_file(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    listed = tmp_path / "tags.txt"
    listed.write_text(f"{CHANGING}\n{TAG}\n", "utf-8")
    outcome = await gateway.mxgw("record", str(path), TAG, "--from", str(listed), "--count", "3", "--json")

    assert outcome.code == 0, outcome.err
    recording = Recording.load(path)
    assert recording.tags == (TAG, CHANGING)
    assert outcome.document == {
        "operation": "record", "file": str(path), "endReason": "count", "tags": 2, "events": 3, "alarms": 0, "gaps": 0,
        "bytes": path.stat().st_size,
    }  # fmt: skip
    assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in path.read_text("utf-8")
    assert not gateway.simulated.sessions


async def test_stdout_gets_the_recording_and_nothing_else(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("record", "-", "TestMachine_00?.TestChangingInt", "--count", "6")
    assert outcome.code == 0, outcome.err
    kinds = [next(key for key in line if key != "at" and key != "tag") for line in outcome.lines]
    assert kinds == ["header", *["subscribed"] * 6, *["event"] * 6, "footer"]


async def test_the_objects_of_the_tags_and_the_alarms_are_recorded_on_request(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    gateway.simulated.set_tag("Tank01.Level", 99.0)
    tags = ("Tank01.Level", "TestMachine_001.Profile[]")
    outcome = await gateway.mxgw("record", str(path), *tags, "--galaxy", "--alarms", "--duration", "0.5")

    assert outcome.code == 0, outcome.err
    recording = Recording.load(path)
    objects = {record.object.tag_name: record.object for record in of_kind(recording, RecordedObject)}
    assert list(objects) == ["Area1", "Tank01", "TestMachine_001"]
    assert [attribute.attribute_name for attribute in objects["TestMachine_001"].attributes] == ["Profile"]
    assert of_kind(recording, RecordedAlarm)
    plant = recording.plant
    tank = plant.object_by_tag("Tank01")
    assert tank is not None
    assert plant.area_of(tank) == "Area1"
    assert tank.template.name == "$Tank"


async def test_alarms_alone_are_a_recording(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    outcome = await gateway.mxgw("record", str(path), "--alarms", "--count", "2", "-ovalue")
    assert (outcome.code, outcome.out) == (0, "0\n"), outcome.err
    assert len(of_kind(Recording.load(path), RecordedAlarm)) == 2


async def test_an_open_session_is_recorded_and_stays_open(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    session_id = await gateway.open_session()
    handles = await gateway.mxgw("register", "--session-id", session_id, "-ovalue")
    items = await gateway.mxgw(
        "subscribe-bulk", "--session-id", session_id, "--server-handle", handles.out.strip(), "--items", TAG
    )
    outcome = await gateway.mxgw("record", str(path), "--session-id", session_id, "--count", "1")

    assert (items.code, outcome.code) == (0, 0), outcome.err
    [record] = of_kind(Recording.load(path), RecordedEvent)
    assert (record.tag, record.event.session_id) == ("", "session-1")
    assert list(gateway.simulated.sessions) == [session_id]


async def test_values_are_redacted_and_the_size_is_kept(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tags = ("TestChildObject.TestString", "TestChildObject.TestBigString", CHANGING)
    redacted = await gateway.mxgw("record", str(path), *tags, "--redact-values", "--count", "3")
    small = await gateway.mxgw("record", str(path), *tags, "--max-bytes", "4096", "--force", "--json")

    assert (redacted.code, small.code) == (0, 0), redacted.err + small.err
    assert small.document["endReason"] == "size"
    assert Recording.load(path).footer is not None
    assert path.stat().st_size <= 4096


async def test_the_redacted_values_are_empty(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("record", "-", "TestChildObject.TestString", "--redact-values", "--count", "1")
    assert "Grüße" not in outcome.out
    assert outcome.lines[0]["header"]["redactedValues"] is True
    assert outcome.lines[2]["event"]["value"]["stringValue"] == ""


async def test_an_existing_file_is_kept(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("mine", "utf-8")
    kept = await gateway.mxgw("record", str(path), TAG, "--count", "1")
    assert (kept.code, path.read_text("utf-8")) == (2, "mine")
    assert kept.err == f"error: {path}: the file exists\nhint: name another file, or replace it with --force\n"
    assert not gateway.simulated.received
    replaced = await gateway.mxgw("record", str(path), TAG, "--count", "1", "--force")
    assert replaced.code == 0, replaced.err
    assert Recording.load(path).tags == (TAG,)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege")
async def test_nothing_is_written_through_a_link_to_a_file_that_exists(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", "utf-8")
    (tmp_path / "link").symlink_to("mine")
    outcome = await gateway.mxgw("record", str(tmp_path / "link"), TAG, "--count", "1")
    assert (outcome.code, (tmp_path / "mine").read_text("utf-8")) == (2, "mine")


def test_a_gateway_that_is_not_there_leaves_no_file(tmp_path: Path) -> None:
    outcome = refused("record", str(tmp_path / "a.jsonl"), TAG)
    assert outcome.code == 78
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (TAG, "--session-id", "x"),
        ("--session-id", "x", "--galaxy"),
        ("--alarms", "--galaxy"),
        (TAG, "--count", "0"),
        (TAG, "--max-bytes", "5"),
        (TAG, "--max-bytes", "536870913"),
        ("Tank*",),
    ],
)
def test_wrong_usage_sends_nothing_and_leaves_no_file(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    outcome = refused("record", str(tmp_path / "a.jsonl"), *arguments)
    assert outcome.code == 2
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    outcome = refused("record", str(tmp_path / "no" / "a.jsonl"), TAG)
    assert (outcome.code, outcome.err) == (2, f"error: {tmp_path / 'no' / 'a.jsonl'}: No such file or directory\n")


async def test_what_is_missing_at_the_time_out_is_told_and_the_recording_is_whole(
    gateway: Gateway, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    outcome = await gateway.mxgw("record", str(path), TAG, "--count", "9", "--timeout", "2")
    assert outcome.code == 20
    assert "1 of 9 events arrived within 2 s" in outcome.err
    assert json.loads(path.read_text("utf-8").splitlines()[-1])["footer"]["reason"] == "timeout"


async def test_tags_that_are_refused_are_told_and_recorded_without(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    gateway.simulated._keys = (replace(SimulatedKey.parse(KEY), read_globs=("TestChildObject.*",)),)
    await gateway.simulated.restart()
    some = await gateway.mxgw("record", str(path), "Tank01.Level", TAG, "--count", "1", "-ovalue")
    none = await gateway.mxgw("record", str(path), "Tank01.Level", "--count", "1", "--force")
    assert (some.code, some.out) == (21, "1\n")
    assert (none.code, none.out) == (22, "")
