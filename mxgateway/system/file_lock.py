"""A lock between processes, held by the operating system: it ends with the process that holds it, so that none is ever left over."""

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

PATIENCE: Final = 5.0
"""Seconds to wait for another process; each holds the lock for a few milliseconds."""
_PAUSE: Final = 0.01
_BUSY: Final = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})


@contextmanager
def locked(file: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock that `file` stands for. Blocks; not for the event loop's thread.

    Args:
        file: Made when it is missing, and never removed: another process may wait on it.
        patience: Seconds to wait.

    Raises:
        TimeoutError: Another process kept the lock.
        FileRefusal: It is no file of ours.
        OSError: The file cannot be made, or its file system knows no locks.
    """
    try:
        with own_file(file) as place:
            descriptor = place.lock_descriptor()
    except FileRefusal as refusal:
        raise FileRefusal(f"its lock {file} is none of ours: {refusal.strerror}", refusal.remedy) from None
    try:
        _acquire(descriptor, file, time.monotonic() + patience)
        try:
            yield
        finally:
            _release(descriptor)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, file: Path, deadline: float) -> None:
    while True:
        try:
            return _try(descriptor)
        except OSError as error:
            if error.errno not in _BUSY:
                raise
        if time.monotonic() >= deadline:
            raise TimeoutError(errno.ETIMEDOUT, f"another process keeps the lock {file}")
        time.sleep(_PAUSE)


if sys.platform == "win32":

    def _try(descriptor: int) -> None:
        import msvcrt

        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _release(descriptor: int) -> None:
        import msvcrt

        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:

    def _try(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _release(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
