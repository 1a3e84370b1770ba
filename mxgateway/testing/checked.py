"""The parts of the pytest plugin that need the library."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from mxgateway.simulator import Plant, SimulatorOptions, small_plant
from mxgateway.testing.clock import TestClock
from mxgateway.testing.gateway import ThreadedGateway
from mxgateway.testing.leaks import left_tasks
from mxgateway.testing.proxy import ThreadedFaultProxy

Test = Callable[..., Awaitable[None]]

TASKS: Final = pytest.StashKey[list[str]]()
"""The tasks that a test has left."""
_FORGOTTEN: Final = ".*was never awaited"


def plant_of(item: pytest.Item) -> Plant:
    """Return the plant that a test's marker `mx_plant` names, or the small plant.

    The test fails if the marker names no plant, or one that cannot be read.
    """
    marker = item.get_closest_marker("mx_plant")
    if marker is None:
        return small_plant()
    if len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], str | Path | Plant):
        pytest.fail("the marker mx_plant takes one argument: the path of a plant file, or a Plant", pytrace=False)
    named = marker.args[0]
    if isinstance(named, Plant):
        return named
    try:
        return Plant.load(item.path.parent / named)
    except (OSError, ValueError) as error:
        pytest.fail(f"the plant of {item.nodeid}: {error}", pytrace=False)


@contextmanager
def gateway_with(plant: Plant, options: SimulatorOptions, clock: TestClock | None) -> Iterator[ThreadedGateway]:
    """Yield a running gateway, with the clock of the test if it has one."""
    if clock is None:
        with ThreadedGateway(plant=plant, options=options) as gateway:
            yield gateway
        return
    with ThreadedGateway(plant=plant, options=options, clock=clock.gateway_clock) as gateway:
        clock.attach(gateway)
        yield gateway


def check_the_end(item: pytest.Item, gateway: ThreadedGateway) -> None:
    """Fail if a client has left something open, or if a scripted reply was not used."""
    if item.get_closest_marker("mx_unchecked") is None:
        _fail_with("the test leaves something behind", item.stash.get(TASKS, []) + gateway.left())
        _fail_with("the test has not used what it scripted", gateway.unused)


def _fail_with(what: str, lines: list[str]) -> None:
    if lines:
        pytest.fail("\n  ".join([f"{what}:", *lines]), pytrace=False)


class _Unopened:
    """Stands for a client or a session until the async test function begins."""

    def __init__(self, name: str, instead: str) -> None:
        self._name, self._instead = name, instead

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"{self._name}.{name}: {self._name} is opened when the async test function begins; "
            f"in a fixture or on another loop use `async with {self._instead}`"
        )


def unopened(request: pytest.FixtureRequest, name: str, instead: str) -> Any:
    """Return what stands for a client or a session until the async test function begins; any other test fails."""
    if not inspect.iscoroutinefunction(request.node.obj):
        pytest.fail(
            f"{name} needs an async test function; a sync test runs `async with {instead}` in asyncio.run()",
            pytrace=False,
        )
    return _Unopened(name, instead)


@contextmanager
def in_the_kit(item: pytest.Function) -> Iterator[None]:
    """While the block runs, let an async test open what it asks for, and let a forgotten ``await`` fail."""
    test = item.obj
    if inspect.iscoroutinefunction(test):
        item.obj = _with_what_it_needs(item, test)
    try:
        # `recwarn` looks for warnings itself, and would not see them.
        with nullcontext() if "recwarn" in item.fixturenames else _nothing_is_left_unawaited():
            yield
    finally:
        item.obj = test


def _with_what_it_needs(item: pytest.Function, test: Test) -> Test:
    fixture: Callable[[str], Any] = item.funcargs.get
    gateway: ThreadedGateway | None = fixture("mx_gateway")
    clock: TestClock | None = fixture("mx_clock")
    proxy: ThreadedFaultProxy | None = fixture("mx_proxy")

    @functools.wraps(test)
    async def run(*args: Any, **fixtures: Any) -> None:
        before = asyncio.all_tasks()
        async with AsyncExitStack() as stack:
            if clock is not None:
                stack.callback(clock.let_run)
                clock.stop_time()
            if gateway is not None and fixtures.keys() & {"mx_client", "mx_session"}:
                endpoint = None if proxy is None else proxy.endpoint
                client = await stack.enter_async_context(gateway.connect(endpoint))
                if "mx_session" in fixtures:
                    fixtures["mx_session"] = await stack.enter_async_context(client.open_session())
                if "mx_client" in fixtures:
                    fixtures["mx_client"] = client
            try:
                await test(*args, **fixtures)
            except asyncio.CancelledError:
                if clock is not None:
                    clock.check()
                raise
            finally:
                if clock is not None:
                    clock.let_run()
        if item.get_closest_marker("mx_unchecked") is None:
            item.stash[TASKS] = await left_tasks(before)

    return run


@contextmanager
def _nothing_is_left_unawaited() -> Iterator[None]:
    """Fail if a coroutine of the block was never awaited; Python's own warning passes unseen in many projects."""
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("always", _FORGOTTEN, RuntimeWarning)
            yield
    finally:
        forgotten = [each for each in caught if re.match(_FORGOTTEN, str(each.message))]
        for each in caught:
            if each not in forgotten:
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno, source=each.source)
    _fail_with("the test forgets to await", [f"{each.filename}:{each.lineno}: {each.message}" for each in forgotten])
