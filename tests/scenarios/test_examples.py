"""The example scenarios, played on the demo plant: each step is done, and a subscription survives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mxgateway.simulator import ManualClock, Plant, Scenario
from tests.scenarios.rig import until, world
from tests.subscription.rig import is_connected

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "scenarios"
FILES = sorted(EXAMPLES.glob("*.toml"))
TAGS = ["Tank01.Level", "Tank01.Product", "Tank03.Level", "Pump01.Setpoint", "Pump02.Running", "Boiler01.Flame"]


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
async def test_an_example_is_played_to_its_end_and_a_subscription_survives(path: Path) -> None:
    scenario, clock = Scenario.load(path), ManualClock()
    assert scenario.description
    async with world("", plant=Plant.demo(), clock=clock) as here:
        play = here.gateway.play(scenario)
        async with here.subscribed(*TAGS) as consumer:
            async with asyncio.timeout(20):
                while not play.done:
                    clock.advance(1)
                    await asyncio.sleep(0.002)
                    if play.log and play.log[-1].action == "raise_alarm":
                        here.gateway.set_tag("Pump01.Setpoint", 21.0)
            await play
            here.gateway.set_tag("Tank01.Product", "Juice")
            await until(lambda: is_connected(consumer.subscription) and consumer.values["Tank01.Product"] == "Juice")
            assert consumer.error is None
