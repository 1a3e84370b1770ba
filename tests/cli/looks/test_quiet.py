"""With --quiet stderr has errors only."""

from __future__ import annotations

import pytest

from tests.cli.batches import batch
from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import run_here
from tests.cli.looks.screens import on_terminal

SHORT = ("bench-read-bulk", "--duration-seconds", "0.2", "--warmup-seconds", "0", "--json")


@pytest.mark.parametrize("quiet", ["-q", "--quiet"])
async def test_a_warning_is_not_written(gateway: Gateway, quiet: str) -> None:
    key = gateway.env["MXGATEWAY_API_KEY"]
    loud = await gateway.mxgw("ping", "--api-key", key)
    silent = await gateway.mxgw("ping", "--api-key", key, quiet)

    assert loud.err.startswith("warning: --api-key is visible")
    assert (silent.code, silent.err) == (0, "")
    assert silent.out


async def test_an_error_is_written_without_its_hint(gateway: Gateway) -> None:
    loud = await gateway.mxgw("ping", "--api-key", "mxgw_tests_wrong")
    silent = await gateway.mxgw("ping", "--api-key", "mxgw_tests_wrong", "-q")

    assert "hint: " in loud.err
    assert silent.code == loud.code == 80
    assert silent.err.startswith("error: ")
    assert len(silent.err.splitlines()) == 1


async def test_an_error_as_json_is_whole(gateway: Gateway) -> None:
    silent = await gateway.mxgw("ping", "--api-key", "mxgw_tests_wrong", "-q", "--json")

    assert silent.error["grpcStatus"] == "UNAUTHENTICATED"


async def test_there_is_no_progress(gateway: Gateway) -> None:
    loud = await on_terminal(*SHORT, "--plaintext", columns=80, env=gateway.env)
    silent = await on_terminal(*SHORT, "--plaintext", "-q", columns=80, env=gateway.env)

    assert "100%" in loud.err
    assert silent.err == ""


async def test_a_batch_passes_it_on_to_its_lines(gateway: Gateway) -> None:
    loud, silent = [
        await batch("read No.Such --json\n", *quiet, "--plaintext", env={**gateway.env, "MXGATEWAY_PIN": "aa" * 32})
        for quiet in ((), ("-q",))
    ]

    assert "warning" in loud.err
    assert "warning" not in silent.err
    assert "error: " in silent.err


def test_quiet_and_verbose_contradict_each_other() -> None:
    outcome = run_here("version", "-q", "-v")

    assert outcome.code == 2
    assert "--verbose and --quiet contradict each other" in outcome.err


async def test_the_result_is_the_same(gateway: Gateway) -> None:
    loud, silent = await gateway.mxgw("read", TAG), await gateway.mxgw("read", TAG, "-q")

    assert loud.out.split("\n")[0] == silent.out.split("\n")[0]
