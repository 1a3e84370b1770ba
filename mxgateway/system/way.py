"""The way to a file: walked one directory at a time, so that nobody can bend it between two looks."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from mxgateway.system.place import OwnFile
from mxgateway.system.rules import (
    OTHERS_WRITE,
    POSIX,
    SAFELY,
    check_directory,
    check_name,
    check_owners,
    check_way,
    leave_to,
)

_MOST_LINKS: Final = 40
_YOUTH: Final = 2.0
"""Seconds since a directory was made that is still new."""
_STEP: Final = (
    getattr(os, "O_PATH", getattr(os, "O_SEARCH", os.O_RDONLY))
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)
"""To step into a directory that may be searched but not listed."""


@contextmanager
def located(path: str, *, make: bool = False, strict: bool = False) -> Iterator[OwnFile]:
    """Give the place of a file, for the time of the block.

    Args:
        path: The file.
        make: Whether directories that are missing are made.
        strict: Whether a directory on the way is refused that everybody may write: a file that is gone counts as one that was never there.

    Raises:
        FileRefusal: Somebody else's link leads there, or everybody could bend the way.
        OSError: A directory cannot be entered.
    """
    if not POSIX:
        real = os.path.realpath(path)
        if make:
            os.makedirs(os.path.dirname(real), mode=0o700, exist_ok=True)
        yield OwnFile(None, *os.path.split(real), set())
        return
    walk = Walk(path, make=make, strict=strict)
    try:
        name = walk.last()
        yield OwnFile(walk.descriptor, walk.directory, name, walk.trusted())
    finally:
        os.close(walk.descriptor)


class Walk:
    """Goes to a file one step after the other; each is taken from the directory that the one before has opened.

    Args:
        path: The file.
        make: Whether to make directories that are missing.
        strict: Whether to refuse a directory that everybody may write.
    """

    def __init__(self, path: str, *, make: bool, strict: bool) -> None:
        check_name(path)
        self._make = make
        self._strict = strict
        self._links = 0
        self._strangers: set[int] = set()
        """Who has made the links on the way, but for the user and root."""
        self._host = 0
        """In whose home the superuser is: root, or somebody whose home stands where only root could put it."""
        self._is_astray = False
        """Whether the superuser has come into what somebody put in the way."""
        if not os.geteuid():
            path = os.path.join(os.getcwd(), path)  # in whose home that is shows on the way from the root
        self._steps = _steps(path)
        start = os.sep if path.startswith(os.sep) else os.curdir
        self.directory = os.path.realpath(start)
        self.descriptor = os.open(start, _STEP & ~getattr(os, "O_NOFOLLOW", 0))

    def last(self) -> str:
        """Go to the file's directory and return its name there.

        Raises:
            FileRefusal: Somebody else's link leads there.
            OSError: A directory cannot be entered.
        """
        while self._steps:
            step = self._steps.pop()
            found: os.stat_result | None = None
            with suppress(FileNotFoundError):
                found = os.stat(step, dir_fd=self.descriptor, follow_symlinks=False)
            if found is not None and stat.S_ISLNK(found.st_mode):
                self._follow(step, found)
            elif not self._steps and step != os.pardir:
                self._check_links()
                return step
            else:
                if self._strict:
                    check_way(os.fstat(self.descriptor), self.directory)
                self._enter(step, is_new=found is None and self._made(step))
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))

    def trusted(self) -> set[int]:
        """Return whose files count in the directory that was come to."""
        user, owner = os.geteuid(), os.fstat(self.descriptor).st_uid
        return {0, owner} if not user and owner == self._host and not self._is_astray else {0, user}

    def _check_links(self) -> None:
        check_owners(self._strangers, self.trusted(), "it is reached by a link of")

    def _follow(self, step: str, link: os.stat_result) -> None:
        """Take the steps of a link instead; its owner and its directory's decide where it leads."""
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        place = os.fstat(self.descriptor)
        check_directory(place, self.directory)
        self._strangers |= {link.st_uid, place.st_uid} - {0, os.geteuid()}
        if link.st_uid not in (0, place.st_uid):
            self._is_astray = True  # it stands where its owner is no host
        target = os.readlink(step, dir_fd=self.descriptor)
        if target.startswith(os.sep):
            self._stand_at(os.open(os.sep, _STEP), os.sep)
        self._steps += _steps(target)

    def _made(self, step: str) -> bool:
        if self._make:
            self._check_links()
            with suppress(FileExistsError):
                os.mkdir(step, 0o700, dir_fd=self.descriptor)
                return True
        return False

    def _enter(self, step: str, *, is_new: bool) -> None:
        descriptor = os.open(step, _STEP, dir_fd=self.descriptor)
        if is_new:
            self._leave_new(step, descriptor)
        self._note_host(os.fstat(self.descriptor), os.fstat(descriptor).st_uid)
        up = os.path.dirname(self.directory)
        self._stand_at(descriptor, up if step == os.pardir else os.path.join(self.directory, step))

    def _note_host(self, parent: os.stat_result, owner: int) -> None:
        """Note whose home is entered: one that only root could have put there, or more of the one that was entered before."""
        if not owner:
            return
        if not parent.st_uid and not parent.st_mode & OTHERS_WRITE:
            self._host = owner
        elif not owner == parent.st_uid == self._host:
            self._is_astray = True

    def _leave_new(self, step: str, entered: int) -> None:
        """Leave a new directory to its parent's owner: if it is what was just made, and not what that owner has put in its place meanwhile."""
        parent, found = os.fstat(self.descriptor), os.fstat(entered)
        if os.geteuid() or not parent.st_uid:
            return
        with suppress(OSError):
            descriptor = os.open(step, os.O_RDONLY | os.O_DIRECTORY | SAFELY, dir_fd=self.descriptor)
            try:
                is_same = os.path.samestat(found, os.fstat(descriptor))
                is_young = not found.st_uid and abs(time.time() - found.st_mtime) < _YOUTH
                if is_same and is_young and not os.listdir(descriptor):
                    leave_to(descriptor, parent)
            finally:
                os.close(descriptor)

    def _stand_at(self, descriptor: int, directory: str) -> None:
        os.close(self.descriptor)
        self.descriptor, self.directory = descriptor, directory


def _steps(path: str) -> list[str]:
    """Return the steps of a path, the last one first."""
    return [step for step in reversed(path.split(os.sep)) if step not in ("", os.curdir)]
