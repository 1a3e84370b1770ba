"""docs/gateway.md states the rules of the table, and each rule's tests exist, are collected and not skipped."""

from __future__ import annotations

import re
from pathlib import Path

from tests.field.behaviours import TESTS, Behaviour, collected, functions_of
from tests.rows import each_row
from tests.simulator.behaviour.rules import RULES

PAGE = Path(__file__).parents[3] / "docs" / "gateway.md"
ROWS = [rule for rules in RULES.values() for rule in rules]


def stated() -> dict[str, list[str]]:
    """Return the list items of each section of the page, each as one line."""
    found = {}
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        items = re.split(r"^- ", body, flags=re.MULTILINE)[1:]
        found[title] = [" ".join(item.partition("\n\n")[0].split()) for item in items]
    return found


def test_the_page_states_each_rule_and_no_other() -> None:
    assert {title: rules for title, rules in stated().items() if rules} == {
        title: [rule.name for rule in rules] for title, rules in RULES.items()
    }


@each_row("rule", ROWS)
def test_the_tests_of_a_rule_exist_and_run(rule: Behaviour) -> None:
    for test in rule.tests:
        file, _, function = test.partition("::")
        assert (TESTS / file).is_file(), test
        assert function in functions_of(file), test


def test_no_rule_is_listed_twice() -> None:
    names = [rule.name for rule in ROWS]
    assert sorted(names) == sorted(set(names))


def test_pytest_collects_the_tests_of_the_rules() -> None:
    tests = {test for rule in ROWS for test in rule.tests}
    assert tests - collected(tests) == set()
