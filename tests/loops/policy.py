"""The event loop that the tests run on, as the environment names it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Final

import pytest

VARIABLE: Final = "MXGATEWAY_TEST_LOOP"
"""Names the loop: ``asyncio`` (the default), ``eager`` for asyncio with eager tasks, or ``uvloop``."""
LOOP: Final = os.environ.get(VARIABLE, "asyncio")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def eager_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of asyncio that begins each task within the call that creates it."""
    loop = asyncio.SelectorEventLoop()
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    return loop


def uvloop_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop."""
    import uvloop

    return uvloop.new_event_loop()


HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)
HAS_UVLOOP: Final = sys.platform != "win32"

FACTORIES: Final[dict[str, LoopFactory]] = {
    **({"eager": eager_loop} if HAS_EAGER_TASKS else {}),
    **({"uvloop": uvloop_loop} if HAS_UVLOOP else {}),
}
"""The loops other than asyncio's own that can be used here."""


def use_named_loop() -> None:
    """Make every new event loop of this process the one that the environment names.

    Raises:
        pytest.UsageError: There is no such loop here.
    """
    if LOOP == "asyncio":
        return
    if LOOP not in FACTORIES:
        raise pytest.UsageError(f"{VARIABLE}={LOOP}: here it may be asyncio, {', '.join(FACTORIES)}")
    policy = asyncio.DefaultEventLoopPolicy()
    policy.new_event_loop = FACTORIES[LOOP]  # type: ignore[method-assign]
    asyncio.set_event_loop_policy(policy)
