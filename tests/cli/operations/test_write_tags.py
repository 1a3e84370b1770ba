from __future__ import annotations

import json
from typing import Any

import pytest

from mxgateway import from_mx_value
from mxgateway.wire import which_one_of
from tests.cli.gateway import TAG, Gateway
from tests.cli.golden import golden
from tests.cli.in_process import refused
from tests.rows import each_row


def value_of(gateway: Gateway, tag: str) -> Any:
    return from_mx_value(gateway.simulated.tag(tag).sample.message)


def writes(gateway: Gateway) -> list[Any]:
    """The writes that the gateway has received."""
    requests = [call.request for call in gateway.simulated.received if call.method == "Invoke"]
    return [r.command for r in requests if which_one_of(r.command, "payload").startswith("write")]


@pytest.mark.parametrize(
    ("name", "text", "arm", "value"),
    [
        ("TestBool", "false", "bool_value", False),
        ("TestInt", "-5", "int32_value", -5),
        ("TestWideInt", "0x10000000000", "int64_value", 2**40),
        ("TestFloat", "2.5", "float_value", 2.5),
        ("TestString", "05", "string_value", "05"),
        ("TestElapsed", "00:01:30", "double_value", 90.0),
        ("TestEnum", "3", "int32_value", 3),
        ("TestDoubleArray[]", "1,2.5", "array_value", [1.0, 2.5]),
    ],
)
async def test_a_text_is_written_as_the_tags_own_type(
    gateway: Gateway, name: str, text: str, arm: str, value: object
) -> None:
    outcome = await gateway.mxgw("write", f"TestChildObject.{name}", "--value", text, "--confirm", "-ovalue")

    assert (outcome.code, outcome.out) == (0, "true\n"), outcome.err
    [command] = writes(gateway)
    assert which_one_of(command.write.value, "kind") == arm
    assert from_mx_value(command.write.value) == value
    assert value_of(gateway, f"TestChildObject.{name}") == value
    assert not gateway.simulated.sessions


async def test_a_dry_run_shows_what_would_be_written_and_writes_nothing(gateway: Gateway) -> None:
    shown = await gateway.mxgw("write", TAG, "--value", "0x10", "--dry-run", "--json")
    table = await gateway.mxgw("write", "--item", TAG, "--type", "int32[]", "--value", "1,2", "--dry-run")

    assert shown.code == table.code == 0, shown.err + table.err
    expected = {
        "operation": "write",
        "sessionId": "<sessionId>",
        "dryRun": True,
        "tag": TAG,
        "oldValue": 17,
        "oldDataType": "MX_DATA_TYPE_INTEGER",
        "value": 16,
        "dataType": "MX_DATA_TYPE_INTEGER",
        "variantType": "VT_I4",
        "quality": 192,
        "qualityText": "good",
        "correlationId": "<correlationId>",
    }
    assert json.dumps(golden(shown.document), indent=1) == json.dumps(expected, indent=1)
    assert table.out == f"{TAG}  17 -> [1, 2]  not written\n"
    assert writes(gateway) == []
    assert value_of(gateway, TAG) == 17


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((TAG, "--value", "2.5"), 2, "not a whole number"),
        ((TAG, "--value", "9223372036854775808"), 2, "9223372036854775808"),
        (("No.Such", "--value", "1"), 22, "unknown tag"),
        (("TestChildObject.BadInt", "--value", "1"), 2, "no value that shows its type (bad)"),
        (("TestChildObject.TestCustom", "--value", "01"), 2, "no value that shows its type"),
    ],
)
async def test_what_cannot_be_written_ends_a_dry_run_and_a_write_alike(
    gateway: Gateway, arguments: tuple[str, ...], code: int, says: str
) -> None:
    dry = await gateway.mxgw("write", *arguments, "--dry-run")
    real = await gateway.mxgw("write", *arguments)

    assert dry.code == real.code == code, dry.err
    assert dry.out == real.out == ""
    assert dry.err == real.err
    assert says in dry.err.splitlines()[0]
    assert writes(gateway) == []


async def test_a_tag_is_written_in_an_open_session_and_nothing_is_left_behind(gateway: Gateway) -> None:
    session_id = await gateway.open_session()
    arguments = ("write", TAG, "--session-id", session_id, "--value", "5", "--confirm", "--json")

    outcome = await gateway.mxgw(*arguments)

    assert outcome.code == 0, outcome.err
    assert outcome.document["sessionId"] == session_id
    assert outcome.document["event"]["itemHandle"] == outcome.document["itemHandle"]
    assert value_of(gateway, TAG) == 5
    assert not gateway.simulated.sessions[session_id].worker.servers


async def test_a_write_with_a_time_can_be_confirmed(gateway: Gateway) -> None:
    arguments = ("--value", "5", "--timestamp", "2026-03-01T08:30:00.1234567Z", "--confirm", "-ojsonl")

    done = await gateway.mxgw("write2", TAG, *arguments)
    refused = await gateway.mxgw("write2", "TestChildObject.RefusedInt", *arguments)
    gateway.simulated.hold_write_completions()
    silent = await gateway.mxgw("write2", TAG, *arguments, "--timeout", "1")

    assert done.code == 0, done.err
    [document] = done.lines
    assert list(document)[-4:] == ["confirmed", "event", "timestamp", "correlationId"]
    assert (document["confirmed"], document["event"]["itemHandle"]) == (True, document["itemHandle"])
    assert value_of(gateway, TAG) == 5
    assert refused.code == 22
    assert "did not carry out the write" in refused.error["message"]
    assert silent.code == 20
    assert "did not arrive within 1 s" in silent.error["message"]
    assert not gateway.simulated.sessions


HANDLES = ("--session-id", "s", "--server-handle", "1", "--item-handle", "2")


@each_row(
    ("arguments", "says"),
    [
        (("write", "--value", "1"), "Name the item: TAG"),
        (("write", TAG, "--item", "A.B", "--value", "1"), "TAG and --item mean the same"),
        (("write", TAG, *HANDLES, "--value", "1"), "not both"),
        (("write", TAG), "Missing argument 'VALUE'"),
        (("write", TAG, "1", "--value", "2"), "VALUE and --value mean the same"),
        (("write", TAG, "1", "--from", __file__), "--from and an item contradict each other"),
        (("write", TAG, "1", "--format", "csv"), "--format requires --from"),
        (("write", "--server-handle", "1", "--item-handle", "2", "--value", "1"), "Handles require --session-id"),
        (("write", *HANDLES[:4], "--type", "int32", "--value", "1"), "needs both"),
        (("write", *HANDLES, "--value", "1"), "Without --type the tag is read for its type"),
        (("write", *HANDLES, "--type", "int32", "--value", "1", "--dry-run"), "--dry-run reads the tag"),
        (
            ("write2", *HANDLES, "--type", "int32", "--value", "1", "--timestamp", "2026-03-01T08:30:00Z", "--confirm"),
            "--confirm requires TAG",
        ),
        (("write2", TAG, "--type", "int32", "--value", "1", "--timestamp", "noon"), "timestamp is 'noon'"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused(*arguments)

    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert says in outcome.err.splitlines()[0]
