"""Reads open files to the end, within a size limit."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Callable
from typing import BinaryIO, Final, TypeVar

from mxgateway.system.file_rules import POSIX, FileRefusal

T = TypeVar("T")

PIPE_TIMEOUT: Final = 5.0
"""Seconds to wait for a writer on a named pipe."""
_SHARING_TIMEOUT: Final = 1.0
"""Seconds to retry while Windows refuses a file that another process has open."""
_CHUNK: Final = 1024 * 1024
_OTHER_FILE: Final = "name another file, or remove what is not needed"
_DESCRIPTOR: Final = re.compile(r"/dev/(stdin)|(?:/dev|/proc/self)/fd/(\d{1,9})")


def bounded(file: BinaryIO, limit: int) -> bytes:
    """Return the content of a stream up to its end.

    Raises:
        FileRefusal: It is longer than `limit` bytes.
    """
    parts, size = [], 0
    while part := file.read(min(_CHUNK, limit + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise FileRefusal(f"it is longer than {limit} bytes", _OTHER_FILE)
    if part is None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return b"".join(parts)


def path_of(file: BinaryIO, path: str) -> str:
    """Return a path by which OpenSSL, which opens files itself, gets this open file; `path` if there is no other."""
    own = f"/dev/fd/{file.fileno()}"
    return own if POSIX and os.path.exists(own) else path


def inherited(path: str | os.PathLike[str]) -> int | None:
    """Return a descriptor if the path is one that the program was started with (``/dev/stdin``, ``/dev/fd/N``)."""
    match = _DESCRIPTOR.fullmatch(os.fspath(path)) if POSIX else None
    return os.dup(0 if match[1] else int(match[2])) if match else None


def accepted(descriptor: int, check: Callable[[os.stat_result], None]) -> int:
    """Return an open file that `check` does not refuse, once it has data; close it otherwise."""
    try:
        found = os.fstat(descriptor)
        check(found)
        _await_writer(descriptor, found)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _await_writer(descriptor: int, found: os.stat_result) -> None:
    """Wait for data on a named pipe, then make its reads blocking.

    The pipe was opened without blocking, because nobody may ever write into it.
    """
    if sys.platform == "win32" or not stat.S_ISFIFO(found.st_mode):
        return
    import select

    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(PIPE_TIMEOUT * 1000):
            raise FileRefusal(f"it is a pipe, and nobody wrote into it for {PIPE_TIMEOUT:g} s")
    os.set_blocking(descriptor, True)


def retry_while_shared(action: Callable[[], T]) -> T:
    """Run `action`, which Windows refuses while another process has the file open, and retry it for a second."""
    deadline = time.monotonic() + _SHARING_TIMEOUT
    while True:
        try:
            return action()
        except PermissionError:
            if POSIX or time.monotonic() >= deadline:
                raise
        time.sleep(0.01)
