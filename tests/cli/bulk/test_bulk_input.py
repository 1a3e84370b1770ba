"""What bulk commands take from options and files, and what they refuse; as functions, because a process for each row would take long."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

import mxgateway
from mxgateway import proto
from mxgateway_cli.bulk.input import Entries, Given, Wanted, read_entries
from mxgateway_cli.input.named_tags import listed_values
from mxgateway_cli.input.rows import BadRows
from tests.rows import each_row

TAGS = Wanted(by_handle=False)
HANDLES = Wanted(by_handle=True, once=True)
WRITE = Wanted(by_handle=True, once=True, values=True, users="writer")
TAG_WRITE = replace(WRITE, by_handle=False)
WRITE2 = replace(WRITE, times=True)
SECURED = replace(WRITE, users="secured")


def python(entries: Entries) -> list[Any]:
    return [mxgateway.from_mx_value(value) for value in messages(entries)]


def messages(entries: Entries) -> list[proto.MxValue]:
    return [value for value in entries.values if not isinstance(value, str)]


async def from_text(tmp_path: Path, wanted: Wanted, text: str | bytes, suffix: str = "csv", **given: Any) -> Entries:
    file = tmp_path / f"rows.{suffix}"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return await read_entries(wanted, Given(sources=(str(file),), **given))


async def refusal(tmp_path: Path, wanted: Wanted, text: str | bytes, suffix: str = "csv", **given: Any) -> str:
    with pytest.raises(BadRows) as caught:
        await from_text(tmp_path, wanted, text, suffix, **given)
    assert caught.value.code == 2
    assert caught.value.hint == "nothing was sent"
    return caught.value.message.replace(f"{tmp_path}/", "").replace(f"{tmp_path}\\", "")


# -- options


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("a,b", ["a", "b"]),
        (" a , b ", ["a", "b"]),
        ('"a,1",b', ["a,1", "b"]),
        ('["a", "b"]', ["a", "b"]),
        ("a,a", ["a", "a"]),
        ("Größe.測試", ["Größe.測試"]),
    ],
)
def test_tags_stand_between_commas_or_in_a_json_array(text: str, tags: list[str]) -> None:
    assert [each.strip() for each in listed_values("--items", text)] == tags


@each_row(
    ("type_name", "text", "values"),
    [
        ("int32", "5, 6", [5, 6]),
        ("int32", "[5, 6]", [5, 6]),
        ("string", "a ,", ["a ", ""]),
        ("string", '"x,y","say ""so"""', ["x,y", 'say "so"']),
        ("bool", "true,0", [True, False]),
        ("bool", "[true, 0]", [True, False]),
        ("double", "[1e3, 2]", [1000.0, 2.0]),
        ("int32[]", "[[1, 2], []]", [[1, 2], []]),
        ("int32[]", '"1,2",3', [[1, 2], [3]]),
        ("null", "[null, null]", [None, None]),
        ("elapsed", "1.5,00:01:00", None),
    ],
)
async def test_values_stand_between_commas_or_in_a_json_array(
    type_name: str, text: str, values: list[Any] | None
) -> None:
    entries = await read_entries(WRITE, Given(item_handles="1,2", values=text, value_type=type_name))

    assert entries.handles == [1, 2]
    assert entries.users == [0, 0]
    assert values is None or python(entries) == values


