"""Messages that repeat are remembered, as long as that pays."""

from __future__ import annotations

from typing import Any

import pytest

from mxgateway import proto, wire
from mxgateway.wire.decode.repeats import may_repeat, remembering
from mxgateway.wire.schema import schema_of
from tests.wire.conftest import Constructs


class Counted:
    """A decode function that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, data: bytes, pos: int, end: int, depth: int) -> Any:
        self.calls += 1
        return wire.decode(proto.MxStatusProxy, data[pos:end])


def test_a_message_that_was_seen_is_not_decoded_again() -> None:
    counted = Counted()
    decode = remembering(proto.MxStatusProxy, counted, lambda: pytest.fail("gave up"))
    data = b"??" + wire.encode(proto.MxStatusProxy(success=-1, detail=5)) + b"??"
    messages = [decode(data, 2, len(data) - 2, 100) for _ in range(1000)]
    assert counted.calls == 1
    assert all(message == messages[0] for message in messages)
    messages[0].detail = 6
    assert decode(data, 2, len(data) - 2, 100).detail == 5


def test_it_gives_up_when_too_few_repeat() -> None:
    counted, given_up = Counted(), []
    decode = remembering(proto.MxStatusProxy, counted, lambda: given_up.append(True))
    for detail in range(1, 300):
        data = wire.encode(proto.MxStatusProxy(detail=detail))
        assert decode(data, 0, len(data), 100).detail == detail
    assert given_up == [True]
    assert counted.calls == 299


def test_it_goes_on_while_enough_repeat() -> None:
    decode = remembering(proto.MxStatusProxy, Counted(), lambda: pytest.fail("gave up"))
    for detail in range(1, 600):
        data = wire.encode(proto.MxStatusProxy(detail=detail))
        for _ in range(6):
            assert decode(data, 0, len(data), 100).detail == detail


def test_a_long_message_is_not_kept() -> None:
    counted = Counted()
    decode = remembering(proto.MxStatusProxy, counted, lambda: None)
    data = wire.encode(proto.MxStatusProxy(diagnostic_text="x" * 100))
    for _ in range(3):
        decode(data, 0, len(data), 100)
    assert counted.calls == 3


def test_a_truncated_message_is_not_remembered_as_a_whole_one() -> None:
    text = b"\x3a\x05kept"  # five bytes of diagnostic text, of which four have come
    whole = wire.encode(proto.SuspendReply(status=proto.MxStatusProxy(diagnostic_text="kept")))
    assert wire.decode(proto.SuspendReply, whole).status.diagnostic_text == "kept"
    for _ in range(2):
        for size in (len(text) + 1, len(text)):
            with pytest.raises(wire.WireError, match=r"has [57] bytes, but only [46] remain"):
                wire.decode(proto.SuspendReply, b"\x0a" + bytes([size]) + text)


def test_only_messages_of_immutable_values_qualify(constructs: Constructs) -> None:
    ours = constructs.ours
    assert may_repeat(schema_of(ours.Scalars))
    assert may_repeat(schema_of(proto.MxStatusProxy))
    for message_type in (ours.Lists, ours.Maps, ours.Tree, ours.Nothing, constructs.stock.Scalars):
        assert not may_repeat(schema_of(message_type))


def test_many_different_messages_are_read_right_before_and_after_giving_up() -> None:
    for _ in range(3):
        reply = proto.BulkSubscribeReply(
            results=[
                proto.SubscribeResult(server_handle=1, item_handle=number, tag_address=f"Tank{number}.Level")
                for number in range(500)
            ]
        )
        assert wire.decode(proto.BulkSubscribeReply, wire.encode(reply)) == reply
