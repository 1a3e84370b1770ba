"""What a gateway lacks, adds or types otherwise, row by row: bound by name, refused before anything is sent, or refused when it is bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mxgateway import GatewayClient, MxGatewayContractError, Session, proto, to_json_dict
from mxgateway.contract import Contract
from mxgateway.simulator import SimulatedGateway
from mxgateway.wire import has_field, which_one_of
from tests.client.support import TAG, connect
from tests.contract.binding.test_binding import FIELD, GATEWAY, Variant
from tests.rows import each_row

GALAXY = "galaxy_repository.v1"
Change = Callable[[Variant], Any]
MANY = 120
"""Times that a message is made, by the reference code first and then by the compiled one."""


# -- what the gateway lacks, through the client


def without_field(message: str, name: str) -> Change:
    return lambda variant: variant.remove(message, name)


def without_value(enum: str, name: str) -> Change:
    def change(variant: Variant) -> None:
        values = variant.enum(enum).value
        values.remove(next(each for each in values if each.name == name))

    return change


def without_call(service: str, name: str) -> Change:
    def change(variant: Variant) -> None:
        (found,) = (each for file in variant.files.file for each in file.service if each.name == service)
        found.method.remove(next(each for each in found.method if each.name == name))

    return change


def streaming_call(variant: Variant) -> None:
    (service,) = (each for each in variant.file.service)
    next(each for each in service.method if each.name == "AcknowledgeAlarm").server_streaming = True


Call = Callable[[GatewayClient, Session], Awaitable[Any]]
LACKING: dict[str, tuple[Change, Call, str]] = {
    "a field": (without_field("WriteCommand", "user_id"), lambda client, session: session.write(1, 2, 3, user_id=9), "no field WriteCommand.user_id"),
    "a field of a bulk's entry": (without_field("WriteBulkEntry", "user_id"), lambda client, session: session.write_bulk(1, [2], [3], user_id=9), "no field WriteBulkEntry.user_id"),
    "a kind of value": (without_field("MxValue", "double_value"), lambda client, session: session.write(1, 2, 2.5), "no field MxValue.double_value"),
    "a command": (without_field("MxCommand", "add_item2"), lambda client, session: session.add_item2(1, "TestInt", "TestChildObject"), "no field MxCommand.add_item2"),
    "a command's kind": (without_value("MxCommandKind", "MX_COMMAND_KIND_ADVISE_SUPERVISORY"), lambda client, session: session.advise_supervisory(1, 2), "no value MX_COMMAND_KIND_ADVISE_SUPERVISORY"),
    "a type of data": (without_value("MxDataType", "MX_DATA_TYPE_DOUBLE"), lambda client, session: session.write(1, 2, 2.5), "no value MX_DATA_TYPE_DOUBLE"),
    "a call": (without_call("MxAccessGateway", "AcknowledgeAlarm"), lambda client, session: client.acknowledge_alarm("Galaxy!Area.Tank.HiHi"), "no call MxAccessGateway/AcknowledgeAlarm"),
    "a call of the galaxy": (without_call("GalaxyRepository", "BrowseChildren"), lambda client, session: client.galaxy.browse(), "no call GalaxyRepository/BrowseChildren"),
    "a stream": (without_call("MxAccessGateway", "QueryActiveAlarms"), lambda client, session: client.query_active_alarms(), "no call MxAccessGateway/QueryActiveAlarms"),
    "a call of this form": (streaming_call, lambda client, session: client.acknowledge_alarm("Galaxy!Area.Tank.HiHi"), "no call MxAccessGateway/AcknowledgeAlarm"),
    "a filter of the galaxy": (
        lambda variant: galaxy_message(variant, "DiscoverHierarchyRequest").field.remove(next(each for each in galaxy_message(variant, "DiscoverHierarchyRequest").field if each.name == "category_ids")),
        lambda client, session: client.galaxy.discover_hierarchy(category_ids=[10]), "no field DiscoverHierarchyRequest.category_ids",
    ),
}  # fmt: skip


def galaxy_message(variant: Variant, name: str) -> Any:
    return next(
        each for file in variant.files.file if file.package == GALAXY for each in file.message_type if each.name == name
    )


@each_row("name", LACKING)
async def test_what_the_gateway_lacks_is_named_before_anything_is_sent(name: str) -> None:
    change, call, text = LACKING[name]
    variant = Variant()
    change(variant)
    contract = variant.contract
    async with (
        SimulatedGateway(contract=contract) as gateway,
        connect(gateway, contract=contract) as client,
        client.open_session() as session,
    ):
        before = len(gateway.received)
        for _ in range(3):
            with pytest.raises(MxGatewayContractError) as caught:
                await call(client, session)
            assert f"the gateway's contract has {text}" in str(caught.value)
            assert "nothing was sent; do without it" in str(caught.value)
            assert caught.value.endpoint == gateway.endpoint
            assert not caught.value.retryable
        assert len(gateway.received) == before
        server = await session.register("svc")  # and all else works
        item = await session.add_item(server, TAG)
        await session.advise(server, item)
        await session.write_confirmed(server, item, 3, timeout=5)


async def test_a_stream_of_events_that_the_gateway_lacks_is_named() -> None:
    variant = Variant()
    without_call("MxAccessGateway", "StreamEvents")(variant)
    contract = variant.contract
    async with (
        SimulatedGateway(contract=contract) as gateway,
        connect(gateway, contract=contract) as client,
        client.open_session() as session,
    ):
        with pytest.raises(MxGatewayContractError, match="no call MxAccessGateway/StreamEvents"):
            async with session.stream_events() as events:
                await anext(events)
        with pytest.raises(MxGatewayContractError, match="no call MxAccessGateway/StreamEvents"):
            async with client.subscribe([TAG]) as updates:
                async for _ in updates:
                    pass


async def test_a_package_of_another_name_is_all_that_is_lacking() -> None:
    variant = Variant()
    data = variant.files.SerializeToString().replace(b"mxaccess_gateway.v1", b"mxaccess_gateway.v9")
    contract = Contract.load(data)
    async with SimulatedGateway() as gateway:
        with pytest.raises(MxGatewayContractError, match="no call MxAccessGateway/OpenSession"):
            async with connect(gateway, contract=contract) as client, client.open_session():
                pass
        assert not gateway.received


def test_what_is_lacking_reads_as_the_default() -> None:
    variant = Variant()
    for message, name in (("MxEvent", "quality"), ("MxEvent", "value"), ("MxEvent", "statuses"), ("MxEvent", "family")):
        variant.remove(message, name)
    contract = variant.contract
    for _ in range(MANY):
        event = contract.decode(proto.MxEvent, variant.theirs("MxEvent", item_handle=4).SerializeToString())
        assert (event.item_handle, event.quality, event.statuses) == (4, 0, [])
        assert event.family == proto.MxEventFamily.UNSPECIFIED
        assert not has_field(event, "value")


# -- other types

INTEGERS = (
    FIELD.TYPE_INT32, FIELD.TYPE_INT64, FIELD.TYPE_UINT32, FIELD.TYPE_UINT64, FIELD.TYPE_SINT32, FIELD.TYPE_SINT64,
    FIELD.TYPE_FIXED32, FIELD.TYPE_FIXED64, FIELD.TYPE_SFIXED32, FIELD.TYPE_SFIXED64,
)  # fmt: skip
FLOATS = (FIELD.TYPE_DOUBLE, FIELD.TYPE_FLOAT)
CONVERTS: list[tuple[str, str, tuple[int, ...], list[Any]]] = [
    ("MxEvent", "item_handle", INTEGERS, [0, 1, 127, 128, 2**31 - 1]),
    ("MxEvent", "worker_sequence", INTEGERS, [1, 2**20]),
    ("MxValue", "int64_value", INTEGERS, [0, 5]),
    ("MxValue", "int32_value", (*INTEGERS, FIELD.TYPE_BOOL), [0, 1]),
    ("MxValue", "bool_value", (*INTEGERS, FIELD.TYPE_BOOL), [False, True]),
    ("MxValue", "double_value", FLOATS, [0.0, -0.0, 0.5, -2.0]),
    ("MxValue", "float_value", FLOATS, [0.0, 0.5, -2.0]),
    ("MxValue", "string_value", (FIELD.TYPE_STRING, FIELD.TYPE_BYTES), ["", "Süd"]),
    ("MxEvent", "session_id", (FIELD.TYPE_STRING, FIELD.TYPE_BYTES), ["s", "Süd"]),
    ("Int32Array", "values", INTEGERS, [[], [0], [1, 2, 300]]),
    ("BoolArray", "values", (*INTEGERS, FIELD.TYPE_BOOL), [[True, False]]),
    ("DoubleArray", "values", FLOATS, [[0.5, -1.0]]),
    ("StringArray", "values", (FIELD.TYPE_STRING, FIELD.TYPE_BYTES), [["a", "", "ü"]]),
]


def as_kind(kind: int, value: Any) -> Any:
    """Return a value of ours as google.protobuf wants it for a kind of theirs."""
    if isinstance(value, str):
        return value.encode() if kind == FIELD.TYPE_BYTES else value
    return value if kind in (*FLOATS, FIELD.TYPE_BOOL) else int(value)


@each_row(("message", "name", "kinds", "values"), CONVERTS)
def test_types_of_one_family_are_each_others(
    message: str, name: str, kinds: tuple[int, ...], values: list[Any]
) -> None:
    message_type = getattr(proto, message)
    for kind in kinds:
        for packed in (True, False):
            variant = Variant()
            variant.field(message, name).type = kind
            if variant.field(message, name).label == FIELD.LABEL_REPEATED and kind not in (
                FIELD.TYPE_STRING,
                FIELD.TYPE_BYTES,
            ):
                variant.field(message, name).options.packed = packed
            contract = variant.contract
            google = variant.google(f"{GATEWAY}.{message}")
            for value in values:
                theirs = [as_kind(kind, each) for each in (value if isinstance(value, list) else [value])]
                expected = google(**{name: theirs if isinstance(value, list) else theirs[0]}).SerializeToString(
                    deterministic=True
                )
                for _ in range(MANY if value == values[-1] else 1):
                    data = contract.encode(message_type(**{name: value}))
                    assert data == expected, (kind, value)
                    found = getattr(contract.decode(message_type, data), name)
                    assert found == value
                    assert type(found) is type(value)


def scalar(field: Any, kind: int) -> None:
    field.ClearField("type_name")
    field.type = kind


MISFITS: dict[str, tuple[Change, str]] = {
    "text for a number": (lambda v: setattr(v.field("MxEvent", "quality"), "type", FIELD.TYPE_STRING), r"MxEvent.quality is singular int32 here and singular string there"),
    "a number for text": (lambda v: setattr(v.field("MxEvent", "session_id"), "type", FIELD.TYPE_INT32), r"MxEvent.session_id is singular string here and singular int32 there"),
    "a float for an integer": (lambda v: setattr(v.field("MxEvent", "quality"), "type", FIELD.TYPE_DOUBLE), r"MxEvent.quality is singular int32 here and singular double there"),
    "a list for one": (lambda v: setattr(v.field("MxEvent", "quality"), "label", FIELD.LABEL_REPEATED), r"MxEvent.quality is singular int32 here and repeated int32 there"),
    "one for a list": (lambda v: setattr(v.field("MxEvent", "statuses"), "label", FIELD.LABEL_OPTIONAL), r"MxEvent.statuses is repeated message .* here and singular message .* there"),
    "another message": (lambda v: setattr(v.field("MxEvent", "value"), "type_name", f".{GATEWAY}.MxStatusProxy"), r"MxEvent.value is .*MxValue here and .*MxStatusProxy there"),
    "bytes for a message": (lambda v: scalar(v.field("MxEvent", "value"), FIELD.TYPE_BYTES), r"MxEvent.value is .*MxValue here and singular bytes there"),
    "another time": (lambda v: setattr(v.field("MxEvent", "worker_timestamp"), "type_name", ".google.protobuf.Duration"), r"MxEvent.worker_timestamp is .*Timestamp here and .*Duration there"),
    "a number for a time": (lambda v: scalar(v.field("MxEvent", "worker_timestamp"), FIELD.TYPE_INT64), r"MxEvent.worker_timestamp is .*Timestamp here and singular int64 there"),
}  # fmt: skip


@each_row("name", MISFITS)
def test_types_that_cannot_be_each_others_are_refused_when_they_are_bound(name: str) -> None:
    change, text = MISFITS[name]
    variant = Variant()
    change(variant)
    with pytest.raises(MxGatewayContractError, match=text) as caught:
        _ = variant.contract.codec
    assert "the contract does not fit this client" in str(caught.value)
    with pytest.raises(MxGatewayContractError, match=text):
        GatewayClient.connect("localhost:1", plaintext=True, contract=variant.contract).__await__().send(None)


def test_a_wrapper_of_another_kind_is_refused() -> None:
    variant = Variant()
    field = next(each for each in galaxy_message(variant, "DiscoverHierarchyRequest").field if each.name == "max_depth")
    field.type_name = ".google.protobuf.Int64Value"
    with pytest.raises(MxGatewayContractError, match=r"max_depth is .*Int32Value here and .*Int64Value there"):
        _ = variant.contract.codec


# -- what the gateway adds


def test_a_member_that_a_oneof_gains_is_none_of_ours_and_stays() -> None:
    variant = Variant()
    owner = variant.message("MxValue")
    index = variant.field("MxValue", "int32_value").oneof_index
    owner.field.add(
        name="guid_value",
        number=1999,
        type=FIELD.TYPE_STRING,
        label=FIELD.LABEL_OPTIONAL,
        oneof_index=index,
        json_name="guidValue",
    )
    contract = variant.contract
    data = variant.theirs("MxValue", guid_value="7f", variant_type="VT_CLSID").SerializeToString(deterministic=True)
    for _ in range(MANY):
        value = contract.decode(proto.MxValue, data)
        assert which_one_of(value, variant.message("MxValue").oneof_decl[index].name) == ""
        assert contract.extra(value) == {"guid_value": "7f"}
        assert to_json_dict(value)["guidValue"] == "7f"
        assert contract.encode(value) == data


def test_maps_lists_and_types_within_types_that_are_added_are_read_by_name() -> None:
    variant = Variant()
    owner = variant.message("OpenSessionReply")
    entry = owner.nested_type.add(name="LimitsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=FIELD.TYPE_STRING, label=FIELD.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=FIELD.TYPE_SINT64, label=FIELD.LABEL_OPTIONAL)
    scope = f".{GATEWAY}.OpenSessionReply"
    owner.field.add(
        name="limits", number=900, type=FIELD.TYPE_MESSAGE, label=FIELD.LABEL_REPEATED, type_name=f"{scope}.LimitsEntry"
    )
    inner = owner.nested_type.add(name="Site")
    inner.field.add(name="name", number=3, type=FIELD.TYPE_STRING, label=FIELD.LABEL_OPTIONAL)
    inner.enum_type.add(name="Zone").value.add(name="ZONE_A", number=0)
    inner.enum_type[0].value.add(name="ZONE_B", number=7)
    inner.field.add(
        name="zones", number=4, type=FIELD.TYPE_ENUM, label=FIELD.LABEL_REPEATED, type_name=f"{scope}.Site.Zone"
    )
    owner.field.add(
        name="site", number=901, type=FIELD.TYPE_MESSAGE, label=FIELD.LABEL_OPTIONAL, type_name=f"{scope}.Site"
    )
    owner.field.add(
        name="depth",
        number=902,
        type=FIELD.TYPE_MESSAGE,
        label=FIELD.LABEL_OPTIONAL,
        type_name=".google.protobuf.Int32Value",
    )
    contract = variant.contract
    theirs = variant.theirs(
        "OpenSessionReply",
        session_id="s",
        limits={"a": -3, "b": 2**40},
        site={"name": "Süd", "zones": [7, 0, 9]},
        depth={"value": 5},
    )
    data = theirs.SerializeToString(deterministic=True)
    reply = contract.decode(proto.OpenSessionReply, data)
    assert contract.extra(reply) == {
        "limits": {"a": -3, "b": 2**40},
        "site": {"name": "Süd", "zones": ["ZONE_B", "ZONE_A", 9]},
        "depth": 5,
    }
    assert contract.encode(reply) == data


def test_presence_goes_by_each_sides_own_contract() -> None:
    """`optional` says whether a zero is told; it changes no byte of what is told."""
    variant = Variant()
    field = variant.field("MxEvent", "quality")
    field.proto3_optional = True
    variant.message("MxEvent").oneof_decl.add(name="_quality")
    field.oneof_index = len(variant.message("MxEvent").oneof_decl) - 1
    contract = variant.contract
    assert (
        contract.decode(proto.MxEvent, variant.theirs("MxEvent", quality=0, item_handle=1).SerializeToString()).quality
        == 0
    )
    assert contract.encode(proto.MxEvent(quality=7)) == variant.theirs("MxEvent", quality=7).SerializeToString()


def test_an_enum_of_another_name_with_the_same_values_is_the_same() -> None:
    variant = Variant()
    made = variant.file.enum_type.add()
    made.CopyFrom(variant.enum("MxEventFamily"))
    made.name = "PlantFamily"
    for value in made.value:
        value.number *= 10
        value.name = value.name
    variant.file.enum_type.remove(variant.enum("MxEventFamily"))
    for each in variant.file.message_type:
        for field in each.field:
            if field.type_name == f".{GATEWAY}.MxEventFamily":
                field.type_name = f".{GATEWAY}.PlantFamily"
    data = variant.contract.encode(proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE))
    assert data == variant.theirs("MxEvent", family=10).SerializeToString()
    assert variant.contract.decode(proto.MxEvent, data).family is proto.MxEventFamily.ON_DATA_CHANGE
