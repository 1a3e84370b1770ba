"""The rules that a file and its directories must satisfy before they are used."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Final

POSIX: Final = os.name == "posix"
"""Whether files have POSIX owners and modes."""
OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
SAFELY: Final = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
"""Opens the file itself, never a link, and never blocks."""


class FileRefusal(OSError):
    """A file that must not be used; `strerror` says why, in words about "it".

    Args:
        why: The reason.
        remedy: What to do; empty when only another file helps.
    """

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(errno.EPERM, why)
        self.remedy = remedy


def acting_user() -> int:
    """Return the number of the user whose rights this process has, 0 for root and where users have no numbers."""
    if sys.platform == "win32":
        return 0
    return os.geteuid()


def refusal_text(error: OSError) -> str:
    """Return why a file cannot be used, and what to do."""
    remedy = error.remedy if isinstance(error, FileRefusal) else ""
    return f"{error.strerror or error}{'; ' * bool(remedy)}{remedy}"


def check_name(path: str) -> None:
    """Treat a name that no file can have like a missing file.

    Raises:
        FileNotFoundError: It is empty, or contains a character that the system cannot encode.
    """
    try:
        is_name = bool(path) and b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def check_owners(owners: Iterable[int], trusted: AbstractSet[int], what: str) -> None:
    """Refuse owners that are not trusted.

    Args:
        owners: The owners' user ids.
        trusted: The trusted user ids.
        what: What they own, as the beginning of the error text.

    Raises:
        FileRefusal: An owner is not trusted.
    """
    if POSIX and (untrusted := set(owners) - trusted):
        who = "neither you nor root" if acting_user() else "neither root nor the owner of this home"
        raise FileRefusal(f"{what} user {min(untrusted)}, who is {who}", "name a file that you own")


def check_directory(found: os.stat_result, directory: str) -> None:
    """Refuse a directory in which others could replace a file.

    Raises:
        FileRefusal: They could.
    """
    if POSIX and found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
        raise FileRefusal(
            f"others may write its directory {directory}",
            f"run 'chmod go-w {directory}', or name a file in a private directory",
        )


def check_ancestor(found: os.stat_result, directory: str) -> None:
    """Refuse a directory in which everybody could replace or remove the next directory of the path.

    Raises:
        FileRefusal: They could.
    """
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise FileRefusal(
            f"the directory {directory} on the path to it is world-writable",
            f"run 'chmod o-w {directory}', or name a file in another directory",
        )


def check_kind(found: os.stat_result, *, pipe: bool = False) -> None:
    """Refuse a directory, a device or a socket, and a pipe unless `pipe` is set.

    Raises:
        FileRefusal: It is one.
    """
    if not (stat.S_ISREG(found.st_mode) or (pipe and stat.S_ISFIFO(found.st_mode))):
        raise FileRefusal(f"it is not a regular file{' or a pipe' * pipe}", "name a file")


def give_to(descriptor: int, owner: os.stat_result) -> None:
    """Give what the superuser just created to `owner`'s user, who will want to use it; not every system allows that."""
    if sys.platform != "win32" and POSIX and not acting_user() and owner.st_uid:
        with suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
