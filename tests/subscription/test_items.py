"""Which event belongs to which tag: also when it is ahead of the reply that says so, or older than a value that was read."""

from __future__ import annotations

import math

import pytest

from mxgateway import Timestamp, proto
from mxgateway.subscription.items import ReadValue, SubscribedItems


def event(handle: int, sequence: int = 1, seconds: int = 0) -> proto.MxEvent:
    return proto.MxEvent(
        item_handle=handle, worker_sequence=sequence, source_timestamp=Timestamp.from_parts(seconds, 0)
    )


def accepted(handle: int) -> proto.SubscribeResult:
    return proto.SubscribeResult(item_handle=handle, was_successful=True)


def test_tags_are_kept_once_and_in_order() -> None:
    items = SubscribedItems(["B", "A", "B"])
    items.want(["C", "A"])
    assert (list(items), len(items), "A" in items, "D" in items) == (["B", "A", "C"], 3, True, False)
    assert items.handle("A") is None
    assert items.handles == {}


def test_events_that_come_ahead_of_the_reply_are_kept_for_it_in_order() -> None:
    items = SubscribedItems(["A", "B"])
    assert not items.hold(event(7))
    items.begin()
    assert items.hold(event(7, 1))
    assert items.hold(event(8, 2))
    assert items.hold(event(7, 3))
    assert [each.worker_sequence for each in items.map("A", accepted(7))] == [1, 3]
    assert items.map("B", accepted(9)) == []
    assert items.finish() == 1  # nobody's
    assert not items.hold(event(7))
    assert items.handles == {"A": 7, "B": 9}
    assert items.tags == {7: "A", 9: "B"}
    assert items.fresh == items.unread == {7, 9}


def test_two_mappings_at_the_same_time_end_with_the_second() -> None:
    items = SubscribedItems(["A"])
    items.begin()
    items.begin()
    items.hold(event(7))
    assert items.finish() == 0
    assert items.hold(event(7))
    assert items.finish() == 2


@pytest.mark.parametrize(("message", "why"), [("not\nallowed", "not allowed"), ("", "refused without a reason")])
def test_a_refused_tag_has_a_reason_until_it_is_accepted_or_dropped(message: str, why: str) -> None:
    items = SubscribedItems(["A", "B"])
    for tag in "AB":
        assert items.map(tag, proto.SubscribeResult(was_successful=False, error_message=message)) == []
    assert items.refused == {"A": why, "B": why}
    items.map("A", accepted(7))
    assert items.drop(["B", "Never"]) == []
    assert items.refused == {}


def test_a_dropped_tag_leaves_nothing() -> None:
    items = SubscribedItems(["A", "B"])
    items.map("A", accepted(7))
    items.map("B", accepted(8))
    items.read[7] = ReadValue(None, proto.MxValue(), 0, math.inf)
    assert items.drop(["A"]) == [7]
    assert (list(items), items.tags, items.unread, items.fresh, items.read) == (["B"], {8: "B"}, {8}, {8}, {})


def test_after_a_loss_every_item_has_to_be_read() -> None:
    items = SubscribedItems(["A", "B", "Refused"])
    items.attach("A", 7)
    items.attach("B", 8)
    items.read[7] = Timestamp.from_parts(1, 0)
    items.events_lost()
    assert items.unread == {7, 8}
    assert items.read == {}
    assert items.fresh == set()


def test_a_lost_session_takes_the_items_and_leaves_the_tags() -> None:
    items = SubscribedItems(["A", "B"])
    items.server_handle = 3
    items.begin()
    items.hold(event(9))
    items.map("A", accepted(7))
    items.session_lost()
    assert list(items) == ["A", "B"]
    assert items.handles == items.tags == items.read == {}
    assert items.unread == items.fresh == set()
    assert items.server_handle == 0
    assert items.finish() == 0


def test_events_up_to_the_value_that_was_read_are_stale_and_the_first_newer_one_ends_the_question() -> None:
    items = SubscribedItems(["A"])
    items.attach("A", 7)
    items.read[7] = ReadValue(Timestamp.from_parts(10, 0), proto.MxValue(), 0, math.inf)
    assert items.is_stale(event(7, seconds=9))
    assert items.is_stale(event(7, seconds=10))
    assert not items.is_stale(event(7, seconds=11))
    assert items.read == {}


def test_a_value_that_was_read_without_a_time_makes_no_event_stale() -> None:
    items = SubscribedItems(["A"])
    items.attach("A", 7)
    items.read[7] = ReadValue(None, proto.MxValue(), 0, math.inf)
    assert not items.is_stale(event(7))
    assert items.read == {}
