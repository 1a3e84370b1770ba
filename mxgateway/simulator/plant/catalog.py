"""Ready-made plants: the small default plant, and generated plants of any size."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from mxgateway.simulator.mxaccess.statuses import BAD, UNCERTAIN
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.behaviours.patterns import counter, cycle, noise, shift, sine, toggle, wall_time
from mxgateway.simulator.plant.model import (
    AlarmLimit,
    Attribute,
    Category,
    PlantObject,
    Security,
    Template,
    WriteRefusal,
)
from mxgateway.simulator.plant.objects import Plant

# 2024-01-01T00:00:00.1234567Z: the last digit is a step of 100 ns, too fine for microseconds.
_A_TIME: Final = 1_704_067_200_123_456_700

# Levels of parts below a unit of a generated plant.
_DEEPEST: Final = 4
_ANALOG: Final = (DataType.INTEGER, DataType.FLOAT, DataType.DOUBLE)

_USER_DEFINED: Final = ("$UserDefined",)
_AREA: Final = Template("$Area", category=Category.AREA)
_ENGINE: Final = Template("$AppEngine", category=Category.APP_ENGINE)
_PLATFORM: Final = Template("$WinPlatform", category=Category.WIN_PLATFORM)

_MACHINE: Final = Template(
    "$TestMachine",
    _USER_DEFINED,
    attributes=(
        Attribute(name="TestChangingInt", pattern=counter, historized=True),
        Attribute(name="Running", data_type=DataType.BOOLEAN, pattern=toggle, interval=5.0),
        Attribute(name="Speed", data_type=DataType.DOUBLE, pattern=sine(0.0, 1500.0, 60), historized=True),
        Attribute(name="Vibration", data_type=DataType.FLOAT, pattern=noise(0.0, 4.0), interval=0.5),
        Attribute(
            name="State", data_type=DataType.STRING, pattern=cycle(["Idle", "Starting", "Running"]), interval=3.0
        ),
        Attribute(name="LastCycle", data_type=DataType.TIME, pattern=wall_time, interval=2.0),
        Attribute(name="Profile", is_array=True, value=[0] * 8, pattern=shift(8), interval=2.0),
        Attribute(name="SpeedSetpoint", data_type=DataType.DOUBLE, value=1000.0, security=Security.OPERATE),
        Attribute(name="Recipe", data_type=DataType.STRING, value="Standard", security=Security.TUNE),
    ),
)

_TYPES: Final = (
    ("TestBool", DataType.BOOLEAN, True, [True, False, True]),
    ("TestInt", DataType.INTEGER, 17, [1, 2, 3, 4, 5]),
    ("TestWideInt", DataType.WIDE_INTEGER, 2**40, [2**40, -(2**40)]),
    ("TestFloat", DataType.FLOAT, 1.5, [0.5, 1.5]),
    ("TestDouble", DataType.DOUBLE, 2.75, [0.1, 0.2, 0.3]),
    ("TestString", DataType.STRING, "Grüße", ["one", "two", "three"]),
    ("TestTime", DataType.TIME, _A_TIME, [0, _A_TIME]),
    ("TestElapsed", DataType.ELAPSED_TIME, 90.5, None),
    ("TestReference", DataType.REFERENCE, "TestMachine_001.Speed", None),
    ("TestEnum", DataType.ENUMERATION, 2, None),
    ("TestCustom", DataType.CUSTOM, b"\x01\x02\x03", None),
    ("TestInternationalString", DataType.INTERNATIONALIZED_STRING, "Größe", None),
    ("TestBigString", DataType.BIG_STRING, "x" * 4096, None),
)

_CHILD: Final = Template(
    "$TestChildObject",
    _USER_DEFINED,
    attributes=(
        *(Attribute(name=name, data_type=data_type, value=value) for name, data_type, value, _ in _TYPES),
        *(
            Attribute(name=f"{name}Array", data_type=data_type, is_array=True, value=array)
            for name, data_type, _, array in _TYPES
            if array is not None
        ),
        Attribute(name="DeniedInt", refusal=WriteRefusal.AT_ONCE),
        Attribute(name="RefusedInt", refusal=WriteRefusal.ON_COMPLETION),
        Attribute(name="UncertainInt", value=5, quality=UNCERTAIN),
        Attribute(name="BadInt", quality=BAD),
        Attribute(name="SlowInt", value=7, response_time=5.0),
        Attribute(name="SilentInt", response_time=math.inf),
    ),
)

_SECURITY: Final = Template(
    "$TestSecurity",
    _USER_DEFINED,
    attributes=tuple(
        Attribute(name=f"{''.join(part.title() for part in security.name.split('_'))}Int", security=security)
        for security in Security
    ),
)

_LEVEL_ALARMS: Final = (
    AlarmLimit(name="HiHi", limit=90.0, severity=900, description="Level very high"),
    AlarmLimit(name="Hi", limit=80.0, severity=500, description="Level high"),
    AlarmLimit(name="Lo", limit=20.0, above=False, severity=500, description="Level low"),
    AlarmLimit(name="LoLo", limit=10.0, above=False, severity=900, description="Level very low"),
)
_STILL_TANK: Final = Template(
    "$Tank",
    _USER_DEFINED,
    attributes=(Attribute(name="Level", data_type=DataType.FLOAT, value=50.0, alarms=_LEVEL_ALARMS),),
)
_MOVING_TANK: Final = Template(
    "$SurgeTank",
    ("$Tank", *_USER_DEFINED),
    attributes=(
        Attribute(
            name="Level", data_type=DataType.FLOAT, pattern=sine(5.0, 95.0, 120), alarms=_LEVEL_ALARMS, historized=True
        ),
    ),
)
_PUMP: Final = Template(
    "$Pump",
    _USER_DEFINED,
    attributes=(
        Attribute(name="Running", data_type=DataType.BOOLEAN, value=True),
        Attribute(name="Setpoint", data_type=DataType.DOUBLE, value=12.5, security=Security.OPERATE),
        Attribute(name="Hours", data_type=DataType.DOUBLE, value=1234.5, security=Security.VIEW_ONLY, historized=True),
    ),
)


@dataclass
class _Builder:
    """Collects and numbers objects."""

    objects: list[PlantObject] = field(default_factory=list)

    def add(self, tag_name: str, template: Template, parent: int = 0, *, contained: str = "", host: int = 0) -> int:
        gobject_id = len(self.objects) + 1
        self.objects.append(PlantObject(gobject_id, tag_name, template, parent, contained, host))
        return gobject_id


def small_plant(*, seed: int = 0) -> Plant:
    """Return the default plant.

    Two areas with six machines (`TestMachine_001` … `TestMachine_006`), tanks with level alarms, a pump;
    `TestChildObject` with an attribute of every type, some that reject writes, some with uncertain, bad, late or no
    values; and `TestSecurity` with an attribute of every security classification.

    Args:
        seed: The seed of the random values.
    """
    plant = _Builder()
    engine = plant.add("Engine_001", _ENGINE, host=plant.add("Platform_001", _PLATFORM))
    areas = [plant.add(name, _AREA, host=engine) for name in ("Area1", "Area2")]
    machines = [
        plant.add(f"TestMachine_{number:03}", _MACHINE, areas[(number - 1) // 3], host=engine) for number in range(1, 7)
    ]
    plant.add("TestChildObject", _CHILD, machines[0], contained="Child", host=engine)
    plant.add("TestSecurity", _SECURITY, machines[0], contained="Security", host=engine)
    plant.add("Tank01", _STILL_TANK, areas[0], host=engine)
    plant.add("Pump01", _PUMP, areas[0], host=engine)
    yard = plant.add("TankYard", _AREA, areas[1], host=engine)
    plant.add("Tank02", _MOVING_TANK, yard, host=engine)
    return Plant(plant.objects, seed=seed)


def generated_plant(objects: int, attributes: int = 10, *, seed: int = 0, interval: float = 1.0) -> Plant:
    """Return a plant of any size, determined by its seed.

    Areas contain areas and units, units contain parts, and parts contain parts, down to four levels below a unit. Every
    tenth object is a unit; there is an engine for every two thousand objects. The attributes cycle through all types
    and security classifications, and every other attribute changes by itself. Half of the templates have alarms on
    their analog values, from the fourth attribute on; one in four has no history.

    Args:
        objects: Number of objects, including platform, engines and areas; at least 4.
        attributes: Attributes per object.
        seed: The seed of shape and values.
        interval: Seconds between two values of a changing attribute.
    """
    rng = random.Random(seed)
    templates = [
        Template(
            f"$Unit{kind:02}", ("$Unit", *_USER_DEFINED), attributes=tuple(_attributes(attributes, kind, interval))
        )
        for kind in range(8)
    ]
    plant = _Builder()
    platform = plant.add("Platform_001", _PLATFORM)
    engines = [
        plant.add(f"Engine_{number:03}", _ENGINE, host=platform) for number in range(1, max(1, objects // 2000) + 1)
    ]
    areas: list[int] = []
    for number in range(1, max(1, objects // 100 - len(engines)) + 1):
        # Every third area is inside another one.
        outer = rng.choice(areas) if number % 3 == 0 else 0
        areas.append(plant.add(f"Area_{number:03}", _AREA, outer, host=engines[number % len(engines)]))
    holders: list[int] = []
    while len(plant.objects) < objects:
        number = len(plant.objects)
        template, engine = rng.choice(templates), engines[number % len(engines)]
        if number % 10 == 0 or not holders:
            holders = [plant.add(f"Unit_{number:06}", template, rng.choice(areas), host=engine)]
        else:
            # The parent of a part: the unit, or the last part of each level below it.
            level = rng.randrange(min(len(holders), _DEEPEST))
            part = plant.add(f"Part_{number:06}", template, holders[level], contained=f"Part{number % 10}", host=engine)
            holders[level + 1 :] = [part]
    return Plant(plant.objects, seed=seed)


def _attributes(count: int, kind: int, interval: float) -> Iterator[Attribute]:
    for number in range(count):
        security, historized = Security(number % len(Security)), number % 3 == 0 and kind % 4 != 3
        if number % 2 == 0:
            name = f"Counter{number:03}"
            yield Attribute(name=name, pattern=counter, interval=interval, security=security, historized=historized)
            continue
        title, data_type, value, array = _TYPES[(number + kind) % len(_TYPES)]
        is_array = number % 5 == 0 and array is not None
        name = f"{title.removeprefix('Test')}{'Array' if is_array else ''}{number:03}"
        has_alarms = data_type in _ANALOG and not is_array and kind % 2 == 1 and number > 2
        yield Attribute(
            name=name,
            data_type=data_type,
            value=array if is_array else value,
            is_array=is_array,
            security=security,
            historized=historized,
            alarms=_limits(name, value) if has_alarms else (),
        )


def _limits(name: str, value: Any) -> tuple[AlarmLimit, ...]:
    """Return the alarms of an attribute: 100 above and below its first value, and 200."""
    return (
        AlarmLimit(name=f"{name}.HiHi", limit=value + 200, severity=900, description="Very high"),
        AlarmLimit(name=f"{name}.Hi", limit=value + 100, severity=500, description="High"),
        AlarmLimit(name=f"{name}.Lo", limit=value - 100, above=False, severity=500, description="Low"),
        AlarmLimit(name=f"{name}.LoLo", limit=value - 200, above=False, severity=900, description="Very low"),
    )
