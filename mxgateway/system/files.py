"""Opens every file that this project reads or writes, so that no other user decides what is read or where it is written.

Four kinds, by who vouches for a file:

- **Files of ours** are written by this program and read back: the known gateways and their lock, the profiles
  (`own_file`). The way to the file is walked one directory at a time, each held open, and what is judged is what is
  used. The file is regular, has one name (no hard links) and belongs to the user or to root, and so does its directory;
  neither may be written by others, group included; a directory further up may not be written by everybody. A sticky directory such as ``/tmp`` will do: others cannot put
  their file in the place of another one there. A symbolic link on the way is followed only when the user or root has
  made it, in such a directory. The superuser may also work in somebody's home, which is a directory where only root
  could put it: there that one user counts beside root, and nobody else; a link of that user's leads nowhere but to what
  is that user's.
- **Secrets** are API keys, passwords, private keys (`opened_secret`): the same rules. A pipe will do as well.
- **Exports** (`export`): the same walk, but others may write the directory; an export is nothing that is trusted later.
- **Input** is what the user names besides: lists, tables, certificates, contracts (`opened_input`). Links are followed
  and any owner will do; what everybody may write is still no certificate to trust (`trusted=True`).

What is written is a new file, made with O_EXCL under another name, that then takes the place of the old one: no link is
written through, and nobody sees half of it. The superuser leaves it to the owner of the old file, or of the directory,
where the system allows that; nothing that was there before ever changes its owner. No device is opened, and each file
has a bound. A named pipe is given up when nobody writes into it within `PATIENCE`.

``/dev/stdin`` and ``/dev/fd/N``, which ``<(command)`` is in a shell, are what the program was started with: they are
read as they are. Windows has neither these owners nor these modes; there a file has to be regular, and within its bound.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from mxgateway.system.place import OwnFile
from mxgateway.system.reading import await_writer, bounded, inherited, path_of
from mxgateway.system.rules import POSIX, SAFELY, FileRefusal, check_kind, check_name, refusal_text
from mxgateway.system.way import located

__all__ = [
    "FileRefusal", "OwnFile", "bounded", "checked_path", "export", "opened_input", "opened_secret", "own_file", "path_of", "read_input",
    "read_secret", "refusal_text",
]  # fmt: skip


@contextmanager
def own_file(path: str | os.PathLike[str], *, make: bool = False) -> Iterator[OwnFile]:
    """Give the place of a file of ours, for the time of the block. Blocks; not for the event loop's thread.

    Args:
        path: The file; it may be missing.
        make: Whether directories that are missing are made, for their owner alone.

    Raises:
        FileNotFoundError: A directory is missing.
        FileRefusal: Others could put another file in its place.
        OSError: A directory cannot be entered.
    """
    with located(os.fspath(path), make=make, strict=True) as place:
        place.check_directory()
        yield place


@contextmanager
def opened_secret(path: str | os.PathLike[str], *, pipe: bool = True) -> Iterator[BinaryIO]:
    """Give a file with a secret, or a pipe that brings one, for the time of the block.

    Args:
        path: Where it is.
        pipe: Whether a pipe will do.

    Raises:
        FileRefusal: Others could have written it, or it is neither a file nor a pipe.
        OSError: It cannot be opened.
    """
    if (descriptor := inherited(path)) is not None:
        with open(descriptor, "rb") as file:
            yield file
        return
    with own_file(path) as place, place.opened(pipe=pipe) as file:
        yield file


def read_secret(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return all of what `opened_secret` gives.

    Raises:
        FileRefusal: As there; or it is longer than `limit` bytes.
        OSError: It cannot be read.
    """
    with opened_secret(path) as file:
        return bounded(file, limit)


def export(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file that nobody trusts later, whole or not at all.

    Raises:
        FileRefusal: A stranger's link leads there, or something else than a file is in its place.
        OSError: It cannot be written.
    """
    with located(os.fspath(path)) as place:
        place.export(data)


@contextmanager
def opened_input(path: str | os.PathLike[str], *, trusted: bool = False, pipe: bool = True) -> Iterator[BinaryIO]:
    """Give what the user names as input, for the time of the block: a regular file or a pipe.

    Args:
        path: Where it is; links are followed.
        trusted: Whether a file that anybody may write is refused.
        pipe: Whether a pipe will do.

    Raises:
        FileRefusal: It is a device or a directory, or nobody writes into the pipe.
        OSError: It cannot be opened.
    """
    check_name(os.fspath(path))
    descriptor = inherited(path)
    if descriptor is None:
        check_kind(os.stat(path), pipe=pipe)
        descriptor = os.open(path, os.O_RDONLY | SAFELY & ~getattr(os, "O_NOFOLLOW", 0))
        try:
            found = os.fstat(descriptor)
            check_kind(found, pipe=pipe)
            if trusted and POSIX and found.st_mode & stat.S_IWOTH:
                raise FileRefusal(
                    "it may be written by everybody", f"check what it holds, then run 'chmod o-w {os.fspath(path)}'"
                )
            await_writer(descriptor, found)
        except BaseException:
            os.close(descriptor)
            raise
    with open(descriptor, "rb") as file:
        yield file


def read_input(path: str | os.PathLike[str], limit: int, *, trusted: bool = False) -> bytes:
    """Return all of what `opened_input` gives.

    Raises:
        FileRefusal: As there; or it is longer than `limit` bytes.
        OSError: It cannot be read.
    """
    with opened_input(path, trusted=trusted) as file:
        return bounded(file, limit)


@contextmanager
def checked_path(path: str | os.PathLike[str], limit: int, *, is_secret: bool = False) -> Iterator[str]:
    """Give the path of a certificate or a key for OpenSSL, which opens files by itself, for the time of the block.

    Args:
        path: The file; no pipe.
        limit: Bytes that it may have.
        is_secret: Whether it is one for `opened_secret`, not for `opened_input`.

    Raises:
        FileRefusal: It must not be used.
        OSError: It cannot be opened.
    """
    with opened_secret(path, pipe=False) if is_secret else opened_input(path, trusted=True, pipe=False) as file:
        if not file.seekable():  # a pipe of the shell's
            raise FileRefusal("it is no regular file", "name a file: OpenSSL reads it by its name")
        bounded(file, limit)
        file.seek(0)
        yield path_of(file, os.fspath(path))
