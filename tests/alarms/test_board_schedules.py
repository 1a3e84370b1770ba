"""After any schedule of transitions, acknowledgements, failovers, outages and restarts the board is what the gateway knows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mxgateway import SubscriptionState
from mxgateway.simulator import SimulatedGateway
from mxgateway.testing.network.fault_proxy import FaultProxy, Pipe
from tests.alarms.rig import ALARMS, QUICK, TANKS, Replay, alarm_plant, is_right, replayed
from tests.client.support import connect, until
from tests.rows import each_row

Step = tuple[str, int]
"""What happens, and a number that says to what."""


@dataclass
class World:
    """A board under way, its gateway, and the network between them."""

    gateway: SimulatedGateway
    proxy: FaultProxy
    replay: Replay
    is_away: bool = False

    # -- what operators and the plant do

    async def raise_(self, number: int) -> None:
        """Raise an alarm, or trigger it again."""
        self.gateway.alarms.raise_alarm(ALARMS[number % len(ALARMS)])

    async def clear(self, number: int) -> None:
        self.gateway.alarms.clear_alarm(ALARMS[number % len(ALARMS)])

    async def acknowledge(self, number: int) -> None:
        self.gateway.alarms.acknowledge(ALARMS[number % len(ALARMS)], f"comment {number}", f"operator {number}")

    async def level(self, number: int) -> None:
        self.gateway.set_tag(f"{TANKS[number % len(TANKS)]}.Level", float(number * 7 % 100))

    async def fail_over(self, number: int) -> None:
        self.gateway.alarms.fail_over(degraded=bool(number % 2), reason=f"reason {number}")

    # -- what network and gateway do

    async def reset(self, number: int) -> None:
        self.proxy.reset_all()

    async def cut(self, number: int) -> None:
        """End the connection in the middle of what the gateway says next."""
        self.proxy.to_client.limit(number, then=Pipe.reset, on="current")

    async def goodbye(self, number: int) -> None:
        self.gateway.drop_connections(politely=True)

    async def away(self, number: int) -> None:
        """Take the network away, or bring it back."""
        self.is_away = not self.is_away
        if self.is_away:
            await self.proxy.refuse()
            self.proxy.reset_all()
        else:
            await self.proxy.accept()

    async def restart(self, number: int) -> None:
        """Start the gateway anew: what was raised by hand is forgotten."""
        await self.gateway.restart()

    # -- what the consumer does

    async def pause(self, number: int) -> None:
        await asyncio.sleep(number / 5_000)

    async def stall(self, number: int) -> None:
        self.replay.held = not self.replay.held

    async def settle(self) -> None:
        """Let everything come to rest, and see that the board is right."""
        if self.is_away:
            await self.away(0)
        self.proxy.both.heal()
        self.replay.held = False
        try:
            await until(lambda: self.replay.ended or self.is_settled())
        except TimeoutError:
            pytest.fail(f"{self.replay.board}: {dict(self.replay.board.active)}\n{list(self.gateway.alarms.active())}")
        assert self.replay.error is None, self.replay.error
        assert not self.replay.ended

    def is_settled(self) -> bool:
        right = is_right(self.replay.board, self.gateway)
        return right and self.replay.alarms == dict(self.replay.board.active)


OFTEN: Final = ("raise_", "raise_", "clear", "acknowledge", "acknowledge", "level", "pause", "pause")
SELDOM: Final = ("fail_over", "reset", "cut", "goodbye", "away", "restart", "stall")
STEPS: Final = (*OFTEN, *OFTEN, *SELDOM)


async def play(schedule: Sequence[Step], *, limit: int = 10_000) -> Replay:
    """Play a schedule, and return what the consumer was given."""
    async with (
        asyncio.timeout(60),
        SimulatedGateway(plant=alarm_plant()) as gateway,
        FaultProxy(gateway.port) as proxy,
        connect(gateway, endpoint=proxy.endpoint) as client,
        replayed(client.alarm_board(recovery=QUICK, stale_after=0.2, stale_timeout=0.5)) as replay,
    ):
        replay.board._supervisor.queue._limit = limit
        world = World(gateway, proxy, replay)
        for name, number in schedule:
            step: Callable[[int], Awaitable[Any]] = getattr(world, name)
            await step(number)
        await world.settle()
    assert replay.board.state is SubscriptionState.CLOSED
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return replay


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 99)), max_size=60))
async def test_after_any_schedule_the_board_and_its_replayed_changes_are_what_the_gateway_knows(
    schedule: list[Step],
) -> None:
    await play(schedule)


@each_row("seed", range(4))
async def test_after_a_long_schedule_with_a_slow_consumer_the_board_is_what_the_gateway_knows(seed: int) -> None:
    chance = random.Random(seed)
    schedule = [(chance.choice(STEPS), chance.randrange(100)) for _ in range(600)]
    await play(schedule, limit=8)
