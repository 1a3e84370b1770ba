"""Bytes that are no message: refused with one error class that says where, in bounded memory."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import time
import tracemalloc
from contextlib import suppress
from typing import Any, cast

import pytest
from google.protobuf import unknown_fields
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import wire
from tests.rows import each_row
from tests.wire.compiling import contract_google, contract_types
from tests.wire.conftest import Constructs
from tests.wire.corpora import corpus, mutations
from tests.wire.messages import every_message
from tests.wire.profiles import FUZZ_SECONDS, bounded

NAMES = ["Scalars", "Optionals", "Lists", "Maps", "Tree", "Choices", "ManyChoices", "WellKnown", "Names"]
BOXES = "Timestamp Duration DoubleValue FloatValue Int64Value UInt64Value Int32Value UInt32Value BoolValue StringValue BytesValue"
FIELDLESS = {"Empty", "Nothing"} | {
    each.__name__ for each in contract_types().values() if not dataclasses.fields(cast("Any", each))
}


@each_row(
    ("name", "data", "message_name", "field", "offset", "reason"),
    [
        ("Scalars", "18", "Scalars", "an_int32", 1, "ends inside a varint"),
        ("Scalars", "1880", "Scalars", "an_int32", 1, "ends inside a varint"),
        ("Scalars", "80", "Scalars", "", 0, "ends inside a varint"),
        ("Scalars", "0900000000000000", "Scalars", "a_double", 1, "has 8 bytes, but only 7 remain"),
        ("Scalars", "15000000", "Scalars", "a_float", 1, "has 4 bytes, but only 3 remain"),
        ("Scalars", "1801" + "720561", "Scalars", "a_string", 4, "has 5 bytes, but only 1 remain"),
        ("Scalars", "72ffffffff0f61", "Scalars", "a_string", 6, "has 4294967295 bytes"),
        ("Scalars", "728180808080008061", "Scalars", "a_string", 1, "length exceeds 32 bits"),
        ("Scalars", "7203" + "61c328", "Scalars", "a_string", 3, "not valid UTF-8"),
        ("Scalars", "7203" + "eda080", "Scalars", "a_string", 2, "not valid UTF-8"),
        ("Scalars", "7202" + "c080", "Scalars", "a_string", 2, "not valid UTF-8"),
        ("Scalars", "1880808080808080808080" + "01", "Scalars", "an_int32", 1, "more than 10 bytes"),
        ("Scalars", "0001", "Scalars", "", 0, "field number is 0"),
        ("Nothing", "0001", "Nothing", "", 0, "field number is 0"),
        ("Scalars", "1801" + "1b1c", "Scalars", "field number 3", 2, "groups are not supported"),
        ("Scalars", "1c", "Scalars", "field number 3", 0, "groups are not supported"),
        ("Scalars", "1e00", "Scalars", "field number 3", 0, "invalid wire type 6"),
        ("Scalars", "1f00", "Scalars", "field number 3", 0, "invalid wire type 7"),
        ("Scalars", "8080808080" + "8001", "Scalars", "", 0, "tag exceeds 32 bits"),
        ("Scalars", "f8ffffff1f" + "01", "Scalars", "", 0, "tag exceeds 32 bits"),
        ("Scalars", "a00680", "Scalars", "field number 100", 2, "ends inside a varint"),
        ("Scalars", "a20605", "Scalars", "field number 100", 3, "has 5 bytes, but only 0 remain"),
        ("Tree", "1202" + "0a05" + "6161616161", "Tree", "label", 4, "has 5 bytes, but only 0 remain"),
        ("Tree", "1203" + "120108" + "0a00", "Tree", "field number 1", 5, "ends inside a varint"),
        ("Lists", "1a0301" + "8080" + "01", "Lists", "int32_s", 3, "ends inside a varint"),
        ("Lists", "0a09" + "00" * 9, "Lists", "doubles", 10, "has 8 bytes, but only 1 remain"),
        ("Maps", "0a040a0261", "Maps", "by_string", 2, "has 4 bytes, but only 3 remain"),
        ("Maps", "0a050a0561" + "1001", "Maps.by_string", "key", 4, "has 5 bytes, but only 3 remain"),
        ("WellKnown", "0a0208" + "80", "Timestamp", "seconds", 3, "ends inside a varint"),
        ("WellKnown", "5204" + "0a05" + "6161" + "616161", "WellKnown.a_string", "value", 4, "only 2 remain"),
    ],
)
def test_a_faulty_message_is_refused_with_message_field_and_offset(
    constructs: Constructs, name: str, data: str, message_name: str, field: str, offset: int, reason: str
) -> None:
    for classes in (constructs.ours, constructs.stock):
        with pytest.raises(wire.WireError, match=reason) as caught:
            wire.decode(getattr(classes, name), bytes.fromhex(data))
        error = caught.value
        assert (error.message_name, error.field, error.offset) == (message_name, field, offset)
        assert str(error).startswith(".".join(part for part in (message_name, field) if part) + f" at byte {offset}: ")
        assert error.__cause__ is None
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_error_is_pickled_and_copied_as_what_it_is() -> None:
    for kind in (wire.WireError, wire.LackingError, wire.MisfitError):
        error = kind("a reason", message_name="MxEvent", field="value", offset=3)
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert (type(again), vars(again), str(again)) == (kind, vars(error), str(error))


@each_row("name", NAMES)
def test_a_truncated_message_is_never_read_as_the_whole_one(constructs: Constructs, name: str) -> None:
    for encoded in corpus(constructs.google(name), 12):
        google, ours = constructs.google(name), getattr(constructs.ours, name)
        for end in range(len(encoded)):
            _agree(google, ours, encoded[:end])


def test_a_truncated_event_is_refused_unless_it_ends_between_two_fields() -> None:
    google, ours = contract_google()("mxaccess_gateway.v1.MxEvent"), contract_types()["mxaccess_gateway.v1.MxEvent"]
    refused = 0
    for encoded in corpus(google, 40):
        for end in range(len(encoded)):
            refused += not _agree(google, ours, encoded[:end])
    assert refused > 500


def test_what_is_not_bytes_is_a_type_error(constructs: Constructs) -> None:
    for thing in ("text", 5, None):
        with pytest.raises(TypeError):
            wire.decode(constructs.ours.Scalars, thing)  # type: ignore[arg-type]
    assert wire.decode(constructs.ours.Scalars, bytearray(b"\x18\x05")).an_int32 == 5


def test_messages_may_be_nested_a_hundred_levels_deep_and_no_deeper(constructs: Constructs) -> None:
    for classes in (constructs.ours, constructs.stock):
        deepest = _nested(100)
        assert wire.encode(wire.decode(classes.Tree, deepest)) == deepest
        for levels in (101, 150, 5000, 200_000):
            with pytest.raises(wire.WireError, match="more than 100 levels") as caught:
                wire.decode(classes.Tree, _nested(levels))
            assert (caught.value.message_name, caught.value.field) == ("Tree", "left")


def test_times_wrappers_and_map_entries_are_levels_too(constructs: Constructs) -> None:
    google, ours = constructs.google("ManyChoices"), constructs.ours.ManyChoices
    for inner in (
        "8a0102" + "0a00",
        "6a066a040a001200",
        "6a025a00",
        "5a039201" + "00",
        "72020a00",
        "7a0252007a025a007a026200",
    ):
        for levels in range(95, 102):
            _agree(google, ours, _wrapped(bytes.fromhex("d201"), bytes.fromhex(inner), levels))


def test_a_message_above_the_size_limit_is_refused_before_it_is_read(constructs: Constructs) -> None:
    with pytest.raises(wire.WireError, match="11 bytes are more than the limit of 10"):
        wire.decode(constructs.ours.Scalars, b"\xff" * 11, size_limit=10)
    assert wire.decode(constructs.ours.Scalars, b"\x18\x05", size_limit=2).an_int32 == 5


@pytest.mark.parametrize("size", ["ffffffff07", "ffffffff0f", "80808004"])
def test_a_huge_length_allocates_nothing(constructs: Constructs, size: str) -> None:
    for tag in ("72", "7a"):
        _refused_in_little_memory(constructs.ours.Scalars, bytes.fromhex(tag + size))
    for number in range(1, 22):
        start = (
            (number << 3 | 2).to_bytes(1, "little") if number < 16 else bytes([number << 3 & 127 | 130, number >> 4])
        )
        _refused_in_little_memory(constructs.ours.Lists, start + bytes.fromhex(size) + b"\x01" * 50)


def test_pieces_of_sub_messages_and_unknown_fields_cost_time_in_proportion(constructs: Constructs) -> None:
    # With a copy per piece, each of these would copy some gigabytes.
    count = 100_000
    assert wire.decode(constructs.ours.Tree, b"\x12\x02\x28\x01" * count)._unknown_fields == b""
    assert len(wire.decode(constructs.ours.Tree, b"\x28\x01\x0a\x00" * count)._unknown_fields) == 2 * count
    merged = wire.decode(constructs.ours.Tree, b"\x12\x03\x28\x80\x01" * count)
    assert len(merged.left._unknown_fields) == 3 * count
    nested = b""
    for _ in range(60):
        nested = _field(b"\x12", nested) + b"\x12\x00"
    assert wire.decode(constructs.ours.Tree, nested).left.left.left.label == ""


@each_row(
    ("name", "piece"),
    [
        ("Tree", "2200"),
        ("Lists", "6a020001"),
        ("Lists", "7200"),
        ("Lists", "8a0100"),
        ("Lists", "920100"),
        ("Maps", "0a00"),
    ],
)
def test_what_small_pieces_grow_to_is_bounded(constructs: Constructs, name: str, piece: str) -> None:
    data = bytes.fromhex(piece) * 10_000
    tracemalloc.start()
    try:
        wire.decode(getattr(constructs.ours, name), data)
        # An empty message in a list takes two bytes on the wire, and an object in Python.
        assert tracemalloc.get_traced_memory()[1] < 150 * len(data)
    finally:
        tracemalloc.stop()


@given(data=st.binary(max_size=60))
@bounded(300)
def test_noise_is_taken_or_refused_as_google_protobuf_does(constructs: Constructs, data: bytes) -> None:
    for name in NAMES:
        _agree(constructs.google(name), getattr(constructs.ours, name), data)


@each_row("name", NAMES)
def test_a_mutated_message_is_taken_or_refused_as_google_protobuf_does(constructs: Constructs, name: str) -> None:
    google, ours, stock = constructs.google(name), getattr(constructs.ours, name), getattr(constructs.stock, name)
    for data in mutations(corpus(google, 40), count=1000):
        _agree(google, ours, data)
        _agree(google, stock, data)


@pytest.mark.parametrize("name", ["MxEvent", "MxCommandReply", "MxCommandRequest"])
def test_a_mutated_message_of_the_contract_is_taken_or_refused_as_google_protobuf_does(name: str) -> None:
    full_name = f"mxaccess_gateway.v1.{name}"
    google, ours = contract_google()(full_name), contract_types()[full_name]
    for data in mutations(corpus(google, 40), count=1500):
        _agree(google, ours, data)


@pytest.mark.skipif(not FUZZ_SECONDS, reason="MXGATEWAY_FUZZ_SECONDS says how long to search")
def test_a_long_search_finds_no_difference_either(constructs: Constructs) -> None:
    types = [(constructs.google(name), getattr(constructs.ours, name)) for name in NAMES]
    types += [(contract_google()(name), message_type) for name, message_type in contract_types().items()]
    corpora = [list(corpus(google, 30)) for google, _ in types]
    end = time.monotonic() + FUZZ_SECONDS
    run = int(time.time())
    while time.monotonic() < end:
        run += 1
        for (google, ours), encodings in zip(types, corpora, strict=True):
            for data in mutations(encodings, count=20, run=run):
                _agree(google, ours, data)


def _agree(google: Any, ours: Any, data: bytes) -> bool:
    """Decode with both, and compare what comes out; return whether the bytes were taken."""
    expected, decoded, error = None, None, None
    with suppress(DecodeError):
        expected = google.FromString(data)
    try:
        decoded = wire.decode(ours, data)
    except wire.WireError as refusal:
        error = refusal
    if error is None:
        assert expected is not None, data.hex()
        if not _is_peculiar(expected):
            assert wire.encode(decoded) == expected.SerializeToString(deterministic=True), data.hex()
        return True
    assert error.offset is not None
    assert 0 <= error.offset <= len(data)
    # google.protobuf skips groups, and takes the field number 0 in a message that has no fields.
    lenient = "group" in error.reason or (error.message_name in FIELDLESS and error.reason == "the field number is 0")
    assert expected is None or lenient, (data.hex(), error)
    return False


def _is_peculiar(message: Any) -> bool:
    """Whether a message holds what only google.protobuf writes back: see the list of known differences."""
    for each in every_message(message):
        name = each.DESCRIPTOR.full_name.removeprefix("google.protobuf.")
        if name in BOXES.split() and len(unknown_fields.UnknownFieldSet(each)):
            return True
        if name.endswith(".Maps"):
            # Several entries, in an order of its own; and entries with something unknown, which hide the rest.
            return True
        for field, value in each.ListFields():
            values = [value] if isinstance(value, float) else value
            if field.type == field.TYPE_FLOAT and any(math.isnan(number) for number in values):
                return True
    return False


def _field(tag: bytes, body: bytes) -> bytes:
    size = len(body)
    encoded = bytearray(tag)
    while size > 127:
        encoded.append(size & 127 | 128)
        size >>= 7
    encoded.append(size)
    return bytes(encoded) + body


def _wrapped(tag: bytes, body: bytes, levels: int) -> bytes:
    for _ in range(levels):
        body = _field(tag, body)
    return body


def _nested(levels: int) -> bytes:
    # Written from the outside, since copying each level into the next would take long.
    sizes = [0]
    for _ in range(levels - 1):
        sizes.append(sizes[-1] + len(_field(b"\x12", b"")) - 1 + (len(f"{sizes[-1]:b}") + 6) // 7)
    return b"".join(_head(size) for size in reversed(sizes))


def _head(size: int) -> bytes:
    encoded = bytearray(b"\x12")
    while size > 127:
        encoded.append(size & 127 | 128)
        size >>= 7
    encoded.append(size)
    return bytes(encoded)


def _refused_in_little_memory(message_type: Any, data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(wire.WireError):
            wire.decode(message_type, data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
