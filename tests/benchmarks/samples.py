"""Sample messages like a busy plant's and a real galaxy's, made by google.protobuf or either betterproto."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import mxgateway.contract
from mxgateway import proto, wire
from tests.peers.grpcio_sessions import ok_status, protocol_status, serialize
from tests.peers.protobuf_messages import shipped_contract

SESSION_ID: Final = "session-0d9c2b64f5e84f7ab7f0b9a1c2d3e4f5"
ITEMS: Final = 250
START_SECONDS: Final = 1_795_000_000

contract: Any = shipped_contract()


def events(items: int = ITEMS) -> Iterator[bytes]:
    """Yield endless OnDataChange events: doubles of good quality, times with a 100 ns digit, sequences from 1."""
    event = contract.MxEvent(
        family=contract.number("MX_EVENT_FAMILY_ON_DATA_CHANGE"),
        session_id=SESSION_ID,
        server_handle=1,
        quality=192,
        statuses=[ok_status()],
        value=contract.MxValue(data_type=contract.number("MX_DATA_TYPE_DOUBLE"), variant_type="VT_R8", double_value=0),
    )
    event.on_data_change.SetInParent()
    times = (event.source_timestamp, event.worker_timestamp, event.gateway_receive_timestamp)
    sequence = 0
    while True:
        sequence += 1
        event.worker_sequence = sequence
        event.item_handle = 1 + sequence % items
        event.value.double_value = 20 + sequence % 9973 / 7
        for delay, stamp in enumerate(times):
            stamp.seconds = START_SECONDS + sequence // 5000
            stamp.nanos = sequence % 5000 * 200_000 + delay * 23_700
        yield serialize(event)


def by_contract(contract_file: Path, events: Iterable[bytes]) -> Iterator[bytes]:
    """Convert events to another contract with the same names."""
    bound = mxgateway.contract.Contract.load(contract_file)
    return (bound.encode(wire.decode(proto.MxEvent, event)) for event in events)


def add_item_reply() -> bytes:
    """Return the reply to AddItem."""
    reply = _ok_reply("ADD_ITEM")
    reply.add_item.item_handle = 17
    return serialize(reply)


def register_reply() -> bytes:
    """Return the reply to Register."""
    reply = _ok_reply("REGISTER")
    reply.register.server_handle = 1
    return serialize(reply)


def bulk_reply(arm: str, entries: int) -> bytes:
    """Return the reply to a bulk command in which every entry succeeded.

    Args:
        arm: subscribe_bulk, read_bulk or write_bulk.
        entries: The number of results. Those of read_bulk alternate between doubles and integers.
    """
    reply = _ok_reply(arm.upper())
    results = getattr(reply, arm).results
    for number in range(1, entries + 1):
        result = results.add(server_handle=1, item_handle=number, was_successful=True)
        if arm == "write_bulk":
            result.hresult = 0
        else:
            result.tag_address = f"TankFarm01_Tank_{number:03}.Level3.PV"
        if arm == "read_bulk":
            result.quality, result.was_cached = 192, True
            result.value.CopyFrom(_value(number))
            result.source_timestamp.seconds = START_SECONDS
            result.source_timestamp.nanos = number * 23_700
            result.statuses.append(ok_status())
    return serialize(reply)


def _value(number: int) -> Any:
    kinds = contract.number
    if number % 2:
        return contract.MxValue(data_type=kinds("MX_DATA_TYPE_DOUBLE"), variant_type="VT_R8", double_value=number / 7)
    return contract.MxValue(data_type=kinds("MX_DATA_TYPE_INTEGER"), variant_type="VT_I4", int32_value=number)


def _ok_reply(kind: str) -> Any:
    return contract.MxCommandReply(
        session_id=SESSION_ID,
        correlation_id="5f0c1d9e7a3b4c2d8e6f",
        kind=contract.number(f"MX_COMMAND_KIND_{kind}"),
        protocol_status=protocol_status("OK"),
        hresult=0,
        statuses=[ok_status()],
    )


def command_reply(request: bytes) -> tuple[bytes, bool]:
    """Return the reply to a command of a subscription, and whether it was SubscribeBulk, whose handles start at 1."""
    command = contract.MxCommandRequest.FromString(request).command
    reply = contract.MxCommandReply(
        session_id=SESSION_ID, kind=command.kind, protocol_status=protocol_status("OK"), hresult=0
    )
    subscribes = command.HasField("subscribe_bulk")
    if subscribes:
        for handle, tag in enumerate(command.subscribe_bulk.tag_addresses, 1):
            reply.subscribe_bulk.results.add(server_handle=1, tag_address=tag, item_handle=handle, was_successful=True)
    elif command.HasField("register"):
        reply.register.server_handle = 1
    return serialize(reply), subscribes


def close_session_reply() -> bytes:
    """Return the reply to CloseSession."""
    state = contract.number("SESSION_STATE_CLOSED")
    return serialize(
        contract.CloseSessionReply(session_id=SESSION_ID, final_state=state, protocol_status=protocol_status("OK"))
    )


def open_session_reply() -> bytes:
    """Return the reply to OpenSession."""
    reply = contract.OpenSessionReply(
        session_id=SESSION_ID,
        backend_name="mxaccess-worker",
        worker_process_id=4711,
        worker_protocol_version=1,
        gateway_protocol_version=3,
        capabilities=["unary-acknowledge-alarm", "server-stream-active-alarms"],
        protocol_status=protocol_status("OK"),
    )
    reply.default_command_timeout.FromSeconds(30)
    return serialize(reply)


def page_end(token: str, total: int) -> bytes:
    """Return the fields of a DiscoverHierarchyReply that follow its objects."""
    return serialize(contract.DiscoverHierarchyReply(next_page_token=token, total_object_count=total))


def hierarchy_page(objects: int, attributes: int) -> bytes:
    """Return a DiscoverHierarchyReply with that many objects, and that many attributes in each."""
    return page_objects(0, objects, attributes) + page_end(str(objects), 10 * objects)


def page_objects(first: int, objects: int, attributes: int) -> bytes:
    """Return the objects of a DiscoverHierarchyReply.

    Args:
        first: The number of the first one.
        objects: The number of objects.
        attributes: Attributes per object.
    """
    page = contract.DiscoverHierarchyReply()
    for number in range(first, first + objects):
        tag = f"TankFarm{number // 50:02}_Tank_{number:03}"
        galaxy_object = page.objects.add(
            gobject_id=1000 + number,
            tag_name=tag,
            contained_name=f"Tank_{number:03}",
            browse_name=f"Tank {number}",
            parent_gobject_id=100 + number // 50,
            category_id=10,
            hosted_by_gobject_id=7,
            template_chain=["$TankFarmTank", "$Tank", "$UserDefined"],
        )
        for index in range(attributes):
            galaxy_object.attributes.add(
                attribute_name=f"Level{index}.PV",
                full_tag_reference=f"{tag}.Level{index}.PV",
                mx_data_type=4,
                data_type_name="Double",
                mx_attribute_category=2,
                security_classification=1,
                is_historized=index % 2 == 0,
                is_alarm=index % 5 == 0,
            )
    return serialize(page)


def write_bulk(module: Any, entries: int) -> Any:
    """Return a WriteBulk request as a caller builds it: doubles and integers alternate.

    Args:
        module: The module of the message classes: our bindings, or betterproto's own.
        entries: The number of values.
    """
    return module.MxCommandRequest(
        session_id=SESSION_ID,
        client_correlation_id="5f0c1d9e7a3b4c2d8e6f",
        command=module.MxCommand(
            kind=module.MxCommandKind.WRITE_BULK,
            write_bulk=module.WriteBulkCommand(
                server_handle=1, entries=[_entry(module, number) for number in range(1, entries + 1)]
            ),
        ),
    )


def _entry(module: Any, number: int) -> Any:
    kinds = module.MxDataType
    if number % 2:
        value = module.MxValue(data_type=kinds.DOUBLE, variant_type="VT_R8", double_value=number / 7)
    else:
        value = module.MxValue(data_type=kinds.INTEGER, variant_type="VT_I4", int32_value=number)
    return module.WriteBulkEntry(item_handle=number, value=value, user_id=5)
