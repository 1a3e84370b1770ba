"""Values that follow from other tags: of a write, of another tag later and slower, of an expression; and their faults."""

from __future__ import annotations

import math
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient
from mxgateway.simulator import Attribute, DataType, ManualClock, Plant, PlantObject, SimulatedGateway, Template
from mxgateway.simulator.plant.behaviours.following import Expression, Follow, Step
from mxgateway.simulator.plant.live_tags import LivePlant, Sample
from tests.client.support import connect

BAD, UNCERTAIN, GOOD = 0, 64, 192


class LateClock(ManualClock):
    """A clock whose callbacks are late, as those of a busy event loop."""

    def jump(self, seconds: float) -> None:
        self._now_ns += round(seconds * 1e9)
        self.advance(0)


class Rig:
    """A plant with the object A, whose clock the test moves."""

    def __init__(self, *attributes: Attribute) -> None:
        self.clock = LateClock()
        self.live = LivePlant(Plant([PlantObject(1, "A", Template("$T", attributes=attributes))]), self.clock)
        self.live.start()

    def tag(self, name: str) -> Any:
        found = self.live.find(f"A.{name}")
        assert found is not None
        return found[0]

    def said(self, name: str) -> tuple[Any, int]:
        sample = self.tag(name).sample
        return sample.native, sample.quality

    def set(self, name: str, value: Any, quality: int = GOOD) -> None:
        tag = self.tag(name)
        tag.override(Sample(tag.attribute.data_type, value, quality, self.clock.now_ns()))

    def played(self, name: str, seconds: int) -> list[Any]:
        values = []
        for _ in range(seconds):
            self.clock.advance(1)
            values.append(self.said(name)[0])
        return values


def double(name: str, pattern: Any = None, value: float = 0.0, interval: float = 1.0) -> Attribute:
    return Attribute(name=name, data_type=DataType.DOUBLE, value=value, pattern=pattern, interval=interval)


def text(name: str, pattern: Any = None) -> Attribute:
    return Attribute(name=name, data_type=DataType.STRING, value="first", pattern=pattern)


def test_a_follower_has_the_value_later() -> None:
    rig = Rig(
        double("X", value=3.0),
        double("Y", Follow(source="X", delay=2.5), value=1.0),
        double("Z", Follow(source="me.X")),
    )
    assert (rig.said("Y")[0], rig.said("Z")[0]) == (1.0, 3.0)
    assert rig.played("Y", 4) == [1.0, 1.0, 3.0, 3.0]
    rig.set("X", 7.0)
    assert rig.said("Z")[0] == 3.0
    assert rig.played("Y", 5) == [3.0, 3.0, 3.0, 7.0, 7.0]
    assert rig.said("Z")[0] == 7.0


def test_a_follower_copies_texts_arrays_and_elements() -> None:
    values = Attribute(name="V", is_array=True, value=[1, 2, 3])
    rig = Rig(
        text("T"), text("U", Follow(source="T")), values,
        Attribute(name="W", is_array=True, value=[0], pattern=Follow(source="V", delay=1)),
        double("E", Follow(source="V[2]")),
    )  # fmt: skip
    rig.set("T", "other")
    rig.set("V", [4, 5, 6])
    rig.clock.advance(2)
    assert (rig.said("U")[0], rig.said("W")[0], rig.said("E")[0]) == ("other", [4, 5, 6], 5.0)


def test_each_write_is_a_step_to_its_value_or_to_a_given_one() -> None:
    rig = Rig(
        double("C"), double("Own", Step(on="C", delay=2), value=5.0), double("Given", Step(on="C", to=80.0), value=5.0)
    )
    assert rig.played("Own", 3) == [5.0, 5.0, 5.0]
    rig.set("C", 9.0)
    assert rig.played("Own", 4) == [5.0, 5.0, 9.0, 9.0]
    assert rig.said("Given")[0] == 80.0
    rig.set("Given", 1.0)  # as its provider would; the next interval ends it
    assert rig.said("Given")[0] == 1.0
    rig.clock.advance(1)
    assert rig.said("Given")[0] == 80.0


def test_a_lag_nears_its_target_as_a_first_order_system_does() -> None:
    rig = Rig(double("C"), double("L", Step(on="C", lag=10), value=20.0))
    rig.set("C", 100.0)
    rig.clock.advance(1)
    for second in range(2, 60):
        rig.clock.advance(1)
        assert rig.said("L")[0] == pytest.approx(100 - 80 * math.exp(-second / 10))


