"""Where a recording is written to: a new file, or stdout."""

from __future__ import annotations

from contextlib import suppress
from typing import BinaryIO, Final

from mxgateway.system.files import new_file, refusal_text, remove_new
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode
from mxgateway_cli.terminal.stdout import write_line

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
        self._file: BinaryIO | None = None
        if not self.is_stdout:
            self._file = self._created(replace=replace)

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
