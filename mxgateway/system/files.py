"""Opens every file that this project reads or writes, so that no other user controls what is read or written where.

There are four kinds of files, by how far they are trusted:

- **Own files** are written by this program and read back: the known gateways and their lock, the profiles (`own_file`).
  The path is walked one directory at a time, each held open, so the checked file is the file used. The file must be
  regular, have one name (no hard links) and belong to the user or to root; so must its directory. Neither may be
  writable by others, group included; no directory above may be world-writable. A sticky directory such as ``/tmp`` is
  accepted: others cannot replace a file there. A symbolic link on the path is followed only if the user or root made
  it, in such a directory. The superuser may also work in another user's home, a directory that only root could have
  put there: in it that user is trusted like root, and nobody else; that user's links may only lead to that user's
  files.
- **Secrets** are API keys, passwords, private keys (`opened_secret`): the same rules. A pipe is accepted as well.
- **Exports** (`export`, `new_file`): the same walk, but others may write the directory; nobody trusts an export later.
- **Input** is any other file that the user names: lists, tables, certificates, contracts (`opened_input`). Links are
  followed and any owner is accepted; a world-writable file is still not trusted as a certificate (`trusted=True`).

A write creates a new file with O_EXCL under another name and then renames it over the old one: no link is written
through, and nobody sees half a file. The superuser gives the new file to the owner of the old one, or of the directory,
where the system allows it; an existing file never changes its owner. No device is opened, and each file has a size
limit. Reading a named pipe fails if nobody writes into it within `PIPE_TIMEOUT`.

``/dev/stdin`` and ``/dev/fd/N``, which a shell's ``<(command)`` expands to, were opened by whoever started the program:
they are read without checks. Windows has neither these owners nor these modes; there a file must be regular and within
its size limit.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from mxgateway.system.file_reading import accepted, inherited
from mxgateway.system.file_reading import bounded as bounded
from mxgateway.system.file_reading import path_of as path_of
from mxgateway.system.file_rules import POSIX, SAFELY, check_kind, check_name
from mxgateway.system.file_rules import FileRefusal as FileRefusal
from mxgateway.system.file_rules import refusal_text as refusal_text
from mxgateway.system.own_file import OwnFile as OwnFile
from mxgateway.system.path_walk import located


@contextmanager
def own_file(path: str | os.PathLike[str], *, make: bool = False) -> Iterator[OwnFile]:
    """Hold the directory of an own file open during the block. Blocks: never call it on the event loop.

    Args:
        path: The file; it may be missing.
        make: Create missing directories, accessible only to their owner.

    Raises:
        FileNotFoundError: A directory is missing.
        FileRefusal: Others could replace the file.
        OSError: A directory cannot be entered.
    """
    with located(os.fspath(path), make=make, strict=True) as place:
        place.check_directory()
        yield place


@contextmanager
def opened_secret(path: str | os.PathLike[str], *, pipe: bool = True) -> Iterator[BinaryIO]:
    """Open a file or a pipe that holds a secret; it is closed when the block ends.

    Args:
        path: Its path.
        pipe: Accept a pipe.

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
    """Return everything that `opened_secret` yields.

    Raises:
        FileRefusal: As there; or it is longer than `limit` bytes.
        OSError: It cannot be read.
    """
    with opened_secret(path) as file:
        return bounded(file, limit)


def export(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file that nobody trusts later; all of it or nothing.

    Raises:
        FileRefusal: Another user's link leads there, or the path is not a regular file.
        OSError: It cannot be written.
    """
    with located(os.fspath(path)) as place:
        place.export(data)


def new_file(path: str | os.PathLike[str], *, replace: bool = False) -> BinaryIO:
    """Create an export that is written bit by bit, accessible only to its owner. Blocks.

    Args:
        path: The file.
        replace: Replace an old one.

    Raises:
        FileExistsError: There is one, and `replace` is not set.
        FileRefusal: Another user's link leads there, or the path is not a regular file.
        OSError: It cannot be created.
    """
    with located(os.fspath(path)) as place:
        return place.create(replace=replace)


def remove_new(path: str | os.PathLike[str], file: BinaryIO) -> None:
    """Remove what `new_file` has created; no effect if something else is there by now. Blocks.

    Raises:
        OSError: It cannot be removed.
    """
    with located(os.fspath(path)) as place:
        place.remove(file)


@contextmanager
def opened_input(path: str | os.PathLike[str], *, trusted: bool = False, pipe: bool = True) -> Iterator[BinaryIO]:
    """Open an input file that the user named, a regular file or a pipe; it is closed when the block ends.

    Args:
        path: Its path; links are followed.
        trusted: Refuse a world-writable file.
        pipe: Accept a pipe.

    Raises:
        FileRefusal: It is a device or a directory, or nobody writes into the pipe.
        OSError: It cannot be opened.
    """

    def check(found: os.stat_result) -> None:
        check_kind(found, pipe=pipe)
        if trusted and POSIX and found.st_mode & stat.S_IWOTH:
            raise FileRefusal("it is world-writable", f"check its content, then run 'chmod o-w {os.fspath(path)}'")

    check_name(os.fspath(path))
    descriptor = inherited(path)
    if descriptor is None:
        check_kind(os.stat(path), pipe=pipe)
        descriptor = accepted(os.open(path, os.O_RDONLY | SAFELY & ~getattr(os, "O_NOFOLLOW", 0)), check)
    with open(descriptor, "rb") as file:
        yield file


def read_input(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return everything that `opened_input` yields.

    Raises:
        FileRefusal: As there; or it is longer than `limit` bytes.
        OSError: It cannot be read.
    """
    with opened_input(path) as file:
        return bounded(file, limit)


@contextmanager
def checked_path(path: str | os.PathLike[str], limit: int, *, is_secret: bool = False) -> Iterator[str]:
    """Yield the path of a certificate or a key for OpenSSL, which opens files itself; valid during the block.

    Args:
        path: The file; not a pipe.
        limit: Its maximum size in bytes.
        is_secret: Apply the rules of `opened_secret`, not those of `opened_input`.

    Raises:
        FileRefusal: It must not be used.
        OSError: It cannot be opened.
    """
    with opened_secret(path, pipe=False) if is_secret else opened_input(path, trusted=True, pipe=False) as file:
        if not file.seekable():  # a pipe made by the shell
            raise FileRefusal("it is not a regular file", "name a file: OpenSSL opens it by its path")
        bounded(file, limit)
        file.seek(0)
        yield path_of(file, os.fspath(path))
