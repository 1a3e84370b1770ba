"""A data change that is read from an event's bytes is what the whole message says, in whatever order a contract has its fields."""

from __future__ import annotations

import random
from functools import cache
from itertools import islice
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import proto, wire
from mxgateway.contract import Contract, own_descriptor_set
from mxgateway.events.data_change import DataChange, data_change, data_changes, event_decoder
from mxgateway.wire.compiling import warming
from mxgateway.wire.projection import steady_fields
from tests.benchmarks import samples
from tests.benchmarks.shuffled import shuffled
from tests.contract.permuted import permuted
from tests.rows import each_row
from tests.wire.compiling import Google
from tests.wire.messages import fill
from tests.wire.profiles import bounded

EVENT = "mxaccess_gateway.v1.MxEvent"
ATTRIBUTES = (
    "server_handle",
    "item_handle",
    "worker_sequence",
    "value",
    "quality",
    "source_time",
    "statuses",
    "worker_time",
)
CONTRACTS = [(shuffled, seed) for seed in range(8)] + [(permuted, seed) for seed in (1, 2)]
VARIANTS = ("", "VT_R8", "VT_I4", "VT_BOOL", "ü", "x" * 200)


@cache
def world(place: int) -> tuple[Contract, Google]:
    make, seed = CONTRACTS[place]
    data = make(seed)
    return Contract.load(data), Google(FileDescriptorSet.FromString(data))


@pytest.fixture(scope="module", autouse=True)
def compiled_at_once() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warming, "ALLOWANCE", 0)
        yield


def by_the_long_way(contract: Contract, data: bytes) -> Any:
    event = contract.codec.decoder_of(proto.MxEvent)(data)
    plain = event.family == proto.MxEventFamily.ON_DATA_CHANGE and event.replay_gap is None
    return data_change(event) if plain else event


def shown(contract: Contract, found: Any) -> Any:
    if isinstance(found, DataChange):
        return [*(repr(getattr(found, name)) for name in ATTRIBUTES)]
    return repr(found), contract.encode(found)


def agree(contract: Contract, data: bytes) -> bool:
    decode_event = event_decoder(contract.codec)
    try:
        expected = by_the_long_way(contract, data)
    except wire.WireError as refusal:
        with pytest.raises(wire.WireError) as caught:
            decode_event(data)
        assert str(caught.value) == str(refusal), data.hex()
        return False
    found = decode_event(data)
    assert type(found) is type(expected), data.hex()
    assert shown(contract, found) == shown(contract, expected), data.hex()
    return data_changes(contract.codec).read(data) is not None


@given(data=st.data(), place=st.integers(0, len(CONTRACTS) - 1))
@bounded(400)
def test_any_event_is_read_as_the_whole_message_says(data: Any, place: int) -> None:
    contract, google = world(place)
    event = google(EVENT)()
    fill(data.draw, event, 4)
    if data.draw(st.booleans()):
        families = google.pool.FindEnumTypeByName(f"{EVENT}Family").values_by_name
        event.family = families["MX_EVENT_FAMILY_ON_DATA_CHANGE"].number
        event.ClearField("replay_gap")
    agree(contract, event.SerializeToString(deterministic=True))


