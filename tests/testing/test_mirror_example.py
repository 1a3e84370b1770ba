"""The sample service of examples/mirror: its tests, as they stand there, in both modes and with xdist."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.testing.projects import ROOT, run_pytest

EXAMPLE = ROOT / "examples" / "mirror"


@pytest.mark.parametrize("options", [("-o", "asyncio_mode=auto", "-n", "2"), ("-o", "asyncio_mode=strict")], ids=str)
def test_the_tests_of_the_sample_service_pass(tmp_path: Path, options: tuple[str, ...]) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "mirror", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    outcome = run_pytest(tmp_path / "mirror", *options)
    assert outcome.counts == {"passed": 7}, outcome.text


def test_the_sample_service_uses_public_names_only() -> None:
    texts = [file.read_text(encoding="utf-8") for file in EXAMPLE.glob("*.py")]
    assert {name for text in texts for name in re.findall(r"(?:from|import) (mxgateway[\w.]*)", text)} == {"mxgateway", "mxgateway.testing"}  # fmt: skip
    assert [
        name for text in texts for name in re.findall(r"\b\w+\._[a-z]\w*", text) if not name.startswith("self.")
    ] == []
