"""Where the tests have no bytecode yet, one worker writes it and the others wait: compiling costs three times what collecting does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kept import CACHE, alone

TESTS = Path(__file__).parent
FEW = 50
"""So many files may each worker compile by itself: after a change, waiting would take longer."""


@contextmanager
def compiled_once() -> Iterator[None]:
    """Collect within it."""
    if "PYTEST_XDIST_WORKER" not in os.environ or sys.dont_write_bytecode or not is_cold():
        yield
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with alone(CACHE / "collection.lock"):
        if is_cold():
            yield
            return
    yield


def is_cold(tests: Path = TESTS) -> bool:
    """Return whether more than a few test files have no bytecode yet."""
    return sum(not has_bytecode(file) for file in tests.rglob("test_*.py")) > FEW


def has_bytecode(file: Path) -> bool:
    """Return whether this Python and this pytest have compiled a test file."""
    name = f"{file.stem}.{sys.implementation.cache_tag}-pytest-{pytest.__version__}.pyc"
    return (file.parent / "__pycache__" / name).exists()