@each_row("place", range(len(CONTRACTS)))
def test_a_plain_value_is_read_without_the_message_wherever_its_fields_stand(place: int) -> None:
    # A contract of its own: a projection that has seen many forms of what should be steady learns no further ones.
    contract, chance = world.__wrapped__(place)[0], random.Random(place)
    arms: dict[str, list[Any]] = {
        "double_value": [0.0, -0.0, 0.1], "float_value": [0.5], "int32_value": [0, -1, 300], "bool_value": [True, False],
        "string_value": ["", "Süd", "x" * 300], "int64_value": [2**40],
    }  # fmt: skip
    quick = 0
    for turn in range(300):
        arm = chance.choice(list(arms))
        value = proto.MxValue(
            data_type=proto.MxDataType(chance.choice([0, 2, 4])),
            variant_type=chance.choice(VARIANTS),
            **{arm: chance.choice(arms[arm])},
        )
        event = proto.MxEvent(
            family=proto.MxEventFamily.ON_DATA_CHANGE, session_id="s", server_handle=1, item_handle=turn, quality=192,
            worker_sequence=turn, value=value, on_data_change=proto.OnDataChangeEvent(),
        )  # fmt: skip
        data = contract.encode(event)
        quick += agree(contract, data)
        hurt = bytearray(data)
        hurt[chance.randrange(len(hurt))] = chance.randrange(256)
        agree(contract, bytes(hurt))
    assert quick > 150


def with_kinds(**kinds: FieldDescriptorProto.Type.ValueType) -> tuple[Contract, Google]:
    """Return the shipped contract with other types of some fields of events and values."""
    files = FileDescriptorSet.FromString(own_descriptor_set())
    for file in files.file:
        for message in file.message_type:
            for field in message.field:
                if message.name in ("MxEvent", "MxValue") and field.name in kinds:
                    field.type = kinds[field.name]
                    field.ClearField("type_name")
    return Contract.load(files.SerializeToString()), Google(files)


@each_row(
    ("name", "kind", "values"),
    [
        ("hresult", FieldDescriptorProto.TYPE_INT64, [0, -1, 2**31 - 1, 2**31, 2**40]),
        ("hresult", FieldDescriptorProto.TYPE_FIXED32, [0, 1, 2**31]),
        ("raw_status", FieldDescriptorProto.TYPE_BYTES, [b"", b"x", "ü".encode(), b"\xff"]),
        ("session_id", FieldDescriptorProto.TYPE_BYTES, [b"s", b"\xff"]),
        ("server_handle", FieldDescriptorProto.TYPE_UINT64, [0, 1, 2**31, 2**60]),
        ("data_type", FieldDescriptorProto.TYPE_INT64, [0, 4, 300, 2**40]),
        ("data_type", FieldDescriptorProto.TYPE_FIXED32, [0, 4, 0x12, 0x7101_1204, 2**31]),
        ("data_type", FieldDescriptorProto.TYPE_SINT32, [0, 4, 300, -1]),
        ("variant_type", FieldDescriptorProto.TYPE_BYTES, [b"", b"VT_R8", b"\xff"]),
        ("is_null", FieldDescriptorProto.TYPE_INT32, [0, 1, 2, -1]),
        ("is_null", FieldDescriptorProto.TYPE_FIXED64, [0, 1, 2]),
    ],
)
def test_a_value_of_another_type_is_taken_or_refused_as_the_whole_message_is(
    name: str, kind: FieldDescriptorProto.Type.ValueType, values: list[Any]
) -> None:
    contract, google = with_kinds(**{name: kind})
    for value in values * 2:
        event = google(EVENT)(
            family=1, session_id=b"s" if name == "session_id" else "s", server_handle=1, item_handle=2
        )
        event.value.double_value = 0.5
        holder = event.value if name in ("data_type", "variant_type", "is_null") else event
        setattr(holder, name, value)
        agree(contract, event.SerializeToString())


@pytest.mark.parametrize("seed", range(8))
def test_what_is_the_same_in_all_events_is_learned_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[str] = []

    def counted(of: type[Any]) -> None:
        learn = of.learn

        def count(*arguments: Any) -> Any:
            learned.append(of.__name__)
            return learn(*arguments)

        monkeypatch.setattr(of, "learn", count)

    counted(steady_fields.Run)
    counted(steady_fields.Passed)
    contract = Contract.load(shuffled(seed))
    for sequence, data in enumerate(islice(samples.events(), 50)):
        if sequence == 3:
            learned.clear()
        assert agree(contract, contract.encode(wire.decode(proto.MxEvent, data)))
    assert learned == []