def test_a_lag_does_not_depend_on_the_interval() -> None:
    rig = Rig(double("X"), *(double(f"L{n}", Follow(source="X", lag=10), interval=n) for n in (0.1, 0.5, 2.0)))
    rig.set("X", 1.0)
    rig.clock.advance(20)
    for name in ("L0.1", "L0.5", "L2.0"):
        assert rig.said(name)[0] == pytest.approx(1 - math.exp(-2), abs=0.03)


def test_an_expression_is_of_the_type_of_its_attribute() -> None:
    running = Attribute(name="On", data_type=DataType.BOOLEAN, value=True)
    rig = Rig(
        running, double("X", value=2.6),
        Attribute(name="N", pattern=Expression(expression="X * 10")),
        Attribute(name="B", data_type=DataType.BOOLEAN, pattern=Expression(expression="On and X > 2")),
        text("S", Expression(expression="if(B, 'high', 'low')")),
        Attribute(name="Big", pattern=Expression(expression="X * 1e12")),
    )  # fmt: skip
    assert [rig.said(name)[0] for name in ("N", "B", "S", "Big")] == [26, True, "high", 2**31 - 1]
    rig.set("X", 1.0)
    rig.clock.advance(1)
    assert [rig.said(name)[0] for name in ("N", "B", "S")] == [10, False, "low"]


@pytest.mark.parametrize(
    "pattern",
    [Follow(source="X"), Step(on="X"), Expression(expression="X + 1"), Expression(expression="1 + 0 * X", lag=5)],
)
def test_bad_inputs_make_a_value_bad_until_they_are_good(pattern: Any) -> None:
    rig = Rig(double("X", value=1.0), double("Y", pattern, value=1.0))
    rig.set("X", 2.0)
    rig.clock.advance(1)
    good = rig.said("Y")
    for quality in (BAD, UNCERTAIN):
        rig.set("X", 3.0, quality)
        rig.clock.advance(1)
        assert rig.said("Y")[1] == quality
        assert quality == UNCERTAIN or rig.said("Y")[0] == pytest.approx(good[0], rel=0.2)
    rig.set("X", 2.0)
    rig.clock.advance(1)
    assert rig.said("Y")[1] == GOOD


@pytest.mark.parametrize(
    ("expression", "value"), [("1 / X", 0.0), ("round(X)", math.inf), ("X % 0", 1.0), ("1e308 * X * X", 1e5)]
)
def test_what_cannot_be_computed_is_bad_and_stops_nothing(expression: str, value: float) -> None:
    rig = Rig(
        double("X", value=1.0), Attribute(name="Y", pattern=Expression(expression=expression)),
        double("Z", Expression(expression=expression, lag=5)), double("F", Follow(source="X", lag=5)),
    )  # fmt: skip
    for each in (value, math.nan):
        rig.set("X", each)
        rig.clock.advance(3)
        assert (rig.said("Y")[1], rig.said("Z")[1]) == (BAD, BAD)
    for each in (math.inf, -math.inf, math.nan):
        rig.set("X", each)
        rig.clock.advance(1)
        assert rig.said("F")[1] == BAD
    rig.set("X", 3.0)
    rig.clock.advance(60)
    assert rig.said("F") == (pytest.approx(3.0, abs=1), GOOD)


def test_noise_seed_and_faults_are_those_of_other_behaviours() -> None:
    def values(**options: Any) -> list[tuple[Any, int]]:
        rig = Rig(double("X", value=5.0), double("Y", Follow(source="X", **options)))
        return [(rig.played("Y", 1)[0], rig.said("Y")[1]) for _ in range(200)]

    noisy = values(noise=1.0, bad=0.2, uncertain=0.2)
    assert noisy == values(noise=1.0, bad=0.2, uncertain=0.2)
    assert noisy != values(noise=1.0, bad=0.2, uncertain=0.2, seed=7)
    assert all(4 <= value <= 6 for value, _ in noisy)
    assert len({value for value, _ in noisy}) > 100
    assert all(20 < sum(quality == each for _, quality in noisy) < 60 for each in (BAD, UNCERTAIN))


