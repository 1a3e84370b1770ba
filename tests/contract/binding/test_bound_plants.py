"""Whole plants speak a contract in which every number is another one: simulator and client are both bound to it at run time, and nothing is generated.

The client's own tests say what has to work; `bound_plugin` lets them run by a permuted contract.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.contract.protos import ROOT

SEEDS = (1, 2, 3, 4, 5)
MODULES = (
    "client/test_main_job.py",
    "client/commands/test_command_matrix.py",
    "client/commands/test_bulks.py",
    "subscription/recovery/test_recovery.py",
    "galaxy/test_client.py",
    "galaxy/watch/test_deploy_watch.py",
    "alarms/test_feed.py",
    "alarms/test_acknowledging.py",
    "values/test_round_trip.py",
)
LEAST = 300
"""Tests that these modules hold at least: none of them is passed over."""
AT_ONCE = 2


def run_bound(seed: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a pytest of its own whose gateways and clients speak a permuted contract."""
    plugins = ["-p", "tests.contract.bound_plugin", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300,
        check=False, env={**os.environ, "MXGATEWAY_TEST_CONTRACT_SEED": str(seed)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[int, Future[subprocess.CompletedProcess[str]]]]:
    """A run for each seed; each is mostly waiting for timers, so that two go at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {seed: pool.submit(run_bound, seed, *(f"tests/{module}" for module in MODULES)) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_works_by_a_permuted_contract(
    runs: dict[int, Future[subprocess.CompletedProcess[str]]], seed: int
) -> None:
    done = runs[seed].result()
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert int(done.stdout.splitlines()[-1].split(" passed")[0].split()[-1]) >= LEAST
