"""Where the tests have no bytecode yet, one worker writes it and the others wait: compiling costs three times what collecting does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kept import CACHE, alone

FEW = 50
"""So many files may each worker compile by itself: after a change, waiting would take longer."""


@contextmanager
def compiled_once(config: pytest.Config) -> Iterator[None]:
    """Collect within it."""
    if "PYTEST_XDIST_WORKER" not in os.environ or sys.dont_write_bytecode:
        yield
        return
    places = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    if is_cold(places):
        CACHE.mkdir(parents=True, exist_ok=True)
        with alone(CACHE / "collection.lock"):
            if is_cold(places):
                yield
                return
    yield


def is_cold(places: Iterable[Path]) -> bool:
    """Return whether more than a few of the test files in some places have no bytecode yet."""
    files = (file for place in places for file in (place.rglob("test_*.py") if place.is_dir() else [place]))
    return sum(not has_bytecode(file) for file in files) > FEW


def has_bytecode(file: Path) -> bool:
    """Return whether this Python and this pytest have compiled a test file."""
    name = f"{file.stem}.{sys.implementation.cache_tag}-pytest-{pytest.__version__}.pyc"
    return (file.parent / "__pycache__" / name).exists()
