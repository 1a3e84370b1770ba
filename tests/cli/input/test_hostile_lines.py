"""Files of profiles and command lines that nobody would write: each ends in a line that says why, and none in a defect."""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from mxgateway_cli.help.registry import COMMANDS
from mxgateway_cli.main import cli
from tests.cli.in_process import NOWHERE, run_here
from tests.cli.process import Outcome
from tests.wire.profiles import FUZZ_SECONDS, mutated

ROUNDS = 120

PROFILES = f"""\
# The plants of the north.
[profile.plant]  # the big one
endpoint = "gw.plant:5001"
pin = ["{"aa" * 32}", '{"bb" * 32}']
timeout = 2.5
api-key-env = "PLANT_KEY"

[profile."my lab"]
plaintext = true
ca-file = 'ca.pem'
profile = {{ deeper = [1, 2.0, inf, 1979-05-27, [true]] }}
known-hosts = \"\"\"
several
lines\"\"\"
""".encode()

VALUES = [
    "", " ", "-", "--", "0", "-1", "1", "2", "1e308", "nan", "inf", "99999999999999999999", "true", "null", "[]", "[1,2]", "{}", '{"a":1}', "a,b", ",", '"',
    "'", "\\", "*", "$(x)", "%s%n", "../..", "/", "/dev/null", ".", "file", "no/such/file", "\t", "\n", "\u202e", "\x1b[2J", "é\u0301", "日本", "\U0001f600",
    "\udcff", "A.B", "A.B[]", "A.B[1]", "A!B.C", "*.*", "int32", "string", "== 5", "changes", "> nan", "good", "json", "csv", "2026-11-30T00:00:00Z", "@file",
    "user:pw@host:1", "http://h:1/?a=b", "aa" * 32, "x" * 5000, "mxgw_id_secret",
]  # fmt: skip
ENDLESS = {"simulate"}
"""Commands that run until they are interrupted."""


def commands() -> Iterator[tuple[list[str], click.Command]]:
    """Yield the words of every command, and what it takes."""
    context = click.Context(cli)
    for entry in COMMANDS:
        command = cli.get_command(context, entry.name)
        if isinstance(command, click.Group):
            for name, below in command.commands.items():
                yield [entry.name, name], below
        elif command is not None and entry.name not in ENDLESS:
            yield [entry.name], command


COMMAND_LIST = list(commands())


def line(draw: random.Random) -> list[str]:
    """Return the words of a command line: options of its command, with and without values, in any order and number."""
    words, command = draw.choice(COMMAND_LIST)
    pieces = []
    for parameter in draw.choices(command.params, k=draw.randrange(6)) if command.params else []:
        option = draw.choice(parameter.opts) if isinstance(parameter, click.Option) else ""
        if option in ("--simulator", "--help", "-h", "--color"):
            continue
        choices = getattr(parameter.type, "choices", VALUES)
        value = str(draw.choice([*choices, *VALUES] if draw.randrange(3) else VALUES))
        if not option:
            pieces.append([value])
        elif getattr(parameter, "is_flag", False):
            pieces.append([option])
        else:
            pieces.append(draw.choice([[option, value], [f"{option}={value}"], [option]]))
    draw.shuffle(pieces)
    bounds = ["--timeout", "0.5"] if any("--timeout" in each.opts for each in command.params) else []
    connects = any("--plaintext" in each.opts for each in command.params)
    return [*words, *(word for piece in pieces for word in piece), *bounds, *(NOWHERE if connects else ())]


def judge(outcome: Outcome, words: object) -> None:
    assert "internal error" not in outcome.err, words
    assert "Traceback" not in outcome.err, words
    assert outcome.code in (0, 1, 2, 3, 20, 21, 22) or 64 < outcome.code < 81, (outcome.code, words)
    assert outcome.code == 0 or outcome.err or outcome.out, words
    for char in "\x1b\u202e\r":
        assert char not in outcome.err, words


def play_line(draw: random.Random, place: Path) -> None:
    words = line(draw)
    config = {"MXGATEWAY_CONFIG": str(place / "config.toml")}
    stdin = "\n".join(shlex.join(line(draw)) for _ in range(2)) if words[0] == "batch" else "A.B\n"
    judge(run_here(*words, env=config, stdin=stdin.encode(errors="replace").decode()), words)


def play_profiles(draw: random.Random, place: Path) -> None:
    file, content = place / "profiles.toml", mutated(PROFILES, draw)
    file.write_bytes(content)
    file.chmod(0o600)
    env = {"MXGATEWAY_CONFIG": str(file)}
    for words in (["list"], ["show", "plant"], ["set", "plant", "--timeout", "3"], ["remove", "my lab"]):
        before = file.read_bytes()
        outcome = run_here("profile", *words, env=env)
        judge(outcome, content)
        if outcome.code:
            assert outcome.err.startswith("error: "), content
            assert file.read_bytes() == before, content
        else:
            assert run_here("profile", "list", env=env).code == 0, content
    judge(run_here("ping", "--profile", "plant", *NOWHERE, env=env), content)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("A.B\n")
    return tmp_path


@pytest.mark.parametrize("play", [play_line, play_profiles])
def test_what_nobody_would_write_ends_in_a_line_that_says_why(
    play: Callable[[random.Random, Path], None], place: Path
) -> None:
    draw = random.Random(20261130)
    for _ in range(ROUNDS if play is play_line else ROUNDS // 4):
        play(draw, place)


@pytest.mark.skipif(not FUZZ_SECONDS, reason="MXGATEWAY_FUZZ_SECONDS says how long to search")
@pytest.mark.parametrize("play", [play_line, play_profiles])
def test_a_long_search_finds_no_defect_either(play: Callable[[random.Random, Path], None], place: Path) -> None:
    run, end = int(time.time()), time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < end:
        run += 1
        print("seed", run)
        play(random.Random(run), place)
