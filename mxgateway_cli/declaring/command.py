"""Declares a command that talks to a gateway: one coroutine, its own options, and the shared options."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mxgateway_cli.connecting.connection import connected, take_settings
from mxgateway_cli.connecting.shared_options import CALL_TIMEOUT, CONNECTION_OPTIONS
from mxgateway_cli.declaring.local_command import configured_app, make_command, start
from mxgateway_cli.help.sections import OUTPUT_OPTIONS, Decorator, Examples
from mxgateway_cli.running.app import App
from mxgateway_cli.running.log import start_logging

if TYPE_CHECKING:
    from mxgateway import GatewayClient, HttpProxy, Session
    from mxgateway_cli.running.settings import ConnectionSettings
    from mxgateway_cli.terminal.stdout import Output

_log = logging.getLogger("mxgateway.cli")

_GatewayFunction = Callable[..., Awaitable[None]]


class Call:
    """One run of a command that talks to a gateway."""

    def __init__(self, app: App, operation: str, settings: ConnectionSettings) -> None:
        self.app = app
        self.operation = operation
        self.settings = settings
        self.correlation_id = uuid.uuid4().hex
        """Identifies the command's call in the gateway's log; part of the result."""
        self._client: GatewayClient | None = None

    @property
    def output(self) -> Output:
        """Where the result goes."""
        return self.app.output

    @property
    def timeout(self) -> float | None:
        """``--timeout`` in seconds; None if it was not given."""
        return self.settings.timeout

    def report(self, fields: Mapping[str, Any], *, value: str) -> None:
        """Write the result as one document.

        Args:
            fields: Its fields besides the operation and the correlation id.
            value: The key that the format ``value`` writes.
        """
        document = {"operation": self.operation, **fields, "correlationId": self.correlation_id}
        self.output.document(document, value=value)

    def wait_for_gateway(self) -> None:
        """Use the whole ``--timeout`` to wait for a gateway that is not up yet."""
        if self.timeout is not None and not self.settings.simulator:
            self.settings = replace(self.settings, wait=self.timeout)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[GatewayClient]:
        """Connect while the block runs; in a batch, client and connection outlive the block.

        A nested call yields the same client, so that a command that first looks something up uses one connection.
        """
        if self._client is not None:
            yield self._client
            return
        host = self.app.host
        async with (host.connected if host is not None else connected)(self.settings) as client:
            self._client = client
            try:
                yield client
            finally:
                self._client = None

    @asynccontextmanager
    async def session(self, session_id: str | None = None, *, name: str = "mxgw-py") -> AsyncIterator[Session]:
        """Yield an open session, which stays open, or a new one with this name, which is closed after the block."""
        async with self.client() as client:
            if session_id is not None:
                handle = client.attach_session(session_id)
            else:
                handle = await client.open_session(client_session_name=name)
            _log.debug("%s %s", "opened" if session_id is None else "using", handle.session_id)
            async with handle as session:
                yield session


def gateway_command(
    name: str, *options: Decorator, examples: Examples = (), timeout: Decorator = CALL_TIMEOUT
) -> Callable[[_GatewayFunction], click.Command]:
    """Declare a command that talks to a gateway; its coroutine is called with the `Call` and its options.

    Args:
        name: The command's name.
        options: Its own options, in the order of the help.
        examples: Two or three command lines for the help.
        timeout: The command's ``--timeout`` option.
    """

    def declare(function: _GatewayFunction) -> click.Command:
        @click.pass_context
        def callback(ctx: click.Context, /, **params: Any) -> None:
            app = configured_app(ctx, params)
            start_logging(app)
            call = Call(app, name, connection_settings(ctx, app, params))
            start(ctx, app, partial(function, call, **params))

        every = (*options, *CONNECTION_OPTIONS, timeout, *OUTPUT_OPTIONS)
        return make_command(name, function, callback, every, examples)

    return declare


def connection_settings(ctx: click.Context, app: App, params: dict[str, Any]) -> ConnectionSettings:
    """Take the connection options out of a command's parameters, and warn about secrets in the process list.

    Raises:
        click.UsageError: Options contradict each other.
    """
    in_process_list = app.host is None
    if in_process_list and params["api_key"] is not None:
        app.warn("--api-key is visible in the process list; use --api-key-env or --api-key-file")
    proxy: HttpProxy | None = params["proxy"]
    has_password = proxy is not None and proxy.credentials is not None
    if in_process_list and has_password and ctx.get_parameter_source("proxy") is ParameterSource.COMMANDLINE:
        app.warn("the password in --proxy is visible in the process list; use MXGATEWAY_PROXY")
    settings = take_settings(ctx, params)
    for secret in settings.secrets:
        app.keep_secret(secret)
    return settings
