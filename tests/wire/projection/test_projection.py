"""A projection reads a part of a message, by the schema of its type, and leaves what is unusual to the whole decoder."""

from __future__ import annotations

from datetime import datetime
from itertools import permutations
from typing import Any

import betterproto
import pytest

from mxgateway import wire
from mxgateway.wire import Timestamp
from mxgateway.wire.compiling import warming
from mxgateway.wire.errors import IrregularError
from mxgateway.wire.messages.message import Message, message_type
from mxgateway.wire.projection.projection import Choice, Decoder, Plan, Projection, choice_reader, message_reader
from mxgateway.wire.projection.steady_fields import Run
from mxgateway.wire.times.codec import check_timestamp, read_timestamp
from tests.rows import each_row


@message_type
class Level(Message):
    """A level, whose fields have numbers of their own."""

    unit: int = betterproto.int32_field(2)
    text: str = betterproto.string_field(3)
    empty: bool = betterproto.bool_field(4)
    whole: int = betterproto.sint32_field(40)
    exact: float = betterproto.double_field(500, group="level")
    word: str = betterproto.string_field(501, group="level")


@message_type
class Tank(Message):
    """A tank."""

    kind: int = betterproto.int32_field(1)
    name: str = betterproto.string_field(2)
    number: int = betterproto.uint64_field(3)
    level: Level = betterproto.message_field(5)
    hidden: str = betterproto.string_field(6)
    fine: float = betterproto.double_field(7)
    raw: bytes = betterproto.bytes_field(8)
    levels: list[Level] = betterproto.message_field(100)
    sizes: list[int] = betterproto.int32_field(101)


class Seen:
    """What is read of a tank."""

    __slots__ = ("exact", "levels", "name", "number")

    exact: Any
    levels: Any
    name: Any
    number: Any


def other(data: bytes, pos: int, stop: int) -> Any:
    return "other", message_reader(Level)(data, pos, stop)


def plan(_: Decoder) -> Plan:
    choice = Choice(members=("exact", "word"), number="unit", text="text", null="empty")
    return Plan(
        result=Seen,
        slots={"name": "name", "number": "number", "level": "exact", "levels": "levels"},
        readers={"level": choice_reader(Level, choice, other)},
        absent={"level": -1.0},
        steady=("kind", "name"),
        needs={"kind": 7},
    )


def tank(**fields: Any) -> bytes:
    return wire.encode(Tank(**{"kind": 7, "name": "T1", **fields}))


def seen(data: bytes, projection: Projection | None = None) -> Any:
    found = (projection or Projection(lambda: Tank, plan)).read(data)
    return found and (found.name, found.number, found.exact, found.levels)


def test_only_what_is_asked_for_is_read() -> None:
    projection = Projection(lambda: Tank, plan)
    for number in (1, 300, 2**40):
        data = tank(number=number, level=Level(unit=1, text="m", exact=2.5), hidden="ä", fine=1.5, raw=b"\xff")
        assert seen(data, projection) == ("T1", number, 2.5, ())


def test_what_is_absent_is_what_the_plan_says() -> None:
    assert seen(tank()) == ("T1", 0, -1.0, ())
    assert seen(tank(fine=1.0)) == ("T1", 0, -1.0, ())
    assert seen(tank(name="", fine=1.0)) == ("", 0, -1.0, ())


def test_the_member_of_a_oneof_comes_without_its_message() -> None:
    for unit, text in ((0, ""), (1, "m"), (300, "m"), (1, "ä"), (1, "m" * 200)):
        level = Level(unit=unit, text=text, word="high")
        found = seen(tank(level=level))[2]
        simple = unit == 1 and text == "m"
        assert found == "high" if simple else found in ("high", ("other", level))
    assert seen(tank(level=Level(unit=1, text="m", empty=True)))[2] is None
    for level in (Level(unit=1, text="m"), Level(unit=1, text="m", whole=3, exact=1.0), Level(empty=True, exact=1.0)):
        assert seen(tank(level=level))[2] == ("other", level)


def test_messages_of_a_list_are_a_tuple() -> None:
    levels = [Level(unit=1), Level(), Level(unit=1), Level(word="x")]
    found = seen(tank(levels=levels))[3]
    assert list(found) == levels
    assert found[0] is not found[2]


@each_row("fields", [{"kind": 8}, {"kind": 0}, {"kind": 0, "name": ""}, {"sizes": [1, 2]}])
def test_a_message_that_is_not_as_the_plan_needs_it_is_left_to_the_whole_decoder(fields: dict[str, Any]) -> None:
    assert seen(tank(**{"fine": 1.0, **fields})) is None


@each_row(
    "data",
    [
        tank(fine=1.0)[:-1],
        tank(hidden="x") + tank(hidden="x"),
        tank(level=Level(exact=1.0)) + b"\x2a\x00",
        tank(hidden="xx").replace(b"xx", b"\xff\xff"),
        tank(fine=1.0) + b"\xa6\x06",
        tank(fine=1.0) + b"\xa0\x06\xff",
        tank(raw=b"x" * 9000),
        b"",
    ],
)
def test_what_is_faulty_or_unusual_is_left_to_the_whole_decoder(data: bytes) -> None:
    assert seen(data) is None


def test_unknown_fields_are_passed_over() -> None:
    unknown = b"\xb8\x3e\x05\xc2\x3e\x02ab"
    assert seen(tank(number=5) + unknown) == ("T1", 5, -1.0, ())
    assert seen(tank(number=5) + unknown + wire.encode(Tank(fine=1.0, levels=[Level()]))) == ("T1", 5, -1.0, (Level(),))


