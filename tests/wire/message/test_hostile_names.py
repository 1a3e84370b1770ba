"""The codec's source is made of identifiers and numbers: a name that would be code in it is refused before it is compiled."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import pytest

from mxgateway.wire import decode, encode
from mxgateway.wire.messages.betterproto_seam import betterproto
from mxgateway.wire.messages.message import Message, message_type
from tests.rows import each_row

RUN = "__import__('builtins').ran.append(1)"
NAMES = [
    f"a={RUN}, b", f"a=1): pass\n{RUN}\n#", f"a']; {RUN} #", f"a\n {RUN}\n #", "a b", "", "1a", "a.b", "a-b", "a\u2028b", "a'", 'a"', "a\\", "{a}",
]  # fmt: skip


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(builtins, "ran", [], raising=False)
    found: list[int] = builtins.ran  # type: ignore[attr-defined]
    return found


def declared(name: str, annotation: str = "int") -> Any:
    """Return a message type as generated code declares it."""
    namespace = {"__annotations__": {name: annotation}, "__module__": __name__, name: betterproto.int32_field(1)}
    return message_type(type("Evil", (Message,), namespace))


USES: list[Callable[[Any], object]] = [
    lambda evil: evil(),
    lambda evil: [evil(x=1) for _ in range(50)],
    lambda evil: decode(evil, b"\x08\x01"),
    lambda evil: encode(object.__new__(evil)),
    lambda evil: evil().to_dict(),
]


@each_row("use", USES)
@each_row("name", NAMES)
def test_a_field_whose_name_is_no_identifier_is_refused(
    ran: list[int], name: str, use: Callable[[Any], object]
) -> None:
    with pytest.raises(TypeError, match="not an identifier"):
        use(declared(name))
    assert ran == []


def test_the_same_with_plain_names_is_a_message() -> None:
    tank = declared("level")
    assert encode(decode(tank, b"\x08\x05")) == b"\x08\x05"
    assert declared("levels", "list[int] | None")() is not None
