"""A lock between processes.

The operating system holds it, and releases it when the process ends: no lock is left over.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mxgateway.system.files import FileRefusal, own_file

LOCK_TIMEOUT: Final = 5.0
"""Seconds to wait for another process; each holds the lock for a few milliseconds."""
_POLL_INTERVAL: Final = 0.01
_BUSY: Final = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})


@contextmanager
def locked(file: Path, *, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the lock on `file` during the block. Blocks: never call it on the event loop.

    Args:
        file: Created if missing, and never removed: another process may wait on it.
        timeout: Seconds to wait.

    Raises:
        TimeoutError: Another process held the lock.
        FileRefusal: The file must not be used.
        OSError: The file cannot be created, or its file system has no locks.
    """
    try:
        with own_file(file) as place:
            descriptor = place.lock_descriptor()
    except FileRefusal as refusal:
        raise FileRefusal(f"its lock file {file} is not safe: {refusal.strerror}", refusal.remedy) from None
    try:
        _acquire(descriptor, file, time.monotonic() + timeout)
        try:
            yield
        finally:
            _release(descriptor)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, file: Path, deadline: float) -> None:
    while True:
        try:
            return _try_lock(descriptor)
        except OSError as error:
            if error.errno not in _BUSY:
                raise
        if time.monotonic() >= deadline:
            raise TimeoutError(errno.ETIMEDOUT, f"another process holds the lock {file}")
        time.sleep(_POLL_INTERVAL)


if sys.platform == "win32":

    def _try_lock(descriptor: int) -> None:
        import msvcrt

        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _release(descriptor: int) -> None:
        import msvcrt

        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _release(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
