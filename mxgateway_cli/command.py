"""How a command is declared: one function, its own options, and the shared ones put around it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mxgateway_cli.app import App
from mxgateway_cli.connection import ConnectionSettings, connected
from mxgateway_cli.options import (
    CALL_TIMEOUT,
    CONNECTION_OPTIONS,
    OUTPUT_OPTIONS,
    Decorator,
    SectionedCommand,
    apply_options,
)

if TYPE_CHECKING:
    from mxgateway import GatewayClient, Session
    from mxgateway_cli.output import Output

_log = logging.getLogger("mxgateway.cli")

_LocalFunction = TypeVar("_LocalFunction", bound=Callable[..., None])
_GatewayFunction = Callable[..., Awaitable[None]]


class Call:
    """One run of a command that talks to a gateway.

    Args:
        app: The invocation.
        settings: Which gateway, and how.
    """

    def __init__(self, app: App, settings: ConnectionSettings) -> None:
        self.app = app
        self.settings = settings
        self.correlation_id = uuid.uuid4().hex
        """Names the command's own call in the gateway's log; shown in its result."""

    @property
    def output(self) -> Output:
        """Where the result goes."""
        return self.app.output

    @property
    def timeout(self) -> float | None:
        """``--timeout`` in seconds, None when it was not given."""
        return self.settings.timeout

    @asynccontextmanager
    async def client(self) -> AsyncIterator[GatewayClient]:
        """Connect for the time of the block."""
        async with connected(self.settings) as client:
            yield client

    @asynccontextmanager
    async def session(self, session_id: str | None = None, *, name: str = "mxgw-py") -> AsyncIterator[Session]:
        """Work in an open session, which stays open, or in a new one that is closed at the end of the block.

        Args:
            session_id: The open session; None opens one.
            name: What a new session is called in the gateway's log.
        """
        async with self.client() as client:
            if session_id is not None:
                handle = client.attach_session(session_id)
            else:
                handle = await client.open_session(client_session_name=name)
            _log.debug("%s %s", "opened" if session_id is None else "working in", handle.session_id)
            async with handle as session:
                yield session


def local_command(name: str, *options: Decorator) -> Callable[[_LocalFunction], click.Command]:
    """Declare a command that talks to no gateway; its function is called with the `App` and its options."""

    def declare(function: _LocalFunction) -> click.Command:
        @click.pass_context
        def callback(ctx: click.Context, /, **params: Any) -> None:
            function(_configured_app(ctx, params), **params)

        return _command(name, function, callback, (*options, *OUTPUT_OPTIONS))

    return declare


def gateway_command(
    name: str, *options: Decorator, timeout: Decorator = CALL_TIMEOUT
) -> Callable[[_GatewayFunction], click.Command]:
    """Declare a command that talks to a gateway; its coroutine is called with the `Call` and its options.

    Args:
        name: The command's name.
        options: Its own options, in the order of the help.
        timeout: What ``--timeout`` is in this command.
    """

    def declare(function: _GatewayFunction) -> click.Command:
        @click.pass_context
        def callback(ctx: click.Context, /, **params: Any) -> None:
            from mxgateway_cli import runner

            app = _configured_app(ctx, params)
            call = Call(app, _settings(ctx, app, params))

            async def main() -> None:
                await function(call, **params)

            runner.run(main)

        return _command(name, function, callback, (*options, *CONNECTION_OPTIONS, timeout, *OUTPUT_OPTIONS))

    return declare


def _command(
    name: str, function: Callable[..., Any], callback: Callable[..., Any], options: tuple[Decorator, ...]
) -> click.Command:
    callback.__doc__ = function.__doc__
    return click.command(name, cls=SectionedCommand)(apply_options(callback, options))


def _configured_app(ctx: click.Context, params: dict[str, Any]) -> App:
    app = ctx.find_object(App)
    if app is None:
        app = App()
    form = params.pop("output")
    if params.pop("as_json"):
        if form not in (None, "json"):
            raise click.UsageError(f"--json and -o {form} contradict each other.")
        form = "json"
    app.output.form = form or "table"
    app.colour = params.pop("colour")
    app.verbose = params.pop("verbose")
    app.start_logging()
    return app


def _settings(ctx: click.Context, app: App, params: dict[str, Any]) -> ConnectionSettings:
    if params["api_key"] is not None:
        app.warn("--api-key is visible in the process list; --api-key-env and --api-key-file are not")
    settings = ConnectionSettings.take(ctx, params)
    if settings.api_key is not None:
        app.keep_secret(settings.api_key)
    return settings
