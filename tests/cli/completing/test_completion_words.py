"""What a shell is offered is one word of its command line, whatever a profile is called: nothing of it is run or expanded."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import PROGRAM, environment
from tests.cli.toml_files import profiles_file

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")

NAMES = [
    "$(touch pwned)", "`touch pwned`", "${IFS}x", "$HOME", "*", "?onfig.tom?", "[a-z]*", "a b", "  two  blanks ", "a'b", 'a"b', "a\\b", "a\\", "\\$x",
    "a;touch pwned", "a|b", "a&b", "a>pwned", "<x", "(x)", "{a,b}", "~", "~root", "#x", "!!", "a,b", "a,", ",", "plain,x", "file,x", "x=y", "x:y",
    "é\u0301", "日本",
]  # fmt: skip

SCRIPT = """
set -u
eval "$(cat script)"
while IFS= read -r line; do
    COMP_WORDS=(mxgw-py ping --profile "$line") COMP_CWORD=3 COMP_LINE="mxgw-py ping --profile $line" COMP_POINT=${#COMP_LINE}
    _mxgw_py_completion ./mxgw-py "$line" --profile
    for reply in "${COMPREPLY[@]}"; do
        printf '%s\\0' "$reply"
    done
done
"""


def completion_script(shell: str) -> str:
    command = [*PROGRAM, "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stdout


def offered(directory: Path, *typed: str) -> list[str]:
    """Return what bash is offered for words that are begun as they are typed."""
    (directory / "script").write_text(completion_script("bash"))
    (directory / "mxgw-py").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mxgateway_cli "$@"\n')
    (directory / "mxgw-py").chmod(0o755)
    config = profiles_file(directory / "config.toml", NAMES)
    done = subprocess.run(
        ["bash", "--norc", "-c", SCRIPT], cwd=directory, input="\n".join(typed) + "\n", capture_output=True, text=True, check=True,
        env=environment({"MXGATEWAY_CONFIG": str(config), "PYTHONPATH": os.pathsep.join(sys.path)}),
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize(
    ("typed", "end"), [("", ""), ("'", "'"), ('"', '"')], ids=["bare", "in quotes", "in double quotes"]
)
def test_every_name_is_offered_as_one_word_and_nothing_is_run(tmp_path: Path, typed: str, end: str) -> None:
    words = offered(tmp_path, typed)

    assert len(words) == len(NAMES)
    before = sorted(path.name for path in tmp_path.iterdir())
    for word, name in zip(words, NAMES, strict=True):
        if "!" in name:
            continue  # means something where people type only, and to what they typed before
        line = f"printf '%s\\n' {typed}{word}{end}"
        shown = subprocess.run(["bash", "--norc", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert shown.stdout == f"{name}\n", (name, word)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert "pwned" not in before


def test_commands_and_options_are_offered_as_they_are(tmp_path: Path) -> None:
    assert "--timeout" in offered(tmp_path, "--ti")
