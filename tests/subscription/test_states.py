"""Whoever watches the state is told every change, and what nobody reads fills no memory."""

from __future__ import annotations

from itertools import pairwise

from mxgateway import SubscriptionState
from mxgateway.subscription.states import StateBoard
from tests.rows import each_row

CONNECTED, RECOVERING, CLOSED = SubscriptionState.CONNECTED, SubscriptionState.RECOVERING, SubscriptionState.CLOSED


def flap(board: StateBoard, times: int) -> None:
    """Lose the connection and have it back, so many times."""
    for _ in range(times):
        board.put(RECOVERING)
        board.put(CONNECTED)


@each_row("times", [10, 49, 50, 1_000])
async def test_of_states_that_nobody_reads_the_oldest_interruptions_are_left_out_each_as_a_whole(times: int) -> None:
    board = StateBoard()
    states = board.watch()
    board.put(CONNECTED)
    flap(board, times)
    board.put(RECOVERING)
    board.put(CLOSED)
    seen = [state async for state in states]
    assert len(seen) <= 100
    assert len(seen) >= min(99, 2 * times + 4)
    assert seen[0] is SubscriptionState.NEW
    assert seen[-2:] == [RECOVERING, CLOSED]
    assert all(one is not other for one, other in pairwise(seen)), "each one is a change"
