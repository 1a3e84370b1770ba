"""A contract is bound by name: what it adds is kept, what it lacks is refused before anything is sent, other types work where they can."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from google.protobuf import descriptor_pb2

from mxgateway import MxGatewayContractError, proto, to_json_dict
from mxgateway.contract import Contract
from mxgateway.wire import WireError, decode, encode, has_field
from tests.wire.compiling import Google

FIELD = descriptor_pb2.FieldDescriptorProto
GATEWAY = "mxaccess_gateway.v1"


class Variant:
    """The built-in contract, to be changed and bound."""

    def __init__(self) -> None:
        self.files = descriptor_pb2.FileDescriptorSet.FromString(Contract.builtin().descriptor_set)
        self.file = next(each for each in self.files.file if each.package == GATEWAY)

    def message(self, name: str) -> Any:
        return next(each for each in self.file.message_type if each.name == name)

    def field(self, message: str, name: str) -> Any:
        return next(each for each in self.message(message).field if each.name == name)

    def enum(self, name: str) -> Any:
        return next(each for each in self.file.enum_type if each.name == name)

    def remove(self, message: str, name: str) -> None:
        self.message(message).field.remove(self.field(message, name))

    @property
    def contract(self) -> Contract:
        return Contract.load(self.files.SerializeToString())

    @property
    def google(self) -> Google:
        return Google(self.files)

    def theirs(self, message: str, **fields: Any) -> Any:
        return self.google(f"{GATEWAY}.{message}")(**fields)


@pytest.fixture
def variant() -> Variant:
    return Variant()


def test_the_built_in_contract_is_the_codec_of_the_package() -> None:
    event = proto.MxEvent(quality=192, worker_sequence=3)
    assert Contract.builtin().encode(event) == encode(event)
    assert Contract.builtin().codec is Contract.builtin().codec


def test_a_field_that_the_gateway_adds_is_kept_named_and_sent_back(variant: Variant) -> None:
    added = variant.message("MxEvent").field
    added.add(name="site_code", number=90, type=FIELD.TYPE_STRING, label=FIELD.LABEL_OPTIONAL, json_name="siteCode")
    added.add(name="marks", number=91, type=FIELD.TYPE_INT64, label=FIELD.LABEL_REPEATED, json_name="marks")
    added.add(name="last_kind", number=92, type=FIELD.TYPE_ENUM, type_name=f".{GATEWAY}.MxEventFamily",
              label=FIELD.LABEL_OPTIONAL, json_name="lastKind")  # fmt: skip
    added.add(name="status", number=93, type=FIELD.TYPE_MESSAGE, type_name=f".{GATEWAY}.MxStatusProxy",
              label=FIELD.LABEL_OPTIONAL, json_name="status")  # fmt: skip
    their_event = variant.theirs(
        "MxEvent", quality=192, site_code="Süd", marks=[1, 2**40], last_kind=3, status={"success": -1, "detail": 7}
    )
    data = their_event.SerializeToString(deterministic=True)
    contract = variant.contract

    event = contract.decode(proto.MxEvent, data)

    assert event.quality == 192
    assert contract.extra(event) == {
        "site_code": "Süd", "marks": [1, 2**40], "last_kind": proto.MxEventFamily(3).name and "MX_EVENT_FAMILY_OPERATION_COMPLETE",
        "status": {"success": -1, "detail": 7},
    }  # fmt: skip
    assert to_json_dict(event)["siteCode"] == "Süd"
    assert to_json_dict(event)["marks"] == ["1", str(2**40)]
    assert contract.encode(event) == data
    for copied in (copy.copy(event), copy.deepcopy(event)):
        assert contract.extra(copied) == contract.extra(event)
    assert contract.encode(pickle.loads(pickle.dumps(event))) == data


@pytest.mark.parametrize("value", [7, 12])
def test_what_the_gateway_lacks_reads_as_the_default_and_cannot_be_sent(variant: Variant, value: int) -> None:
    variant.remove("WriteCommand", "user_id")
    contract = variant.contract
    write = proto.WriteCommand(server_handle=1, item_handle=2, user_id=value)

    for _ in range(200):  # by the reference code and by the compiled one
        with pytest.raises(WireError, match=r"no field .*WriteCommand.user_id"):
            contract.encode(write)
    write.user_id = 0
    assert contract.decode(proto.WriteCommand, contract.encode(write)).user_id == 0


def test_a_message_that_the_gateway_lacks_cannot_be_sent(variant: Variant) -> None:
    variant.remove("MxCommand", "drain_events")
    variant.file.message_type.remove(variant.message("DrainEventsCommand"))
    contract = variant.contract
    with pytest.raises(WireError, match="DrainEventsCommand"):
        contract.encode(proto.DrainEventsCommand())
    with pytest.raises(WireError, match="drain_events"):
        contract.encode(proto.MxCommand(drain_events=proto.DrainEventsCommand(max_events=3)))


TYPES = [
    # ours, theirs, a value of ours that fits
    ("int32", FIELD.TYPE_INT64, -5), ("int32", FIELD.TYPE_SINT32, -5), ("int32", FIELD.TYPE_SFIXED64, -5),
    ("int32", FIELD.TYPE_UINT32, 5), ("int32", FIELD.TYPE_BOOL, 1), ("int32", FIELD.TYPE_FIXED32, 5),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs", "value"), TYPES)
def test_compatible_types_just_work(variant: Variant, ours: str, theirs: int, value: int) -> None:
    assert ours == "int32"
    variant.field("MxEvent", "item_handle").type = theirs
    contract = variant.contract
    for _ in range(200):
        data = contract.encode(proto.MxEvent(item_handle=value))
        assert data == variant.theirs("MxEvent", item_handle=value).SerializeToString()
        assert contract.decode(proto.MxEvent, data).item_handle == value


@pytest.mark.parametrize(
    ("theirs", "sent"), [(FIELD.TYPE_INT64, 2**31), (FIELD.TYPE_UINT32, 2**31), (FIELD.TYPE_SINT64, -(2**31) - 1)]
)
def test_a_value_beyond_the_range_of_ours_is_refused(variant: Variant, theirs: int, sent: int) -> None:
    variant.field("MxEvent", "item_handle").type = theirs
    contract, data = variant.contract, variant.theirs("MxEvent", item_handle=sent).SerializeToString()
    for _ in range(200):
        with pytest.raises(WireError, match=r"item_handle.*out of the range of int32"):
            contract.decode(proto.MxEvent, data)


@pytest.mark.parametrize(("theirs", "value"), [(FIELD.TYPE_UINT32, -1), (FIELD.TYPE_BOOL, 2), (FIELD.TYPE_FIXED32, -1)])
def test_a_value_beyond_the_range_of_theirs_is_refused(variant: Variant, theirs: int, value: int) -> None:
    variant.field("MxEvent", "item_handle").type = theirs
    contract = variant.contract
    for _ in range(200):
        with pytest.raises(WireError, match="item_handle"):
            contract.encode(proto.MxEvent(item_handle=value))


def test_text_and_bytes_are_each_others(variant: Variant) -> None:
    variant.field("MxEvent", "session_id").type = FIELD.TYPE_BYTES
    contract = variant.contract
    for _ in range(200):
        assert contract.decode(proto.MxEvent, contract.encode(proto.MxEvent(session_id="Süd"))).session_id == "Süd"
    with pytest.raises(WireError, match="session_id"):
        contract.decode(proto.MxEvent, variant.theirs("MxEvent", session_id=b"\xff").SerializeToString())


def test_all_that_cannot_be_bound_is_named_in_one_error(variant: Variant) -> None:
    variant.field("MxEvent", "session_id").type = FIELD.TYPE_DOUBLE
    variant.field("MxEvent", "statuses").label = FIELD.LABEL_OPTIONAL
    with pytest.raises(MxGatewayContractError, match=r"MxEvent.session_id is .*string.*double.*MxEvent.statuses"):
        _ = variant.contract.codec


def test_enums_go_by_name(variant: Variant) -> None:
    values = {value.name: value for value in variant.enum("MxEventFamily").value}
    values["MX_EVENT_FAMILY_ON_DATA_CHANGE"].number, values["MX_EVENT_FAMILY_ON_WRITE_COMPLETE"].number = 2, 1
    variant.enum("MxEventFamily").value.add(name="MX_EVENT_FAMILY_SITE", number=70)
    contract = variant.contract
    for _ in range(200):
        data = contract.encode(proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE))
        assert data == variant.theirs("MxEvent", family=2).SerializeToString()
        assert contract.decode(proto.MxEvent, data).family is proto.MxEventFamily.ON_DATA_CHANGE


@pytest.mark.parametrize("number", [1, 3, 70, 71, -4])
def test_a_number_without_a_name_of_ours_is_no_member_of_ours_and_goes_back_as_it_came(
    variant: Variant, number: int
) -> None:
    enum = variant.enum("MxEventFamily")
    for value in [each for each in enum.value if each.number in (1, 3)]:
        enum.value.remove(value)  # the numbers are free: what comes with them is none of ours
    enum.value.add(name="MX_EVENT_FAMILY_SITE", number=70)
    contract, data = variant.contract, variant.theirs("MxEvent", family=number).SerializeToString()
    for _ in range(200):
        event = contract.decode(proto.MxEvent, data)
        assert all(event.family != member for member in proto.MxEventFamily)
        assert contract.encode(event) == data
        shown = to_json_dict(event)["family"]
        assert shown == ("MX_EVENT_FAMILY_SITE" if number == 70 else number)
    with pytest.raises(WireError, match="no value MX_EVENT_FAMILY_ON_DATA_CHANGE"):
        contract.encode(proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE))


def test_two_contracts_live_in_one_process(variant: Variant) -> None:
    variant.field("MxEvent", "quality").number, variant.field("MxEvent", "item_handle").number = 800, 801
    contract, event = variant.contract, proto.MxEvent(item_handle=4, quality=192)
    for _ in range(200):
        assert contract.decode(proto.MxEvent, contract.encode(event)) == decode(proto.MxEvent, encode(event)) == event
        assert not has_field(decode(proto.MxEvent, contract.encode(event)), "hresult")
    assert contract.encode(event) != encode(event) == bytes(event)


def test_clients_that_load_the_same_contract_share_what_was_compiled(
    variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again() -> bytes:
        contract = variant.contract
        for _ in range(1_000):  # what is used a few times is not compiled
            data = contract.encode(event)
            assert contract.decode(proto.MxEvent, data) == event
        return data

    variant.field("MxEvent", "worker_sequence").number = 99
    event = proto.MxEvent(worker_sequence=7, value=proto.MxValue(int32_value=3))
    first = again()

    with monkeypatch.context() as patch:
        patch.setattr("builtins.compile", spy := Mock(wraps=compile))
        assert again() == first
    spy.assert_not_called()


def test_the_fingerprint_is_what_the_contract_says(variant: Variant, tmp_path: Path) -> None:
    first = variant.contract
    variant.file.message_type.sort(key=lambda each: each.name)
    moved = variant.files.file.add(name="other.proto", package=GATEWAY, syntax="proto3")
    moved.message_type.append(variant.message("ReplayGap"))
    variant.file.message_type.remove(variant.message("ReplayGap"))
    same = variant.contract
    assert first.fingerprint == same.fingerprint == Contract.builtin().fingerprint
    assert first == same
    variant.field("MxEvent", "quality").number = 800
    assert variant.contract.fingerprint != first.fingerprint

    same.export(tmp_path / "it.binpb")
    assert Contract.load(tmp_path / "it.binpb") == same
    assert [str(each) for each in first.compare(variant.contract)] == [
        "other number: mxaccess_gateway.v1.MxEvent.quality (ours 6, theirs 800)"
    ]
