"""Walks the path to a file one directory at a time, so that nobody can redirect it between a check and its use."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from mxgateway.system.file_rules import (
    OTHERS_WRITE,
    POSIX,
    SAFELY,
    acting_user,
    check_ancestor,
    check_directory,
    check_name,
    check_owners,
    give_to,
)
from mxgateway.system.own_file import OwnFile

_MAX_LINKS: Final = 40
_NEW_DIRECTORY_AGE: Final = 2.0
"""Seconds during which a directory counts as just created."""
_STEP: Final = (
    getattr(os, "O_PATH", getattr(os, "O_SEARCH", os.O_RDONLY))
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)
"""Opens a directory that may be searched but not listed."""


@contextmanager
def located(path: str, *, make: bool = False, strict: bool = False) -> Iterator[OwnFile]:
    """Hold a file's directory open during the block.

    Args:
        path: The file.
        make: Create missing directories.
        strict: Refuse a world-writable directory on the path. For files whose absence means something: others could
            make them disappear.

    Raises:
        FileRefusal: Another user's link leads there, or everybody could redirect the path.
        OSError: A directory cannot be entered.
    """
    if not POSIX:
        real = os.path.realpath(path)
        if make:
            os.makedirs(os.path.dirname(real), mode=0o700, exist_ok=True)
        yield OwnFile(None, *os.path.split(real), set())
        return
    walk = PathWalk(path, make=make, strict=strict)
    try:
        name = walk.to_directory()
        yield OwnFile(walk.descriptor, walk.directory, name, walk.trusted())
    finally:
        os.close(walk.descriptor)


class PathWalk:
    """Walks to a file as `located` says, one directory at a time; each is opened relative to the one before."""

    def __init__(self, path: str, *, make: bool, strict: bool) -> None:
        check_name(path)
        self._make = make
        self._strict = strict
        self._links = 0
        self._link_owners: set[int] = set()
        """The users who made links on the path, the user and root apart."""
        self._home_owner = 0
        """For the superuser: whose home the walk is in.

        Root's, or that of a user whose home only root could have made.
        """
        self._left_home = False
        """For the superuser: whether the walk has entered something that a user put in the way."""
        if not acting_user():
            path = os.path.join(os.getcwd(), path)  # walked from the root, to see whose home it is in
        self._steps = _steps(path)
        start = os.sep if path.startswith(os.sep) else os.curdir
        self.directory = os.path.realpath(start)
        self.descriptor = os.open(start, _STEP & ~getattr(os, "O_NOFOLLOW", 0))

    def to_directory(self) -> str:
        """Walk to the file's directory and return the file's name in it.

        Raises:
            FileRefusal: Another user's link leads there.
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
                    check_ancestor(os.fstat(self.descriptor), self.directory)
                self._enter(step, is_new=found is None and self._made(step))
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))

    def trusted(self) -> set[int]:
        """Return the user ids whose files are trusted in the directory reached."""
        user, owner = acting_user(), os.fstat(self.descriptor).st_uid
        return {0, owner} if not user and owner == self._home_owner and not self._left_home else {0, user}

    def _check_links(self) -> None:
        check_owners(self._link_owners, self.trusted(), "it is reached through a link owned by")

    def _follow(self, step: str, link: os.stat_result) -> None:
        """Replace a link by the steps of its target; its owner and its directory's limit where it may lead."""
        self._links += 1
        if self._links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        place = os.fstat(self.descriptor)
        check_directory(place, self.directory)
        self._link_owners |= {link.st_uid, place.st_uid} - {0, acting_user()}
        if link.st_uid not in (0, place.st_uid):
            self._left_home = True  # the link is not in its owner's directory
        target = os.readlink(step, dir_fd=self.descriptor)
        if target.startswith(os.sep):
            self._move_to(os.open(os.sep, _STEP), os.sep)
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
            self._give_new(step, descriptor)
        self._note_home(os.fstat(self.descriptor), os.fstat(descriptor).st_uid)
        up = os.path.dirname(self.directory)
        self._move_to(descriptor, up if step == os.pardir else os.path.join(self.directory, step))

    def _note_home(self, parent: os.stat_result, owner: int) -> None:
        """Note whose home is entered: a directory that only root could have made, or a deeper one of the same user."""
        if not owner:
            return
        if not parent.st_uid and not parent.st_mode & OTHERS_WRITE:
            self._home_owner = owner
        elif not owner == parent.st_uid == self._home_owner:
            self._left_home = True

    def _give_new(self, step: str, entered: int) -> None:
        """Give a new directory to its parent's owner, if it is the one just created and was not replaced meanwhile."""
        parent, found = os.fstat(self.descriptor), os.fstat(entered)
        if acting_user() or not parent.st_uid:
            return
        with suppress(OSError):
            descriptor = os.open(step, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | SAFELY, dir_fd=self.descriptor)
            try:
                is_same = os.path.samestat(found, os.fstat(descriptor))
                is_new = not found.st_uid and abs(time.time() - found.st_mtime) < _NEW_DIRECTORY_AGE
                if is_same and is_new and not os.listdir(descriptor):
                    give_to(descriptor, parent)
            finally:
                os.close(descriptor)

    def _move_to(self, descriptor: int, directory: str) -> None:
        os.close(self.descriptor)
        self.descriptor, self.directory = descriptor, directory


def _steps(path: str) -> list[str]:
    """Return the components of a path, the last one first."""
    return [step for step in reversed(path.split(os.sep)) if step not in ("", os.curdir)]
