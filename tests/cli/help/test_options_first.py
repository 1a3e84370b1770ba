"""Options before the command mean the same as behind it; a mistyped one is named with what it may mean."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from mxgateway_cli.declaring.leading import shared_parameters
from tests.cli.batches import batch
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.help.pages import pages
from tests.cli.in_process import run_here
from tests.cli.process import Outcome
from tests.cli.toml_files import profiles_file
from tests.rows import each_row

VALUES = {
    "--endpoint": "localhost:1", "--server-name-override": "gw", "--authority": "gw", "--pin": "00" * 32, "--known-hosts": "known",
    "--api-key-env": "PLANT_KEY", "--api-key": KEY, "--proxy": "http://127.0.0.1:1", "--profile": "plant", "--contract": "auto", "--timeout": "0.5",
    "--wait-for-gateway": "0.5", "--output": "jsonl", "--color": "always", "--ca-file": "no-such-file", "--client-cert": "no-such-file",
    "--client-key": "no-such-file", "--api-key-file": "no-such-file",
}  # fmt: skip
OPTIONS = [max(each.opts, key=len) for each in shared_parameters()]


def words(option: str) -> list[str]:
    [parameter] = [each for each in shared_parameters() if option in each.opts]
    assert isinstance(parameter, click.Option)
    return [option] if parameter.is_flag else [option, VALUES[option]]


def without_numbers(outcome: Outcome) -> Outcome:
    """Leave out ports and times."""
    return Outcome(outcome.code, outcome.out, re.sub(r"\d+(\.\d+)*", "0", outcome.err))


@each_row("option", OPTIONS)
def test_an_option_before_the_command_is_the_same_as_behind_it(option: str, tmp_path: Path) -> None:
    env = {
        "MXGATEWAY_CONFIG": str(profiles_file(tmp_path / "config.toml", ["plant"])),
        "PLANT_KEY": KEY,
        "MXGATEWAY_DEBUG": "",
    }
    env["XDG_STATE_HOME"] = str(tmp_path)
    more = [] if option in ("--endpoint", "--simulator") else ["--endpoint", "127.0.0.1:1"]
    before = run_here(*words(option), "session-state", *more, "--session-id", "none", env=env)
    behind = run_here("session-state", *more, "--session-id", "none", *words(option), env=env)

    assert without_numbers(before) == without_numbers(behind)
    assert behind.code != 0
    assert "no such" not in behind.err


async def test_the_whole_connection_may_stand_before_the_command(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("--endpoint", gateway.simulated.endpoint, "--json", "read", TAG)

    assert outcome.code == 0
    assert outcome.document["results"][0]["tag"] == TAG


@pytest.mark.parametrize(
    "line",
    [
        ["--endpoint", "127.0.0.1:1", "ping", "--endpoint", "{here}"],
        ["--endpoint", "127.0.0.1:1", "--endpoint=127.0.0.1:2", "ping", "--endpoint", "{here}"],
        ["--timeout", "0.001", "ping", "--timeout", "30", "--endpoint", "{here}"],
        ["-ovalue", "ping", "-ojson", "--endpoint", "{here}"],
        ["-o", "value", "ping", "--json", "--endpoint", "{here}"],
        ["--json", "ping", "--output=json", "--endpoint", "{here}"],
    ],
)
async def test_the_option_behind_the_command_wins(line: list[str], gateway: Gateway) -> None:
    outcome = await gateway.mxgw(*(word.format(here=gateway.simulated.endpoint) for word in line))

    assert outcome.code == 0, outcome.err
    if "-o" in line or "-ovalue" in line:
        assert json.loads(outcome.out)["operation"] == "ping"


def test_endpoints_before_the_command_are_tried_in_order() -> None:
    outcome = run_here("--endpoint", "127.0.0.1:1", "--endpoint", "127.0.0.1:2", "--plaintext", "ping", "--json")

    assert outcome.code == 78
    assert "127.0.0.1:2" in outcome.err


@each_row(
    ("line", "code", "says"),
    [
        (["--endpiont", "h:1", "read", "T"], 2, "no such option --endpiont; did you mean --endpoint?"),
        (["read", "T", "--endpiont", "h:1"], 2, "no such option --endpiont; did you mean --endpoint?"),
        (["read", "T", "--max-tag", "1"], 2, "no such option --max-tag; did you mean --max-tags?"),
        (["write", "T", "--vlaue", "1"], 2, "no such option --vlaue; did you mean --value?"),
        (["watch", "T", "--require-cert"], 2, "no such option --require-cert; did you mean --require-certificate-validation?"),
        (["profile", "sett"], 2, "no such command 'sett'; did you mean set?"),
        (["profile", "set", "x", "--plain"], 2, "no such option --plain; did you mean --plaintext?"),
        (["--plaintext", "version"], 2, "no such option --plaintext"),
        (["--json"], 2, None),
        (["--endpoint"], 2, "Option '--endpoint' requires an argument."),
        (["--endpoint", "", "ping"], 2, "--endpoint is empty: give it a value or omit it."),
        (["--json", "--version"], 0, None),
        (["--json", "--help"], 0, None),
        (["--json", "--", "version"], 0, None),
        (["--json", "profile", "list"], 0, None),
    ],
)  # fmt: skip
def test_what_stands_before_the_command_is_checked(
    line: list[str], code: int, says: str | None, tmp_path: Path
) -> None:
    outcome = run_here(*line, env={"MXGATEWAY_CONFIG": str(tmp_path / "config.toml")})

    assert outcome.code == code, outcome.err
    if says is not None:
        assert outcome.err.splitlines()[0] == f"error: {says}"


@each_row("name", [name for name, page in pages().items() if not isinstance(page.command, click.Group)])
def test_every_command_suggests_its_own_and_the_shared_options(name: str) -> None:
    options = [each for each in pages()[name].command.params if isinstance(each, click.Option) and not each.hidden]
    for parameter in (options[0], options[-1]):
        option = max(parameter.opts, key=len)
        outcome = run_here(*name.split(), f"{option}x")

        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith(f"error: no such option {option}x; did you mean {option}")


async def test_a_line_of_a_batch_has_them_too(gateway: Gateway) -> None:
    lines = f"--endpoint {gateway.simulated.endpoint} --plaintext -o value ping\n--json batch\n--json version\n"
    outcome = await batch(lines, env={"MXGATEWAY_API_KEY": KEY})

    assert float(outcome.answers[0]) >= 0
    assert "batch cannot run in a batch" in outcome.failure(2)
    assert outcome.documents[2]["name"] == "mxgw-py"
