"""What a recording is written to, a new file or stdout, and the objects of the galaxy that it needs."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from mxgateway.system.files import new_file, refusal_text, remove_new
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode
from mxgateway_cli.terminal.stdout import write_line

if TYPE_CHECKING:
    from mxgateway.proto import GalaxyObject

STDOUT: Final = "-"


class RecordingFile:
    """Takes the lines of a recording; each is in the file, or on stdout, when `write` returns.

    Args:
        path: The file; ``-`` is stdout.
        replace: Replace an existing file.

    Raises:
        CommandFailure: The file exists, or cannot be created.
    """

    def __init__(self, path: str, *, replace: bool) -> None:
        self.is_stdout = path == STDOUT
        self._path = path
        self._begun = False
        self._file = None if self.is_stdout else self._created(replace=replace)

    def write(self, line: str) -> None:
        """Write a line.

        Raises:
            ClosedPipe: The reader of stdout has closed the pipe.
            CommandFailure: The file cannot be written.
        """
        self._begun = True
        if self._file is None:
            write_line(line)
            return
        try:
            data = memoryview(f"{line}\n".encode())
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise CommandFailure(f"{self._path}: {refusal_text(error)}") from None

    def close(self) -> None:
        """Close the file; remove it if nothing was written."""
        if self._file is not None:
            if not self._begun:
                with suppress(OSError):
                    remove_new(self._path, self._file)
            self._file.close()

    def _created(self, *, replace: bool) -> BinaryIO:
        try:
            return new_file(self._path, replace=replace)
        except FileExistsError:
            message, hint = f"{self._path}: the file exists", "name another file, or replace it with --force"
        except OSError as error:
            message, hint = f"{self._path}: {refusal_text(error)}", ""
        raise CommandFailure(message, code=ExitCode.USAGE, hint=hint)


async def objects_of(tags: Sequence[str], galaxy: AsyncIterable[GalaxyObject]) -> list[GalaxyObject]:
    """Return the objects of some tags, each with the attributes that are named, and their parents without attributes.

    Args:
        tags: The tags.
        galaxy: All objects of the galaxy, parents before children.
    """
    wanted = {_plain(tag) for tag in tags}
    every: dict[int, GalaxyObject] = {}
    kept: set[int] = set()
    async for obj in galaxy:
        obj.attributes = [each for each in obj.attributes if _plain(each.full_tag_reference) in wanted]
        every[obj.gobject_id] = obj
        if obj.attributes:
            kept.add(obj.gobject_id)
    for number in list(kept):
        outer = every[number].parent_gobject_id
        while outer in every and outer not in kept:
            kept.add(outer)
            outer = every[outer].parent_gobject_id
    return [obj for number, obj in every.items() if number in kept]


def _plain(tag: str) -> str:
    return tag.strip().partition("[")[0].casefold()
