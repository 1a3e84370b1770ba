"""Each option of each command with a good value and with a bad one: exit code, first line of stdout and of stderr, as in ``options.json``.

After a change that is meant, ``UPDATE_OPTIONS=1`` writes the file again. The lines run in this process; that a process ends, writes and
warns the same is shown for each command by `test_every_command`.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import pytest

from mxgateway.contract import own_descriptor_set
from mxgateway.simulator.options import DEFAULT_USERS
from mxgateway_cli.help.registry import COMMANDS
from tests.cli.declaring.option_lines import FILES, LINES, SHARED
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.help.test_vocabulary import EVERY, own
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome
from tests.cli.test_every_command import OPERATOR, PASSWORD, SECURED, masked

EXPECTED: Final = Path(__file__).with_name("options.json")
PROJECT: Final = Path(__file__).parents[3]
CONTRACT: Final = PROJECT / "protos"
GROUP: Final = {name: entry.group for entry in COMMANDS for name in EVERY if name.split()[0] == entry.name}
ELSEWHERE: Final = {name for name in EVERY if name.split()[0] in ("simulate", "sim")}
"""Commands of the simulated gateway, whose options are in tests of their own."""
IN_TESTS_OF_TLS: Final = {
    "--tls", "--ca-file", "--require-certificate-validation", "--server-name-override", "--pin", "--known-hosts", "--client-cert",
    "--client-key", "--proxy",
}  # fmt: skip
SUPERVISOR: Final = DEFAULT_USERS[1]
WIDEST: Final = 160
BAD: Final = {
    "integer": ("1_0", "99999999999999999999"), "integer range": ("1_0", "-99"), "float range": ("1_0", "inf"),
    "seconds": ("+5", "0"), "choice": ("no-such",), "condition": ("=< 5",), "quality": ("none",), "reference": ("Tank01",),
    "contract": ("{dir}/no-such",), "file": ("{dir}/no-such/file",), "directory": ("{dir}/no-such",), "proxy": ("proxy:1",), "key": ("a\x01b",),
}  # fmt: skip
"""Bad values of each type of an option; all have the empty text as well."""


def options_of(command: click.Command) -> Iterator[click.Parameter]:
    """Yield a command's own options; a hidden one exists only to be refused."""
    return (each for each in own(command) if not getattr(each, "hidden", False))


def spellings(parameter: click.Parameter) -> set[str]:
    return {*parameter.opts, *parameter.secondary_opts}


def words_of(line: str, **known: str) -> list[str]:
    return shlex.split(
        line.format_map(
            {"session": "S", "user": "1", "dir": "D", "contract": "C", "endpoint": "E", "key": "K", **known}
        )
    )


def place_of(command: click.Command, parameter: click.Parameter, words: list[str]) -> int | None:
    """Return where the value of a parameter is among words; None if it is not there."""
    valued = {each for other in command.params if not getattr(other, "is_flag", False) for each in other.opts}
    if isinstance(parameter, click.Option):
        found = [i + 1 for i, word in enumerate(words) if word in parameter.opts]
        return found[0] if found else None
    free = [i for i, word in enumerate(words) if not word.startswith("--") and (not i or words[i - 1] not in valued)]
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    place = arguments.index(parameter)  # type: ignore[arg-type]  # it is an argument
    return free[place] if place < len(free) else None


def bad_values(parameter: click.Parameter) -> tuple[str, ...]:
    if getattr(parameter, "is_flag", False):
        return ()
    return ("", *BAD.get(parameter.type.name, ()))


def bad_lines(name: str, command: click.Command) -> Iterator[tuple[str, list[str]]]:
    """Yield each option with a bad value: a name for it, and the words of its line."""
    for parameter in options_of(command):
        for value in bad_values(parameter):
            for line in LINES[name]:
                words = words_of(line, **{each: f"{{{each}}}" for each in ("session", "user", "dir", "contract")})
                place = place_of(command, parameter, words)
                if place is not None:
                    shown = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.metavar or ""
                    yield f"{shown} {value!r}", [*words[:place], value, *words[place + 1 :]]
                    break


def test_each_option_of_each_command_has_a_good_line() -> None:
    assert {*LINES, *ELSEWHERE} == {*EVERY}
    missing = []
    for name in LINES:
        words = {word for line in LINES[name] for word in words_of(line)}
        for parameter in options_of(EVERY[name]):
            if isinstance(parameter, click.Option):
                missing += [(name, each) for each in spellings(parameter) - words]
            elif all(place_of(EVERY[name], parameter, words_of(line)) is None for line in LINES[name]):
                missing.append((name, parameter.metavar or ""))
    shared = {word for line in SHARED for word in words_of(line)} | IN_TESTS_OF_TLS
    everything = {each for parameter in EVERY["ping"].params for each in spellings(parameter)} - {"--session-id"}
    assert (missing, everything - shared) == ([], set())


