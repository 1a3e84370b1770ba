"""Runs commands one after another in one event loop, over shared connections.

Every line of stdin, even an empty one or a comment, is answered by its command's output and one end marker: the n-th
marker ends the output of the n-th line.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import click
from click.exceptions import Exit

from mxgateway_cli.batch import shell_words
from mxgateway_cli.batch.connections import Connections
from mxgateway_cli.batch.stdin_lines import LONGEST, ReservedStdin, StdinLines
from mxgateway_cli.help.registry import PROGRAM, REFUSED
from mxgateway_cli.running.app import App, Work
from mxgateway_cli.running.log import start_logging
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode, describe
from mxgateway_cli.terminal.stdout import ClosedPipe, is_closed_pipe, write_line
from mxgateway_cli.terminal.text import json_text, pass_through

if TYPE_CHECKING:
    from mxgateway import GatewayClient
    from mxgateway_cli.running.settings import ConnectionSettings

END_MARKER: Final = "__MXGW_BATCH_EOR__"
_NOT_IN_BATCH: Final = {
    "batch": "batch cannot run in a batch: stdin is already being read.",
    "simulate": "simulate cannot run in a batch, because it runs until it is interrupted; --simulator starts a gateway.",
    "completion": "completion cannot run in a batch: it is for a shell.",
}
_LOOP_ITERATIONS: Final = 3
"""Iterations of the loop until a connection's end is read from its socket, reported to it, and known to its channel."""


class Batch:
    """Runs the lines of stdin one after another.

    Args:
        app: The batch's own invocation.
        root: The group of all commands.
        inherited: The batch's connection options, for lines that do not override them.
    """

    def __init__(self, app: App, root: click.Command, inherited: Mapping[str, Any]) -> None:
        self.app = app
        self.inherited = inherited
        self._root = root
        self._connections = Connections()
        self._count = 0
        self._failed: list[int] = []
        self._work: tuple[click.Context, Work] | None = None
        self._contexts = ExitStack()

    async def run(self) -> None:
        """Run every line until the end of stdin.

        Raises:
            CommandFailure: A line failed, or stdin cannot be read.
            ClosedPipe: The reader of stdout has gone.
        """
        lines = StdinLines()
        try:
            with _stdin_reserved():
                while (line := await lines.next()) is not None:
                    self._count += 1
                    await _run_pending_callbacks()
                    await self._run_line(line)
        finally:
            await self._connections.close()
        if self._failed:
            total = "1 line" if self._count == 1 else f"{self._count} lines"
            text = f"{len(self._failed)} of {total} failed, first in line {self._failed[0]}"
            raise CommandFailure(text, code=ExitCode.PARTLY_FAILED)

    def accept(self, ctx: click.Context, work: Work) -> None:
        """Accept the line's work, to run later; `ctx` stays open until it is done."""
        self._contexts.enter_context(ctx)
        self._work = (ctx, work)

    def connected(self, settings: ConnectionSettings) -> AbstractAsyncContextManager[GatewayClient]:
        """Yield the client for these settings; its connection outlives the line."""
        return self._connections.client(settings)

    async def _run_line(self, line: bytes) -> None:
        app = self.app
        try:
            words = _words(line, first=self._count == 1)
            if words:
                app = App(words, host=self)
                await self._run_command(app, words)
        except ClosedPipe:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a line raises, the next one runs
            self._fail(app, error)
        finally:
            pass_through(self.app.gate)
        write_line(END_MARKER)

    async def _run_command(self, app: App, words: list[str]) -> None:
        # Parsing and reading a key file block the loop, but nothing else needs it then. Idle connections are served
        # between lines.
        app.output.end_marker = END_MARKER
        self._work = None
        try:
            with ExitStack() as self._contexts:
                line = self._contexts.enter_context(self._root.make_context(PROGRAM, words, obj=app))
                line.meta[REFUSED] = _NOT_IN_BATCH
                self._root.invoke(line)
                if self._work is not None:
                    ctx, work = self._work
                    with ctx:
                        await work()
        except Exit as end:
            if end.exit_code:
                raise CommandFailure(f"the command ended with exit code {end.exit_code}") from None
        finally:
            start_logging(self.app)

    def _fail(self, app: App, error: Exception) -> None:
        if isinstance(error, OSError) and is_closed_pipe(error):
            raise ClosedPipe from None
        self._failed.append(self._count)
        app.trace(error)
        failure = describe(error)
        if app.verbose or app.output.form in ("json", "jsonl"):
            app.fail(failure)
        text = json_text(failure.to_json()["message"])
        write_line(f'{{"error": {text}, "type": "error"}}', flush=False)


def _words(line: bytes, *, first: bool) -> list[str]:
    """Return the words of a command line; none for an empty line or a comment. Other lines are refused."""
    if len(line) > LONGEST:
        raise click.UsageError(f"The line is longer than {LONGEST} bytes, which exceeds the message limit.")
    try:
        text = line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"The line is not valid UTF-8 at byte {error.start + 1}.") from None
    if "\0" in text:
        raise click.UsageError(f"The line contains a NUL character in column {text.index(chr(0)) + 1}.")
    if text.lstrip().startswith("#"):
        return []
    try:
        words = shell_words.split(text)
    except ValueError as error:
        raise click.UsageError(f"The line cannot be split into words: {error}.") from None
    return words[1:] if words[:1] == [PROGRAM] else words


async def _run_pending_callbacks() -> None:
    """Let the loop handle pending events before the line runs: a signal, or the loss of a connection it would use."""
    for _ in range(_LOOP_ITERATIONS):
        await asyncio.sleep(0)


@contextmanager
def _stdin_reserved() -> Iterator[None]:
    stdin = sys.stdin
    sys.stdin = cast("Any", ReservedStdin())
    try:
        yield
    finally:
        sys.stdin = stdin