def test_the_first_messages_are_left_to_the_whole_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "ALLOWANCE", 4096)
    asked: list[str] = []

    def asked_for_plan(decoder: Decoder) -> Plan:
        asked.append("plan")
        return plan(decoder)

    projection = Projection(lambda: Tank, asked_for_plan)
    data = tank(fine=1.0)
    assert [projection.read(data) for _ in range(40)] == [None] * 40
    assert asked == []
    found = [projection.read(data) for _ in range(40)]
    assert found[-1].name == "T1"
    assert asked == ["plan"]


@each_row("nanos", [0, 1000, 2**21, 2**28, 999_999_999, 10**9, -1])
@each_row("seconds", [0, 1_795_000_000, -1, -62135596801, 253402300799, 253402300800, 2**62])
def test_the_bytes_of_a_checked_time_are_read_later(seconds: int, nanos: int) -> None:
    made = Timestamp.from_parts(seconds, nanos)
    data = b"??" + wire.encode(Moment(time=made))[2:] + b"??"
    stamp = check_timestamp(data, 2, len(data) - 2)
    assert stamp == data[2:-2]
    assert read_timestamp(stamp, 0, len(stamp)).parts() == made.parts()


@each_row("data", ["08", "0880", "1001" + "0801", "1a00", "08808080800510808080", "0880808080ff10ffffff00" + "00"])
def test_a_faulty_time_is_not_passed_over(data: str) -> None:
    with pytest.raises((IrregularError, IndexError)):
        check_timestamp(bytes.fromhex(data), 0, len(data) // 2)


@message_type
class Moment(Message):
    """A time."""

    time: datetime = betterproto.message_field(1)


@message_type
class Pump(Message):
    """A pump, most of whose fields say the same in every message, in two places."""

    speed: int = betterproto.int32_field(1)
    kind: int = betterproto.int32_field(2)
    note: str = betterproto.string_field(3)
    owner: str = betterproto.string_field(4)
    group: int = betterproto.int32_field(5)
    flow: float = betterproto.double_field(7)
    site: str = betterproto.string_field(15)
    body: Level = betterproto.message_field(20)
    hidden: int = betterproto.int32_field(21)


class Turn:
    """What is read of a pump."""

    __slots__ = ("flow", "group", "speed")

    flow: Any
    group: Any
    speed: Any


def pump_plan(_: Decoder) -> Plan:
    return Plan(
        result=Turn,
        slots={"speed": "speed", "group": "group", "flow": "flow"},
        steady=("kind", "owner", "group", "site", "body"),
        needs={"kind": 7},
        leaves=("hidden",),
    )


PUMP: dict[str, Any] = {"speed": 3, "kind": 7, "owner": "x", "group": 300, "flow": 0.5, "site": "ä", "body": Level()}
PARTS = {name: wire.encode(Pump(**{name: value})) for name, value in PUMP.items()}
STRANGE = b"\x30\x01"
"""A field that the type does not have: number 6."""


def turn(data: bytes, projection: Projection) -> Any:
    found = projection.read(data)
    return found and (found.speed, found.group, found.flow)


def test_steady_fields_are_learned_once_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[bytes] = []
    learn = Run.learn

    def counted(run: Run, data: bytes, start: int, stop: int, values: tuple[Any, ...]) -> tuple[Any, ...]:
        learned.append(data[start:stop])
        return learn(run, data, start, stop, values)

    monkeypatch.setattr(Run, "learn", counted)
    projection = Projection(lambda: Pump, pump_plan)
    for speed in range(1, 20):
        assert turn(wire.encode(Pump(**{**PUMP, "speed": speed})), projection) == (speed, 300, 0.5)
    assert learned == [
        PARTS["kind"] + PARTS["owner"] + PARTS["group"],
        PARTS["site"] + PARTS["body"],
    ]


@each_row("unusual", [*permutations(PARTS, 2), *permutations(PARTS, 3), ("owner", "?", "group")])
def test_messages_of_any_shape_are_read_as_the_whole_message_says(unusual: tuple[str, ...]) -> None:
    projection = Projection(lambda: Pump, pump_plan)
    usual = wire.encode(Pump(**PUMP))
    left = [name for name in PARTS if name not in unusual]
    for names in (
        unusual, left, [*left, *unusual], [*unusual, *left], [*unusual, *PARTS], [*left[:2], *unusual, *left[2:]],
        *([*list(PARTS)[:place], "?", *list(PARTS)[place:]] for place in range(len(PARTS))),
    ):  # fmt: skip
        data = b"".join(PARTS.get(name, STRANGE) for name in names)
        whole = wire.decode(Pump, data)
        for _ in range(2):
            found = turn(data, projection)
            assert found in (None, (whole.speed, whole.group, whole.flow))
            assert whole.kind == 7 or found is None
        turn(usual, projection)
        assert turn(usual, projection) == (3, 300, 0.5)


def test_a_field_between_steady_ones_that_the_type_does_not_have_costs_no_whole_message() -> None:
    projection = Projection(lambda: Pump, pump_plan)
    names = list(PARTS)
    for place in (0, 1, 4, 5, 6, 7):
        data = b"".join(PARTS.get(name, STRANGE) for name in [*names[:place], "?", *names[place:]])
        assert [turn(data, projection) for _ in range(3)] == [(3, 300, 0.5)] * 3


def test_what_a_message_says_between_steady_fields_is_checked() -> None:
    projection = Projection(lambda: Pump, pump_plan)
    data = wire.encode(Pump(**PUMP, note="yy"))
    assert turn(data, projection) == (3, 300, 0.5)
    assert turn(data.replace(b"yy", b"\xff\xff"), projection) is None
    assert turn(wire.encode(Pump(**PUMP, hidden=1)), projection) is None
    assert turn(wire.encode(Pump(**{**PUMP, "kind": 0})), projection) is None
    assert turn(wire.encode(Pump(**PUMP)), projection) == (3, 300, 0.5)
