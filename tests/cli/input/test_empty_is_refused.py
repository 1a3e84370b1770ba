"""A security setting that is set but empty, as by a pipeline whose secret is missing, is refused: it never counts as left out."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from mxgateway_cli.connecting.shared_options import CONNECTION_OPTIONS
from mxgateway_cli.help.sections import apply_options
from tests.cli.batches import batch
from tests.cli.gateway import KEY, Gateway
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome
from tests.peers.network.certificates import Authority
from tests.peers.network.tls_peers import client_files
from tests.rows import each_row

OPTIONS = [each for each in click.command("x")(apply_options(lambda: None, CONNECTION_OPTIONS)).params if each.name]
TEXTS = [f"--{each.name.replace('_', '-')}" for each in OPTIONS if each.name and not getattr(each, "is_flag", False)]
VARIABLES = [str(each.envvar) for each in OPTIONS if each.envvar] + ["MXGATEWAY_API_KEY"]
EMPTY = ["", "  ", "\t", "\n"]


async def ping(gateway: Gateway, *arguments: str, **variables: str) -> Outcome:
    return await mxgw("ping", "--timeout", "10", *arguments, env={**gateway.env, **variables})


def refused(gateway: Gateway, outcome: Outcome, says: str) -> None:
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    assert outcome.err.splitlines()[0] == f"error: {says}"
    assert not gateway.simulated.received


def test_the_variables_are_those_that_the_guide_names() -> None:
    assert sorted(VARIABLES) == [
        "MXGATEWAY_API_KEY", "MXGATEWAY_CA_FILE", "MXGATEWAY_CLIENT_CERT", "MXGATEWAY_CLIENT_KEY", "MXGATEWAY_CONTRACT", "MXGATEWAY_ENDPOINT",
        "MXGATEWAY_KNOWN_HOSTS", "MXGATEWAY_PIN", "MXGATEWAY_PROFILE", "MXGATEWAY_PROXY", "MXGATEWAY_REQUIRE_CERTIFICATE_VALIDATION",
        "MXGATEWAY_WAIT_FOR_GATEWAY",
    ]  # fmt: skip
    assert len(TEXTS) == 15


@each_row("empty", EMPTY)
@each_row("variable", VARIABLES)
async def test_a_variable_that_is_set_but_empty_is_refused_by_name(gateway: Gateway, variable: str, empty: str) -> None:
    outcome = await ping(gateway, "--plaintext", **{variable: empty})

    refused(gateway, outcome, f"The environment variable '{variable}' is set but empty: give it a value or unset it.")


@each_row("empty", ["", "  "])
@each_row("option", TEXTS)
async def test_an_option_that_is_given_but_empty_is_refused_by_name(gateway: Gateway, option: str, empty: str) -> None:
    for word in ([option, empty], [f"{option}={empty}"]):
        outcome = await ping(gateway, *word)

        refused(gateway, outcome, f"{option} is empty: give it a value or omit it.")
        assert "--help" in outcome.err.splitlines()[1]


async def test_one_empty_pin_among_good_ones_is_refused(gateway: Gateway) -> None:
    outcome = await ping(gateway, "--pin", "00" * 32, "--pin", "")

    refused(gateway, outcome, "--pin is empty: give it a value or omit it.")


@pytest.mark.parametrize("empty", EMPTY)
async def test_a_named_variable_without_a_key_is_refused_whether_it_is_empty_or_not_set(
    gateway: Gateway, tmp_path: Path, empty: str
) -> None:
    (tmp_path / "config.toml").write_text("[profile.plant]\napi-key-env = 'PLANT_KEY'\n")
    config = {"MXGATEWAY_CONFIG": str(tmp_path / "config.toml")}
    without = {name: text for name, text in gateway.env.items() if name != "MXGATEWAY_API_KEY"}
    says = "The environment variable 'PLANT_KEY' is set but empty: give it a value or unset it."

    refused(gateway, await ping(gateway, "--plaintext", "--api-key-env", "PLANT_KEY", PLANT_KEY=empty), says)
    by_profile = ("ping", "--plaintext", "--profile", "plant")
    refused(gateway, await mxgw(*by_profile, env={**without, **config, "PLANT_KEY": empty}), says)
    not_set = "The environment variable 'PLANT_KEY' named by {} is not set."
    refused(gateway, await ping(gateway, "--plaintext", "--api-key-env", "PLANT_KEY"), not_set.format("--api-key-env"))
    outcome = await mxgw(*by_profile, env={**without, **config})
    refused(gateway, outcome, not_set.format("the profile's api-key-env"))


@pytest.mark.parametrize("content", [b"", b" \n", b"\xef\xbb\xbf\n"])
async def test_a_key_file_without_a_key_is_refused(gateway: Gateway, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)

    outcome = await ping(gateway, "--plaintext", "--api-key-file", str(tmp_path / "key"))

    assert outcome.code == 2
    assert "the API key is empty" in outcome.err
    assert not gateway.simulated.received


async def test_an_empty_variable_for_the_profiles_or_a_keys_password_is_refused_where_it_would_count(
    gateway: Gateway, tmp_path: Path
) -> None:
    files = client_files(tmp_path, Authority())
    shown = ("--client-cert", str(files.certificate), "--client-key", str(files.key))
    says = "The environment variable '{}' is set but empty: give it a value or unset it."

    of_key = await ping(gateway, *shown, MXGATEWAY_CLIENT_KEY_PASSWORD="")
    of_profiles = await ping(gateway, "--plaintext", "--profile", "plant", MXGATEWAY_CONFIG=" ")
    of_default = await ping(gateway, "--plaintext", MXGATEWAY_CONFIG="")  # the default profile may be there
    unused = await ping(gateway, "--plaintext", MXGATEWAY_CLIENT_KEY_PASSWORD="")

    refused_key = says.format("MXGATEWAY_CLIENT_KEY_PASSWORD")
    assert (of_key.code, of_key.err.splitlines()[0]) == (2, f"error: {refused_key}")
    assert (of_profiles.code, of_profiles.err) == (2, f"error: {says.format('MXGATEWAY_CONFIG')}\n")
    assert (of_default.code, of_default.err.splitlines()[0]) == (2, f"error: {says.format('MXGATEWAY_CONFIG')}")
    assert unused.code == 0, unused.err


@pytest.mark.parametrize("prefix", ["", "verifier-"])
async def test_a_users_password_in_a_variable_that_is_empty_is_refused(gateway: Gateway, prefix: str) -> None:
    users = (
        "--user",
        "operator",
        "--password-env",
        "PASSWORD",
        "--verifier",
        "other",
        "--verifier-password-env",
        "SECOND",
    )
    empty = "SECOND" if prefix else "PASSWORD"

    outcome = await mxgw(
        "write-secured", "--item", "A.B", "--type", "int32", "--value", "5", "--plaintext", *users,
        env={**gateway.env, "PASSWORD": "x", "SECOND": "y", empty: ""},
    )  # fmt: skip

    refused(gateway, outcome, f"The environment variable '{empty}' is set but empty: give it a value or unset it.")


async def test_a_flag_or_the_simulated_gateway_counts_before_an_empty_variable(
    gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(KEY)
    key_file = ("--api-key-file", str(tmp_path / "key"))

    with_flag = await ping(gateway, "--plaintext", *key_file, MXGATEWAY_API_KEY="")
    simulated = await mxgw("ping", "--simulator", env=dict.fromkeys(VARIABLES, ""))
    lent = await batch("ping\nping --timeout 5", "--simulator", env=dict.fromkeys(VARIABLES, ""))
    elsewhere = f"ping --endpoint {gateway.simulated.endpoint}"
    left = await batch(elsewhere, "--simulator", env={"MXGATEWAY_PIN": "", "MXGATEWAY_API_KEY": KEY})

    assert (with_flag.code, simulated.code, lent.code) == (0, 0, 0), with_flag.err + simulated.err + lent.out
    assert "'MXGATEWAY_PIN' is set but empty" in left.failure(1)


@pytest.mark.parametrize("value", ["0", "false", "no"])
async def test_a_variable_that_says_no_takes_nothing_from_a_profile_that_says_yes(
    gateway: Gateway, tmp_path: Path, value: str
) -> None:
    (tmp_path / "config.toml").write_text("[profile.plant]\nrequire-certificate-validation = true\n")
    env = {"MXGATEWAY_CONFIG": str(tmp_path / "config.toml"), "MXGATEWAY_REQUIRE_CERTIFICATE_VALIDATION": value}

    outcome = await ping(gateway, "--profile", "plant", "--plaintext", **env)

    assert "--plaintext drops --require-certificate-validation" in outcome.err


async def test_a_variable_that_says_neither_yes_nor_no_is_refused(gateway: Gateway) -> None:
    outcome = await ping(gateway, "--plaintext", MXGATEWAY_REQUIRE_CERTIFICATE_VALIDATION="perhaps")

    assert outcome.code == 2
    assert "Invalid value for '--require-certificate-validation'" in outcome.err
    assert not gateway.simulated.received
