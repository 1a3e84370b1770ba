"""Reads what is open to its end, which has to come within a bound."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable
from typing import BinaryIO, Final, TypeVar

from mxgateway.system.rules import POSIX, FileRefusal

T = TypeVar("T")

PATIENCE: Final = 5.0
"""Seconds in which somebody has to write into a named pipe."""
_SHARING_PATIENCE: Final = 1.0
"""Seconds that Windows may refuse a file because somebody else has it open."""
_PART: Final = 1024 * 1024
_OTHER_FILE: Final = "name another file, or take out what is not needed"
_DESCRIPTOR: Final = re.compile(r"/dev/(stdin)|(?:/dev|/proc/self)/fd/(\d{1,9})")


def bounded(file: BinaryIO, limit: int) -> bytes:
    """Return what a stream holds, to its end.

    Raises:
        FileRefusal: That is more than `limit` bytes.
    """
    parts, size = [], 0
    while part := file.read(min(_PART, limit + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise FileRefusal(f"it has too many bytes, more than {limit}", _OTHER_FILE)
    if part is None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return b"".join(parts)


def path_of(file: BinaryIO, path: str) -> str:
    """Return under which path OpenSSL, which opens files by itself, finds the one that was opened here; `path` where there is no other."""
    own = f"/dev/fd/{file.fileno()}"
    return own if POSIX and os.path.exists(own) else path


def inherited(path: str | os.PathLike[str]) -> int | None:
    """Return a descriptor of what a shell has opened for the program, None for what has a name."""
    match = _DESCRIPTOR.fullmatch(os.fspath(path)) if POSIX else None
    return os.dup(0 if match[1] else int(match[2])) if match else None


def await_writer(descriptor: int, found: os.stat_result) -> None:
    """Wait until somebody has opened a named pipe for writing; from then on it is read as any pipe is.

    A pipe is opened without waiting, as nobody may ever write into it.
    """
    if not stat.S_ISFIFO(found.st_mode):
        return
    import select

    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(PATIENCE * 1000):
            raise FileRefusal(f"it is a pipe into which nobody has written anything for {PATIENCE:g} s")
    os.set_blocking(descriptor, True)


def patiently(action: Callable[[], T]) -> T:
    """Do what Windows refuses while another process has the file open."""
    deadline = time.monotonic() + _SHARING_PATIENCE
    while True:
        try:
            return action()
        except PermissionError:
            if POSIX or time.monotonic() >= deadline:
                raise
        time.sleep(0.01)
