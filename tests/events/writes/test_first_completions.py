"""The first events of a stream may be missing: a write that was sent before one has come is confirmed by its own completion, or not."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mxgateway import MxGatewayError, proto
from mxgateway.events.cursor import Cursor
from mxgateway.events.sequence_order import StreamOrder
from mxgateway.events.writes.completions import Completions
from mxgateway.events.writes.item_writes import Completion, Item
from mxgateway.events.writes.write_records import WriteRecords
from mxgateway.transport.calls.method import Progress
from tests.wire.profiles import bounded

ITEM = Item(1, 2)
BEFORE = 5
"""Events of the session before the first write."""


class Session:
    """A session whose stream is opened, and whose first completions do not come.

    Args:
        lost: How many.
        position: Where the completions stand: at 0 in a session that was opened here, nowhere in another's.
    """

    def __init__(self, lost: int, position: int | None) -> None:
        self.records = WriteRecords()
        self.completions = Completions(self.records, lambda: MxGatewayError("the session is closed"))
        self.completions.cursor = Cursor(position)
        self.completions.begin(0)
        self.order = StreamOrder(0)
        self.lost = lost
        self.accepted: list[Completion] = []
        """The writes that MXAccess has accepted, in order."""
        self.arrived = 0
        """How many of their completions the gateway has sent."""
        self.refused: list[Completion] = []

    def write(self, *, accepted: bool, answered: bool) -> None:
        """Send a write, which may be accepted, and answered."""
        write: Completion = asyncio.get_running_loop().create_future()
        (self.accepted if accepted else self.refused).append(write)
        with contextlib.suppress(TimeoutError):
            with self.records.sending([ITEM], Progress(sent=True), [write]):
                if not answered:
                    raise TimeoutError
            self.records.judge([ITEM], [accepted], [write])

    def complete(self) -> None:
        """Let the gateway send the next completion."""
        if self.arrived == len(self.accepted):
            return
        self.arrived += 1
        number = BEFORE + self.arrived
        if self.arrived > self.lost:
            family = proto.MxEventFamily.ON_WRITE_COMPLETE
            event = proto.MxEvent(family=family, server_handle=1, item_handle=2, worker_sequence=number)
            if not self.order.deliver([event], [self.completions]) and (
                news := self.completions.cursor.take(self.order.check([event]))
            ):
                self.completions.take(news)

    def check(self) -> None:
        """Check that nothing is confirmed by another's completion."""
        told = [write for write in (*self.accepted, *self.refused) if write.done() and not write.cancelled()]
        for write in told:
            if write.exception() is None:
                assert self.accepted[write.result().worker_sequence - BEFORE - 1] is write

    @property
    def confirmed(self) -> list[bool]:
        """Which of the accepted writes are confirmed."""
        return [write.done() and not write.cancelled() and write.exception() is None for write in self.accepted]


@pytest.mark.parametrize("position", [0, None])
@pytest.mark.parametrize("count", [1, 2, 3])
async def test_all_are_confirmed_once_all_have_come(count: int, position: int | None) -> None:
    session = Session(0, position)
    for _ in range(count):
        session.write(accepted=True, answered=True)
    for _ in range(count):
        session.complete()
    session.check()
    assert session.confirmed == [True] * count
    assert not session.records.is_in_doubt(ITEM)


@pytest.mark.parametrize("position", [0, None])
async def test_where_the_first_is_missing_none_is_confirmed_and_the_item_is_in_doubt(position: int | None) -> None:
    session = Session(1, position)
    for _ in range(2):
        session.write(accepted=True, answered=True)
    for _ in range(2):
        session.complete()
    assert session.confirmed == [False, False]
    assert session.records.is_in_doubt(ITEM)


async def test_a_stream_that_is_opened_again_before_an_event_has_come_may_lack_the_first_ones_as_well() -> None:
    session = Session(1, None)
    with session.records.sending([Item(1, 3)], Progress(sent=True)):
        pass
    session.completions.confused()  # as the pump does
    session.completions.begin(0)
    for _ in range(2):
        session.write(accepted=True, answered=True)
    for _ in range(2):
        session.complete()
    assert session.confirmed == [False, False]
    assert session.records.is_in_doubt(ITEM)


async def test_a_drain_that_brings_nothing_is_no_first_event() -> None:
    session = Session(1, 0)
    for _ in range(2):
        session.write(accepted=True, answered=True)
    session.completions.take_drained([], streaming=False)
    for _ in range(2):
        session.complete()
    assert session.confirmed == [False, False]


async def test_a_refused_write_is_not_waited_for() -> None:
    session = Session(0, None)
    session.write(accepted=True, answered=True)
    with session.records.sending([ITEM], Progress(sent=True)):
        session.complete()
        assert session.confirmed == [False]
    session.records.judge([ITEM], [False])
    assert session.confirmed == [True]
    assert not session.records.is_in_doubt(ITEM)


@bounded(500)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.booleans()) | st.none(), max_size=10),
    lost=st.integers(0, 3),
    position=st.sampled_from([0, None]),
)
@example(steps=[(True, True), (True, False), None], lost=1, position=None)
def test_each_is_confirmed_by_its_own_completion(
    steps: list[tuple[bool, bool] | None], lost: int, position: int | None
) -> None:
    async def main() -> None:
        session = Session(lost, position)
        for step in steps:
            if step is None:
                session.complete()
            else:
                session.write(accepted=step[0], answered=step[1])
            session.check()

    asyncio.run(main())
