"""Every behaviour of the tables names tests that exist, so no row loses its proof unnoticed."""

from __future__ import annotations

from tests.field.behaviours import TESTS, behaviours, collected, functions_of
from tests.rows import each_row

ROWS = list(behaviours())
TABLES = {
    "test_one_loop", "test_greeted", "test_several_gateways", "test_hosts", "test_another_loop", "test_the_process",
    "test_values", "test_times", "test_records", "test_credentials", "test_texts",
}  # fmt: skip


@each_row("row", [row for _, row in ROWS])
def test_the_functions_of_a_behaviour_exist(row: object) -> None:
    for test in getattr(row, "tests", ()):
        file, _, function = test.partition("::")
        assert (TESTS / file).is_file(), test
        assert function in functions_of(file), test


def test_there_is_a_table_for_each_kind() -> None:
    assert {module for module, _ in ROWS} == TABLES


def test_no_behaviour_is_listed_twice() -> None:
    names = [row.name for _, row in ROWS]
    assert sorted(names) == sorted(set(names))


def test_pytest_collects_them() -> None:
    tests = {test for _, row in ROWS for test in row.tests}
    assert tests - collected(tests) == set()
