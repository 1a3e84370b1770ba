"""Whatever happens to the writes of an item, a completion is given to the write that it must be of, and to no other."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from mxgateway import MxGatewayAuthenticationError, MxGatewayError, proto
from mxgateway.events.writes.item_writes import Completion, Item, forget
from mxgateway.events.writes.write_records import WriteRecords
from mxgateway.transport.calls.method import Progress
from tests.events.write_worlds import Worlds
from tests.wire.profiles import bounded

ITEM, OTHER = Item(1, 2), Item(1, 3)


def completion(item: Item) -> proto.MxEvent:
    return proto.MxEvent(server_handle=item.server_handle, item_handle=item.item_handle)


def lost() -> MxGatewayError:
    return MxGatewayError("events were lost")


class Fate(enum.Enum):
    """What becomes of a command."""

    ACCEPTED = enum.auto()
    REFUSED = enum.auto()
    """The reply says so."""
    REJECTED = enum.auto()
    """The error proves it."""
    NOT_SENT = enum.auto()
    UNKNOWN = enum.auto()
    """The connection breaks before the reply."""


FAULTS: dict[Fate, BaseException] = {
    Fate.REJECTED: MxGatewayAuthenticationError("?"),
    Fate.NOT_SENT: RuntimeError("?"),
    Fate.UNKNOWN: asyncio.CancelledError(),
}


@dataclass
class Sent:
    """A write that somebody waits for."""

    name: int
    item: Item
    write: Completion


class Play:
    """Does what a session does with its records, and holds what the records says against all that may be true."""

    def __init__(self) -> None:
        self.records = WriteRecords()
        self.worlds = {item: Worlds() for item in (ITEM, OTHER)}
        self.waiting: list[Sent] = []
        self.removed: set[Item] = set()
        """Handles of which nothing was sent since their item was removed."""
        self.names = 0
        self.confirmed = 0

    # -- steps

    async def write(self, item: Item, fate: Fate, early: int, *, waits: bool) -> None:
        """Send a write; some completions of its item come before the reply."""
        worlds = self.worlds[item]
        if worlds.most > 4:
            return
        self.names += 1
        self.removed.discard(item)
        worlds.send(self.names)
        with contextlib.suppress(*(type(fault) for fault in FAULTS.values())):
            await (self._confirm if waits else self._count)(item, fate, early)

    async def _confirm(self, item: Item, fate: Fate, early: int) -> None:
        write: Completion = asyncio.get_running_loop().create_future()
        with self.records.sending([item], Progress(sent=fate is not Fate.NOT_SENT), [write]):
            sent = Sent(self.names, item, write)
            if not write.done():
                self.waiting.append(sent)
            fate = self._await_reply(sent.name, item, fate, early)
        accepted = self.records.judge([item], [fate is Fate.ACCEPTED], [write])
        assert accepted == [write if fate is Fate.ACCEPTED else None]
        if fate is not Fate.ACCEPTED or write.done():
            self._stop_waiting(sent)

    async def _count(self, item: Item, fate: Fate, early: int) -> None:
        with self.records.sending([item], Progress(sent=fate is not Fate.NOT_SENT)):
            fate = self._await_reply(self.names, item, fate, early)
        self.records.judge([item], [fate is Fate.ACCEPTED])

    def _await_reply(self, name: int, item: Item, fate: Fate, early: int) -> Fate:
        """Let completions come, then what tells the fate, as far as that may still be."""
        for _ in range(early):
            self.complete(item)
        worlds = self.worlds[item]
        refused = fate in (Fate.REFUSED, Fate.REJECTED, Fate.NOT_SENT)
        if refused and not worlds.may_be(name, accepted=False):
            fate = Fate.ACCEPTED
        if fate is Fate.UNKNOWN:
            worlds.give_up(name)
        else:
            worlds.answer(name, accepted=fate is Fate.ACCEPTED)
        if fate in FAULTS:
            self.waiting = [each for each in self.waiting if each.name != name]
            raise FAULTS[fate]
        return fate

    def complete(self, item: Item) -> None:
        """Let a completion come, where one may, and check to whom it is given."""
        worlds = self.worlds[item]
        if not worlds.most:
            return
        waiting = [each for each in self.waiting if not each.write.done()]
        owners = worlds.arrive()
        event = completion(item)
        self.records.complete(event)
        given = {each.name for each in waiting if each.write.done()}
        assert given == {each.name for each in waiting if owners == {each.name}}
        for each in list(self.waiting):
            if each.name in given:
                assert each.write.result() is event
                self.confirmed += 1
                self._stop_waiting(each)

    def give_up(self) -> None:
        """Let the caller of the oldest write stop waiting."""
        if self.waiting:
            self._stop_waiting(self.waiting[0])

    def lose(self) -> None:
        """Let completions be lost, perhaps."""
        self.records.lose(lost)
        for worlds in self.worlds.values():
            worlds.lose()
        self._failed(self.waiting)

    def fail(self) -> None:
        """Let the stream end."""
        self.records.fail(lost)
        self._failed(self.waiting)

    def remove(self, item: Item) -> None:
        """Let an item be removed; its completions may come or not."""
        self.records.forget([item])
        self.worlds[item].lose()
        self.removed.add(item)
        self._failed([each for each in self.waiting if each.item == item])

    def _failed(self, sent: list[Sent]) -> None:
        for each in list(sent):
            assert isinstance(each.write.exception(), MxGatewayError)
            self._stop_waiting(each)

    def _stop_waiting(self, sent: Sent) -> None:
        forget([sent.write])
        self.waiting = [each for each in self.waiting if each is not sent]

    # -- what holds at any time

    def check(self) -> None:
        """Check what the records says about each item."""
        for item, worlds in self.worlds.items():
            assert self.records.is_in_doubt(item) is worlds.in_doubt
        expected = [item for item in self.worlds if self.worlds[item].most and item not in self.removed]
        assert self.records.pending is bool(expected)
        assert self.records.waiting is any(not each.write.done() for each in self.waiting)
        for each in self.waiting:
            assert len(self.worlds[each.item].places(each.name)) == 1


async def play(steps: list[Any]) -> Play:
    """Go through steps, and check after each."""
    found = Play()
    for what, item, fate, early in steps:
        if what in ("confirm", "count"):
            await found.write(item, fate, early, waits=what == "confirm")
        elif what in ("complete", "remove"):
            getattr(found, what)(item)
        else:
            getattr(found, what)()
        found.check()
    return found


KINDS = (
    "confirm",
    "confirm",
    "count",
    "complete",
    "complete",
    "complete",
    "give_up",
    "lose",
    "fail",
    "remove",
)
FATES = (*[Fate.ACCEPTED] * 6, *Fate)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.sampled_from([ITEM, ITEM, OTHER]), st.sampled_from(FATES), st.sampled_from([0, 0, 0, 1, 2])
    ),
    max_size=30,
)  # fmt: skip


@bounded(1_000)
@given(STEPS)
@example([("confirm", ITEM, Fate.UNKNOWN, 0), ("remove", ITEM, Fate.UNKNOWN, 0), ("confirm", ITEM, Fate.ACCEPTED, 1)])
def test_no_completion_is_given_to_a_write_that_could_be_anothers_and_doubt_lasts_as_long_as_it_must(
    steps: list[Any],
) -> None:
    asyncio.run(play(steps))


def test_in_long_runs_most_writes_of_healthy_items_are_confirmed() -> None:
    chance = random.Random(13)

    def steps() -> Iterator[Any]:
        for _ in range(5_000):
            kind = chance.choices(KINDS[:7] + KINDS[9:], [9, 9, 3, 9, 9, 9, 1, 0.3])[0]
            fate = chance.choices(list(Fate), [20, 1, 1, 1, 0.2])[0]
            yield kind, chance.choice([ITEM, OTHER]), fate, chance.randrange(3)

    found = asyncio.run(play(list(steps())))
    assert found.confirmed > 1_000
