"""Large messages are decoded in steps: the same messages and the same faults, in bounded memory and bounded steps."""

from __future__ import annotations

import gc
import pickle
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mxgateway import proto, wire
from mxgateway.wire.decode import decoder, steps
from mxgateway.wire.decode import source_text as decoder_source
from mxgateway.wire.decode.steps import DecodingSteps
from mxgateway.wire.errors import ElementLimitError
from tests.rows import each_row
from tests.wire.compiling import contract_google, contract_types
from tests.wire.conftest import Constructs
from tests.wire.corpora import corpus, mutations

NAMES = ["Scalars", "Optionals", "Lists", "Maps", "Tree", "Choices", "ManyChoices", "WellKnown", "Names"]
ANY = 1 << 40
LIMIT = 2_000
SIZE = 1 << 18


@pytest.fixture(params=[1, 3, 40])
def pieces(request: pytest.FixtureRequest) -> Iterator[int]:
    """Let messages of some bytes be large ones."""
    size = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_source, "LARGE", size)
        patch.setattr(steps, "AT_ONCE", 0)
        patch.setattr(steps, "STEP", size + 7)  # no step is shorter than a number
        fresh = decoder.Decoder()  # what was compiled before has larger pieces
        patch.setattr(decoder.BUILTIN, "pieces", fresh.pieces)
        patch.setattr(decoder.BUILTIN, "counted_pieces", fresh.counted_pieces)
        yield size


def decoded(message_type: type[Any], data: bytes, limit: int = ANY) -> Any:
    decoding = DecodingSteps(message_type, data, limit)
    while not decoding.run(0):
        pass
    return decoding.message


def outcome(decode: Callable[..., Any], *args: Any) -> tuple[object, ...]:
    """Return what decoding comes to, for a comparison: all that the message holds, or the fault with its place."""
    try:
        message = decode(*args)
    except wire.WireError as error:
        return error.message_name, error.field, error.offset, error.reason
    return repr(message), message._group_current, message._unknown_fields, wire.encode(message)


@each_row("name", NAMES)
def test_steps_and_one_go_come_to_the_same(constructs: Constructs, pieces: int, name: str) -> None:
    encodings = corpus(constructs.google(name), 25)
    for classes in (constructs.ours, constructs.stock):
        message_type = getattr(classes, name)
        for data in [*encodings, *mutations(encodings, count=150, run=pieces)]:
            expected = outcome(wire.decode, message_type, data)
            # Of a message with more bytes than the limit the elements are counted; that many has none of these.
            for limit in (ANY, max(1, len(data) - 1)):
                assert outcome(decoded, message_type, data, limit) == expected, (data.hex(), limit)


@each_row("name", ["MxEvent", "MxCommandReply"])
def test_steps_and_one_go_come_to_the_same_for_the_contract(pieces: int, name: str) -> None:
    full_name = f"mxaccess_gateway.v1.{name}"
    encodings, message_type = corpus(contract_google()(full_name), 30), contract_types()[full_name]
    for data in [*encodings, *mutations(encodings, count=300, run=pieces)]:
        assert outcome(decoded, message_type, data) == outcome(wire.decode, message_type, data), data.hex()


def test_a_message_with_as_many_elements_as_are_accepted_is_taken_and_one_with_more_is_not() -> None:
    result = proto.BulkReadResult(
        tag_address="Tank01.Level", value=proto.MxValue(int32_value=5), statuses=[proto.MxStatusProxy(success=-1)]
    )
    reply = proto.BulkReadReply(results=[result] * 2_000)
    data = wire.encode(reply)

    assert decoded(proto.BulkReadReply, data, 6_000) == reply
    with pytest.raises(ElementLimitError, match=r"^BulkReadReply: it has more than 5999 elements$") as caught:
        decoded(proto.BulkReadReply, data, 5_999)
    assert pickle.loads(pickle.dumps(caught.value)).limit == 5_999


