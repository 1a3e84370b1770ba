"""What follows an input that a deployment gives another type."""

from __future__ import annotations

import pytest

from mxgateway.simulator import Attribute, ManualClock, Plant, PlantObject, SimulatedGateway, Template
from mxgateway.simulator.mxaccess.statuses import BAD
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.behaviours.following import Follow, Step


@pytest.mark.parametrize(
    ("first", "was", "becomes", "later"),
    [
        ("a", DataType.STRING, DataType.INTEGER, 5),
        (1.5, DataType.DOUBLE, DataType.STRING, "5"),
        (True, DataType.BOOLEAN, DataType.STRING, "true"),
    ],
)
async def test_what_follows_an_input_of_another_type_is_bad_and_keeps_its_last_value(
    first: object, was: DataType, becomes: DataType, later: object
) -> None:
    attributes = (
        Attribute(name="X", data_type=was, value=first),
        Attribute(name="Y", data_type=was, value=first, pattern=Follow(source="X")),
        Attribute(name="Z", data_type=was, value=first, pattern=Step(on="X")),
    )
    clock = ManualClock()
    async with SimulatedGateway(
        plant=Plant([PlantObject(1, "A", Template("$T", attributes=attributes))]), clock=clock
    ) as gateway:
        clock.advance(2)
        gateway.deploy(retype={"A.X": becomes})
        gateway.set_tag("A.X", later)
        clock.advance(2)
        for name in ("A.Y", "A.Z"):
            sample = gateway.tag(name).sample
            assert (sample.native, sample.quality) == (first, BAD)
