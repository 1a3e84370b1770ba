"""What a batch does for the commands that are its lines, in the place of the process that each would have had."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import click

    from mxgateway import GatewayClient
    from mxgateway_cli.app import App
    from mxgateway_cli.connection import ConnectionSettings

Work = Callable[[], Coroutine[Any, Any, None]]


class Host(Protocol):
    """Where a line of a batch runs."""

    @property
    def app(self) -> App:
        """The batch's own invocation: what it was told counts for its lines too."""

    @property
    def lent(self) -> Mapping[str, Any]:
        """The connection options that the batch was given, by their parameters' names."""

    def accept(self, ctx: click.Context, work: Work) -> None:
        """Take over what the line's command is to do; `ctx` stays open until it is done."""

    def connected(self, settings: ConnectionSettings) -> AbstractAsyncContextManager[GatewayClient]:
        """Give a connection for the time of a block."""
