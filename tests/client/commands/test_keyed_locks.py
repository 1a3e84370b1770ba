"""KeyedLocks: who claims the same thing has it one after the other, in the order of asking, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.events.keyed_lock import KeyedLocks
from tests.wire.profiles import bounded

PATIENCE = 10.0


@dataclass
class Stage:
    """Claims that are begun one after another and held until they are told to leave."""

    locks: KeyedLocks[str] = field(default_factory=KeyedLocks)
    inside: list[str] = field(default_factory=list)
    """Who is in his block, in the order of coming in."""
    held: dict[str, set[str]] = field(default_factory=dict)
    """What those in their blocks have."""
    leave: dict[str, asyncio.Event] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def claim(self, name: str, keys: Iterable[str]) -> None:
        """Ask for things, and give the others a chance to come in."""
        self.leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, list(keys)))
        await settle()

    async def _hold(self, name: str, keys: list[str]) -> None:
        async with self.locks.held(keys):
            for others in self.held.values():
                assert not others & set(keys)
            self.inside.append(name)
            self.held[name] = set(keys)
            try:
                await self.leave[name].wait()
            finally:
                del self.held[name]

    async def end(self, name: str) -> None:
        self.leave[name].set()
        await settle()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_same_thing_is_had_in_the_order_of_asking() -> None:
    stage = Stage()
    for name in "ABC":
        await stage.claim(name, ["x"])
    assert stage.inside == ["A"]
    await stage.end("A")
    assert stage.inside == ["A", "B"]
    await stage.end("B")
    await stage.end("C")
    assert stage.inside == ["A", "B", "C"]
    assert stage.locks.idle


async def test_different_things_are_had_at_the_same_time() -> None:
    stage = Stage()
    await stage.claim("A", ["x", "y"])
    await stage.claim("B", ["z"])
    await stage.claim("C", [])
    assert set(stage.held) == {"A", "B", "C"}
    for name in "ABC":
        await stage.end(name)
    assert stage.locks.idle


async def test_claims_that_overlap_crosswise_do_not_block_each_other() -> None:
    stage = Stage()
    await stage.claim("A", ["x", "y"])
    await stage.claim("B", ["y", "x"])
    await stage.claim("C", ["x"])
    await stage.end("A")
    assert stage.inside == ["A", "B"]
    await stage.end("B")
    await stage.end("C")
    assert stage.inside == ["A", "B", "C"]


async def test_a_thing_that_is_named_twice_is_one() -> None:
    stage = Stage()
    await stage.claim("A", ["x", "x"])
    await stage.claim("B", ["x", "y", "x"])
    assert stage.inside == ["A"]
    await stage.end("A")
    await stage.end("B")
    assert stage.inside == ["A", "B"]
    assert stage.locks.idle


async def test_a_claim_waits_for_the_last_of_its_things() -> None:
    stage = Stage()
    await stage.claim("A", ["x"])
    await stage.claim("B", ["y"])
    await stage.claim("C", ["x", "y"])
    await stage.end("A")
    assert stage.inside == ["A", "B"]
    await stage.end("B")
    assert stage.inside == ["A", "B", "C"]
    await stage.end("C")


async def test_nobody_overtakes_a_claim_that_waits_for_something_else() -> None:
    stage = Stage()
    await stage.claim("A", ["x"])
    await stage.claim("B", ["x", "y"])
    await stage.claim("C", ["y"])
    assert stage.inside == ["A"]
    await stage.end("A")
    await stage.end("B")
    assert stage.inside == ["A", "B", "C"]
    await stage.end("C")


@pytest.mark.parametrize("name", ["A", "B", "C"])
async def test_a_claim_that_is_cancelled_makes_room_for_the_next_one(name: str) -> None:
    stage = Stage()
    await stage.claim("A", ["x"])
    await stage.claim("B", ["x", "y"])
    await stage.claim("C", ["y"])
    await stage.cancel(name)
    assert stage.tasks[name].cancelled()
    for other in "ABC":
        await stage.end(other)
    assert stage.inside == ["A", *(other for other in "BC" if other != name)]
    assert stage.locks.idle


async def test_a_claim_may_be_cancelled_in_the_moment_of_its_turn() -> None:
    locks = KeyedLocks[str]()
    order: list[str] = []

    async def hold(name: str) -> None:
        async with locks.held(["x"]):
            order.append(name)

    async with locks.held(["x"]):
        second, third = asyncio.create_task(hold("B")), asyncio.create_task(hold("C"))
        await settle()
    second.cancel()  # it has its turn already and does not know it yet
    await asyncio.wait([second, third])
    assert second.cancelled()
    assert order == ["C"]
    assert locks.idle


async def test_an_error_in_the_block_gives_the_turn_on() -> None:
    locks = KeyedLocks[str]()
    with pytest.raises(RuntimeError):
        async with locks.held(["x"]):
            raise RuntimeError
    async with asyncio.timeout(PATIENCE), locks.held(["x"]):
        pass
    assert locks.idle


keys = st.lists(st.sampled_from("wxyz"), max_size=4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), keys),
        st.tuples(st.just("end"), st.integers(0, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
    ),
    max_size=20,
)


@given(steps)
@bounded(100)
def test_whatever_is_claimed_left_and_cancelled_all_come_to_their_turn_in_order(
    script: list[tuple[str, object]],
) -> None:
    asyncio.run(play(script))


async def play(script: list[tuple[str, object]]) -> None:
    stage = Stage()
    claims: dict[str, set[str]] = {}
    cancelled: set[str] = set()
    async with asyncio.timeout(PATIENCE):
        for what, argument in script:
            if what == "claim":
                assert isinstance(argument, list)
                name = str(len(claims))
                claims[name] = set(argument)
                await stage.claim(name, argument)
            elif isinstance(argument, int) and claims:
                name = str(argument % len(claims))
                if what == "cancel":
                    cancelled.add(name)
                await (stage.end if what == "end" else stage.cancel)(name)
            check_waiting(stage, claims)
        for name in claims:
            await stage.end(name)
        await asyncio.gather(*stage.tasks.values(), return_exceptions=True)

    assert stage.locks.idle
    assert {name for name in claims if name not in stage.inside} <= cancelled
    assert all(task.cancelled() or task.exception() is None for task in stage.tasks.values())
    place = {name: index for index, name in enumerate(stage.inside)}
    for first in place:
        for second in place:
            if int(first) < int(second) and claims[first] & claims[second]:
                assert place[first] < place[second]


def check_waiting(stage: Stage, claims: dict[str, set[str]]) -> None:
    """Whoever waits has a reason: somebody who came before him, has not left, and wants one of the same things."""
    alive = [name for name, task in stage.tasks.items() if not task.done()]
    for name in alive:
        if name not in stage.held:
            earlier = [other for other in alive if int(other) < int(name)]
            assert any(claims[other] & claims[name] for other in earlier), name
