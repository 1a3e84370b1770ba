"""pydantic writes the library's records as JSON, with every digit; this library never imports it."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

import mxgateway
from mxgateway import (
    ConnectionChange,
    Gap,
    GapCause,
    MxGatewayTransportError,
    Origin,
    SubscriptionState,
    TagUpdate,
    TagValue,
    Timestamp,
    from_mx_value,
    proto,
)  # fmt: skip
from tests.rows import each_row

pydantic = pytest.importorskip("pydantic")

TIME = Timestamp(2026, 3, 1, 8, 30, nanosecond=700)
STATUS = proto.MxStatusProxy(success=-1, category=proto.MxStatusCategory.OK)
RAW = from_mx_value(proto.MxValue(raw_value=b"\xff", variant_type="VT_RECORD", raw_data_type=99))
UPDATE = TagUpdate("a.b", 1.5, 192, TIME, 1, Origin.LIVE, (STATUS,))


def written(record: Any) -> Any:
    return json.loads(pydantic.TypeAdapter(type(record)).dump_json(record))


def test_an_update_is_written_with_every_digit() -> None:
    assert written(UPDATE) == {
        "tag": "a.b", "value": 1.5, "quality": 192, "source_time": "2026-03-01T08:30:00.000000700Z", "worker_sequence": 1,
        "origin": "live", "statuses": [{"success": -1, "category": "MX_STATUS_CATEGORY_OK"}], "conflated": 0,
    }  # fmt: skip


def test_every_kind_of_value_is_written() -> None:
    for value, text in (
        (True, True), (5, 5), ("x", "x"), (None, None), (TIME, "2026-03-01T08:30:00.000000700Z"), (b"\xff", "_w=="),
        ([1, 2], [1, 2]), ([[1.5], [2.5]], [[1.5], [2.5]]), ([TIME], ["2026-03-01T08:30:00.000000700Z"]),
        (float("nan"), None),
    ):  # fmt: skip
        update: Any = dataclasses.replace(UPDATE, value=value)  # type: ignore[arg-type]
        assert written(update)["value"] == text
    found = written(dataclasses.replace(UPDATE, value=RAW))["value"]
    assert (found["raw_data_type"], found["raw_value"]) == (99, "_w==")
    assert found["message"]["variantType"] == "VT_RECORD"


def test_other_records_are_written() -> None:
    value = TagValue("a", 1.5, 192, TIME, proto.MxDataType.DOUBLE, True, False, "", (STATUS,))
    assert written(value)["data_type"] == "MX_DATA_TYPE_DOUBLE"
    assert written(Gap(1, 2, GapCause.REPLAY, 2))["cause"] == "replay"
    cause = MxGatewayTransportError("gone")
    change = ConnectionChange(SubscriptionState.RECOVERING, cause, None, datetime(2026, 3, 1, tzinfo=UTC))
    assert written(change)["cause"] == str(cause)
    assert written(proto.MxDataType.DOUBLE) == "MX_DATA_TYPE_DOUBLE"
    assert written(proto.MxEvent(worker_sequence=3)) == {"workerSequence": "3"}


RECORDS = [getattr(mxgateway, name) for name in mxgateway.__all__ if dataclasses.is_dataclass(getattr(mxgateway, name))]
OTHERS = [mxgateway.Timestamp, mxgateway.MxGatewayError, mxgateway.PartialBulk, proto.MxEvent, proto.MxDataType]


@each_row("record", [*RECORDS, *OTHERS])
def test_pydantic_knows_every_record(record: Any) -> None:
    adapter = pydantic.TypeAdapter(record)
    assert adapter.core_schema
    if record is not mxgateway.ClientOptions:  # a tracer has no JSON form
        assert adapter.json_schema(mode="serialization")


OPTIONS = [record for record in RECORDS if record.__name__.endswith("Options")]


@each_row("options", OPTIONS)
def test_options_are_written_and_read(options: Any) -> None:
    adapter = pydantic.TypeAdapter(options)
    assert adapter.validate_python(adapter.dump_python(options(), round_trip=True)) == options()
    assert set(written(options())) == {field.name for field in dataclasses.fields(options)}


def test_no_secret_is_written() -> None:
    tls = mxgateway.TlsOptions(client_cert="a", client_key="b", client_key_password="v3ry-secret")
    proxy = "http://op:v3ry-secret@proxy:1"
    for record in (mxgateway.ClientOptions(api_key="mxgw_a_v3ry-secret", proxy=proxy, tls=tls), tls):
        found = json.dumps(written(record))
        assert "v3ry-secret" not in found
        assert "***" in found


def test_the_schema_of_an_update_says_what_is_written() -> None:
    found = pydantic.TypeAdapter(TagUpdate).json_schema(mode="serialization")["properties"]
    assert found["source_time"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert found["statuses"]["type"] == "array"
    assert found["origin"] == {"$ref": "#/$defs/Origin"}
