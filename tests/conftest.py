"""What every test relies on: a bound on those that wait, and the markers of the slow ones."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.cold_start import compiled_once
from tests.garbage import leave_alone_what_there_is
from tests.loops.policy import use_named_loop
from tests.rows import PATIENCE, is_bounded


def pytest_configure(config: pytest.Config) -> None:
    use_named_loop()
    _let_hypothesis_take_its_time()
    config.addinivalue_line(
        "markers", "packaging: builds and installs the distribution; deselect with -m 'not packaging'"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use two workers for each core: half of a test's time is waiting for timers and for other processes."""
    return (os.cpu_count() or 1) * 2


def _let_hypothesis_take_its_time() -> None:
    """Let hypothesis bound no example, as a shared machine may be slow at any moment, and do without a folder where it cannot write one."""
    from hypothesis import settings

    kept = Path.cwd() / ".hypothesis"
    can_write = os.access(kept if kept.exists() else kept.parent, os.W_OK | os.X_OK)
    settings.register_profile("tests", deadline=None, **({} if can_write else {"database": None}))
    settings.load_profile("tests")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    with compiled_once(session.config):
        return (yield)


LONGEST = (
    "subscription/recovery/test_fault_matrix.py", "docs/test_examples.py", "benchmarks/test_benchmarks_run.py", "packaging/test_wheel.py",
    "contract/proto_files/test_generated_code.py", "subscription/recovery/test_soak.py", "contract/proto_files/test_replaceable_contract.py", "client/closing/test_many_tasks.py",
    "contract/binding/test_bound_plants.py", "events/models/test_model.py", "events/models/test_model_of_writes.py", "events/models/test_model_of_streams.py", "events/models/test_model_of_subscriptions.py",
)  # fmt: skip
"""Files that take longest. They go first: begun last, one of them would be waited for by idle cores."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj) and not is_bounded(item.obj):
            item.obj = _bounded(item.obj)


def pytest_collection_finish() -> None:
    """Let the collector leave the ten thousand tests alone: each of its runs would go through all of them."""
    gc.collect()
    leave_alone_what_there_is()


def _bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def run(*args: Any, **fixtures: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            await test(*args, **fixtures)

    return run
