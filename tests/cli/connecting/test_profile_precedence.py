"""A flag goes before the environment, the environment before the profile, the profile before the default."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import click
import pytest

from mxgateway_cli.connecting.shared_options import whole_timeout
from tests.cli.batches import batch
from tests.cli.choosing import SOURCES, Case
from tests.cli.gateway import KEY, Gateway
from tests.cli.in_process import mxgw
from tests.rows import each_row

OTHER_KEY = "mxgw_other_0ther"


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, monkeypatch)


@each_row("present", list(itertools.product((True, False), repeat=4)))
@each_row("option", ["endpoint", "proxy", "pin", "known-hosts", "client-cert"])
def test_the_first_source_that_says_something_counts(
    case: Case, tmp_path: Path, option: str, present: tuple[bool, ...]
) -> None:
    values = {}
    for number, source in enumerate(SOURCES):
        (tmp_path / source).write_text("x")
        text = {"pin": f"{number}{number}" * 32, "endpoint": f"{source}:1", "proxy": f"http://{source}:1"}
        values[source] = text.get(option, str(tmp_path / source))
    said = {source: values[source] for source, is_there in zip(SOURCES, present, strict=True) if is_there}
    name = option.replace("-", "_")
    variables: dict[str, Any] = {f"MXGATEWAY_{name.upper()}": said["environment"]} if "environment" in said else {}

    settings = case.settings(
        *([f"--{option}", said["flag"]] if "flag" in said else []),
        lent={name: (said["batch"],) if option == "pin" else said["batch"]} if "batch" in said else {},
        profile=f"{option} = '{said['profile']}'" if "profile" in said else "",
        **variables,
    )

    expected = next(iter(said.values()), None)
    tls = settings.tls
    assert tls is not None
    found = {
        "endpoint": settings.endpoint,
        "proxy": str(settings.proxy) if settings.proxy is not None else None,
        "pin": tls.pins[0].replace(":", "") if tls.pins else None,
        "known-hosts": tls.known_gateways,
        "client-cert": tls.client_cert,
    }[option]
    defaults = {"endpoint": "localhost:5000", "known-hosts": str(tmp_path / "mxgateway" / "known_gateways")}
    assert found == (expected or defaults.get(option))


@pytest.mark.parametrize("present", list(itertools.product((True, False), repeat=4)))
def test_the_key_of_the_first_source_is_sent(case: Case, tmp_path: Path, present: tuple[bool, ...]) -> None:
    flag, lent, environment, profile = present
    for source in SOURCES:
        (tmp_path / source).write_text(f"mxgw_{source}_x")
    variables: dict[str, Any] = {"MXGATEWAY_API_KEY": "mxgw_environment_x"} if environment else {}

    settings = case.settings(
        *(["--api-key-file", str(tmp_path / "flag")] if flag else []),
        lent={"api_key_env": "BATCH_KEY"} if lent else {},
        profile="api-key-file = 'profile'" if profile else "",
        BATCH_KEY="mxgw_batch_x",
        **variables,
    )

    expected = next((source for source, is_there in zip(SOURCES, present, strict=True) if is_there), "")
    assert (settings.api_key.key_id if settings.api_key is not None else "") == expected


def test_a_variable_that_the_profile_names_holds_the_key(case: Case) -> None:
    settings = case.settings(profile="api-key-env = 'PLANT_KEY'", PLANT_KEY=KEY)

    assert settings.api_key is not None
    assert settings.api_key.key_id == "tests"
    with pytest.raises(click.UsageError, match="'NOT_SET' named by the profile's api-key-env is not set"):
        case.settings(profile="api-key-env = 'NOT_SET'")


PIN = f"pin = '{'00' * 32}'"


@pytest.mark.parametrize(
    ("flags", "lent", "profile", "variables", "plaintext"),
    [
        ((), {}, "plaintext = true", {}, True),
        (("--tls",), {}, "plaintext = true", {}, False),
        (("--pin", "00" * 32), {}, "plaintext = true", {}, False),
        ((), {}, "plaintext = true", {"MXGATEWAY_PIN": "00" * 32}, False),
        ((), {"tls": True}, "plaintext = true", {}, False),
        ((), {"plaintext": True}, PIN, {"MXGATEWAY_PIN": "00" * 32}, True),
        (("--plaintext",), {"tls": True}, PIN, {}, True),
        (("--tls",), {"plaintext": True}, "", {}, False),
        (("--plaintext",), {}, PIN, {}, True),
        ((), {}, "plaintext = false", {}, False),
        (("--endpoint", "https://gw:1"), {}, "plaintext = true", {}, False),
        (("--endpoint", "https://gw:1"), {"plaintext": True}, "", {}, False),
        ((), {}, "plaintext = true\nendpoint = 'http://gw:1'", {}, True),
    ],
)
def test_of_two_options_that_exclude_each_other_the_one_that_goes_before_counts(
    case: Case,
    flags: tuple[str, ...],
    lent: dict[str, object],
    profile: str,
    variables: dict[str, Any],
    plaintext: bool,
) -> None:
    settings = case.settings(*flags, lent=lent, profile=profile, **variables)

    assert settings.plaintext is plaintext
    assert (settings.tls is None) is plaintext


@pytest.mark.parametrize(
    ("flags", "profile", "says"),
    [
        (("--endpoint", "http://gw:1"), "tls = true", "--plaintext is required"),
        (("--plaintext",), "endpoint = 'https://gw:1'", "requires TLS"),
        ((), "endpoint = 'http://gw:1'", "--plaintext is required"),
    ],
)
def test_a_scheme_never_turns_tls_off_by_itself(case: Case, flags: tuple[str, ...], profile: str, says: str) -> None:
    with pytest.raises(click.UsageError, match=says):
        case.settings(*flags, profile=profile)


def test_a_simulated_gateway_takes_nothing_of_a_profile(case: Case) -> None:
    settings = case.settings("--simulator", profile=f"endpoint = 'gw:1'\n{PIN}\napi-key-env = 'NOT_SET'")

    assert settings.simulator
    assert (settings.endpoint, settings.tls, settings.api_key) == ("", None, None)


def test_a_profiles_timeout_bounds_calls_and_never_a_command_that_waits(case: Case) -> None:
    calls = case.settings(profile="timeout = 5")
    own = case.settings("--timeout", "7", profile="timeout = 5")
    waits = case.settings(profile="timeout = 5", timeout=whole_timeout(30))
    for_ever = case.settings(lent={"timeout": 4.0}, timeout=whole_timeout())
    bounded = case.settings("--timeout", "2", lent={"timeout": 4.0}, timeout=whole_timeout())

    assert (calls.timeout, calls.call_timeout) == (5, 5)
    assert (own.timeout, own.call_timeout) == (7, 7)
    assert (waits.timeout, waits.call_timeout) == (30, 5)
    assert (for_ever.timeout, for_ever.call_timeout) == (None, 4)
    assert (bounded.timeout, bounded.call_timeout) == (2, 2)


@pytest.mark.parametrize("by", ["flag", "variable"])
async def test_a_command_reaches_the_gateway_of_its_profile(gateway: Gateway, tmp_path: Path, by: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        f"[profile.lab]\nendpoint = '{gateway.simulated.endpoint}'\nplaintext = true\napi-key-env = 'LAB'\n"
    )
    env = {"MXGATEWAY_CONFIG": str(file), "LAB": KEY}

    arguments, variables = (["--profile", "lab"], {}) if by == "flag" else ([], {"MXGATEWAY_PROFILE": "lab"})
    outcome = await mxgw("ping", "--json", *arguments, env={**env, **variables})

    assert outcome.code == 0, outcome.err
    assert outcome.document["operation"] == "ping"


async def test_a_flag_and_the_environment_go_before_the_profile_of_a_command(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[profile.lab]\nendpoint = '127.0.0.1:1'\nplaintext = true\napi-key-env = 'WRONG'\n")
    env = {"MXGATEWAY_CONFIG": str(file), "WRONG": OTHER_KEY, "RIGHT": KEY}
    flags = ("--endpoint", gateway.simulated.endpoint, "--api-key-env", "RIGHT")

    by_flag = await mxgw("ping", "--profile", "lab", *flags, env=env)
    by_environment = await mxgw("ping", "--profile", "lab", env={**env, **gateway.env})

    assert (by_flag.code, by_environment.code) == (0, 0), by_flag.err + by_environment.err


async def test_the_lines_of_a_batch_take_its_profile_or_their_own(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    good = f"endpoint = '{gateway.simulated.endpoint}'\nplaintext = true\napi-key-env = 'LAB'\n"
    file.write_text(f"[profile.lab]\n{good}\n[profile.down]\nendpoint = '127.0.0.1:1'\nplaintext = true\n")
    env = {"MXGATEWAY_CONFIG": str(file), "LAB": KEY}
    lines = "ping\nping --profile down\nping --profile lab\nping --profile none\n"

    outcome = await batch(lines, "--profile", "lab", "-ojsonl", env=env)

    assert "sessionId" in outcome.documents[0]
    assert "nothing is listening" in outcome.failure(2)
    assert "sessionId" in outcome.documents[2]
    assert "there is no profile 'none'" in outcome.failure(4)
