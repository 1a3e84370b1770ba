"""Plays seeded schedules: commands, consumers, cancellations and faults at random, judged by what the gateway remembers.

``MXGATEWAY_MODEL_SEED=17`` plays one schedule of each theme again, ``MXGATEWAY_MODEL_SECONDS=3600`` plays others of each theme for so long.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import pytest

from mxgateway import MxGatewayError, RecoveryOptions
from tests.client.support import until
from tests.events.model_faults import FAULTS
from tests.events.model_steps import READS, SUBSCRIPTIONS, WRITES, Step, begin_place, turns
from tests.events.model_world import QUICK, World, world
from tests.loops.policy import FACTORIES, LOOP

SEED: Final = os.environ.get("MXGATEWAY_MODEL_SEED")
SECONDS: Final = float(os.environ.get("MXGATEWAY_MODEL_SECONDS", "0"))
BLOCK: Final = 25
"""Schedules of one test."""
TOGETHER: Final = 5
"""Schedules that are played at the same time: while one waits for a timer, another one goes on."""
BOUND: Final = 120.0
"""Seconds until a schedule counts as hanging."""

THEMES: Final[Mapping[str, list[dict[Step, int]]]] = {
    "writes": [WRITES],
    "streams": [READS, WRITES],
    "subscriptions": [SUBSCRIPTIONS, READS],
    "everything": [WRITES, READS, SUBSCRIPTIONS],
}
"""The decks that steps are dealt from, beside faults."""


class Failed(AssertionError):
    """A schedule has shown a fault; the text tells how to play it again."""


def blocks(count: int) -> list[int]:
    """Return the numbers of the blocks of schedules of a test file: one when one schedule is played again, or many for hours; few on another loop than asyncio's."""
    return [0] if SEED or SECONDS else list(range(count if LOOP == "asyncio" else count // 6))


def play_block(theme: str, block: int) -> None:
    """Play the schedules of one block.

    Raises:
        Failed: One has shown a fault.
    """
    with asyncio.Runner(loop_factory=FACTORIES.get(LOOP)) as runner:
        runner.run(_play_all(theme, _seeds(block)))


def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let recovery pause for next to no time also where no options can be given."""
    defaults = RecoveryOptions.__init__.__kwdefaults__
    assert defaults is not None
    for name in ("initial_backoff", "max_backoff", "stable_after", "rejected_backoff"):
        monkeypatch.setitem(defaults, name, getattr(QUICK, name))
    monkeypatch.setattr("mxgateway.commands.session.opener.OPEN_INTERVAL", 0.0)


def _seeds(block: int) -> Iterator[int]:
    if SEED:
        yield int(SEED)
        return
    yield from range(block * BLOCK, (block + 1) * BLOCK)
    end, seed = time.monotonic() + SECONDS, time.time_ns()
    while time.monotonic() < end:
        yield (seed := seed + 1)


async def _play_all(theme: str, seeds: Iterable[int]) -> None:
    before = asyncio.all_tasks()
    remaining, failures = iter(seeds), list[Failed]()

    async def play_some() -> None:
        for seed in remaining:
            try:
                await play(theme, seed)
            except Failed as failure:
                failures.append(failure)
            if failures:
                return

    await asyncio.gather(*(play_some() for _ in range(TOGETHER)))
    if failures:
        raise failures[0]
    await until(lambda: asyncio.all_tasks() == before, patience=10)


async def play(theme: str, seed: int) -> None:
    """Play one schedule.

    Raises:
        Failed: It has shown a fault.
    """
    chance = random.Random(f"{theme} {seed}")
    async with world(chance) as played:
        try:
            async with asyncio.timeout(BOUND):
                await _schedule(played, THEMES[theme])
        except Exception as error:
            steps = "\n".join(f"  {number}. {step}" for number, step in enumerate(played.trace, 1))
            again = f"play it again by MXGATEWAY_MODEL_SEED={seed}"
            raise Failed(f"theme {theme}, seed {seed} ({again}): {error}\n{steps}") from error


async def _schedule(played: World, decks: list[dict[Step, int]]) -> None:
    chance = played.chance
    for _ in range(chance.choice([1, 1, 2])):
        await begin_place(played)
    await played.settle()
    for _ in range(chance.choice([1, 1, 2, 3])):
        for _ in range(chance.randint(3, 10)):
            deck = FAULTS if played.faulty and chance.random() < 0.25 else chance.choice(decks)
            (step,) = chance.choices(list(deck), list(deck.values()))
            await step(played)
            await turns(played)
        await played.settle()
        if not played.living:
            await _begin_again(played)
    await played.end()


async def _begin_again(played: World) -> None:
    """Open a session in the place of one that is gone; the end of its connection may be news only now."""
    for _ in range(3):
        try:
            return await begin_place(played)
        except MxGatewayError:
            continue
    return await begin_place(played)
