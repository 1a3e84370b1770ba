"""What a batch provides to the commands it runs, which otherwise have a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import click

    from mxgateway import Gate, GatewayClient
    from mxgateway_cli.running.item_names import ItemNames
    from mxgateway_cli.running.settings import ConnectionSettings
    from mxgateway_cli.terminal.stdout import Output

Colour = Literal["auto", "always", "never"]
Work = Callable[[], Coroutine[Any, Any, None]]


class Invocation(Protocol):
    """What a line inherits from the batch's own invocation."""

    @property
    def output(self) -> Output:
        """The format of results unless the line sets one."""

    @property
    def colour(self) -> Colour:
        """Whether diagnostics are coloured."""

    @property
    def verbose(self) -> bool:
        """Whether the library's log is shown."""

    @property
    def quiet(self) -> bool:
        """Whether stderr has errors only."""

    @property
    def names(self) -> ItemNames:
        """The tags of item handles."""

    @property
    def gate(self) -> Gate:
        """Redacts all output."""


class Host(Protocol):
    """The batch that runs a line."""

    @property
    def app(self) -> Invocation:
        """The batch's own invocation, whose options apply to its lines too."""

    @property
    def inherited(self) -> Mapping[str, Any]:
        """The batch's connection options, by parameter name."""

    def accept(self, ctx: click.Context, work: Work) -> None:
        """Accept the line's work, to run later; `ctx` stays open until it is done."""

    def connected(self, settings: ConnectionSettings) -> AbstractAsyncContextManager[GatewayClient]:
        """Yield a connected client while a block runs."""
