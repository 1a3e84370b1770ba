"""Whole plants speak a contract in which every number is another one: simulator and client are both bound to it at run time, and nothing is generated.

The client's own tests say what has to work; `bound_plugin` lets them run by a permuted contract.
"""

from __future__ import annotations

import os
import subprocess
import sys

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
)
LEAST = 180
"""Tests that these modules hold at least, many of them with a row for each command: none of them is passed over."""


def run_bound(seeds: tuple[int, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a pytest of its own whose gateways and clients speak one permuted contract after the other."""
    plugins = ["-p", "tests.contract.bound_plugin", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300,
        check=False, env={**os.environ, "MXGATEWAY_TEST_CONTRACT_SEEDS": " ".join(map(str, seeds))},
    )  # fmt: skip


def test_everything_works_by_each_permuted_contract() -> None:
    done = run_bound(SEEDS, *(f"tests/{module}" for module in MODULES))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert int(done.stdout.splitlines()[-1].split(" passed")[0].split()[-1]) >= LEAST * len(SEEDS)
