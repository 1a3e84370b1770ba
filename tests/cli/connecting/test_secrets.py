from __future__ import annotations

from pathlib import Path

import pytest
from grpclib.const import Status

from tests.cli.gateway import KEY, SECRET, Gateway
from tests.cli.in_process import mxgw

# A key that does not have the gateway's form is hidden as a whole.
ODD_KEY = "plain-t0p-s3cr3t-key"


async def test_verbose_logs_what_the_client_does_and_never_the_key(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("ping", "-v")

    assert outcome.code == 0
    assert f"connecting to {gateway.simulated.endpoint} without TLS, API key mxgw_tests_***" in outcome.err
    assert SECRET not in outcome.out + outcome.err


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
async def test_a_gateway_that_echoes_the_key_does_not_make_it_appear(gateway: Gateway, key: str) -> None:
    gateway.simulated.fail_next("OpenSession", Status.INTERNAL, f"refused Bearer {key} and {key}")

    env = {**gateway.env, "MXGATEWAY_API_KEY": key, "MXGATEWAY_DEBUG": "1"}
    outcome = await mxgw("open-session", "-v", "--plaintext", env=env)

    assert outcome.code > 64
    assert "t0p-s3cr3t" not in outcome.out + outcome.err


async def test_a_key_on_the_command_line_works_and_is_warned_about(gateway: Gateway) -> None:
    env = {"MXGATEWAY_ENDPOINT": gateway.simulated.endpoint}
    outcome = await mxgw("ping", "--plaintext", "--api-key", KEY, env=env)

    assert outcome.code == 0
    assert outcome.err.startswith("warning: --api-key is visible in the process list")
    assert SECRET not in outcome.err


async def test_a_key_file_works_with_the_line_end_that_editors_add(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xef\xbb\xbf" + KEY.encode() + b"\r\n")

    env = {"MXGATEWAY_ENDPOINT": gateway.simulated.endpoint}
    outcome = await mxgw("ping", "--plaintext", "--api-key-file", str(file), env=env)

    assert outcome.code == 0, outcome.err


async def test_a_flag_wins_over_the_environment(gateway: Gateway) -> None:
    env = {"MXGATEWAY_ENDPOINT": "127.0.0.1:1", "MXGATEWAY_API_KEY": "mxgw_wrong_key", "PLANT_KEY": KEY}

    outcome = await mxgw(
        "ping", "--plaintext", "--endpoint", gateway.simulated.endpoint, "--api-key-env", "PLANT_KEY", env=env
    )

    assert outcome.code == 0, outcome.err


async def test_a_traceback_is_shown_only_on_demand() -> None:
    env = {"MXGATEWAY_ENDPOINT": "127.0.0.1:1"}

    quiet = await mxgw("ping", "--plaintext", env=env)
    loud = await mxgw("ping", "--plaintext", env={**env, "MXGATEWAY_DEBUG": "1"})

    assert "Traceback" not in quiet.err
    assert "Traceback" in loud.err
    assert quiet.code == loud.code == 78
