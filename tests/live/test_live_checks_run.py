"""The live checks themselves are checked: unchanged, against `mxgw-py simulate`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKS = Path(__file__).with_name("test_live_gateway.py")


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """What a person sets who has a gateway at `mxgw-py simulate`'s address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mxgateway_cli", "simulate", "--port", "0", "-o", "jsonl"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        yield {
            **os.environ,
            "MXGATEWAY_INTEGRATION": "1",
            "MXGATEWAY_ENDPOINT": started["endpoint"],
            "MXGATEWAY_API_KEY": started["apiKey"],
            "MXGATEWAY_PLAINTEXT": "1",
            "MXGATEWAY_TEST_ITEM": "TestChildObject.TestInt",
        }
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _run_checks(environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CHECKS)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_the_live_checks_pass_against_a_gateway_and_write_only_when_told(environment: dict[str, str]) -> None:
    assert "4 passed, 1 skipped" in _run_checks(environment)
    assert "5 passed" in _run_checks({**environment, "MXGATEWAY_TEST_WRITE_VALUE": "123"})


def test_the_live_checks_are_skipped_without_a_gateway() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MXGATEWAY_")}
    assert "5 skipped" in _run_checks(environment)
