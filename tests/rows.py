"""Many rows in one test: for tables whose rows need nothing of their own, where a test each would cost more than the row."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any, Final, cast

import pytest

PATIENCE: Final = 60.0
"""Seconds until an asynchronous test, or one row of it, that waits for something that never comes fails instead of hanging."""

_Param: Final = type(pytest.param())


def each_row(
    names: str | tuple[str, ...],
    rows: Iterable[Any],
    *,
    around: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a test for each row, all of them whatever becomes of one; it fails with every row that failed, by name.

    It is used as `pytest.mark.parametrize` is. All rows share the test's fixtures: a row may change nothing of them.

    Args:
        names: The test's parameters that a row gives.
        rows: A value for each row, or a tuple with one for each name; a `pytest.param` may give its id.
        around: What each row of an asynchronous test runs in, where a fixture would be entered for each of them.
    """
    parameters = [names] if isinstance(names, str) else [*names]
    table = [_row(parameters, row, alone=isinstance(names, str)) for row in rows]
    assert table, "a table without rows tests nothing"

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        def run(**fixtures: Any) -> None:
            failures = _Failures(len(table))
            for name, row in table:
                with failures.of(name):
                    test(**fixtures, **row)
            failures.report()

        async def run_async(**fixtures: Any) -> None:
            failures = _Failures(len(table))
            for name, row in table:
                with failures.of(name):
                    if is_bounded(test):
                        await test(**fixtures, **row)
                    else:
                        async with asyncio.timeout(PATIENCE), around():
                            await test(**fixtures, **row)
            failures.report()

        whole: Any = run_async if inspect.iscoroutinefunction(test) else run
        functools.update_wrapper(whole, test, updated=())
        del whole.__wrapped__
        whole.pytestmark = [*getattr(test, "pytestmark", ())]
        whole.is_bounded = True
        signature = inspect.signature(test)
        fixtures = [each for each in signature.parameters.values() if each.name not in parameters]
        whole.__signature__ = signature.replace(parameters=fixtures)
        return cast("Callable[..., Any]", whole)

    return decorate


def is_bounded(test: Callable[..., Any]) -> bool:
    """Return whether each row of an asynchronous test has a bound of its own."""
    return hasattr(test, "is_bounded")


def _row(parameters: list[str], row: Any, *, alone: bool) -> tuple[str, dict[str, Any]]:
    """Return a row's name and its values."""
    name = None
    if isinstance(row, _Param):
        assert not row.marks, "a row has no marks"
        name, values = row.id, row.values
    else:
        values = (row,) if alone else row
    given = dict(zip(parameters, values, strict=True))
    return str(name or ", ".join(f"{key}={value!r:.200}" for key, value in given.items())), given


class _Failures:
    """What has failed so far of a number of rows."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._rows: list[str] = []
        self._failures: list[Exception] = []

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Keep the failure of a row; one that is skipped has failed, as nobody would see it."""
        try:
            yield
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as failure:  # noqa: BLE001 - each is reported
            self._rows.append(name)
            kept = failure if isinstance(failure, Exception) else AssertionError(repr(failure))
            kept.add_note(f"row: {name}")
            self._failures.append(kept)

    def report(self) -> None:
        """Fail with all that has failed."""
        if self._failures:
            rows = "\n".join(self._rows)
            raise ExceptionGroup(f"{len(self._rows)} of {self._count} rows failed:\n{rows}", self._failures)
