"""The default profile: used where none is named, with the same rules for security as one that is."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway_cli.connecting.default_profile import with_default
from tests.cli.gateway import KEY
from tests.cli.in_process import run_here
from tests.cli.process import Outcome

PIN: Final = "AA" * 32
PROFILES: Final = '# mine\n[profile.plant]\nendpoint = "plant:1"  # the plant\n\n[profile.lab]\nendpoint = "lab:2"\n'


class Shell:
    """Runs commands with a file of profiles."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "config.toml"
        self.file.write_text(PROFILES)

    def run(self, *arguments: str, **env: str) -> Outcome:
        return run_here(*arguments, env={"MXGATEWAY_CONFIG": str(self.file), **env})

    def endpoint(self, *arguments: str, **env: str) -> str:
        """Return the endpoint that a command would use."""
        outcome = self.run("config", *arguments, "--json", **env)
        assert outcome.code == 0, outcome.err
        found: str = next(row["value"] for row in outcome.document["options"] if row["option"] == "endpoint")
        return found


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_it_is_used_where_no_profile_is_named(shell: Shell) -> None:
    assert shell.endpoint() == "localhost:5000"

    used = shell.run("profile", "use", "plant", "--json")

    assert used.document == {"operation": "profile-use", "name": "plant", "file": str(shell.file)}
    assert shell.endpoint() == "plant:1"
    assert shell.endpoint("--profile", "lab") == "lab:2"
    assert shell.endpoint(MXGATEWAY_PROFILE="lab") == "lab:2"
    assert shell.endpoint("--endpoint", "other:3") == "other:3"


def test_the_file_keeps_its_text_and_its_mode(shell: Shell) -> None:
    shell.file.chmod(0o600)
    shell.run("profile", "use", "plant")
    first = shell.file.read_text()
    shell.run("profile", "use", "lab")
    second = shell.file.read_text()
    shell.run("profile", "use", "--none")

    assert first.replace('default-profile = "plant"\n\n', "") == PROFILES
    assert second == first.replace('"plant"\n\n', '"lab"\n\n')
    assert shell.file.read_text() == PROFILES
    if os.name == "posix":
        assert stat.S_IMODE(shell.file.stat().st_mode) == 0o600


def test_the_list_marks_it(shell: Shell) -> None:
    shell.run("profile", "use", "lab")

    assert shell.run("profile", "list", "--json").document["default"] == "lab"
    assert [line.endswith("(default)") for line in shell.run("profile", "list").out.splitlines()] == [False, True]


def test_changing_a_profile_keeps_the_default_and_removing_it_removes_it(shell: Shell) -> None:
    shell.run("profile", "use", "plant")
    shell.run("profile", "set", "plant", "--endpoint", "moved:4")
    shell.run("profile", "remove", "lab")
    assert shell.endpoint() == "moved:4"

    shell.run("profile", "remove", "plant")

    assert "default-profile" not in shell.file.read_text()
    assert shell.endpoint() == "localhost:5000"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('default-profile = "gone"\n' + PROFILES, "the default profile 'gone' does not exist"),
        ("default-profile = 3\n" + PROFILES, "line 1: 'default-profile' is not the name of a profile"),
        ('default-profile = ""\n' + PROFILES, "line 1: 'default-profile' is not the name of a profile"),
        ("default-profile =\n" + PROFILES, "not valid TOML"),
        (f'default-profile = "p"\n[profile.p]\npin = ""\n{PROFILES}', "'pin' in the profile 'p': it is empty"),
    ],
)
def test_one_that_cannot_be_used_is_one_clear_error_and_nothing_is_sent(shell: Shell, text: str, words: str) -> None:
    shell.file.write_text(text)

    outcome = shell.run("ping", "--endpoint", "127.0.0.1:1", "--plaintext")

    assert outcome.code == 2
    assert words in outcome.err
    assert str(shell.file) in outcome.err
    assert len(outcome.err.splitlines()) <= 2


def test_one_that_is_gone_can_be_replaced(shell: Shell) -> None:
    shell.file.write_text('default-profile = "gone"\n' + PROFILES)

    assert shell.run("profile", "use", "lab").code == 0
    assert shell.endpoint() == "lab:2"


def test_profiles_on_one_line_keep_their_default(shell: Shell) -> None:
    shell.file.write_text('profile = { plant = { endpoint = "plant:1" } }\n')

    outcomes = [shell.run("profile", *words) for words in (("use", "plant"), ("set", "plant", "--endpoint", "moved:2"))]

    assert [outcome.code for outcome in outcomes] == [0, 0], [outcome.err for outcome in outcomes]
    assert shell.endpoint() == "moved:2"


@pytest.mark.parametrize("arguments", [("use",), ("use", "plant", "--none"), ("use", "nope"), ("use", "")])
def test_nonsense_is_refused_and_nothing_is_written(shell: Shell, arguments: tuple[str, ...]) -> None:
    outcome = shell.run("profile", *arguments)

    assert outcome.code == 2
    assert shell.file.read_text() == PROFILES


def test_what_it_verifies_with_is_not_dropped_in_silence(shell: Shell) -> None:
    shell.file.write_text(f'default-profile = "p"\n[profile.p]\npin = "{PIN}"\n')

    outcome = shell.run("ping", "--endpoint", "127.0.0.1:1", "--plaintext", MXGATEWAY_API_KEY=KEY)

    assert "--plaintext drops --pin" in outcome.err


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_file_that_others_may_write_is_refused(shell: Shell) -> None:
    shell.file.write_text('default-profile = "plant"\n' + PROFILES)
    shell.file.chmod(0o666)

    outcome = shell.run("ping", "--endpoint", "127.0.0.1:1", "--plaintext")

    assert outcome.code == 2
    assert "cannot be read" in outcome.err


def test_the_simulated_gateway_asks_for_none(shell: Shell) -> None:
    shell.file.write_text('default-profile = "gone"\n')

    assert shell.run("ping", "--simulator").code == 0


NAMES = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)


@given(NAMES, st.none() | NAMES, st.sampled_from(["", "# a\n", PROFILES, "\n\n" + PROFILES]))
def test_whatever_is_set_is_read_back(name: str, after: str | None, text: str) -> None:
    once = with_default(text, name)
    twice = with_default(once, after)

    assert tomllib.loads(once) == {"default-profile": name, **tomllib.loads(text)}
    expected = {} if after is None else {"default-profile": after}
    assert tomllib.loads(twice) == {**expected, **tomllib.loads(text)}
