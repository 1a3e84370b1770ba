"""What is compiled for tests is kept below .cache by a hash of all that decides it, for every process of this run and for the next one."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "tests"


def kept(name: str, inputs: Iterable[bytes], make: Callable[[Path], None]) -> Path:
    """Return a folder whose content `make` writes, or wrote before from the same inputs.

    Args:
        name: What it is.
        inputs: All that decides what is written, versions of programs and the source of `make` included.
        make: Writes into an empty folder. One that fails leaves nothing.
    """
    digest = hashlib.sha256(sys.version.encode())
    for each in inputs:
        digest.update(hashlib.sha256(each).digest())
    folder = CACHE / f"{name}-{digest.hexdigest()[:32]}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with alone(CACHE / f"{name}.lock"):
            if not folder.is_dir():
                with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                    made = Path(scratch, "made")
                    made.mkdir()
                    make(made)
                    with suppress(FileExistsError):
                        os.replace(made, folder)
    return folder


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Let one process at a time make it; where there are no such locks, the first one to be ready counts."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
