"""Where tests have no bytecode yet is known by the files that pytest writes it to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cold_start import FEW, has_bytecode, is_cold


@pytest.mark.skipif(sys.dont_write_bytecode, reason="no bytecode is written")
def test_this_file_has_the_bytecode_that_pytest_has_written() -> None:
    assert has_bytecode(Path(__file__))
    assert not has_bytecode(Path(__file__).with_name("test_nothing.py"))


def test_a_few_files_that_have_changed_are_no_cold_start(tmp_path: Path) -> None:
    for number in range(FEW):
        (tmp_path / f"test_{number}.py").touch()
    assert not is_cold([tmp_path])
    assert is_cold([tmp_path, tmp_path / "test_0.py"])
    (tmp_path / "test_one_more.py").touch()
    assert is_cold([tmp_path])
