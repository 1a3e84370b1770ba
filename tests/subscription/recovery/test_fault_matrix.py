"""Every fault of the network and of the gateway, under every load, with every overflow policy: it comes back, has the right values, and can account for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count, product
from typing import Any, Final

import pytest

from mxgateway import GapCause, Outcome, Overflow
from mxgateway.simulator import SimulatedGateway
from mxgateway.simulator.controls import Controls
from mxgateway.testing.network.fault_proxy import Direction, FaultProxy
from tests.client.support import until
from tests.loops.policy import LOOP
from tests.subscription.fault_world import LOADS, REBUILT, TAGS, Fault, World
from tests.subscription.faults import FAULTS, under_way
from tests.subscription.rig import account, check_books

POLICIES: Final[dict[Overflow, dict[str, Any]]] = {
    Overflow.BLOCK: {"max_items": 100, "block_timeout": 30.0},
    Overflow.DROP_OLDEST: {"max_items": 100},
    Overflow.LATEST_PER_TAG: {"max_items": 100},
    Overflow.FAIL: {"max_items": 100_000},
}
"""With what limits each policy is tried: narrow ones, but for the policy whose meaning is that a limit ends all."""

ATTEMPTS: Final = 3
"""Pauses that may begin after the end of a fault: that of the attempt which it has spoiled, one for an old stream of whose end the gateway is just about to hear,
one for a session that turns out to be lost."""

NO_FAULTS: Final = {
    "thaw", "heal", "pipe", "afflict", "until_forwarded", "until_received",  # the end of faults, and the proxy's own
    "until", "until_accepted", "until_idle", "reset_all",  # waits; `reset` for all
    "start", "serve_forever", "accepts", "tag", "set_tag",
    "release_commands", "deploy", "hold_deploy_events", "release_deploy_events",
    "hold_write_completions", "release_write_completions",  # nothing that a subscription waits for
    "keep_history",
    "play", "replay",  # the faults of scenarios are these, and a recording is a plant
    "add_key", "revoke_key", "serve_certificate",  # tests/client/calling and tests/scenarios
}  # fmt: skip
"""What the proxy and the gateway can do besides going wrong."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sessions be opened without the stagger."""
    monkeypatch.setattr("mxgateway.commands.session.opener.OPEN_INTERVAL", 0.0)


@pytest.fixture(autouse=True)
async def no_task_left(caplog: pytest.LogCaptureFixture) -> Any:
    """Fail when a task is left, or one has failed unseen."""
    before = asyncio.all_tasks()
    yield
    for _ in range(5):
        await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() - before if not task.done()} - {asyncio.current_task()} == set()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def stalls(load: str) -> Callable[[], float | None]:
    """Return when a consumer stalls: under the high load it is too slow now and then."""
    taken = count(1)
    return lambda: 0.005 if load.startswith("20") and not next(taken) % 64 else None


def cases() -> Iterator[Any]:
    """Yield each fault at each load with each policy; on another loop than asyncio's with one policy, each in its turn."""
    for (place, fault), (turn, load), (number, overflow) in product(
        enumerate(FAULTS), enumerate(LOADS), enumerate(Overflow)
    ):
        if LOOP == "asyncio" or (place + turn) % len(Overflow) == number:
            yield pytest.param(fault, load, overflow, id=f"{fault.name}-{load}-{overflow.value}")


@pytest.mark.parametrize(("fault", "load", "overflow"), list(cases()))
async def test_a_subscription_survives(
    fault: Fault, load: str, overflow: Overflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway.subscription.supervisor.TAKEN_BOUND", fault.taken_bound)
    policy = {"overflow": overflow, **POLICIES[overflow]}
    async with under_way(fault, load, policy, stalls(load)) as world:
        session = world.session
        if load != "idle":
            await until(lambda: world.load.number > 0)
        await fault.inject(world)
        attempts = len(world.pauses)
        await comes_back(world, fault)
        assert len(world.pauses) - attempts <= ATTEMPTS, world.pauses
        check_outcomes(world, fault, session.events.last_sequence)

        goes_on(world)
        await until(lambda: world.consumer.values == world.values and world.unexplained == 0)
        account(world.subscription, world.gateway, world.consumer.gaps)
        await until(lambda: world.subscription.stats().queued == 0)
        check_books(world.consumer)
        assert world.consumer.error is None


async def comes_back(world: World, fault: Fault) -> None:
    """Wait until the subscription is connected again and knows what has happened meanwhile, without any further change of a tag."""
    await until(lambda: world.is_connected and bool(fault.outcomes) <= bool(world.consumer.outcomes))
    if fault.outcomes == {REBUILT}:
        await until(lambda: REBUILT in world.consumer.outcomes)
    world.load.held = True
    await until(lambda: world.is_connected and world.consumer.values == world.values and world.unexplained == 0)


def check_outcomes(world: World, fault: Fault, events: int) -> None:
    """Hold what the consumer was told of the interruptions against what has happened.

    Args:
        world: Where it has happened.
        fault: What has happened.
        events: How many events the first session had in all.
    """
    outcomes, causes = set(world.consumer.outcomes), [gap.cause for gap in world.consumer.gaps]
    assert outcomes == fault.outcomes
    assert causes.count(GapCause.SEQUENCE) == 0
    assert (GapCause.REPLAY in causes) is (Outcome.GAP in outcomes)
    assert (GapCause.SESSION_LOST in causes) is (REBUILT in outcomes)
    for gap in world.consumer.gaps:
        if gap.cause is GapCause.SESSION_LOST:
            assert gap.first_lost <= events + 1
            break


def goes_on(world: World) -> None:
    """Let every tag change once more."""
    world.load.publish(len(TAGS))


# --------------------------------------------------------------------------------------------------------------------
# The tables are whole


def public_methods(of: type) -> Iterator[str]:
    names = {name for each in of.__mro__ if each.__module__ == of.__module__ or each is Controls for name in vars(each)}
    return (name for name in sorted(names) if not name.startswith("_") and callable(getattr(of, name)))


@pytest.mark.parametrize("of", [Direction, FaultProxy, SimulatedGateway])
def test_every_fault_of_the_proxy_and_every_switch_of_the_gateway_has_a_row(of: type) -> None:
    covered = {name for fault in FAULTS for name in fault.covers}
    assert set(public_methods(of)) - NO_FAULTS <= covered


def test_every_row_names_faults_that_there_are_and_stands_once() -> None:
    known = {name for of in (Direction, FaultProxy, SimulatedGateway) for name in public_methods(of)}
    assert {name for fault in FAULTS for name in fault.covers} <= known
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_every_overflow_policy_has_a_row() -> None:
    assert set(POLICIES) == set(Overflow)
