"""The state of one `mxgw-py` invocation: its output, its diagnostics, its secrets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import mxgateway
from mxgateway_cli.terminal.capabilities import wants_colour
from mxgateway_cli.terminal.restoring import line_start
from mxgateway_cli.terminal.stdout import Output
from mxgateway_cli.terminal.text import json_text, pass_through, shown

if TYPE_CHECKING:
    import click

    from mxgateway import GatewayClient, Secret
    from mxgateway_cli.running.settings import ConnectionSettings
    from mxgateway_cli.terminal.exit_codes import Failure
    from mxgateway_cli.terminal.progress import Progress
    from mxgateway_cli.terminal.stdout import OutputFormat

Work = Callable[[], Coroutine[Any, Any, None]]

_RED: Final = "\x1b[31m"
_YELLOW: Final = "\x1b[33m"
_CYAN: Final = "\x1b[36m"
_RESET: Final = "\x1b[0m"
_JSON_FORMS: Final = frozenset({"json", "jsonl"})
_JSON_WORDS: Final = frozenset({"--json", "-ojson", "-ojsonl", "--output=json", "--output=jsonl"})
_MOST_NAMES: Final = 100_000
"""Items whose tags are kept; the oldest are forgotten."""


class ItemNames:
    """Tags by session, server handle and item handle."""

    def __init__(self) -> None:
        self._tags: dict[tuple[str, int, int], str] = {}

    def add(self, session_id: str, server_handle: int, item_handle: int, tag: str) -> None:
        """Keep the tag of an item."""
        self._tags[session_id, server_handle, item_handle] = tag
        while len(self._tags) > _MOST_NAMES:
            del self._tags[next(iter(self._tags))]

    def get(self, session_id: str, server_handle: int, item_handle: int) -> str | None:
        """Return the tag of an item; None if it is not known."""
        return self._tags.get((session_id, server_handle, item_handle))


class App:
    """One invocation: its output format, its diagnostics on stderr, its secrets.

    Args:
        arguments: The command line. It is searched for the JSON options at once, because a command line that cannot be
            parsed is reported as JSON, too.
        host: The batch that runs the command; None outside a batch.
    """

    def __init__(self, arguments: Sequence[str] = (), *, host: Host | None = None) -> None:
        outer: App | None = host.app if host is not None else None
        self.host = host
        self.form: OutputFormat = outer.output.form if outer is not None else "table"
        """The format of results unless the command line sets one."""
        self.output: Output = Output("json" if _asks_for_json(arguments) else self.form)
        self.output.local = outer.output.local if outer is not None else None
        self.colour: Literal["auto", "always", "never"] = outer.colour if outer is not None else "auto"
        self.verbose: bool = outer is not None and outer.verbose
        self.quiet: bool = outer is not None and outer.quiet
        """Whether stderr has errors only: no warnings, no hints, no progress."""
        self.names: ItemNames = outer.names if outer is not None else ItemNames()
        """The tags of item handles; a batch keeps them for the lines that follow."""
        self.gate: mxgateway.Gate = mxgateway.Gate(behind=outer.gate if outer is not None else None)
        """Redacts keys and passwords in all output; those of a batch line are forgotten after the line."""
        pass_through(self.gate)

    def keep_secret(self, secret: Secret) -> None:
        """Redact a key or password in all output from now on."""
        self.gate.add(secret)

    def fail(self, failure: Failure) -> None:
        """Report a failure: one JSON object, or one line and a hint."""
        if self.output.form in _JSON_FORMS:
            self._write(json_text({"error": failure.to_json()}))
            return
        self._write(f"{self._paint('error:', _RED)} {shown(failure.message)}")
        if failure.hint and not self.quiet:
            self._write(f"{self._paint('hint:', _CYAN)} {shown(failure.hint)}")

    def warn(self, text: str) -> None:
        """Report a problem that does not stop the command."""
        if self.quiet:
            return
        if self.output.form in _JSON_FORMS:
            self._write(json_text({"warning": {"message": shown(text)}}))
        else:
            self._write(f"{self._paint('warning:', _YELLOW)} {shown(text)}")

    @property
    def progress(self) -> Progress:
        """The progress bars of the command."""
        from mxgateway_cli.terminal.progress import Progress

        return Progress(shown=not self.quiet, colour=self.colour)

    def announce(self, lines: Sequence[str]) -> None:
        """Write generated text to stderr without redaction, such as the simulator's public key."""
        with suppress(OSError, ValueError):
            sys.stderr.write("\n".join(lines) + "\n")
            sys.stderr.flush()

    def trace(self, error: BaseException) -> None:
        """Write the traceback of `error` if MXGATEWAY_DEBUG is set."""
        if os.environ.get("MXGATEWAY_DEBUG", "") not in ("", "0"):
            import traceback

            text = self.gate.hide("".join(traceback.format_exception(error)).rstrip())
            for line in text.split("\n"):
                self._write(shown(line))

    def note(self, text: str) -> None:
        """Write one line of debug output."""
        self._write(shown(text))

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # stderr is closed
            sys.stderr.write(f"{line_start(sys.stderr)}{text}\n")
            sys.stderr.flush()

    def _paint(self, word: str, colour: str) -> str:
        return f"{colour}{word}{_RESET}" if wants_colour(self.colour, sys.stderr) else word


class Host(Protocol):
    """The batch that runs a line."""

    app: App
    """The batch's own invocation, whose options apply to its lines too."""
    inherited: Mapping[str, Any]
    """The batch's connection options, by parameter name."""

    def accept(self, ctx: click.Context, work: Work) -> None:
        """Accept the line's work, to run later; `ctx` stays open until it is done."""

    def connected(self, settings: ConnectionSettings) -> AbstractAsyncContextManager[GatewayClient]:
        """Yield a connected client while a block runs."""


def _asks_for_json(arguments: Sequence[str]) -> bool:
    for previous, argument in zip(("", *arguments), arguments, strict=False):
        if argument == "--":
            return False
        if argument in _JSON_WORDS or (previous in ("-o", "--output") and argument in _JSON_FORMS):
            return True
    return False
