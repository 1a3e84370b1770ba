"""Many rows in one test: for tables whose rows need nothing of their own, where a test each would cost more than the row."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest


def each_row(names: str | tuple[str, ...], rows: Iterable[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a test for each row, all of them whatever becomes of one; it fails with every row that failed, by name.

    It is used as `pytest.mark.parametrize` is. All rows share the test's fixtures: a row may change nothing of them.

    Args:
        names: The test's parameters that a row gives.
        rows: A value for each row, or a tuple with one for each name.
    """
    parameters = [names] if isinstance(names, str) else [*names]
    table = [dict(zip(parameters, (row,) if isinstance(names, str) else row, strict=True)) for row in rows]
    assert table, "a table without rows tests nothing"

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        def run(**fixtures: Any) -> None:
            failures = _Failures(len(table))
            for row in table:
                with failures.of(row):
                    test(**fixtures, **row)
            failures.report()

        async def run_async(**fixtures: Any) -> None:
            failures = _Failures(len(table))
            for row in table:
                with failures.of(row):
                    await test(**fixtures, **row)
            failures.report()

        whole: Any = run_async if inspect.iscoroutinefunction(test) else run
        functools.update_wrapper(whole, test, updated=())
        del whole.__wrapped__
        whole.pytestmark = [*getattr(test, "pytestmark", ())]
        signature = inspect.signature(test)
        fixtures = [each for each in signature.parameters.values() if each.name not in parameters]
        whole.__signature__ = signature.replace(parameters=fixtures)
        return cast("Callable[..., Any]", whole)

    return decorate


class _Failures:
    """What has failed so far of a number of rows."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._rows: list[str] = []
        self._failures: list[Exception] = []

    @contextmanager
    def of(self, row: dict[str, Any]) -> Iterator[None]:
        """Keep the failure of a row; one that is skipped has failed, as nobody would see it."""
        try:
            yield
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as failure:  # noqa: BLE001 - each is reported
            self._rows.append(", ".join(f"{name}={value!r:.200}" for name, value in row.items()))
            kept = failure if isinstance(failure, Exception) else AssertionError(repr(failure))
            kept.add_note(f"row: {self._rows[-1]}")
            self._failures.append(kept)

    def report(self) -> None:
        """Fail with all that has failed."""
        if self._failures:
            rows = "\n".join(self._rows)
            raise ExceptionGroup(f"{len(self._rows)} of {self._count} rows failed:\n{rows}", self._failures)
