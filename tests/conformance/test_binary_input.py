"""Bytes that the testee reads: every field in every form, once, twice and beside others, judged by google.protobuf."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.binary_cases import groups, wires
from tests.conformance.peer import NO_JSON, REFUSED, Outcome, Peers
from tests.rows import each_row
from tests.wire.messages import every_message, google_messages
from tests.wire.profiles import bounded

BOXED = "timestamp.proto", "duration.proto", "wrappers.proto"
"""The files of the types whose Python values have no room for unknown fields."""


def judge(peers: Peers, encoded: bytes) -> str:
    """Compare what both make of some bytes, and return the outcome."""
    expected, message = peers.of_google(encoded)
    found = peers.of_testee(encoded, drop_unknown_in_boxes)
    if message is not None:
        drop_unknown_in_boxes(message)
        expected = Outcome(message.SerializeToString(deterministic=True), json_here(expected.json, found.json, message))
    assert found == expected, encoded.hex()
    return found.json


def json_here(expected: str, found: str, message: Any) -> str:
    """Return the JSON that is right here: the differences are those that `mxgateway.wire` names."""
    every = list(every_message(message))
    if any(has_no_json(each) for each in every):
        return NO_JSON
    if expected == NO_JSON and any(each.DESCRIPTOR.full_name == "google.protobuf.Timestamp" for each in every):
        return found  # a time out of range is written as the nearest one
    return expected


def has_no_json(message: Any) -> bool:
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.FieldMask":
        return any("," in path for path in message.paths) or list(message.paths) == [""]
    # google's Python writes null for a Value without a value, which would be read as another one.
    return name == "google.protobuf.Any" or (name == "google.protobuf.Value" and message.WhichOneof("kind") is None)


def drop_unknown_in_boxes(message: Any) -> None:
    for each in every_message(message):
        if each.DESCRIPTOR.file.name.removeprefix("google/protobuf/") in BOXED:
            each.DiscardUnknownFields()


def test_a_field_is_read_in_every_form(peers: Peers) -> None:
    taken = [judge(peers, wire) for field in peers.message.DESCRIPTOR.fields for wire in wires(field.number)]
    assert 5000 < len([text for text in taken if text != REFUSED]) < len(taken) - 3000


@each_row("number", [501, 502, 5000, 2**29 - 1])
def test_an_unknown_field_is_kept(peers: Peers, number: int) -> None:
    for wire in wires(number):
        judge(peers, wire)
        judge(peers, b"\x08\x01" + wire + b"\xca\x3e\x00")


def test_two_encodings_of_a_field_are_merged_joined_or_the_last_one_wins(peers: Peers) -> None:
    random = Random(17)
    for field in peers.message.DESCRIPTOR.fields:
        valid = [wire for wire in wires(field.number) if peers.of_google(wire)[1] is not None]
        for _ in range(25):
            judge(peers, random.choice(valid) + random.choice(valid))


def test_fields_in_any_order_are_read(peers: Peers) -> None:
    random = Random(17)
    every = [wire for field in peers.message.DESCRIPTOR.fields for wire in wires(field.number)]
    valid = [wire for wire in every if peers.of_google(wire)[1] is not None]
    for _ in range(2000):
        encoded = b"".join(random.choices(valid, k=random.randrange(2, 9)))
        judge(peers, encoded)
        judge(peers, encoded[: random.randrange(len(encoded))])


def test_the_last_member_of_a_oneof_wins(peers: Peers) -> None:
    numbers = [field.number for field in peers.message.DESCRIPTOR.oneofs_by_name["oneof_field"].fields]
    valid = [wire for number in numbers for wire in wires(number) if peers.of_google(wire)[1] is not None]
    random = Random(17)
    for _ in range(1500):
        judge(peers, b"".join(random.choices(valid, k=random.randrange(2, 6))))


@given(data=st.data())
@bounded(150)
def test_any_message_and_its_json_are_read(peers: Peers, data: Any) -> None:
    message = data.draw(google_messages(peers.message))
    text = judge(peers, message.SerializeToString())
    if text != NO_JSON:
        assert peers.of_testee(text) == peers.of_google(text)[0]


def test_a_group_is_refused(peers: Peers) -> None:
    for number in (1, 18, 201, 305, 501):
        for wire in groups(number):
            assert peers.of_testee(wire).json == REFUSED


@each_row(
    ("request_fields", "reason"),
    [
        ({"message_type": "protobuf_test_messages.proto2.TestAllTypesProto2", "protobuf_payload": b""}, "proto3"),
        ({"text_payload": ""}, "binary form and JSON"),
        ({"jspb_payload": ""}, "binary form and JSON"),
        ({}, "binary form and JSON"),
        ({"protobuf_payload": b"", "requested_output_format": 4}, "output"),
        ({"json_payload": '{"x": 1}', "requested_output_format": 1, "test_category": 3}, "unknown names"),
    ],
)
def test_what_is_not_supported_is_skipped(peers: Peers, request_fields: dict[str, Any], reason: str) -> None:
    assert reason in peers.ask(**request_fields).skipped


def test_the_runner_is_told_of_no_failures(peers: Peers) -> None:
    response = peers.ask(message_type="conformance.FailureSet", protobuf_payload=b"")
    assert (response.WhichOneof("result"), response.protobuf_payload) == ("protobuf_payload", b"")
