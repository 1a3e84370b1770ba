"""Who may decide what is read, and where it is written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Final

POSIX: Final = os.name == "posix"
"""Whether files have owners and modes as this is about."""
OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
SAFELY: Final = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
"""To open a file itself, no link, and without waiting for anybody."""


class FileRefusal(OSError):
    """A file that must not be used; `strerror` says why, in words about "it".

    Args:
        why: The reason.
        remedy: What helps; empty when nothing but another file does.
    """

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(errno.EPERM, why)
        self.remedy = remedy


def refusal_text(error: OSError) -> str:
    """Return why a file cannot be used, and what helps."""
    remedy = error.remedy if isinstance(error, FileRefusal) else ""
    return f"{error.strerror or error}{'; ' * bool(remedy)}{remedy}"


def check_name(path: str) -> None:
    """Refuse what no file can be called, as what is not there is refused.

    Raises:
        FileNotFoundError: It is empty, or holds a character that the system has no way to write.
    """
    try:
        is_name = bool(path) and b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def check_owners(owners: Iterable[int], trusted: AbstractSet[int], what: str) -> None:
    """Refuse what belongs to somebody who is not trusted.

    Args:
        owners: Whose it is.
        trusted: Whose may be used.
        what: What is theirs, as the beginning of the sentence.

    Raises:
        FileRefusal: An owner is not trusted.
    """
    if POSIX and (strangers := set(owners) - trusted):
        who = "neither you nor root" if os.geteuid() else "neither root nor the owner of this home"
        raise FileRefusal(f"{what} user {min(strangers)}, who is {who}", "name a file that is yours")


def check_directory(found: os.stat_result, directory: str) -> None:
    """Refuse a directory in which others could put their file in the place of another one.

    Raises:
        FileRefusal: They could.
    """
    if POSIX and found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
        raise FileRefusal(
            f"others may write its directory {directory}",
            f"run 'chmod go-w {directory}', or name a file in a directory of its own",
        )


def check_way(found: os.stat_result, directory: str) -> None:
    """Refuse a directory in which everybody could put their directory, or none, in the place of the next one on the way.

    Raises:
        FileRefusal: They could.
    """
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise FileRefusal(
            f"everybody may write {directory}, which is on the way to it",
            f"run 'chmod o-w {directory}', or name a file in another directory",
        )


def check_kind(found: os.stat_result, *, pipe: bool = False) -> None:
    """Refuse a directory, a device, a socket; a pipe as well where it will not do.

    Raises:
        FileRefusal: It is one.
    """
    if not (stat.S_ISREG(found.st_mode) or (pipe and stat.S_ISFIFO(found.st_mode))):
        raise FileRefusal(f"it is no regular file{' and no pipe' * pipe}", "name a file")


def leave_to(descriptor: int, owner: os.stat_result) -> None:
    """Give what the superuser has just made to the owner of what is beside it, who will want to use it; not every system allows that."""
    if POSIX and os.geteuid() == 0 and owner.st_uid:
        with suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
