"""A plant is checked when it is built, and a value when it is set: not at the first read."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mxgateway.simulator import AlarmLimit, Attribute, DataType, Plant, PlantObject, SimulatedGateway, Template
from mxgateway.simulator.mxaccess.values import NUMERIC
from tests.client.support import connect
from tests.rows import each_row

LIMIT = AlarmLimit(name="Hi", limit=5)

WRONG_VALUES = [
    (DataType.INTEGER, "text"), (DataType.INTEGER, True), (DataType.INTEGER, 2.5), (DataType.INTEGER, 2**31),
    (DataType.WIDE_INTEGER, 2**63), (DataType.ENUMERATION, -(2**31) - 1), (DataType.BOOLEAN, 1),
    (DataType.FLOAT, "1.5"), (DataType.FLOAT, 1e39), (DataType.FLOAT, True), (DataType.DOUBLE, b"1"),
    (DataType.STRING, 5), (DataType.STRING, "\ud800"), (DataType.BIG_STRING, b"text"), (DataType.CUSTOM, "text"),
    (DataType.TIME, "2024-01-01"), (DataType.TIME, datetime(2024, 1, 1)), (DataType.TIME, 10**30),
    (DataType.TIME, -(10**30)), (DataType.ELAPSED_TIME, "1 s"),
]  # fmt: skip


@each_row(("data_type", "value"), WRONG_VALUES)
def test_a_first_value_of_another_type_is_refused_alone_and_in_an_array(data_type: DataType, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"is no {data_type.name} value for the attribute 'A'"):
        Attribute(name="A", data_type=data_type, value=value)
    right = data_type.traits.default
    with pytest.raises(ValueError, match=rf"is no {data_type.name} value for the attribute 'A'"):
        Attribute(name="A", data_type=data_type, value=[right, value], is_array=True)


@each_row(
    ("build", "said"),
    [
        (lambda: Attribute(name="A", value=[1]), "is no array, its value"),
        (lambda: Attribute(name="A", value=1, is_array=True), "is an array, its value"),
        (lambda: Attribute(name=""), "has no name"),
        (lambda: Attribute(name="A", interval=0), "interval above 0"),
        (lambda: Attribute(name="A", interval=math.nan), "interval above 0"),
        (lambda: Attribute(name="A", response_time=-1), "response_time of 0 or more"),
        (lambda: Attribute(name="A", data_type=DataType.STRING, alarms=(LIMIT,)), "has alarms and is no number"),
        (lambda: Attribute(name="A", data_type=DataType.TIME, alarms=(LIMIT,)), "has alarms and is no number"),
        (lambda: Attribute(name="A", is_array=True, alarms=(LIMIT,)), "has alarms and is no number"),
        (lambda: AlarmLimit(name="", limit=5), "no name"),
        (lambda: AlarmLimit(name="Hi", limit="5"), "is no number"),  # type: ignore[arg-type]
        (lambda: AlarmLimit(name="Hi", limit=math.inf), "is no number"),
        (lambda: AlarmLimit(name="Hi", limit=10**400), "is no number"),
        (lambda: AlarmLimit(name="Hi", limit=5, severity=1000), "not from 1 to 999"),
        (lambda: Template("$A", attributes=(Attribute(name="A"), Attribute(name="a"))), "have one name"),
    ],
)
def test_what_no_galaxy_has_is_refused(build: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()


@pytest.mark.parametrize("limit", [90.5, -1e300, 0, 10**300])
async def test_an_alarm_of_any_type_and_limit_is_reported(limit: float) -> None:
    types = [each for each in DataType if each in NUMERIC or each is DataType.BOOLEAN]
    alarms = [
        AlarmLimit(name=f"{name}.{each.name}", limit=limit, above=name == "Hi")
        for name in ("Hi", "Lo")
        for each in types
    ]
    attributes = tuple(
        Attribute(name=each.name, data_type=each, alarms=(hi, lo))
        for each, hi, lo in zip(types, alarms[: len(types)], alarms[len(types) :], strict=True)
    )
    plant = Plant([PlantObject(1, "A", Template("$T", attributes=attributes))])
    async with SimulatedGateway(plant=plant) as gateway, connect(gateway) as client:
        for alarm in alarms:
            gateway.alarms.raise_alarm(f"Galaxy!.A.{alarm.name}")
        assert len(await client.query_active_alarms(timeout=10)) == len(alarms)


@pytest.mark.parametrize("value", ["text", True, 2**31, [1], 1.5, datetime(2024, 1, 1, tzinfo=UTC)], ids=repr)
async def test_a_value_of_another_type_is_not_set(value: Any) -> None:
    async with SimulatedGateway() as gateway:
        with pytest.raises(ValueError, match="value"):
            gateway.set_tag("TestChildObject.TestInt", value)
        assert gateway.tag("TestChildObject.TestInt").sample.native == 17
        gateway.set_tag("TestChildObject.TestInt", None, quality=0)
