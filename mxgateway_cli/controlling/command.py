"""Declares a command that talks to the control of a simulated gateway."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.controlling.options import CONTROL_OPTIONS, KEY_VARIABLE
from mxgateway_cli.controlling.place import POLL, ControlPlace, take_place
from mxgateway_cli.declaring.local_command import configured_app, make_command, start
from mxgateway_cli.help.sections import OUTPUT_OPTIONS, Decorator, Examples
from mxgateway_cli.running.app import App
from mxgateway_cli.running.log import start_logging
from mxgateway_cli.terminal.exit_codes import DescribedFailure, describe, hint_of

if TYPE_CHECKING:
    from mxgateway.control import ControlClient
    from mxgateway_cli.terminal.stdout import Output

_START: Final = "start one: mxgw-py simulate --control 0; --wait-for-gateway 30 waits for it"
_LEFT: Final = "the ready file {!r} is of a gateway that is gone, and has not removed it"
_OWN_KEY: Final = (
    f"the control has a key of its own, which its ready line shows: {KEY_VARIABLE}, --control-key-file or --ready-file"
)

_ControlFunction = Callable[..., Awaitable[None]]


class ControlCall:
    """One run of a command that talks to a control.

    Args:
        app: The invocation.
        operation: The command's name.
        place: Which control.
    """

    def __init__(self, app: App, operation: str, place: ControlPlace) -> None:
        self.app = app
        self._operation = operation
        self._place = place

    @property
    def output(self) -> Output:
        """Where the result goes."""
        return self.app.output

    @property
    def patience(self) -> float:
        """Seconds that an action may take: ``--timeout``, or as long as it does."""
        return self._place.timeout or math.inf

    def report(self, fields: Mapping[str, Any], *, value: str) -> None:
        """Write the result as one document.

        Args:
            fields: Its fields besides the operation.
            value: The key that the format ``value`` writes.
        """
        self.output.document({"operation": self._operation, **fields}, value=value)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ControlClient]:
        """Connect while the block runs."""
        with _in_own_words(self._place.ready_file):
            async with await self._connected() as client:
                yield client

    async def _connected(self) -> ControlClient:
        """Connect. A ready file is read before each attempt: a gateway that was killed has left it, and the next writes it."""
        from mxgateway.control import ControlClient

        end = time.monotonic() + self._place.wait
        while True:
            endpoint, key = await self._place.found(self.app, end)
            wait = 0.0 if self._place.ready_file else self._place.wait
            try:
                return await ControlClient.connect(endpoint, key, timeout=self._place.timeout, wait=wait)
            except mxgateway.MxGatewayError as error:
                if not self._place.ready_file or not _is_gone(error) or time.monotonic() >= end:
                    raise
            await asyncio.sleep(POLL)


def control_command(
    name: str, *options: Decorator, examples: Examples = ()
) -> Callable[[_ControlFunction], click.Command]:
    """Declare a command that talks to a control; its coroutine is called with the `ControlCall` and its options.

    Args:
        name: The command's name.
        options: Its own options, in the order of the help.
        examples: Two or three command lines for the help.
    """

    def declare(function: _ControlFunction) -> click.Command:
        @click.pass_context
        def callback(ctx: click.Context, /, **params: Any) -> None:
            app = configured_app(ctx, params)
            start_logging(app)
            call = ControlCall(app, f"sim-{name}", take_place(ctx, app, params))
            start(ctx, app, partial(function, call, **params))

        return make_command(name, function, callback, (*options, *CONTROL_OPTIONS, *OUTPUT_OPTIONS), examples)

    return declare


def _is_gone(error: mxgateway.MxGatewayError) -> bool:
    return error.phase == "connect" and error.retryable


@contextmanager
def _in_own_words(ready_file: str) -> Iterator[None]:
    """Say what to do about a failure at the control; the hints for a gateway do not help there."""
    try:
        yield
    except mxgateway.MxGatewayError as error:
        hint = hint_of(error)
        if isinstance(error, mxgateway.MxGatewayAuthenticationError):
            hint = _OWN_KEY
        elif _is_gone(error):
            hint = f"{_LEFT.format(ready_file)}; {_START}" if ready_file else _START
        raise DescribedFailure(describe(error)._replace(hint=hint)) from error