def test_values_do_not_depend_on_who_looks() -> None:
    def rig() -> Rig:
        from mxgateway.simulator.plant.behaviours.in_time import random_walk

        return Rig(
            double("X", random_walk(0, 10, 1), interval=0.5),
            double("Y", Follow(source="X", delay=3, lag=2)),
            double("Z", Expression(expression="X + Y", lag=1), interval=0.25),
        )

    watched, quiet, polled, late = rig(), rig(), rig(), rig()
    seen: dict[str, list[int]] = {name: [] for name in ("X", "Y", "Z")}
    seen_late = deepcopy(seen)
    for name in seen:
        watched.tag(name).observe(name, lambda sample, name=name: seen[name].append(sample.time_ns))
        late.tag(name).observe(name, lambda sample, name=name: seen_late[name].append(sample.time_ns))
    for _ in range(100):
        watched.clock.advance(0.3)
        polled.clock.advance(0.3)
        assert polled.said("Z") is not None
        assert polled.said("X") is not None
    quiet.clock.advance(30)
    assert [each.said("Z") for each in (watched, polled)] == [quiet.said("Z")] * 2
    assert [len(times) for times in seen.values()] == [60, 30, 120]
    for _ in range(6):
        late.clock.jump(5)
    assert seen_late == seen  # each observer sees each interval once, in order


def test_a_lag_goes_on_over_ticks_that_were_missed() -> None:
    rig = Rig(double("X"), double("Y", Follow(source="X", lag=500)))
    rig.set("X", 1.0)
    rig.clock.jump(1000)
    assert rig.said("Y")[0] == pytest.approx(1 - math.exp(-2), abs=0.001)


def test_what_is_no_longer_there_is_no_longer_computed() -> None:
    rig = Rig(double("X"), double("Y", Follow(source="X")))
    assert rig.clock.pending == 1
    rig.live.deploy(Plant([PlantObject(1, "A", Template("$T", attributes=(double("X"),)))]))
    rig.live.start()
    assert rig.clock.pending == 0


def test_a_tag_without_a_value_makes_its_followers_bad() -> None:
    rig = Rig(text("T"), text("U", Follow(source="T")))
    rig.set("T", None)
    rig.clock.advance(1)
    assert rig.said("U") == ("first", BAD)


def test_an_hour_passes_in_one_call() -> None:
    rig = Rig(double("X"), double("Y", Follow(source="X", delay=1800)))
    rig.set("X", 4.0)
    rig.clock.advance(1800)
    assert rig.said("Y")[0] == 0.0
    rig.clock.advance(1800)
    assert rig.said("Y")[0] == 4.0


