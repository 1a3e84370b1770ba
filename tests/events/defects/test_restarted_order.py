"""When refused numbers are a new beginning, and what readers are given then."""

from __future__ import annotations

from typing import Any

from mxgateway.events.cursor import MAX_JUMP, Cursor, Loss, LossCause
from mxgateway.events.sequence_order import RESTART, StreamOrder
from tests.events.cursors import events_of
from tests.rows import each_row

NEW = tuple(range(1, RESTART + 1))


def taken(order: StreamOrder, cursor: Cursor, *numbers: Any) -> list[Any]:
    """Let events come at once, and return what a reader is given."""
    news = cursor.take(order.check(events_of(*numbers)))
    return [each if isinstance(each, Loss) else each.worker_sequence for each in news]


@each_row("begin", [1, 30, MAX_JUMP + 1_000, 2**63])
@each_row("parts", [1, RESTART])
def test_a_row_of_refused_numbers_is_a_new_beginning_and_every_event_of_it_is_handed_on(begin: int, parts: int) -> None:
    order, cursor = StreamOrder(0), Cursor(0)
    order.check(events_of(*range(1, 101)))
    cursor.take_all(events_of(100))
    numbers, given = range(begin, begin + RESTART), list[Any]()
    for part in range(0, RESTART, RESTART // parts):
        given += taken(order, cursor, *numbers[part : part + RESTART // parts])
    assert given == [Loss(101, begin - 1, LossCause.RESTARTED), *numbers]
    assert (order.last, cursor.position, order.hides_events, order.is_restarted) == (numbers[-1],) * 2 + (True,) * 2
    assert taken(order, cursor, numbers[-1] + 1, numbers[-1] + 3)[1:] == [
        Loss(numbers[-1] + 2, numbers[-1] + 2, LossCause.SEQUENCE),
        numbers[-1] + 3,
    ]


@each_row("numbers", [NEW[:-1], (*NEW[:-1], 101, NEW[-1]), (*NEW[:3], *NEW[4:]), tuple(reversed(NEW)), NEW[:1] * 20])
def test_what_does_not_follow_one_another_is_no_new_beginning(numbers: tuple[int, ...]) -> None:
    order, cursor = StreamOrder(0), Cursor(100)
    order.check(events_of(*range(1, 101)))
    assert taken(order, cursor, *numbers) == [number for number in numbers if number > 100]
    assert not order.is_restarted


@each_row("position", [None, 0, 100, 5_000])
def test_every_reader_goes_on_from_there_wherever_it_has_begun(position: int | None) -> None:
    order, cursor = StreamOrder(0), Cursor(position)
    order.check(events_of(*range(1, 101)))
    given = taken(order, cursor, *NEW, NEW[-1] + 1)
    loss = [] if position is None else [Loss(position + 1, 0, LossCause.RESTARTED)]
    assert given == [*loss, *NEW, NEW[-1] + 1]


def test_what_came_before_the_new_beginning_in_the_same_delivery_is_handed_on_first() -> None:
    order, cursor = StreamOrder(0), Cursor(0)
    assert taken(order, cursor, *range(1, 21), *NEW) == [*range(1, 21), Loss(21, 0, LossCause.RESTARTED), *NEW]


def test_jumps_of_before_excuse_no_number_behind_the_new_beginning() -> None:
    order, cursor = StreamOrder(0), Cursor(0)
    taken(order, cursor, *range(1, 11), 50)
    taken(order, cursor, *NEW)
    assert taken(order, cursor, 9, 10, 11, 11) == [9, 10, 11]
    assert order.rewound is None


def test_a_jump_that_was_true_long_ago_is_no_excuse_for_a_new_beginning() -> None:
    order, cursor = StreamOrder(0), Cursor(0)
    taken(order, cursor, 20)
    assert order.deliver(events_of(*range(21, 21 + RESTART)), [])
    order = StreamOrder(order.last, before=order)
    assert taken(order, cursor, *NEW)[1:] == list(NEW)
    assert order.is_restarted
    assert order.rewound is None
