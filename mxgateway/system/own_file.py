"""An own file in a directory that is held open: the checked file is the file used."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from functools import partial
from typing import BinaryIO

from mxgateway.system.file_reading import accepted, bounded, retry_while_shared
from mxgateway.system.file_rules import (  # fmt: skip
    OTHERS_WRITE,
    POSIX,
    SAFELY,
    FileRefusal,
    check_directory,
    check_kind,
    check_owners,
    give_to,
)


class OwnFile:
    """A file's directory, held open, and its name in it.

    Args:
        descriptor: The directory; None on Windows.
        directory: Its path, without links.
        name: The file's name.
        trusted: The user ids whose files are trusted there.
    """

    def __init__(self, descriptor: int | None, directory: str, name: str, trusted: AbstractSet[int]) -> None:
        self._descriptor = descriptor
        self._directory = directory
        self._name = name
        self._place = os.fstat(descriptor) if descriptor is not None else os.stat(directory)
        self.path = os.path.join(directory, name)
        """Its path, without links."""
        self._trusted = trusted

    def check(self) -> None:
        """Refuse an existing file that is not an own file.

        Raises:
            FileRefusal: There is such a file.
        """
        if (found := self._found()) is not None:
            self._check(found)

    def check_directory(self) -> None:
        """Refuse a directory in which others could replace this file.

        Raises:
            FileRefusal: They could.
        """
        check_owners({self._place.st_uid}, self._trusted, f"its directory {self._directory} belongs to")
        check_directory(self._place, self._directory)

    @contextmanager
    def opened(self, *, pipe: bool = False) -> Iterator[BinaryIO]:
        """Open the file for reading; it is closed when the block ends.

        Args:
            pipe: Accept a pipe.

        Raises:
            FileNotFoundError: There is none.
            FileRefusal: It must not be used.
            OSError: It cannot be opened.
        """
        with open(self._opened(os.O_RDONLY, pipe=pipe), "rb") as file:
            yield file

    def read(self, limit: int) -> bytes:
        """Return the content of the file.

        Raises:
            FileNotFoundError: There is none.
            FileRefusal: It must not be used, or is longer than `limit` bytes.
            OSError: It cannot be read.
        """
        with self.opened() as file:
            return bounded(file, limit)

    def lock_descriptor(self) -> int:
        """Open the file for locking; create it if missing.

        Raises:
            FileRefusal: It must not be used.
            OSError: It cannot be opened.
        """
        with suppress(FileExistsError):
            return self._make(self._name, 0o600, self._place)
        return self._opened(os.O_RDWR)

    def replace(self, data: bytes, *, is_locked: bool = False, keeps_mode: bool = False) -> None:
        """Replace the file atomically; the new one keeps the owner.

        Args:
            data: The new content.
            is_locked: The caller holds the lock, so a file left by a killed writer is removed.
            keeps_mode: Keep the mode of the old file instead of 0600.

        Raises:
            FileRefusal: The old file is not an own file.
            OSError: It cannot be written; the old file stays.
        """
        before = self._found()
        if before is not None:
            self._check(before)
        new = f"{self._name}.new" if is_locked else self._free_name()
        if is_locked:
            with suppress(FileNotFoundError):
                self._remove(new)
        mode = stat.S_IMODE(before.st_mode) & 0o755 if before is not None and keeps_mode else 0o600
        self._put(data, new, mode, before or self._place)

    def export(self, data: bytes) -> None:
        """Replace a file that nobody trusts later: any user may own the old one, and others may read the new one.

        Raises:
            FileRefusal: The path is not a regular file.
            OSError: It cannot be written; the old file stays.
        """
        before = self._found()
        if before is not None:
            check_kind(before)
        mode = stat.S_IMODE(before.st_mode) & 0o777 if before is not None else None
        self._put(data, self._free_name(), mode, before or self._place)

    def create(self, *, replace: bool) -> BinaryIO:
        """Create the file, accessible only to its owner, and open it for writing without a buffer.

        Args:
            replace: Remove an old file first.

        Raises:
            FileExistsError: There is one, and `replace` is not set.
            FileRefusal: The path is not a regular file.
            OSError: It cannot be created.
        """
        if replace and (before := self._found()) is not None:
            check_kind(before)
            self._remove(self._name)
        return open(self._make(self._name, 0o600, self._place), "wb", buffering=0)

    def remove(self, file: BinaryIO) -> None:
        """Remove the file, if it is still the one that is open.

        Raises:
            OSError: It cannot be removed.
        """
        if (found := self._found()) is not None and os.path.samestat(found, os.fstat(file.fileno())):
            self._remove(self._name)

    def _found(self) -> os.stat_result | None:
        with suppress(FileNotFoundError):
            return self._stat()
        return None

    def _free_name(self) -> str:
        return f".{self._name[:50]}-{os.urandom(8).hex()}.new"

    def _opened(self, flags: int, *, pipe: bool = False) -> int:
        """Open the file, which is checked before and after that."""
        self._check(self._stat(), pipe=pipe)
        return accepted(retry_while_shared(lambda: self._open(flags)), partial(self._check, pipe=pipe))

    def _put(self, data: bytes, new: str, mode: int | None, owner: os.stat_result) -> None:
        descriptor = self._make(new, mode, owner)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            retry_while_shared(lambda: os.replace(self._at(new), self._at(self._name), **self._both()))
        except BaseException:
            with suppress(OSError):
                self._remove(new)
            raise

    def _make(self, name: str, mode: int | None, owner: os.stat_result) -> int:
        """Create a file that must not exist yet; without a mode it gets the default mode of new files."""
        descriptor = self._open(os.O_RDWR | os.O_CREAT | os.O_EXCL, name, mode=0o666 if mode is None else 0o600)
        if sys.platform != "win32" and POSIX and mode is not None:
            with suppress(OSError):
                os.fchmod(descriptor, mode)
        give_to(descriptor, owner)
        return descriptor

    def _open(self, flags: int, name: str = "", *, mode: int = 0o600) -> int:
        return os.open(self._at(name or self._name), flags | SAFELY, mode, dir_fd=self._descriptor)

    def _stat(self) -> os.stat_result:
        return os.stat(self._at(self._name), dir_fd=self._descriptor, follow_symlinks=False)

    def _remove(self, name: str) -> None:
        os.unlink(self._at(name), dir_fd=self._descriptor)

    def _at(self, name: str) -> str:
        return name if self._descriptor is not None else os.path.join(self._directory, name)

    def _both(self) -> dict[str, int]:
        fd = self._descriptor
        return {} if fd is None else {"src_dir_fd": fd, "dst_dir_fd": fd}

    def _check(self, found: os.stat_result, *, pipe: bool = False) -> None:
        """Refuse what is not an own file. Whether others may read it is not checked here."""
        check_kind(found, pipe=pipe)
        if not POSIX:
            return
        check_owners({found.st_uid}, self._trusted, "it belongs to")
        if found.st_nlink > 1:
            raise FileRefusal(
                f"it has {found.st_nlink} hard links, and nobody knows who made the others", "make a copy of it"
            )
        if found.st_mode & OTHERS_WRITE:
            raise FileRefusal("others may write it", f"check its content, then run 'chmod go-w {self.path}'")