WRONG = [
    (double("Y", Follow(source="No.Such")), "A.Y: it depends on 'No.Such', which the plant does not have"),
    (double("Y", Follow(source="Y")), "A.Y: it depends on itself: A.Y → A.Y"),
    (double("Y", Follow(source="T")), "A.Y: the other tag has a value of type string, which does not go with double"),
    (double("Y", Follow(source="V")), "A.Y: the other tag has an array of type integer"),
    (double("Y", Follow(source="V[4]")), "A.Y: it depends on 'V[4]', which the plant does not have"),
    (text("Y", Step(on="X")), "A.Y: the other tag has a value of type double"),
    (double("Y", Step(on="D")), "A.Y: 'D' has a behaviour of its own, so no write changes it"),
    (double("Y", Expression(expression="X + T")), "A.Y: + takes numbers and booleans, not a text"),
    (double("Y", Expression(expression="V + 1")), "A.Y: 'V' is an array; name an element, such as V[1]"),
    (double("Y", Expression(expression="'text'")), "A.Y: it yields a text, the attribute is of type double"),
    (double("Y", Expression(expression="When + 1")), "A.Y: + takes numbers and booleans, not a time"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG, ids=range(len(WRONG)))
def test_a_plant_whose_tags_cannot_follow_is_refused_when_it_is_built(wrong: Attribute, said: str) -> None:
    others = (
        double("X"), text("T"), Attribute(name="V", is_array=True, value=[1, 2, 3]), Attribute(name="When", data_type=DataType.TIME),
        double("D", Expression(expression="X")),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"^A\.Y: ") as refused:
        Plant([PlantObject(1, "A", Template("$T", attributes=(*others, wrong)))])
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Attribute(name="A", pattern=Step(on="X", to="text")), "to: 'text' is no INTEGER value"),
        (lambda: Attribute(name="A", pattern=Step(on="X", to=[1])), "to: "),
        (lambda: text("A", Follow(source="X", lag=1)), "lag: only a number or a boolean"),
        (lambda: text("A", Follow(source="X", noise=1)), "noise: only a number or a boolean"),
        (lambda: double("A", Follow(source="X", delay=10_001)), "delay: this is longer than 10000 intervals of 1 s"),
        (lambda: Follow(source="X", delay=-1), "delay: this must be a number, 0 or more"),
        (lambda: Follow(source="X", lag=math.nan), "lag: this must be a number, 0 or more"),
        (lambda: Attribute(name="A", is_array=True, pattern=Expression(expression="1")), "only a number, a boolean or a text"),
        (lambda: Attribute(name="A", data_type=DataType.TIME, pattern=Expression(expression="1")), "only a number, a"),
        (lambda: Expression(expression="1 +"), "expression: column 4: a value is expected, not the end"),
    ],
)  # fmt: skip
def test_a_behaviour_that_its_attribute_cannot_have_is_refused_when_that_is_built(build: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        build()
    assert str(refused.value).startswith(said)


def test_a_circle_is_refused_with_its_way_and_a_chain_has_an_end() -> None:
    def chain(length: int, last: str) -> Plant:
        made = [double(f"T{n}", Follow(source=f"T{n + 1}")) for n in range(length)]
        return Plant(
            [
                PlantObject(
                    1, "A", Template("$T", attributes=(*made, double(f"T{length}", Follow(source=last)), double("X")))
                )
            ]
        )

    with pytest.raises(ValueError, match=r"^A\.T1: it depends on itself: A\.T1 → A\.T2 → A\.T3 → A\.T1$"):
        chain(3, "T1")
    clock = ManualClock()
    live = LivePlant(chain(49, "X"), clock)
    live.start()
    found, first = live.find("A.X"), live.find("A.T0")
    assert found is not None
    assert first is not None
    found[0].override(Sample(DataType.DOUBLE, 7.0, GOOD, clock.now_ns()))
    clock.advance(1)
    assert first[0].sample.native == 7.0
    with pytest.raises(ValueError, match="at the end of a chain of more than 50 tags"):
        chain(50, "X")
    with pytest.raises(ValueError, match="at the end of a chain of more than 50 tags"):
        chain(5_000, "X")


async def test_a_deployment_makes_followers_bad_and_good_again() -> None:
    attributes = (
        double("X", value=1.0),
        double("Y", Follow(source="X", delay=2), value=1.0),
        double("Z", Step(on="X"), value=5.0),
    )
    plant, clock = Plant([PlantObject(1, "A", Template("$T", attributes=attributes))]), ManualClock()
    without = plant.edited(remove=["A.Y", "A.Z"])
    async with SimulatedGateway(plant=without, clock=clock) as gateway:
        gateway.deploy(plant)
        for edit in ({"remove": ["A.X"]}, {"retype": {"A.X": DataType.STRING}}):
            gateway.set_tag("A.X", 2.0)
            clock.advance(5)
            assert (gateway.tag("A.Y").sample.native, gateway.tag("A.Z").sample.native) == (2.0, 2.0)
            gateway.deploy(**edit)
            clock.advance(5)
            assert (gateway.tag("A.Y").sample.quality, gateway.tag("A.Z").sample.quality) == (BAD, BAD)
            gateway.deploy(plant)
            clock.advance(5)
            assert (gateway.tag("A.Y").sample.quality, gateway.tag("A.Y").sample.native) == (GOOD, 1.0)
            assert (gateway.tag("A.Z").sample.quality, gateway.tag("A.Z").sample.native) == (
                GOOD,
                2.0,
            )  # another tag of the same name is no write
        with pytest.raises(ValueError, match="depends on itself"):
            gateway.deploy(remove=["A.X"], rename={"A.Z": "A.X"})


async def test_a_client_that_writes_a_command_sees_what_follows_and_cannot_write_that(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(
        """
        [templates.Pump.attributes]
        Command = { type = "boolean", security = "operate" }
        Running = { type = "boolean", behaviour = { kind = "step", on = "Command", delay = 2 } }
        Flow = { type = "double", behaviour = { kind = "expression", expression = "if(Running, 40, 0)", lag = 3 } }
        [objects]
        Pump01 = { template = "Pump" }
        """,
        encoding="utf-8",
    )
    clock = ManualClock()
    async with SimulatedGateway(plant=Plant.load(path), clock=clock) as gateway, connect(gateway) as client:
        assert isinstance(client, GatewayClient)
        async with client.open_session() as session:
            server = await session.register("test")
            handles = [await session.add_item(server, f"Pump01.{name}") for name in ("Command", "Running")]
            for handle in handles:
                await session.advise(server, handle)
            await session.write_confirmed(server, handles[0], True, timeout=5)
            await session.write_confirmed(server, handles[1], False, timeout=5)
            seen = []
            for _ in range(20):
                clock.advance(1)
                running, flow = await session.read(["Pump01.Running", "Pump01.Flow"])
                seen.append((running.value, round(float(str(flow.value)))))
        assert [running for running, _ in seen[:4]] == [False, False, True, True]
        assert seen[-1] == (True, 40)
        assert [flow for _, flow in seen] == sorted(flow for _, flow in seen)