@each_row(
    ("array", "elements"),
    [
        (proto.MxArray(int32_values=proto.Int32Array(values=list(range(-40_000, 40_000)))), 5_000),
        (proto.MxArray(bool_values=proto.BoolArray(values=[True, False] * 40_000)), 5_000),
        (proto.MxArray(double_values=proto.DoubleArray(values=[0.5] * 80_000)), 5_000),
        (proto.MxArray(float_values=proto.FloatArray(values=[0.5] * 80_000)), 5_000),
        (proto.MxArray(string_values=proto.StringArray(values=["", "text"] * 10_000)), 20_000),
        (proto.MxArray(timestamp_values=proto.TimestampArray(values=[wire.Timestamp.from_parts(5, 6)] * 9_000)), 9_000),
    ],
)
def test_sixteen_numbers_of_an_array_count_as_one_element_and_anything_else_as_one_each(
    array: proto.MxArray, elements: int
) -> None:
    value = proto.MxValue(array_value=array)
    data = wire.encode(value)

    assert decoded(proto.MxValue, data) == decoded(proto.MxValue, data, elements + 3) == value
    with pytest.raises(ElementLimitError):
        decoded(proto.MxValue, data, elements - 1)


def test_what_a_gateway_sends_fits_into_one_element_for_each_sixteen_bytes() -> None:
    tags = [
        proto.BulkReadResult(
            server_handle=1, tag_address=f"Tank{number:05}.Level", item_handle=number, was_successful=True, quality=192,
            value=proto.MxValue(data_type=proto.MxDataType.DOUBLE, variant_type="VT_R8", double_value=number / 7),
            source_timestamp=wire.Timestamp.from_parts(1_795_000_000, number * 100),
            statuses=[proto.MxStatusProxy(success=-1, category=proto.MxStatusCategory.OK)],
        )
        for number in range(5_000)
    ]  # fmt: skip
    numbers = proto.MxArray(double_values=proto.DoubleArray(values=[number / 7 for number in range(50_000)]))
    for message in (
        proto.MxCommandReply(read_bulk=proto.BulkReadReply(results=tags)), proto.MxValue(array_value=numbers),
    ):  # fmt: skip
        data = wire.encode(message)
        assert decoded(type(message), data, len(data) // 16) == message


def results(body: bytes, count: int) -> bytes:
    return _field(proto.MxCommandReply, "read_bulk", _field(proto.BulkReadReply, "results", body) * count)


def array(name: str, elements: bytes) -> bytes:
    value = _field(proto.MxValue, "array_value", _field(proto.MxArray, name, elements))
    return results(_field(proto.BulkReadResult, "value", value), 1)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "empty results": lambda: results(b"", SIZE // 2),
    "results of empty messages": lambda: results(
        _field(proto.BulkReadResult, "value", b"") + _field(proto.BulkReadResult, "source_timestamp", b""), SIZE // 6
    ),
    "results that begin a value again and again": lambda: results(_field(proto.BulkReadResult, "value", b"") * 2, SIZE // 6),
    "results of unknown fields": lambda: results(b"\xf8\x7f\x01" * 3, SIZE // 11),
    "empty statuses": lambda: _field(proto.MxCommandReply, "statuses", b"") * (SIZE // 2),
    "a status begun again and again": lambda: _field(proto.MxCommandReply, "protocol_status", b"") * (SIZE // 2),
    "a reply begun again and again": lambda: results(b"\x20\x01", 1) * (SIZE // 6),
    "oneof members by turns": lambda: (results(b"", 1) + _field(proto.MxCommandReply, "register", b"")) * (SIZE // 8),
    "unknown fields": lambda: b"\xf8\x7f\x01" * (SIZE // 3),
    "a number written again and again": lambda: b"\x18\x01" * (SIZE // 2),
    "a text written again and again": lambda: _field(proto.MxCommandReply, "session_id", b"s") * (SIZE // 3),
    "empty texts": lambda: array("string_values", _field(proto.StringArray, "values", b"") * (SIZE // 2)),
    "empty times": lambda: array("timestamp_values", _field(proto.TimestampArray, "values", b"") * (SIZE // 2)),
    "times begun again and again": lambda: array(
        "timestamp_values", _field(proto.TimestampArray, "values", b"\x08\x01" * 40_000) * 3
    ),
    "numbers that are not packed": lambda: array("int32_values", b"\x08\x01" * (SIZE // 2)),
    "packed runs of one number": lambda: array("int32_values", b"\x0a\x01\x01" * (SIZE // 3)),
    "lists in lists": lambda: results(_field(proto.BulkReadResult, "statuses", b"") * 400, SIZE // 803),
}  # fmt: skip


@each_row("name", HOSTILE)
def test_many_small_elements_are_refused_in_little_memory_and_in_short_steps(name: str) -> None:
    data = HOSTILE[name]()
    assert len(data) > SIZE * 0.9
    with pytest.raises(ElementLimitError):
        decoded(proto.MxCommandReply, data, LIMIT)
    gc.collect()
    tracemalloc.start()
    decoding = DecodingSteps(proto.MxCommandReply, data, LIMIT)
    with pytest.raises(ElementLimitError):
        while not decoding.run(0):
            assert tracemalloc.get_traced_memory()[0] < 1000 * LIMIT
    assert tracemalloc.get_traced_memory()[1] < 1000 * LIMIT + 400 * steps.STEP
    tracemalloc.stop()


@each_row("name", HOSTILE)
def test_a_step_reads_a_few_bytes_only(name: str) -> None:
    data = HOSTILE[name]()
    decoding = DecodingSteps(proto.MxCommandReply, data, ANY)
    count = 1
    while not decoding.run(0):
        count += 1
    assert count >= len(data) // (2 * steps.STEP)
    assert decoding.message == wire.decode(proto.MxCommandReply, data)


def test_a_regular_message_that_is_not_large_is_decoded_in_one_go() -> None:
    reply = proto.BulkReadReply(results=[proto.BulkReadResult(tag_address="Tank01.Level", item_handle=7)] * 1000)
    decoding = DecodingSteps(proto.BulkReadReply, wire.encode(reply), 1 << 20)
    assert decoding.run(0)
    assert decoding.message == reply


def test_a_run_ends_when_its_time_is_over() -> None:
    data = results(b"\x20\x01", SIZE // 4)
    decoding = DecodingSteps(proto.MxCommandReply, data, ANY)
    longest, runs = 0.0, 0
    while True:
        began = time.process_time()
        is_complete = decoding.run(0.01)
        longest, runs = max(longest, time.process_time() - began), runs + 1
        if is_complete:
            break
    assert runs > 1
    assert longest < 1  # the whole takes several times as long as a run; a bound that a busy machine keeps, too


def test_deep_nesting_is_refused_wherever_it_lies(constructs: Constructs) -> None:
    padding = b"\x0a\x20" + b"x" * 32
    body = padding * 1000
    for _ in range(101):
        body = padding + b"\x12" + wire.encode(constructs.ours.Tree())[:0] + _size(len(body)) + body
    for limit in (ANY, 1000):
        with pytest.raises(wire.WireError, match="more than 100 levels"):
            decoded(constructs.ours.Tree, body, limit)


def test_two_decodings_by_turns_do_not_count_for_each_other() -> None:
    data = results(b"\x20\x01", 200_000)
    first, second = (DecodingSteps(proto.MxCommandReply, data, 210_000) for _ in range(2))
    done = [False, False]
    while not all(done):
        done = [first.run(0), second.run(0)]
    assert first.message == second.message


def _field(message_type: type[Any], name: str, body: bytes) -> bytes:
    number = wire.schema.schema_of(message_type).by_name[name].number
    return _size(number << 3 | 2) + _size(len(body)) + body


def _size(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes((*encoded, number))
