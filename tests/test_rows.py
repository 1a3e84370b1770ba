"""A test over many rows loses no failure: every row runs, and each that fails is named."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from tests import rows
from tests.rows import each_row


def test_every_row_runs_and_those_that_fail_are_named() -> None:
    seen = []

    @each_row(("number", "text"), [(1, "a"), (2, "b"), (3, "c"), (4, "d")])
    def test(fixture: int, number: int, text: str) -> None:
        seen.append((fixture, number, text))
        if number == 3:
            pytest.skip("not seen by anybody")
        assert number != 2

    assert list(inspect.signature(test).parameters) == ["fixture"]
    with pytest.raises(ExceptionGroup, match=r"2 of 4 rows failed:\nnumber=2, text='b'\nnumber=3, text='c'") as caught:
        test(fixture=7)
    assert seen == [(7, 1, "a"), (7, 2, "b"), (7, 3, "c"), (7, 4, "d")]
    assert [failure.__notes__ for failure in caught.value.exceptions] == [
        ["row: number=2, text='b'"], ["row: number=3, text='c'"],
    ]  # fmt: skip


def test_the_rows_of_an_asynchronous_test_are_awaited() -> None:
    @each_row("number", [1, 2])
    async def test(number: int) -> None:
        await asyncio.sleep(0)
        assert number == 1

    made: Any = test
    assert inspect.iscoroutinefunction(made)
    with pytest.raises(ExceptionGroup, match=r"1 of 2 rows failed:\nnumber=2"):
        asyncio.run(made())


async def test_each_row_is_bounded_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PATIENCE", 0.05)

    @each_row("seconds", [0.03, 60, 0.03])
    @each_row("times", [1])
    async def test(seconds: float, times: int) -> None:
        await asyncio.sleep(seconds * times)

    with pytest.raises(ExceptionGroup, match=r"1 of 3 rows failed:\nseconds=60") as caught:
        await test()
    (row,) = caught.value.exceptions
    assert isinstance(row, ExceptionGroup)
    assert isinstance(row.exceptions[0], TimeoutError)


def test_a_row_may_have_a_name() -> None:
    @each_row(("number", "text"), [pytest.param(1, "a", id="first"), pytest.param(2, "b")])
    def test(number: int, text: str) -> None:
        pytest.fail(text)

    with pytest.raises(ExceptionGroup, match=r"2 of 2 rows failed:\nfirst\nnumber=2, text='b'"):
        test()
    with pytest.raises(AssertionError, match="no marks"):
        each_row("number", [pytest.param(1, marks=pytest.mark.skip)])


def test_an_empty_table_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="tests nothing"):
        each_row("number", [])
