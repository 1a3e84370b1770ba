"""A data change that is read from an event's bytes is what the whole message says, whatever the bytes are."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import proto, wire
from mxgateway.events import data_change
from mxgateway.events.data_change import DataChange, event_decoder
from mxgateway.values import from_mx_value
from mxgateway.wire import Codec
from mxgateway.wire.schema import schema_of
from tests.rows import each_row
from tests.wire.compiling import contract_google
from tests.wire.messages import fill
from tests.wire.profiles import bounded

EVENT = "mxaccess_gateway.v1.MxEvent"
ATTRIBUTES = (
    "server_handle", "item_handle", "worker_sequence", "value", "quality", "source_time", "statuses", "worker_time",
)  # fmt: skip
USUAL = {"server_handle": 1, "item_handle": 2, "quality": 192, "worker_sequence": 3}


CODEC = Codec.of(schema_of)
CHANGES = data_change.data_changes(CODEC)
decode_event = event_decoder(CODEC)


@pytest.fixture(scope="module", autouse=True)
def fresh(compiled: None) -> None:
    """Read with a projection that is compiled at once."""


def shown(found: DataChange | proto.MxEvent) -> tuple[Any, ...]:
    """Return all that can be seen of what was read, so that nan equals nan and 0.0 is told from -0.0."""
    if isinstance(found, DataChange):
        return *(repr(getattr(found, name)) for name in ATTRIBUTES), [wire.encode(status) for status in found.statuses]
    return repr(found), wire.encode(found)


def by_the_long_way(data: bytes) -> DataChange | proto.MxEvent:
    event = CODEC.decoder_of(proto.MxEvent)(data)
    if event.family != proto.MxEventFamily.ON_DATA_CHANGE or event.replay_gap is not None:
        return event
    return data_change.data_change(event)


def agree(data: bytes) -> bool:
    """Read the bytes in both ways and compare; return whether the quick function has read them."""
    try:
        expected = by_the_long_way(data)
    except wire.WireError as refusal:
        with pytest.raises(wire.WireError) as caught:
            decode_event(data)
        assert str(caught.value) == str(refusal), data.hex()
        assert CHANGES.read(data) is None, data.hex()
        return False
    found = decode_event(data)
    assert type(found) is type(expected), data.hex()
    assert shown(found) == shown(expected), data.hex()
    return CHANGES.read(data) is not None


@st.composite
def events(draw: st.DrawFn) -> Any:
    """A google.protobuf event filled with anything, and more often than by chance one that a worker would send."""
    event = contract_google()(EVENT)()
    if draw(st.booleans()):
        for name, value in USUAL.items():
            setattr(event, name, value)
        fill(draw, event.value, 3)
        fill(draw, event.source_timestamp, 1)
        for _ in range(draw(st.integers(0, 2))):
            fill(draw, event.statuses.add(), 1)
        event.on_data_change.SetInParent()
    else:
        fill(draw, event, 4)
    if draw(st.integers(0, 4)):
        event.family = 1
        event.server_handle = draw(st.sampled_from([1, 2, 300, -1]))
        event.ClearField("replay_gap")
    return event


ARMS: dict[str, list[Any]] = {
    "bool_value": [True, False],
    "int32_value": [0, 1, -1, 127, 128, 16384, 2**31 - 1, -(2**31)],
    "int64_value": [0, 1, -1, 2**21, 2**63 - 1, -(2**63)],
    "float_value": [0.0, -0.0, 1.5, float("inf"), float("nan")],
    "double_value": [0.0, -0.0, 0.1, float("-inf"), float("nan")],
    "string_value": ["", "x", "ä" * 70, "a\0b", "x" * 5000],
}


@each_row(("arm", "value"), [(arm, value) for arm, values in ARMS.items() for value in values])
@each_row("variant", ["", "VT_R8", "VT_BSTR"])
def test_a_plain_value_is_read_without_the_message(arm: str, value: Any, variant: str) -> None:
    event = contract_google()(EVENT)(family=1, **USUAL)
    event.value.data_type, event.value.variant_type = 4, variant
    setattr(event.value, arm, value)
    assert agree(event.SerializeToString())
    assert repr(decode_event(event.SerializeToString()).value) == repr(getattr(event.value, arm))


@each_row("seconds", [0, 1, -1, 1_795_000_000, -62135596800, 253402300799, 2**40, -(2**62)])
@each_row("nanos", [0, 100, 999, 2**14, 2**21, 2**28 - 1, 2**28, 999_999_999, 10**9, 2**31 - 1, -1])
def test_times_are_read_as_the_whole_message_says(seconds: int, nanos: int) -> None:
    event = contract_google()(EVENT)(family=1, **USUAL)
    event.value.double_value = 1.0
    event.value.timestamp_value.SetInParent()
    for stamp in (
        event.source_timestamp,
        event.worker_timestamp,
        event.gateway_receive_timestamp,
        event.value.timestamp_value,
    ):
        stamp.seconds, stamp.nanos = seconds, nanos
    for _ in range(2):  # the second time with a second that is known
        agree(event.SerializeToString())
    change = decode_event(event.SerializeToString())
    assert isinstance(change, DataChange)
    assert change.source_time is not None
    assert change.source_time.parts() == (seconds, nanos)
    assert change.worker_time == wire.Timestamp.from_parts(seconds, nanos).timestamp()


def test_a_time_that_is_absent_is_told_from_the_epoch() -> None:
    event = contract_google()(EVENT)(family=1, **USUAL)
    change = decode_event(event.SerializeToString())
    assert isinstance(change, DataChange)
    assert (change.source_time, change.worker_time) == (None, 0.0)
    event.source_timestamp.SetInParent()
    change = decode_event(event.SerializeToString())
    assert isinstance(change, DataChange)
    assert change.source_time == wire.Timestamp.from_parts(0, 0)


def test_a_data_change_says_what_its_event_says() -> None:
    event = proto.MxEvent(
        family=proto.MxEventFamily.ON_DATA_CHANGE,
        session_id="s",
        server_handle=7,
        item_handle=300,
        value=proto.MxValue(int32_value=5),
        quality=192,
        source_timestamp=wire.Timestamp(2026, 1, 2, nanosecond=100),
        statuses=[proto.MxStatusProxy(success=-1), proto.MxStatusProxy(detail=8)],
        worker_sequence=2**64 - 1,
        worker_timestamp=wire.Timestamp(2026, 1, 2, microsecond=250_000),
    )
    for change in (decode_event(wire.encode(event)), data_change.data_change(event)):
        assert isinstance(change, DataChange)
        assert (change.family, change.replay_gap) == (event.family, None)
        assert (change.server_handle, change.item_handle, change.worker_sequence) == (7, 300, 2**64 - 1)
        assert (change.value, change.quality, change.source_time) == (5, 192, event.source_timestamp)
        assert change.statuses == (proto.MxStatusProxy(success=-1), proto.MxStatusProxy(detail=8))
        assert change.worker_time == event.worker_timestamp.timestamp()


def test_other_events_come_whole() -> None:
    for event in (
        proto.MxEvent(family=proto.MxEventFamily.ON_WRITE_COMPLETE, server_handle=1, item_handle=2, worker_sequence=3),
        proto.MxEvent(replay_gap=proto.ReplayGap(requested_after_sequence=1, oldest_available_sequence=9)),
        proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE, server_handle=1, replay_gap=proto.ReplayGap()),
        proto.MxEvent(),
    ):
        assert decode_event(wire.encode(event)) == event


def test_a_value_of_several_parts_is_read_by_the_whole_decoder_of_values() -> None:
    array = proto.MxArray(int32_values=proto.Int32Array(values=[1, 2, 3, 4]), dimensions=[2, 2])
    for value in (
        proto.MxValue(array_value=array),
        proto.MxValue(data_type=proto.MxDataType.UNKNOWN, raw_value=b"abc"),
        proto.MxValue(raw_diagnostic="VT_DISPATCH", raw_value=b"abc", raw_data_type=9),
        proto.MxValue(data_type=proto.MxDataType.NO_DATA, variant_type="VT_EMPTY", is_null=True),
        proto.MxValue(is_null=True, double_value=5.0),
        proto.MxValue(data_type=proto.MxDataType.DOUBLE, variant_type="VT_R8"),
        proto.MxValue(),
    ):
        event = proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE, server_handle=1, value=value)
        assert agree(wire.encode(event))
        change = decode_event(wire.encode(event))
        assert isinstance(change, DataChange)
        assert change.value == from_mx_value(value)


def test_a_long_event_is_read_by_the_whole_decoder() -> None:
    array = proto.MxArray(double_values=proto.DoubleArray(values=[1.5] * 5000))
    event = proto.MxEvent(
        family=proto.MxEventFamily.ON_DATA_CHANGE, server_handle=1, value=proto.MxValue(array_value=array)
    )
    assert not agree(wire.encode(event))
    assert decode_event(wire.encode(event)).value == [1.5] * 5000


def test_what_is_not_bytes_is_read_as_well() -> None:
    data = wire.encode(proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE, server_handle=1, item_handle=5))
    for given_as in (bytearray(data), memoryview(data)):
        assert decode_event(given_as).item_handle == 5  # type: ignore[arg-type]


def test_a_status_belongs_to_its_event_alone() -> None:
    event = proto.MxEvent(
        family=proto.MxEventFamily.ON_DATA_CHANGE, server_handle=1, statuses=[proto.MxStatusProxy(success=-1, detail=3)]
    )
    data = wire.encode(event)
    for _ in range(3):
        change = decode_event(data)
        assert change.statuses[0].detail == 3
        change.statuses[0].detail = 4
        change.statuses[0].success = 9
    assert agree(data)


def test_sessions_and_registrations_take_turns() -> None:
    for number in [*range(600), *range(600)]:
        event = proto.MxEvent(
            family=proto.MxEventFamily.ON_DATA_CHANGE, session_id="s" * (number % 7), server_handle=number + 1, item_handle=number
        )  # fmt: skip
        change = decode_event(wire.encode(event))
        assert (change.server_handle, change.item_handle) == (number + 1, number)


def test_unusual_events_do_not_slow_down_those_that_follow() -> None:
    usual = wire.encode(
        proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE, session_id="s", server_handle=1, item_handle=2)
    )
    pieces = fields_of(usual)
    for unusual in (b"", usual[:2], usual[:5], pieces[0] + UNKNOWN + usual[2:], usual[::-1], pieces[0] + pieces[2]):
        agree(unusual)
        assert agree(usual)


UNKNOWN = bytes.fromhex("a006fff201")
"""A field that the contract does not have: number 100."""


def fields_of(data: bytes) -> list[bytes]:
    """Return the fields of a message, each with its tag."""
    pieces = []
    pos = 0
    while pos < len(data):
        start = pos
        tag, pos = _varint(data, pos)
        if tag & 7 == 0:
            _, pos = _varint(data, pos)
        elif tag & 7 == 2:
            size, pos = _varint(data, pos)
            pos += size
        else:
            pos += 8 if tag & 7 == 1 else 4
        pieces.append(data[start:pos])
    return pieces


def _varint(data: bytes, pos: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, pos


def rearranged(data: bytes, draw: random.Random) -> bytes:
    pieces = fields_of(data)
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(pieces) + 1)
        match draw.randrange(4):
            case 0:
                pieces.insert(place, UNKNOWN)
            case 1 if pieces:
                pieces.insert(place, draw.choice(pieces))
            case 2:
                draw.shuffle(pieces)
            case 3 if place < len(pieces):
                del pieces[place]
    return b"".join(pieces)


def damaged(whole: bytes, draw: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(data) + 1)
        match draw.randrange(4):
            case 0:
                data[place:place] = draw.randbytes(draw.randrange(1, 4))
            case 1 if place < len(data):
                data[place] ^= 1 << draw.randrange(8)
            case 2:
                del data[place : place + draw.randrange(1, 9)]
            case 3:
                data[place : place + 2] = draw.randbytes(2)
    return bytes(data)


@given(event=events(), draw=st.randoms(use_true_random=False))
@bounded(1200)
def test_any_event_is_read_as_the_whole_message_says(event: Any, draw: random.Random) -> None:
    """As it is, with its fields in any order, twice, in parts or beside unknown ones, and damaged."""
    data = event.SerializeToString(deterministic=True)
    agree(data)
    agree(rearranged(data, draw))
    agree(damaged(data, draw))


@given(event=events())
@bounded(40)
def test_a_truncated_event_is_never_read_as_a_whole_one(event: Any) -> None:
    data = event.SerializeToString(deterministic=True)
    for end in range(len(data)):
        agree(data[:end])


@given(data=st.binary(max_size=60))
@bounded(300)
def test_noise_behind_the_head_of_an_event_is_taken_or_refused_as_the_whole_message_is(data: bytes) -> None:
    agree(data)
    agree(bytes.fromhex("080112017318012002") + data)
    agree(bytes.fromhex("0801120173180120022a") + bytes([len(data)]) + data)
