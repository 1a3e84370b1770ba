from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Leave the logging and the environment of this process as they were: some tests run command lines in it."""
    logger = logging.getLogger("mxgateway")
    before = logger.handlers[:], logger.level, logger.propagate
    with mock.patch.dict(os.environ):
        yield
    logging.disable(logging.NOTSET)
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a directory that every user can enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="mxgateway-files-")).resolve()
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)
