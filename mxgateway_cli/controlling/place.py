"""Where the control of a simulated gateway is, and its key: from options, the environment or the ready file.

Precedence: flag, environment. What a flag names is never mixed with another gateway's ready file.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

import mxgateway
from mxgateway_cli.connecting.connection import key_from_environment, key_from_file
from mxgateway_cli.connecting.environment import read_variable
from mxgateway_cli.controlling import ready_file
from mxgateway_cli.controlling.options import CONTROL_VARIABLE, KEY_VARIABLE, READY_FILE_VARIABLE
from mxgateway_cli.running.app import App
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway import ApiKey

POLL: Final = 0.05
"""Seconds between two looks at a ready file."""
_START: Final = "start one: mxgw-py simulate --control 0 --ready-file FILE; --wait-for-gateway 30 waits for it"
_TIMES: Final = ("timeout", "wait_for_gateway")
_KEYS: Final = ("control_key", "control_key_file", "control_key_env")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlace:
    """Which control a command talks to."""

    endpoint: str
    """Its address; empty if the ready file says it."""
    ready_file: str
    """The ready file; empty without one."""
    key: ApiKey | None
    """The key; None if the ready file says it."""
    timeout: float | None
    """``--timeout`` in seconds; None if it was not given."""
    wait: float
    """Seconds to wait for a gateway that is not up yet."""

    async def found(self, app: App, end: float) -> tuple[str, ApiKey]:
        """Return the address and the key.

        Args:
            app: The invocation; it hides the key.
            end: The time of the monotonic clock until which a ready file is waited for.

        Raises:
            CommandFailure: The ready file is missing, or is no use.
        """
        if not self.ready_file:
            assert self.key is not None, "without a ready file there is a key"
            return self.endpoint, self.key
        while True:
            try:
                document = await asyncio.to_thread(ready_file.read, self.ready_file)
                break
            except FileNotFoundError:
                if time.monotonic() >= end:
                    text = f"there is no ready file {self.ready_file!r}: no gateway that writes it is ready"
                    raise CommandFailure(text, code=ExitCode.USAGE, hint=_START) from None
            await asyncio.sleep(POLL)
        endpoint, key = document.get("control"), self.key or document.get("controlKey")
        if not isinstance(endpoint, str) or not isinstance(key, str | mxgateway.ApiKey):
            text, hint = (
                f"the gateway of {self.ready_file!r} has no control",
                "start it with one: mxgw-py simulate --control 0",
            )
            raise CommandFailure(text, code=ExitCode.USAGE, hint=hint)
        try:
            found = mxgateway.ApiKey(key)
        except ValueError:
            text = f"the ready file {self.ready_file!r} holds no usable key"
            raise CommandFailure(text, code=ExitCode.USAGE) from None
        app.keep_secret(found)
        return endpoint, found


def take_place(ctx: click.Context, app: App, params: dict[str, Any]) -> ControlPlace:
    """Take the options of the control out of a command's parameters.

    Raises:
        click.UsageError: Options contradict each other, or do not say which control.
    """
    taken = {name: params.pop(name) for name in ("control", "ready_file", *_KEYS, *_TIMES)}
    _check(ctx, taken)
    endpoint, file = taken["control"] or "", taken["ready_file"] or ""
    if endpoint and file:  # one of them is a flag, or both are of the environment, where the address is more exact
        endpoint, file = ("", file) if _is_flag(ctx, "ready_file") else (endpoint, "")
    if not endpoint and not file:
        raise click.UsageError(
            "Say which gateway: --control HOST:PORT with its key, or --ready-file FILE "
            f"(variables {CONTROL_VARIABLE}, {KEY_VARIABLE}, {READY_FILE_VARIABLE})."
        )
    key = _key(taken, is_needed=not file)
    if key is not None:
        app.keep_secret(key)
    if app.host is None and taken["control_key"] is not None:
        app.warn("--control-key is visible in the process list; use --control-key-env or --control-key-file")
    return ControlPlace(
        endpoint=endpoint, ready_file=file, key=key, timeout=taken["timeout"], wait=taken["wait_for_gateway"] or 0.0
    )


def _check(ctx: click.Context, taken: dict[str, Any]) -> None:
    for variable in (CONTROL_VARIABLE, READY_FILE_VARIABLE):
        read_variable(variable)
    if _is_flag(ctx, "control") and _is_flag(ctx, "ready_file"):
        raise click.UsageError("--control and --ready-file contradict each other: both say which gateway.")
    for name in ("control", "ready_file"):
        if taken[name] == "":
            raise click.UsageError(f"--{name.replace('_', '-')} is empty.")
    given = [f"--{name.replace('_', '-')}" for name in _KEYS if taken[name] is not None]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} contradict each other: only one key is sent.")


def _is_flag(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _key(taken: dict[str, Any], *, is_needed: bool) -> ApiKey | None:
    key: ApiKey | None = taken["control_key"]
    if taken["control_key_file"] is not None:
        return key_from_file(taken["control_key_file"])
    if taken["control_key_env"] is not None:
        return key_from_environment(taken["control_key_env"], "--control-key-env")
    if key is not None or not is_needed:
        return key
    if KEY_VARIABLE not in os.environ:
        raise click.UsageError(
            f"The control's key is missing: set {KEY_VARIABLE}, or use --control-key-file or --ready-file."
        )
    return key_from_environment(KEY_VARIABLE)