class Runs:
    """Runs lines at one gateway, each with a session that was made ready for it."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self._gateway, self._folder = gateway, folder
        for name, text in FILES.items():
            (folder / name).write_text(text)
        (folder / "key").write_text(KEY)
        (folder / "second").write_text(SUPERVISOR[1])
        (folder / "exported").write_bytes(own_descriptor_set())
        for name in ("password", "key", "second", "config.toml"):
            (folder / name).chmod(0o600)
        self._env = {
            **gateway.env, "PASSWORD": PASSWORD, "SECOND": SUPERVISOR[1], "KEY": KEY,
            "MXGATEWAY_CONFIG": str(folder / "config.toml"),
        }  # fmt: skip

    def fresh(self) -> None:
        """Have the profiles and the alarms as they were."""
        endpoint = self._gateway.simulated.endpoint
        for level in (50.0, 15.0):  # the alarm is active, and nobody has acknowledged it
            self._gateway.simulated.set_tag("Tank01.Level", level)
        text = f'[profile.plant]\nendpoint = "gw:5001"\n\n[profile.here]\nendpoint = "{endpoint}"\nplaintext = true\n'
        (self._folder / "config.toml").write_text(text)

    async def outcome(self, words: list[str]) -> list[Any]:
        """Return how a line ends: its exit code, and the first line of both streams."""
        known = {
            "dir": str(self._folder), "contract": str(CONTRACT), "endpoint": self._gateway.simulated.endpoint, "key": KEY,
            "session": "S", "user": "1",
        }  # fmt: skip
        session_id = ""
        if any("{session}" in word for word in words):
            session_id = known["session"] = await self._gateway.open_session()
            async with self._gateway.client() as client:
                session = client.attach_session(session_id)
                await session.register("test")
                for tag in (TAG, SECURED):
                    await session.advise(1, await session.add_item(1, tag))
                known["user"] = str(await session.authenticate_user(1, OPERATOR, PASSWORD))
        outcome = self._short(await mxgw(*(word.format_map(known) for word in words), env=self._env))
        if session_id in self._gateway.simulated.sessions:
            async with self._gateway.client() as client:
                await client.attach_session(session_id).close()
        return outcome

    def _short(self, outcome: Outcome) -> list[Any]:
        assert "Traceback" not in outcome.err
        outcome = masked(outcome)
        # Numbers are masked first, those of a folder's name with them.
        folder, project = (masked(Outcome(0, str(each), "")).out for each in (self._folder, PROJECT))

        def lines(text: str) -> list[str]:
            return [
                line.replace(folder, "<dir>").replace(project, "<project>")[:WIDEST] for line in text.splitlines()[:1]
            ]

        return [outcome.code, lines(outcome.out), lines(outcome.err)]


def compare(key: str, found: dict[str, Any]) -> None:
    expected = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    if os.environ.get("UPDATE_OPTIONS"):
        texts = [f" {json.dumps(each)}: {rows(value)}" for each, value in sorted({**expected, key: found}.items())]
        EXPECTED.write_text("{\n" + ",\n".join(texts) + "\n}\n")
    else:
        assert found == expected[key]


def rows(found: dict[str, Any]) -> str:
    """Return JSON with a line for each command line."""
    texts = [f"  {json.dumps(line)}: {json.dumps(outcome, ensure_ascii=False)}" for line, outcome in found.items()]
    return "{\n" + ",\n".join(texts) + "\n }"


NEEDS_NO_GATEWAY: Final = {
    "help",
    "version",
    "completion",
    "profile set",
    "profile list",
    "profile show",
    "profile use",
    "profile remove",
}


def complete(name: str, words: list[str], *, is_good: bool) -> list[str]:
    """Return a whole line: with its command, where it goes, and if it is good a format that shows much in one line."""
    where = [] if name in NEEDS_NO_GATEWAY else ["--plaintext"]
    form = [] if not is_good or name in ("help", "completion") or "--tree" in words else ["-o", "jsonl"]
    if name == "check" and "--format" in words:
        form = []
    return [*name.split(), *words, *where, *form]


@pytest.mark.parametrize("group", sorted({*GROUP.values()}))
async def test_good_and_bad_values_end_as_expected(gateway: Gateway, tmp_path: Path, group: str) -> None:
    runs, found = Runs(gateway, tmp_path), dict[str, Any]()
    for name in LINES:
        if GROUP[name] != group:
            continue
        for line in LINES[name]:
            runs.fresh()
            words = words_of(line, **{each: f"{{{each}}}" for each in ("session", "user", "dir", "contract")})
            code, out, err = await runs.outcome(complete(name, words, is_good=True))
            if "--duration" in line:  # how much comes in that time depends on the machine
                out = []
            found[f"{name} {line}".strip()] = [code, out, err]
        for bad, words in bad_lines(name, EVERY[name]):
            runs.fresh()
            found[f"{name}: {bad}"] = await runs.outcome(complete(name, words, is_good=False))
    compare(group, found)


async def test_shared_options_end_as_expected(gateway: Gateway, tmp_path: Path) -> None:
    runs, found = Runs(gateway, tmp_path), dict[str, Any]()
    runs.fresh()
    for line in SHARED:
        names = ("session", "user", "dir", "contract", "endpoint", "key")
        found[line] = await runs.outcome(["ping", *words_of(line, **{each: f"{{{each}}}" for each in names})])
    for parameter in EVERY["ping"].params:
        for value in bad_values(parameter):
            name = parameter.opts[0]
            found[f"{name} {value!r}"] = await runs.outcome(["ping", name, value])
    compare("shared", found)
