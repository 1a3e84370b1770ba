"""A RuntimeError that nobody expected is called the client's defect only if the client's own code raised it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mxgateway.errors import map_fault
from tests.errors.places import GATEWAY
from tests.rows import each_row


def raised(act: Callable[[], object], within: str) -> RuntimeError:
    """Return the RuntimeError of an act that a module calls."""
    calling: dict[str, Any] = {"__name__": within, "act": act}
    try:
        exec("act()", calling)
    except RuntimeError as error:
        return error
    raise AssertionError("nothing was raised")


def closed_loop() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    loop.call_soon(print)


def endless() -> None:
    endless()


def changed_meanwhile() -> None:
    own: dict[str, Any] = {"__name__": "mxgateway.events.reader_set"}
    exec("found = {1: 1}\nfor each in found:\n    found[each + 1] = 1", own)


@each_row("row", [(closed_loop, False), (changed_meanwhile, True)])
def test_a_runtime_error_is_the_clients_defect_only_if_its_own_code_raised_it(
    row: tuple[Callable[[], object], bool],
) -> None:
    act, is_own = row
    error = map_fault(raised(act, "mxgateway.transport.channel"), GATEWAY)
    assert "RuntimeError" in error.message
    assert ("report it" in error.hint) is is_own


def test_a_stack_that_is_too_deep_is_the_programs() -> None:
    error = map_fault(raised(endless, "mxgateway.transport.channel"), GATEWAY)
    assert "RecursionError" in error.message
    assert "report it" not in error.hint
