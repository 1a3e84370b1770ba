"""No modules import one another in a circle, for type checkers neither: what is below does not know what is above."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.imports import circles, imports, modules


def knowledge() -> dict[str, set[str]]:
    """Return which modules of the project each of them imports, at the top, within functions, or for type checkers."""
    ours = modules()
    return {name: imports(name, path, for_types=True) & ours.keys() - {name} for name, path in ours.items()}


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert circles(knowledge()) == set(), "let the module below know a Protocol instead of the one above"


def test_a_circle_would_be_found_however_long_it_is() -> None:
    chain = {str(number): {str(number + 1)} for number in range(2000)} | {"2000": set()}
    assert circles(chain) == set()
    assert circles(chain | {"2000": {"5"}}) == {frozenset(str(number) for number in range(5, 2001))}
    assert circles({"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}}) == {frozenset("ab"), frozenset("cd")}


@pytest.mark.parametrize(
    "source",
    [
        "from mxgateway.session import Session",
        "from mxgateway import session",
        "import mxgateway.session",
        "if TYPE_CHECKING:\n    from mxgateway.session import Session",
        "if typing.TYPE_CHECKING:\n    pass\nelse:\n    from mxgateway import session",
        "def late():\n    from ..session import Session",
    ],
)
def test_an_import_counts_wherever_it_stands(source: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert "mxgateway.session" in imports("mxgateway.events.module", path, for_types=True)
