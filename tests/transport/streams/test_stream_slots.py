"""Whose turn it is: first come first served, and no turn is lost, whatever happens to the one who had it."""

import asyncio

from mxgateway.transport.streams.stream_slots import StreamSlots


async def step() -> None:
    """Let every task go on as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def slots_of(limit: int, *, taken: int = 0) -> StreamSlots:
    slots = StreamSlots(asyncio.get_running_loop(), limit)
    for _ in range(taken):
        slots.take()
    return slots


class Callers:
    """Tasks that each wait for a slot and keep it."""

    def __init__(self, slots: StreamSlots, count: int) -> None:
        self.served: list[int] = []
        self._slots = slots
        self.tasks = [asyncio.create_task(self._call(number)) for number in range(count)]

    async def _call(self, number: int) -> None:
        while not self._slots.free:
            await self._slots.wait()
        self._slots.take()
        self.served.append(number)


async def test_slots_are_given_in_the_order_in_which_callers_came() -> None:
    slots = slots_of(2, taken=2)
    callers = Callers(slots, 3)
    await step()
    assert callers.served == []
    for served in ([0], [0, 1], [0, 1, 2]):
        slots.give_back()
        await step()
        assert callers.served == served


async def test_a_slot_that_was_granted_is_free_for_nobody_else() -> None:
    slots = slots_of(1, taken=1)
    callers = Callers(slots, 1)
    await step()
    slots.give_back()
    assert not slots.free
    assert slots.all_taken
    await step()
    assert callers.served == [0]


async def test_a_caller_that_is_cancelled_before_its_turn_is_passed_over() -> None:
    slots = slots_of(1, taken=1)
    callers = Callers(slots, 3)
    await step()
    callers.tasks[0].cancel()
    slots.give_back()  # in the same step
    await step()
    assert callers.served == [1]
    slots.give_back()
    await step()
    assert callers.served == [1, 2]


async def test_a_caller_that_is_cancelled_in_the_step_of_its_turn_passes_it_on() -> None:
    slots = slots_of(1, taken=1)
    callers = Callers(slots, 2)
    await step()
    slots.give_back()
    callers.tasks[0].cancel()
    await step()
    assert callers.served == [1]


async def test_a_pause_lets_nobody_go_though_slots_are_free_and_is_no_limit() -> None:
    slots = slots_of(2)
    slots.paused = True
    callers = Callers(slots, 3)
    await step()
    assert (callers.served, slots.free, slots.all_taken) == ([], False, False)
    callers.tasks[0].cancel()
    await step()
    slots.paused = False
    slots.pass_on()
    await step()
    assert callers.served == [1, 2]


async def test_a_turn_that_falls_into_a_pause_comes_after_it() -> None:
    slots = slots_of(1, taken=1)
    callers = Callers(slots, 2)
    await step()
    slots.give_back()
    slots.paused = True  # before the first caller could go on
    await step()
    assert callers.served == []
    slots.paused = False
    slots.pass_on()
    await step()
    assert len(callers.served) == 1
    slots.give_back()
    await step()
    assert sorted(callers.served) == [0, 1]


async def test_a_limit_that_rises_lets_as_many_go_as_it_allows() -> None:
    slots = slots_of(0)
    callers = Callers(slots, 5)
    await step()
    slots.set_limit(3)
    await step()
    assert callers.served == [0, 1, 2]
    slots.set_limit(1)
    slots.give_back()
    await step()
    assert callers.served == [0, 1, 2]
    slots.set_limit(10)
    await step()
    assert callers.served == [0, 1, 2, 3, 4]


async def test_everybody_can_be_woken_to_see_that_there_will_be_none() -> None:
    slots = slots_of(0)
    waiting = [asyncio.create_task(slots.wait()) for _ in range(3)]
    await step()
    slots.wake_all()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    slots.set_limit(1)
    assert slots.free