@each_row(
    ("wanted", "given", "says"),
    [
        (TAGS, Given(tags=("a", "", "b")), "entry 2: tag is empty"),
        (TAGS, Given(tags=("a\0",)), "NUL"),
        (TAGS, Given(tags=("\ud800",)), "lone surrogates"),
        (HANDLES, Given(item_handles=""), "--item-handles is empty"),
        (HANDLES, Given(item_handles="[]"), "--item-handles is empty"),
        (HANDLES, Given(item_handles='"1'), "--item-handles is not a list"),
        (HANDLES, Given(item_handles="[1"), "--item-handles is not a list"),
        (HANDLES, Given(item_handles="1,0"), "entry 2: item_handle is '0'; give a whole number from 1 to 2147483647"),
        (HANDLES, Given(item_handles="-1"), "item_handle is '-1'"),
        (HANDLES, Given(item_handles="2147483648"), "item_handle is '2147483648'"),
        (HANDLES, Given(item_handles="9" * 5000), "item_handle is '999"),
        (HANDLES, Given(item_handles="[1.0]"), "item_handle is 1.0"),
        (HANDLES, Given(item_handles="[true]"), "item_handle is True"),
        (HANDLES, Given(item_handles="1,x"), "item_handle is 'x'"),
        (HANDLES, Given(item_handles="7,8,7"), "entry 3: 7 is already in entry 1"),
        (WRITE, Given(item_handles="1,2", values="5", value_type="int32"), "--values has 1 values for 2 entries"),
        (WRITE, Given(item_handles="1", values="", value_type="int32"), "--values is empty"),
        (WRITE, Given(item_handles="1", values="2147483648", value_type="int32"), "2147483648"),
        (WRITE, Given(item_handles="1", values="[true]", value_type="int32"), "not a whole number"),
        (WRITE, Given(item_handles="1", values="[5]", value_type="string"), "put it in quotes"),
        (WRITE, Given(item_handles="1", values="[null]", value_type="int32"), "null is only for the type null"),
        (WRITE, Given(item_handles="1", values="[[5]]", value_type="int32"), "only for array types"),
        (WRITE, Given(item_handles="1", values="[NaN]", value_type="double"), "NaN is not a JSON number"),
        (WRITE, Given(item_handles="1", values="[1e999]", value_type="double"), "value is"),
        (WRITE, Given(item_handles="1", values="5"), "entry 1: type is missing"),
        (WRITE, Given(item_handles="1", values='["a\\u0000b"]', value_type="string"), "value"),
        (WRITE, Given(item_handles="1", values="5", value_type="int32", user_id=2**31), "user_id is 2147483648"),
        (WRITE2, Given(item_handles="1", values="5", value_type="int32"), "timestamp is missing"),
        (SECURED, Given(item_handles="1", values="5", value_type="int32"), "current_user_id is missing"),
        (SECURED, Given(item_handles="1", values="5", value_type="int32", current_user_id=0), "current_user_id is 0"),
        (
            SECURED,
            Given(item_handles="1", values="5", value_type="int32", current_user_id=1, verifier_user_id=-1),
            "verifier_user_id is -1",
        ),
    ],
)
async def test_a_bad_entry_of_a_command_line_is_named(wanted: Wanted, given: Given, says: str) -> None:
    with pytest.raises(BadRows) as caught:
        await read_entries(wanted, given)

    assert says in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("wanted", "given", "says"),
    [
        (TAGS, Given(), "TAG, or a file with --from"),
        (HANDLES, Given(), "--item-handles, or a file with --from"),
        (HANDLES, Given(tags=("a",)), "TAG cannot be used with --session-id"),
        (TAGS, Given(tags=("a",), sources=("rows.csv",)), "--from and TAG contradict"),
        (WRITE, Given(values="a", sources=("rows.csv",)), "--from and --values contradict"),
        (TAGS, Given(tags=("a",), source_format="csv"), "--format requires --from"),
        (TAGS, Given(sources=("rows.txt",)), "Give --format csv"),
        (TAGS, Given(sources=("-",)), "stdin has no suffix"),
        (WRITE, Given(item_handles="1"), "Missing option '--values'"),
    ],
)
async def test_options_that_do_not_go_together_are_refused(wanted: Wanted, given: Given, says: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        await read_entries(wanted, given)

    assert says in caught.value.message


async def test_a_time_for_all_has_a_zone() -> None:
    given = Given(item_handles="1", values="5", value_type="int32", timestamp="2026-03-01T08:30:00")

    with pytest.raises(mxgateway.MxGatewayInvalidRequestError, match="without a time zone"):
        await read_entries(WRITE2, given)


# -- files


@pytest.mark.parametrize(
    "text", ["tag\na\nb\n", "\ufefftag\r\na\r\nb", "\n\nTag\n\na\n\nb\n\n", "x,tagAddress\n1,a\n2, b "]
)
async def test_a_csv_file_of_tags_is_read_whoever_wrote_it(tmp_path: Path, text: str) -> None:
    assert (await from_text(tmp_path, TAGS, text)).tags == ["a", "b"]


async def test_a_csv_row_says_all_that_a_secured_write_needs(tmp_path: Path) -> None:
    text = (
        "item_handle,type,value,timestamp,current_user_id,verifier_user_id\n"
        '2,string,"two\nlines, ""quoted""",2026-03-01T08:30:00.1234567+01:00,7,8\n'
        '3,int32[],"[1, 2]",,,\n'
    )

    entries = await from_text(
        tmp_path, replace(SECURED, times=True), text, timestamp="2026-01-01T00:00:00Z", current_user_id=5
    )

    assert entries.handles == [2, 3]
    assert python(entries) == ['two\nlines, "quoted"', [1, 2]]
    assert [str(time) for time in entries.times] == ["2026-03-01 07:30:00.123456700+00:00", "2026-01-01 00:00:00+00:00"]
    assert (entries.users, entries.verifiers) == ([7, 5], [8, 5])


async def test_json_lines_give_values_their_own_types(tmp_path: Path) -> None:
    rows = [
        {"itemHandle": 1, "type": "double", "value": 1.5, "userId": 3},
        {"item_handle": "2", "type": "bool", "value": True},
        {"itemHandle": 3, "value": 7},
        {"itemHandle": 4, "type": "string[]", "value": ["a", "b,c"]},
        {"itemHandle": 5, "type": "time", "value": "2026-03-01T08:30:00Z"},
        {"itemHandle": 6, "type": "null", "value": None},
    ]
    text = "\n \n".join(map(json.dumps, rows))

    entries = await from_text(tmp_path, WRITE, text, "jsonl", value_type="int64")

    assert entries.handles == [1, 2, 3, 4, 5, 6]
    assert entries.users == [3, 0, 0, 0, 0, 0]
    assert messages(entries)[2].int64_value == 7
    assert [*python(entries)[:4], python(entries)[5]] == [1.5, True, 7, ["a", "b,c"], None]


async def test_what_read_bulk_writes_write_bulk_reads(tmp_path: Path) -> None:
    read = proto.BulkReadResult(
        server_handle=1, tag_address="Tank.Level", item_handle=4, was_successful=True, was_cached=True,
        value=mxgateway.to_mx_value(12.5), quality=192, statuses=[proto.MxStatusProxy(success=-1)],
    )  # fmt: skip

    text = json.dumps(mxgateway.to_json_dict(read))

    assert python(await from_text(tmp_path, TAG_WRITE, text, "ndjson")) == [12.5]
    assert (await from_text(tmp_path, HANDLES, text, "jsonl")).handles == [4]


HEADER = "item_handle,type,value\n"


@each_row(
    ("wanted", "text", "says"),
    [
        (TAGS, "", "rows.csv has no entries"),
        (TAGS, "tag\n", "rows.csv has no entries"),
        (TAGS, "Tank.Level\nTank.Temp\n", "rows.csv:2: tag is missing"),
        (TAGS, "tag,tag\na,b\n", "rows.csv:1: two columns are named tag"),
        (TAGS, "tag,\na,b\n", "rows.csv:1: column 2 has no name"),
        (TAGS, "tag\na,b\n", "rows.csv:2: has 2 cells, but the header has 1"),
        (TAGS, 'tag\na\n"b\nc\n', "rows.csv:3: not valid CSV: unexpected end of data"),
        (TAGS, 'tag\n"a"b\n', "rows.csv:2: not valid CSV"),
        (TAGS, b"tag\na\n\xff\n", "rows.csv:3: not valid UTF-8"),
        (TAGS, b"tag\na\n\x00\n", "rows.csv:3: tag is '\\x00'"),
        (TAGS, "tag\na\n".encode("utf-16"), "rows.csv is UTF-16"),
        (HANDLES, 'x,item_handle\n"two\nlines",5\n,0\n', "rows.csv:4: item_handle is '0'"),
        (HANDLES, "item_handle\n5\n6\n5\n", "rows.csv:4: 5 is already in line 2"),
        (TAG_WRITE, "tag,type,value\na,int32,1\n a ,int32,2\n", "rows.csv:3: 'a' is already in line 2"),
        (WRITE, HEADER + "1,int32,x\n", "rows.csv:2: value is 'x', not a whole number"),
        (WRITE, HEADER + "1,int8,1\n", "rows.csv:2: type 'int8' is unknown"),
        (WRITE, HEADER + "1,,1\n", "rows.csv:2: type is missing"),
        (WRITE, "item_handle;type;value\n1;int32;5\n", "rows.csv:2: 'item_handle;type;value' is not a column of this command"),
        (WRITE, "item_handle,type,value,timestamp\n1,int32,5,\n", "'timestamp' is not a column of this command"),
        (WRITE, "item_handle,type,value,user_id\n1,int32,5,x\n", "user_id is 'x'"),
        (WRITE, "item_handle,type\n1,int32\n", "value is missing"),
        (WRITE2, "item_handle,type,value,timestamp\n1,int32,5,2026-03-01T08:30:00\n", "without a time zone"),
    ],
)  # fmt: skip
async def test_a_bad_row_of_csv_is_named_by_file_and_line(
    tmp_path: Path, wanted: Wanted, text: str | bytes, says: str
) -> None:
    assert says in await refusal(tmp_path, wanted, text)


@each_row(
    ("wanted", "text", "says"),
    [
        (TAGS, "\n\n", "rows.jsonl has no entries"),
        (TAGS, '{"tag": "a"}\n{"tag": \n', "rows.jsonl:2: not valid JSON: Expecting value at column"),
        (TAGS, '"a"\n', "rows.jsonl:1: not a JSON object"),
        (TAGS, '{"tag": "a", "tag": "b"}\n', "rows.jsonl:1: not valid JSON: tag occurs twice"),
        (TAGS, '{"tag": "a", "tagAddress": "b"}\n', "rows.jsonl:1: tag occurs twice"),
        (TAGS, '{"tag": null}\n', "rows.jsonl:1: tag is None, not a string"),
        (TAGS, "[" * 100_000, "rows.jsonl:1: not valid JSON: it is nested too deeply"),
        (TAGS, "9" * 5_000, "rows.jsonl:1: not valid JSON: a number of 5000 digits is beyond 64 bits"),
        (TAGS, b'{"tag": "\xff"}\n', "rows.jsonl:1: not valid UTF-8"),
        (WRITE, '{"itemHandle": 1, "value": {}}', "value is an empty object"),
        (WRITE, '{"itemHandle": 1, "value": {"int33Value": 1}}', "value is not an MxValue"),
        (WRITE, '{"itemHandle": 1, "value": {"stringValue": "\\u0000"}}', "value contains a NUL character"),
        (WRITE2, '{"itemHandle": 1, "type": "int32", "value": 1, "timestamp": 5}', "timestamp is 5, not a string"),
    ],
)
async def test_a_bad_line_of_json_is_named_by_file_and_line(
    tmp_path: Path, wanted: Wanted, text: str | bytes, says: str
) -> None:
    assert says in await refusal(tmp_path, wanted, text, "jsonl")


async def test_ten_bad_rows_are_named_and_the_others_counted(tmp_path: Path) -> None:
    text = HEADER + "".join(f"{i},int32,{'x' if i % 2 else i}\n" for i in range(1, 31))

    message = await refusal(tmp_path, WRITE, text)

    assert message.startswith("15 of 30 entries are invalid: rows.csv:2: value is 'x'")
    assert message.count("rows.csv:") == 10
    assert message.endswith("; and 5 more")


async def test_a_value_that_no_message_holds_is_refused_with_its_line(tmp_path: Path) -> None:
    fits, too_large = "a" * (15 * 1024 * 1024), "b" * (16 * 1024 * 1024)
    entries = await from_text(tmp_path, WRITE, f"{HEADER}1,string,{fits}\n")
    message = await refusal(tmp_path, WRITE, f"{HEADER}1,string,a\n2,string,{too_large}\n")
    of_json = await refusal(
        tmp_path, WRITE, json.dumps({"itemHandle": 1, "value": {"stringValue": too_large}}), "jsonl"
    )

    assert len(entries) == 1
    assert message.startswith("rows.csv:3: value has 1677")
    assert of_json.startswith("rows.jsonl:1: value has 1677")
    assert "rows.csv:2: tag has 16777216 bytes" in await refusal(tmp_path, TAGS, f"tag\n{too_large}\n")


async def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    text = b"tag\na\n" + b"x" * (33 * 1024 * 1024)

    assert "rows.csv:3: the line is longer than" in await refusal(tmp_path, TAGS, text)


@pytest.mark.parametrize("stdin", [None, "closed"])
async def test_a_closed_stdin_is_told(monkeypatch: pytest.MonkeyPatch, stdin: str | None) -> None:
    closed = io.TextIOWrapper(io.BytesIO())
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed if stdin else None)

    with pytest.raises(BadRows, match="stdin is closed"):
        await read_entries(TAGS, Given(sources=("-",), source_format="csv"))


async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRows, match=r"nowhere\.csv cannot be read"):
        await read_entries(TAGS, Given(sources=(str(tmp_path / "nowhere.csv"),)))


async def test_a_hundred_thousand_rows_are_read(tmp_path: Path) -> None:
    text = "tag\n" + "".join(f"Plant_{i:06}.Value\n" for i in range(100_000))

    entries = await from_text(tmp_path, TAGS, text)

    assert len(entries) == 100_000
    assert (entries.tags[0], entries.tags[-1]) == ("Plant_000000.Value", "Plant_099999.Value")


async def test_the_rows_of_several_files_are_one_list(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.jsonl"
    first.write_text("item_handle\n7\n8\n")
    second.write_text('{"item_handle": 9}\n')
    entries = await read_entries(HANDLES, Given(sources=(str(first), str(second))))
    assert entries.handles == [7, 8, 9]

    second.write_text('{"item_handle": 9}\n{"item_handle": 8}\n')
    with pytest.raises(BadRows) as caught:
        await read_entries(HANDLES, Given(sources=(str(first), str(second))))
    assert caught.value.message == f"{second}:2: 8 is already in {first}:3; give each item once"
