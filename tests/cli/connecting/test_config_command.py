"""`config` tells what is in force and where each value is from; it asks no gateway and shows no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from mxgateway_cli.connecting.precedence import OPTIONS
from tests.cli.batches import batch
from tests.cli.in_process import run_here
from tests.cli.process import Outcome

KEY: Final = "mxgw_tests_t0p-s3cr3t"
PIN: Final = "AA" * 32


def config(tmp_path: Path, *arguments: str, profiles: str = "", **env: str) -> Outcome:
    file = tmp_path / "config.toml"
    file.write_text(profiles)
    return run_here("config", *arguments, env={"MXGATEWAY_CONFIG": str(file), **env})


def rows(outcome: Outcome) -> dict[str, dict[str, Any]]:
    assert outcome.code == 0, outcome.err
    return {row["option"]: row for row in outcome.document["options"]}


def test_each_connection_option_has_a_row(tmp_path: Path) -> None:
    outcome = config(tmp_path, "--json")

    assert list(outcome.document) == ["operation", "options"]
    assert set(rows(outcome)) == {"profile", *(name.replace("_", "-") for name in OPTIONS)}
    assert {row["source"] for row in rows(outcome).values()} == {"default"}
    assert rows(outcome)["endpoint"] == {
        "option": "endpoint", "value": "localhost:5000", "source": "default", "where": None,
    }  # fmt: skip


def test_each_source_is_named_and_the_strongest_wins(tmp_path: Path) -> None:
    profile = 'default-profile = "plant"\n[profile.plant]\nendpoint = "profile:1"\nauthority = "gw:1"\ntimeout = 4\n'
    found = rows(
        config(
            tmp_path, "--json", "--timeout", "7", profiles=profile,
            MXGATEWAY_ENDPOINT="environment:1", MXGATEWAY_PIN=PIN,
        )
    )  # fmt: skip

    file = tmp_path / "config.toml"
    told = {name: (row["value"], row["source"], row["where"]) for name, row in found.items()}
    assert told["endpoint"] == ("environment:1", "environment", "MXGATEWAY_ENDPOINT")
    assert told["authority"] == ("gw:1", "profile", f"plant in {file}")
    assert told["timeout"] == (7.0, "flag", "--timeout")
    assert told["pin"] == ([PIN], "environment", "MXGATEWAY_PIN")
    assert told["profile"] == ("plant", "file", f"{file} (profile use)")


@pytest.mark.parametrize(
    ("arguments", "env", "source", "where"),
    [
        (("--api-key", KEY), {}, "flag", "--api-key"),
        ((), {"MXGATEWAY_API_KEY": KEY}, "environment", "MXGATEWAY_API_KEY"),
        (("--api-key-env", "OTHER"), {"OTHER": KEY, "MXGATEWAY_API_KEY": "x"}, "environment", "OTHER"),
        (("--api-key-file", "{file}"), {}, "file", "{file}"),
        (("--simulator",), {"MXGATEWAY_API_KEY": KEY}, "default", "the simulated gateway's own"),
    ],
)
@pytest.mark.parametrize("form", ["json", "table", "jsonl"])
def test_the_key_is_never_shown_but_where_it_is_from(
    tmp_path: Path, form: str, arguments: tuple[str, ...], env: dict[str, str], source: str, where: str
) -> None:
    file = tmp_path / "api.key"
    file.write_text(KEY)
    words = [word.format(file=file) for word in arguments]

    outcome = config(tmp_path, *words, "-o", form, **env)

    assert outcome.code == 0, outcome.err
    assert "t0p-s3cr3t" not in outcome.out + outcome.err
    assert "set (hidden)" in outcome.out
    assert where.format(file=file) in outcome.out
    if form == "json":
        row = rows(outcome)["api-key"]
        assert (row["value"], row["source"], row["where"]) == ("set (hidden)", source, where.format(file=file))


def test_a_variable_for_the_key_that_is_not_set_is_told(tmp_path: Path) -> None:
    row = rows(config(tmp_path, "--json", "--api-key-env", "NOT_THERE"))["api-key"]

    assert (row["value"], row["where"]) == (None, "NOT_THERE, which is not set")


def test_passwords_are_never_shown(tmp_path: Path) -> None:
    certificate = tmp_path / "client.pem"
    certificate.write_text("x")
    outcome = config(
        tmp_path, "--json", "--client-cert", str(certificate), MXGATEWAY_PROXY="http://user:hidden-word@proxy:3128",
        MXGATEWAY_CLIENT_KEY_PASSWORD="another-word",
    )  # fmt: skip

    found = rows(outcome)
    assert found["proxy"]["value"] == "http://proxy:3128 (password hidden)"
    assert found["client-key-password"]["value"] == "set (hidden)"
    assert "-word" not in outcome.out + outcome.err


def test_what_is_dropped_is_said_and_not_in_force(tmp_path: Path) -> None:
    outcome = config(tmp_path, "--plaintext", profiles=f'default-profile = "p"\n[profile.p]\npin = "{PIN}"\n')

    assert outcome.code == 0
    assert "--plaintext drops --pin" in outcome.err
    assert PIN not in outcome.out


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (("--plaintext", "--pin", PIN), {}, "contradict each other"),
        (("--endpoint", "http://a:1"), {}, "--plaintext is required as well"),
        ((), {"MXGATEWAY_PIN": ""}, "set but empty"),
        ((), {"MXGATEWAY_API_KEY": " "}, "set but empty"),
        (("--profile", "nope"), {}, "there is no profile 'nope'"),
    ],
)
def test_what_no_command_would_accept_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], env: dict[str, str], words: str
) -> None:
    outcome = config(tmp_path, *arguments, **env)

    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.out == ""


async def test_in_a_batch_the_options_of_the_batch_are_told() -> None:
    outcome = await batch("config --json", "--endpoint", "gw:1", "--plaintext")

    assert '"source": "batch"' in outcome.out
