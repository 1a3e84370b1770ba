"""Completions that DrainEvents brings belong to the same writes as those that the stream brings, whichever comes first."""

from __future__ import annotations

import asyncio

from hypothesis import example, given
from hypothesis import strategies as st

from mxgateway import MxGatewayError, proto
from mxgateway.events.sequence_order import StreamOrder
from mxgateway.events.writes.completions import Completions
from mxgateway.events.writes.item_writes import Completion, Item
from mxgateway.events.writes.write_records import WriteRecords
from mxgateway.transport.calls.method import Progress
from tests.wire.profiles import bounded

ITEM = Item(1, 2)


def closed() -> MxGatewayError:
    return MxGatewayError("the session is closed")


class Session:
    """A session whose gateway numbers events, and hands them to the stream or to whoever drains them."""

    def __init__(self, writes: int) -> None:
        self.records = WriteRecords()
        self.completions = Completions(self.records, closed)
        self.completions.cursor.position = 0
        self.order = StreamOrder(0)
        self.writes = [self._accepted() for _ in range(writes)]

    def _accepted(self) -> Completion:
        write: Completion = asyncio.get_running_loop().create_future()
        with self.records.sending([ITEM], Progress(sent=True), [write]):
            pass
        self.records.judge([ITEM], [True], [write])
        return write

    def stream(self, *numbers: int) -> None:
        """Let the stream bring events."""
        events = [self.event(number) for number in numbers]
        if self.order.deliver(events, [self.completions]):
            return
        if news := self.completions.cursor.take(self.order.check(events)):
            self.completions.take(news)

    def drain(self, *numbers: int) -> None:
        """Let DrainEvents bring events while there is a stream."""
        self.completions.take_drained([self.event(number) for number in numbers], streaming=True)

    def event(self, number: int) -> proto.MxEvent:
        """Return the event of a number: those of the first numbers are the completions of the writes, in order."""
        complete = proto.MxEventFamily.ON_WRITE_COMPLETE
        family = complete if number <= len(self.writes) else proto.MxEventFamily.ON_DATA_CHANGE
        return proto.MxEvent(family=family, server_handle=1, item_handle=2, worker_sequence=number)

    def confirmed(self) -> list[int | None]:
        """Return by which event each write was confirmed; None for one that waits or has failed."""
        return [
            write.result().worker_sequence if write.done() and write.exception() is None else None
            for write in self.writes
        ]


async def test_what_is_drained_confirms_at_once_and_is_nobodys_when_the_stream_brings_it_again() -> None:
    session = Session(3)
    session.drain(1, 2)
    assert session.confirmed() == [1, 2, None]
    session.stream(1, 2)
    assert session.confirmed() == [1, 2, None]
    session.stream(3)
    assert session.confirmed() == [1, 2, 3]
    assert not session.records.pending


async def test_what_was_drained_and_does_not_come_by_the_stream_is_not_lost() -> None:
    session = Session(3)
    session.drain(1, 2)
    session.stream(3)
    assert session.confirmed() == [1, 2, 3]


async def test_what_is_missing_of_both_is_lost() -> None:
    session = Session(3)
    session.drain(1)
    session.stream(3)
    assert session.confirmed()[1:] == [None, None]
    assert session.records.is_in_doubt(ITEM)
    assert [isinstance(write.exception(), MxGatewayError) for write in session.writes[1:]] == [True, True]


async def test_a_drained_completion_that_has_overtaken_an_older_one_is_not_given_to_the_older_write() -> None:
    session = Session(2)
    session.drain(2)
    session.stream(1)
    session.stream(3)
    assert session.confirmed() == [1, 2]


@bounded(500)
@given(
    ways=st.lists(st.sampled_from(["stream", "drain", "both"]), min_size=1, max_size=8),
    turns=st.lists(st.tuples(st.sampled_from(["stream", "drain"]), st.integers(1, 4)), max_size=12),
)
@example(ways=["stream", "drain"], turns=[("drain", 1)])
def test_each_write_is_confirmed_by_its_own_completion_whichever_way_it_comes(
    ways: list[str], turns: list[tuple[str, int]]
) -> None:
    async def main() -> None:
        session = Session(len(ways))
        coming = {
            way: [number for number, each in enumerate(ways, start=1) if each in (way, "both")]
            for way in ("stream", "drain")
        }
        coming["stream"] += [len(ways) + 1, len(ways) + 2]
        for way, size in [*turns, ("drain", len(ways)), ("stream", len(ways) + 2)]:
            numbers, coming[way] = coming[way][:size], coming[way][size:]
            if numbers:
                (session.drain if way == "drain" else session.stream)(*numbers)
            assert all(each in (None, own) for own, each in enumerate(session.confirmed(), start=1))
        assert all(write.done() for write in session.writes)

    asyncio.run(main())
