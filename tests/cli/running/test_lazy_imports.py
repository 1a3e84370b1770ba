from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mxgateway_cli.help.registry import COMMANDS
from tests.cli.process import environment
from tests.rows import each_row

HEAVY = (
    "grpclib", "h2", "betterproto", "tomllib", "asyncio", "ssl", "mxgateway.proto", "mxgateway.errors.tree", "mxgateway_cli.commands.smoke",
    "rich", "tomlkit",
)  # fmt: skip
UNUSUAL = (
    "dataclasses", "difflib", "json", "logging", "pathlib", "socket", "mxgateway_cli.connecting.connection", "mxgateway_cli.terminal.exit_codes",
)  # fmt: skip
# Ends like `main()` does and tells which heavy modules the process has loaded by then.
SCRIPT = f"""
import sys
from mxgateway_cli.main import run
code = run(sys.argv[1:])
loaded = [name for name in {(*HEAVY, *UNUSUAL)!r} if name in sys.modules]
import json
print(json.dumps([code, loaded]), file=sys.stderr)
"""


def loaded_by(*arguments: str, **variables: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], env=environment(variables), capture_output=True, text=True, check=True
    )  # fmt: skip
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, modules


@each_row(
    "arguments",
    [
        (), ("--help",), ("--version",), ("version", "--json"), ("completion", "zsh"), ("no-such-command",), ("help",), ("help", "read"),
        ("help", "connection"), ("help", "exit-codes"), ("help", "raed"), ("--endpiont", "gw:5001", "read"), ("--json", "version"),
    ],
)  # fmt: skip
def test_what_needs_no_gateway_loads_nothing_of_one(arguments: tuple[str, ...]) -> None:
    _, modules = loaded_by(*arguments)

    assert not {*HEAVY} & {*modules}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("version",)])
def test_what_a_pipeline_asks_most_often_loads_click_and_little_else(arguments: tuple[str, ...]) -> None:
    code, modules = loaded_by(*arguments)

    assert (code, modules) == (0, [])


def test_a_command_that_talks_to_a_gateway_loads_what_it_needs() -> None:
    code, modules = loaded_by("ping", "--simulator")

    assert code == 0
    assert {"grpclib", "betterproto"} <= set(modules)
    assert "tomllib" not in modules


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", "TestChildObject.TestInt"),
        ("galaxy-discover", "--json"),
        ("watch", "TestChildObject.TestInt", "--count", "1", "-o", "value"),
    ],
)
def test_what_draws_on_a_terminal_is_not_loaded_without_one(arguments: tuple[str, ...]) -> None:
    code, modules = loaded_by(*arguments, "--simulator")

    assert code == 0
    assert not {"rich", "tomlkit"} & {*modules}


def test_a_profile_that_is_written_loads_what_writes_it(tmp_path: Path) -> None:
    file = str(tmp_path / "config.toml")

    _, written = loaded_by("profile", "set", "lab", "--plaintext", MXGATEWAY_CONFIG=file)
    _, shown = loaded_by("profile", "show", "lab", MXGATEWAY_CONFIG=file)

    assert "tomlkit" in written
    assert "tomlkit" not in shown


def test_a_profile_that_is_asked_for_loads_what_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[profile.lab]\nplaintext = true\n")

    code, modules = loaded_by("ping", "--simulator", "--profile", "lab", MXGATEWAY_CONFIG=str(file))

    assert code == 0
    assert "tomllib" in modules


@pytest.mark.parametrize("command", ["write", "galaxy-discover", "galaxy-watch"])
def test_the_help_of_a_command_loads_no_gateway(command: str) -> None:
    _, modules = loaded_by(command, "--help")

    assert not {"grpclib", "h2", "betterproto", "tomllib", "mxgateway.proto"} & {*modules}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("mxgw-py wri", "write"),
        ("mxgw-py write --val", "--value"),
        ("mxgw-py ping --prof", "--profile"),
        ("mxgw-py --endp", "--endpoint"),
        ("mxgw-py write --type in", "int32"),
        ("mxgw-py --json read -o js", "jsonl"),
        ("mxgw-py help conn", "connection"),
    ],
)
def test_completion_completes_names_and_options_without_loading_a_gateway(words: str, expected: str) -> None:
    variables = {"_MXGW_PY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment(variables), capture_output=True, text=True, check=True
    )

    assert f"plain,{expected}" in done.stdout.splitlines()
    assert not {*HEAVY} & {*json.loads(done.stderr.splitlines()[-1])[1]}


def test_completion_completes_the_names_of_profiles(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[profile.lab]\n[profile.plant]\n[profile.plane]\n")
    variables = {"_MXGW_PY_COMPLETE": "bash_complete", "COMP_WORDS": "mxgw-py ping --profile pl", "COMP_CWORD": "3"}
    found = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment({**variables, "MXGATEWAY_CONFIG": str(path)}),
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for path in (file, tmp_path)
    ]  # fmt: skip

    assert found == [["plain,plant", "plain,plane"], []]


def test_every_command_of_the_table_exists_with_the_name_and_help_that_the_table_says() -> None:
    from mxgateway_cli.main import cli

    context = cli.make_context("mxgw-py", ["version"])
    for entry in COMMANDS:
        command = cli.get_command(context, entry.name)
        assert command is not None
        assert command.name == entry.name
        assert (command.help or "").splitlines()[0] == entry.help
