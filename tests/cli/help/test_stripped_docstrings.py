"""``python -OO`` strips docstrings, and the help of a command is its docstring."""

from __future__ import annotations

import subprocess
import sys

HELP = """
import contextlib, io, sys
from mxgateway_cli.help.registry import COMMANDS
from mxgateway_cli.main import run
for words in [[], *([entry.name] for entry in COMMANDS), ["profile", "set"], ["profile", "list"], ["profile", "show"], ["profile", "remove"]]:
    code = run([*words, "--help"])
    assert code == 0 if sys.flags.optimize == 0 else True
"""


def test_the_help_of_every_command_is_the_same_without_docstrings() -> None:
    def helps(*flags: str) -> str:
        done = subprocess.run([sys.executable, *flags, "-c", HELP], capture_output=True, text=True, check=True)
        return done.stdout

    assert helps("-OO") == helps()
    assert helps().count("Usage:") > 50
