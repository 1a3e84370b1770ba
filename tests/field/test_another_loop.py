"""Another implementation of the event loop: only asyncio's documented transport interface is relied on."""

from __future__ import annotations

from pathlib import Path

from tests.field.behaviours import Behaviour

BEHAVIOURS = [
    Behaviour(
        "the tour runs on uvloop and with eager tasks, client and simulated gateway",
        "loops/test_other_loops.py::test_a_tour_in_plaintext",
        (
            "loops/test_other_loops.py::test_a_tour_through_tls",
            "loops/test_other_loops.py::test_a_peer_that_speaks_before_it_is_asked_is_refused_through_tls",
            "loops/test_other_loops.py::test_connecting_can_be_given_up_at_any_moment",
        ),
    ),
    Behaviour(
        "a part of the suite runs on uvloop, and these tables on every Python, with one command",
        "field/test_another_loop.py::test_one_command_runs_the_core_on_uvloop_and_the_tables_on_every_python",
    ),
]

ROOT = Path(__file__).parents[2]


def test_one_command_runs_the_core_on_uvloop_and_the_tables_on_every_python() -> None:
    script = (ROOT / "tests" / "loops" / "run").read_text(encoding="utf-8")
    assert "tests/loops/run" in (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in ("run uvloop", "run eager", "tables ", "3.12 3.13", "tests.field.behaviours"):
        assert words in script
    assert '"uvloop>=' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
