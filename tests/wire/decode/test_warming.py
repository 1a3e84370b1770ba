"""The first short messages of a type are read and written without a function compiled for it."""

from __future__ import annotations

from types import GenericAlias
from typing import Any

import betterproto
import pytest

from mxgateway import wire
from mxgateway.wire.compiling import warming
from mxgateway.wire.decode import decoder
from mxgateway.wire.encode import encoder
from mxgateway.wire.messages.message import Message, message_type


@pytest.fixture(autouse=True)
def allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "ALLOWANCE", 4096)


def fresh_type() -> Any:
    """A message type that no function was compiled for."""

    @message_type
    class Tank(Message):
        """A tank."""

        name: str = betterproto.string_field(1)
        levels: list[int] = betterproto.int32_field(2)
        by_hour: dict[int, int] = betterproto.map_field(3, betterproto.TYPE_INT32, betterproto.TYPE_INT32)

    return Tank


def compiled(message_class: Any) -> tuple[bool, bool]:
    """Tell whether a decode and an encode function were compiled."""
    return message_class in decoder.BUILTIN.linker.functions, message_class in encoder.BUILTIN.linker.functions


def test_the_first_short_messages_need_no_compiled_function() -> None:
    tank_type = fresh_type()
    tank = tank_type(name="a", levels=[1, 2], by_hour={3: 4})
    for _ in range(10):
        assert wire.decode(tank_type, wire.encode(tank)) == tank

    assert compiled(tank_type) == (False, False)


def test_after_some_dozens_the_functions_are_compiled_and_give_the_same() -> None:
    tank_type = fresh_type()
    tank = tank_type(name="a", levels=[1, 2], by_hour={3: 4})
    encoded = wire.encode(tank)
    for _ in range(100):
        assert wire.encode(tank) == encoded
        assert wire.decode(tank_type, encoded) == tank

    assert compiled(tank_type) == (True, True)


@pytest.mark.parametrize("fields", [{"levels": [1] * 5000}, {"by_hour": dict.fromkeys(range(5000), 1)}])
def test_for_a_large_message_the_functions_are_compiled_at_once(fields: dict[str, Any]) -> None:
    tank_type = fresh_type()
    wire.decode(tank_type, wire.encode(tank_type(**fields)))

    assert compiled(tank_type) == (True, True)


def test_many_messages_inside_of_one_count() -> None:
    @message_type
    class Farm(Message):
        """Tanks."""

        tanks: list[Any] = betterproto.message_field(1)

    tank_type = fresh_type()
    Farm.__annotations__["tanks"] = GenericAlias(list, (tank_type,))
    wire.encode(Farm(tanks=[tank_type(name="a")] * 3))
    assert compiled(Farm)[1] is False
    wire.encode(Farm(tanks=[tank_type(name="a")] * 200))
    assert compiled(Farm)[1] is True


def test_what_is_wrong_is_told_in_the_same_words() -> None:
    said = []
    for allowance in (4096, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(warming, "ALLOWANCE", allowance)
            tank_type = fresh_type()
            with pytest.raises(wire.WireError) as read:
                wire.decode(tank_type, bytes.fromhex("0a05"))
            with pytest.raises(wire.WireError) as written:
                wire.encode(tank_type(levels=[1 << 40]))
            said.append((str(read.value), str(written.value)))
            with pytest.raises(TypeError, match="is not a betterproto message type"):
                wire.decode(int, b"")
            with pytest.raises(TypeError, match="is not a betterproto message type"):
                wire.encode(5)

    assert said[0] == said[1]
