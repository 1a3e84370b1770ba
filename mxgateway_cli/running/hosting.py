"""What a batch does for the commands that are its lines, in the place of the process that each would have had."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import click

    from mxgateway import Gate, GatewayClient
    from mxgateway_cli.running.settings import ConnectionSettings
    from mxgateway_cli.terminal.stdout import Output

Colour = Literal["auto", "always", "never"]
Work = Callable[[], Coroutine[Any, Any, None]]


class Invocation(Protocol):
    """What a line takes over from the batch's own invocation."""

    @property
    def output(self) -> Output:
        """How results are written when the line does not say."""

    @property
    def colour(self) -> Colour:
        """Whether diagnostics are coloured."""

    @property
    def verbose(self) -> bool:
        """Whether the library's log is shown."""

    @property
    def gate(self) -> Gate:
        """What everything that is written passes."""


class Host(Protocol):
    """Where a line of a batch runs."""

    @property
    def app(self) -> Invocation:
        """The batch's own invocation: what it was told counts for its lines too."""

    @property
    def lent(self) -> Mapping[str, Any]:
        """The connection options that the batch was given, by their parameters' names."""

    def accept(self, ctx: click.Context, work: Work) -> None:
        """Take over what the line's command is to do; `ctx` stays open until it is done."""

    def connected(self, settings: ConnectionSettings) -> AbstractAsyncContextManager[GatewayClient]:
        """Give a connection for the time of a block."""
