"""A recording says how it was made and how it ended; a wrong one is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mxgateway import proto
from mxgateway.simulator import Recording, RecordingWriter
from mxgateway.simulator.recording import lines as recording_lines
from mxgateway.simulator.recording.records import RecordedConnection, RecordedEvent
from tests.recording.recorder import of_kind, written
from tests.rows import each_row


def event(number: int, text: str = "x") -> proto.MxEvent:
    return proto.MxEvent(
        family=proto.MxEventFamily.ON_DATA_CHANGE,
        session_id="3f2a",
        server_handle=1,
        item_handle=2,
        value=proto.MxValue(data_type=proto.MxDataType.STRING, variant_type="VT_BSTR", string_value=text),
        quality=192,
        worker_sequence=number,
        on_data_change=proto.OnDataChangeEvent(),
    )


def good(**options: Any) -> list[str]:
    """Return the lines of a small recording."""
    found: list[str] = []
    writer = RecordingWriter(found.append, tool="test 1", clock=lambda: 5.0, **options)
    writer.subscribed("Tank01.Product")
    writer.event(event(1), "Tank01.Product")
    writer.event(event(2, "y"), "Tank01.Product")
    writer.end("count")
    return found


def test_it_says_what_was_recorded_and_how_it_ended(tmp_path: Path) -> None:
    recording = written(tmp_path / "a.jsonl", good())
    assert (recording.header.tool, recording.header.source, recording.tags) == ("test 1", "tags", ("Tank01.Product",))
    assert recording.footer is not None
    assert (recording.footer.reason, recording.footer.events) == ("count", 2)
    target = recording.plant.find("tank01.product")
    assert target is not None
    assert target.attribute.initial == "x"


HEADER = json.loads(good()[0])["header"]


def headed(**changes: Any) -> list[str]:
    return [json.dumps({"header": {**HEADER, **changes}}), *good()[1:]]


def changed(number: int, text: str) -> list[str]:
    found = good()
    found[number - 1] = text
    return found


WRONG: dict[str, tuple[list[str], str]] = {
    "empty": ([], "line 1: it has no header"),
    "no JSON": (["x"], "line 1: it is not JSON: Expecting value"),
    "no object": (["[]"], "line 1: it is not a JSON object"),
    "no header": (good()[1:], "line 1: the first line must be the header"),
    "two headers": ([*good()[:1], *good()], "line 2: there is a second header"),
    "other format": (headed(format="pcap"), "line 1: header.format: 'pcap' is not mxgateway-recording"),
    "other version": (headed(version=2), "line 1: header.version: the version 2 is unknown"),
    "other contract": (headed(contract="abc"), "line 1: header.contract: it was recorded by 'test 1' with the contract 'abc'"),
    "unknown key of the header": (headed(colour=1), "line 1: the key 'header.colour' is unknown"),
    "wrong type": (headed(alarms="yes"), "line 1: header.alarms: this must be true or false, not 'yes'"),
    "unknown kind": (changed(2, '{"at":0,"what":1}'), "line 2: the key 'at' is no kind of record"),
    "unknown key": (changed(3, '{"at":0,"colour":1,"event":{}}'), "line 3: the key 'colour' is unknown"),
    "unknown field": (changed(3, '{"at":0,"tag":"Tank01.Product","event":{"colour":1}}'), "line 3: event: MxEvent: colour: "),
    "wrong field": (changed(3, '{"at":0,"event":{"quality":"x"}}'), "line 3: event: MxEvent: quality: "),
    "unknown tag": (changed(3, '{"at":9,"tag":"Other.Tag","event":{}}'), "line 3: tag: the tag 'Other.Tag' was not subscribed"),
    "no tag": (changed(3, '{"at":9,"event":{"family":"MX_EVENT_FAMILY_ON_DATA_CHANGE"}}'), "line 3: the key 'tag' is missing"),
    "no time": (changed(2, '{"subscribed":{"tag":"x","error":""}}'), "line 2: at: this must be a number of seconds"),
    "endless time": (changed(2, '{"at":1e999,"subscribed":{"tag":"x","error":""}}'), "line 2: at: this must be a number"),
    "time goes back": (changed(2, '{"at":99,"subscribed":{"tag":"Tank01.Product","error":""}}'), "line 3: at: the time "),
    "sequence number": (changed(2, '{"at":0,"gap":{"cause":"x","firstLost":"-1","lastLost":null}}'), "line 2: gap.firstLost: '-1' is no"),
    "twice": (changed(2, '{"at":0,"at":1}'), "line 2: a key is given twice"),
    "after the end": ([*good(), good()[1]], "line 6: nothing may follow the footer"),
    "other counts": ([*good()[:-2], good()[-1]], "line 4: footer: there are 1 events, 0 alarms and 0 gaps, the footer says 2, 0 and 0"),
    "no footer": (good()[:-1], "line 5: the recording is truncated: it has no footer"),
    "nested": (["[" * 100_000], "line 1: it is nested too deeply"),
}  # fmt: skip


@each_row("name", WRONG)
def test_a_wrong_recording_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    lines, words = WRONG[name]
    with pytest.raises(ValueError, match="jsonl") as caught:
        written(tmp_path / "wrong.jsonl", lines)
    assert str(caught.value).startswith(f"{tmp_path / 'wrong.jsonl'}: {words}")
    assert "\n" not in str(caught.value)


def test_every_kind_of_record_is_known_to_the_table() -> None:
    assert set(recording_lines._READERS) == {
        "header", "object", "subscribed", "event", "alarm", "gap", "connection", "footer",
    }  # fmt: skip


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_truncated_recording_is_refused_unless_what_is_there_is_wanted(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.jsonl"
    data = "".join(f"{line}\n" for line in good()).encode()
    path.write_bytes(data[:-cut])
    with pytest.raises(ValueError, match="truncated: it has no footer"):
        Recording.load(path)
    assert len(of_kind(Recording.load(path, partial=True), RecordedEvent)) == 2
    assert Recording.load(path, partial=True).footer is None


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(good()[0].encode() + b"\n\xff\xfe\n")
    with pytest.raises(ValueError, match="line 2: it is not UTF-8"):
        Recording.load(path)


def test_a_line_or_a_file_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(good()[0].encode() + b"\n")
        file.truncate(300 * 1024 * 1024)  # sparse: one line of zeros
    with pytest.raises(ValueError, match="line 2: it is longer than 64 MiB"):
        Recording.load(path)
    with path.open("ab") as file:
        file.truncate(1024 * 1024 * 1024)
    with pytest.raises(ValueError, match="the file is longer than 512 MiB"):
        Recording.load(path)


def test_a_recording_stays_within_its_size(tmp_path: Path) -> None:
    lines: list[str] = []
    writer = RecordingWriter(lines.append, max_bytes=4096)
    writer.subscribed("A.B")
    while not writer.is_full:
        writer.event(event(writer.events + 1), "A.B")
    writer.end("size")
    recording = written(tmp_path / "a.jsonl", lines)
    assert (tmp_path / "a.jsonl").stat().st_size == writer.bytes <= 4096
    assert recording.footer is not None
    assert recording.footer.events == len(of_kind(recording, RecordedEvent)) == writer.events > 5


def test_users_sessions_and_gateways_are_placeholders(tmp_path: Path) -> None:
    lines: list[str] = []
    writer = RecordingWriter(lines.append, alarms=True)
    for session in ("one-session", "other-session", "one-session"):
        found = event(1)
        found.session_id = session
        writer.event(found)
    for user in ("Jane", "John", "Jane"):
        change = proto.OnAlarmTransitionEvent(alarm_full_reference="a", operator_user=user, operator_comment="private")
        writer.alarm(proto.AlarmFeedMessage(transition=change))
        active = proto.ActiveAlarmSnapshot(alarm_full_reference="a", operator_user=user, operator_comment="private")
        writer.alarm(proto.AlarmFeedMessage(active_alarm=active))
    cause = {
        "type": "X",
        "message": "gw.plant:5001 said private",
        "grpcStatus": "UNAVAILABLE",
        "endpoint": "gw.plant:5001",
    }
    writer.connection("events", "recovering", None, cause)
    writer.end("count")
    text = "\n".join(lines)
    for secret in ("one-session", "other-session", "Jane", "John", "private", "gw.plant"):
        assert secret not in text
    sessions = [json.loads(line)["event"]["sessionId"] for line in lines if '"event"' in line]
    assert sessions == ["session-1", "session-2", "session-1"]
    assert [line.count('"user-1"') + 2 * line.count('"user-2"') for line in lines if '"alarm"' in line] == [
        1,
        1,
        2,
        2,
        1,
        1,
    ]
    assert '"cause":{"type":"X","grpcStatus":"UNAVAILABLE"}' in text


VALUES = [
    ({"boolValue": True}, {"boolValue": False}),
    ({"int32Value": 7}, {"int32Value": 0}),
    ({"int64Value": "7"}, {"int64Value": "0"}),
    ({"doubleValue": 7.5}, {"doubleValue": 0.0}),
    ({"stringValue": "secret"}, {"stringValue": ""}),
    ({"timestampValue": "2024-01-01T00:00:00Z"}, {"timestampValue": "1970-01-01T00:00:00Z"}),
    ({"rawValue": "c2VjcmV0", "rawDiagnostic": "secret"}, {"rawValue": ""}),
    (
        {"arrayValue": {"stringValues": {"values": ["a", "b"]}, "dimensions": [2]}},
        {"arrayValue": {"stringValues": {"values": ["", ""]}, "dimensions": [2]}},
    ),
]


@each_row(("value", "empty"), VALUES)
def test_values_are_redacted_on_request_but_not_their_type_and_length(value: Any, empty: Any) -> None:
    from mxgateway import from_json_dict, to_json_dict

    lines: list[str] = []
    writer = RecordingWriter(lines.append, redact_values=True)
    found = event(1)
    found.value = from_json_dict(proto.MxValue, {"dataType": "MX_DATA_TYPE_STRING", **value})
    writer.event(found, "A.B")
    said = json.loads(lines[-1])["event"]["value"]
    want = to_json_dict(from_json_dict(proto.MxValue, {"dataType": "MX_DATA_TYPE_STRING", **empty}))
    assert to_json_dict(from_json_dict(proto.MxValue, said)) == want


def test_an_open_session_has_names_for_its_items(tmp_path: Path) -> None:
    lines: list[str] = []
    writer = RecordingWriter(lines.append, source="session")
    writer.event(event(1))
    writer.end("count")
    recording = written(tmp_path / "a.jsonl", lines)
    assert recording.tags == ("Recorded.Item_1_2",)
    assert recording.plant.find("Recorded.Item_1_2") is not None


def test_connections_are_read_back(tmp_path: Path) -> None:
    lines: list[str] = []
    writer = RecordingWriter(lines.append)
    writer.connection("events", "connected", "rebuilt")
    writer.gap("session_lost", 5, None)
    writer.end("duration")
    recording = written(tmp_path / "a.jsonl", lines)
    [found] = of_kind(recording, RecordedConnection)
    assert (found.feed, found.state, found.outcome, found.cause) == ("events", "connected", "rebuilt", None)
