"""Runs command after command in one event loop, over connections that they share.

Every line of stdin is answered by its command's output and one end marker, an empty line and a comment as well: the n-th
marker ends the answer to the n-th line.
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
from mxgateway_cli.batch.stdin_lines import LONGEST, StdinLines, TakenStdin
from mxgateway_cli.help.registry import PROGRAM
from mxgateway_cli.running.app import App
from mxgateway_cli.running.log import start_logging
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode, describe
from mxgateway_cli.terminal.stdout import ClosedPipe, is_closed_pipe, write_line
from mxgateway_cli.terminal.text import json_text, pass_through

if TYPE_CHECKING:
    from mxgateway import GatewayClient
    from mxgateway_cli.running.hosting import Work
    from mxgateway_cli.running.settings import ConnectionSettings

END_MARKER: Final = "__MXGW_BATCH_EOR__"
_REFUSED: Final = {
    "batch": "A batch is no line of a batch: stdin is being read already.",
    "simulate": "simulate runs until it is interrupted, so it is no line of a batch; --simulator gives lines a gateway.",
    "completion": "completion is for a shell; it is no line of a batch.",
}
_TURNS: Final = 3
"""Turns of the loop in which a connection's end is read from its socket, told to the connection, and known to its channel."""


class Batch:
    """The lines of stdin, run one after the other.

    Args:
        app: The batch's own invocation.
        root: The group of all commands.
        lent: The connection options that the batch was given, for lines that do not say otherwise.
    """

    def __init__(self, app: App, root: click.Command, lent: Mapping[str, Any]) -> None:
        self.app = app
        self.lent = lent
        self._root = root
        self._connections = Connections()
        self._count = 0
        self._failed: list[int] = []
        self._work: tuple[click.Context, Work] | None = None
        self._kept = ExitStack()

    async def run(self) -> None:
        """Answer every line, to the end of stdin.

        Raises:
            CommandFailure: A line failed, or stdin cannot be read.
            ClosedPipe: Nobody reads stdout any more.
        """
        lines = StdinLines()
        try:
            with _stdin_taken():
                while (line := await lines.next()) is not None:
                    self._count += 1
                    await _hear_out_the_loop()
                    await self._answer(line)
        finally:
            await self._connections.close()
        self._conclude()

    def accept(self, ctx: click.Context, work: Work) -> None:
        """Take over what the line's command is to do; `ctx` stays open until it is done."""
        self._kept.enter_context(ctx)
        self._work = (ctx, work)

    def connected(self, settings: ConnectionSettings) -> AbstractAsyncContextManager[GatewayClient]:
        """Give the connection for these settings, which outlives the line."""
        return self._connections.lend(settings)

    async def _answer(self, line: bytes) -> None:
        app = self.app
        try:
            words = _words(line, first=self._count == 1)
            if words:
                app = App(words, host=self)
                await self._run(app, words)
        except ClosedPipe:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a line raises, the next one is run
            self._fail(app, error)
        finally:
            pass_through(self.app.gate)
        write_line(END_MARKER)

    async def _run(self, app: App, words: list[str]) -> None:
        if words[0] in _REFUSED:
            raise click.UsageError(_REFUSED[words[0]])
        # What a command does before it talks to a gateway is done in the loop, which nothing else is waiting for then: parsing,
        # reading a key file. Connections that are idle meanwhile have their say between the lines.
        app.output.end_marker = END_MARKER
        self._work = None
        try:
            with ExitStack() as self._kept:
                self._root.invoke(self._kept.enter_context(self._root.make_context(PROGRAM, words, obj=app)))
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
        if app.verbose:
            app.fail(failure)
        write_line(f'{{"error": {json_text(failure.to_json()["message"])}, "type": "error"}}', flush=False)

    def _conclude(self) -> None:
        if self._failed:
            lines = "1 line" if self._count == 1 else f"{self._count} lines"
            raise CommandFailure(
                f"{len(self._failed)} of {lines} failed, the first in line {self._failed[0]}",
                code=ExitCode.PARTLY_FAILED,
            )


def _words(line: bytes, *, first: bool) -> list[str]:
    """Return the words of a command line; none for an empty line or a comment.

    Raises:
        click.UsageError: The line is no text, or no words can be made of it.
    """
    if len(line) > LONGEST:
        raise click.UsageError(f"The line is longer than {LONGEST} bytes: more does not fit into a message.")
    try:
        text = line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"The line is no UTF-8 text: byte {error.start + 1} does not belong there.") from None
    if "\0" in text:
        raise click.UsageError(f"The line holds a NUL character in column {text.index(chr(0)) + 1}.")
    if text.lstrip().startswith("#"):
        return []
    try:
        words = shell_words.split(text)
    except ValueError as error:
        raise click.UsageError(f"The line cannot be split into words: {error}.") from None
    return words[1:] if words[:1] == [PROGRAM] else words


async def _hear_out_the_loop() -> None:
    """Let the loop do what has come for it before the line: a signal, or the end of a connection that the line would take."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


@contextmanager
def _stdin_taken() -> Iterator[None]:
    stdin = sys.stdin
    sys.stdin = cast("Any", TakenStdin())
    try:
        yield
    finally:
        sys.stdin = stdin
