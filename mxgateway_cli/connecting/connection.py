"""Turns connection options into a connected client.

`precedence` defines where each option comes from, and which one wins when options exclude each other.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import click

import mxgateway
from mxgateway.system.files import read_secret, refusal_text
from mxgateway_cli.connecting.environment import read_variable
from mxgateway_cli.connecting.precedence import (
    Choices,
    ConnectionOption,
    Rank,
    check_scheme,
    shared_timeout,
)
from mxgateway_cli.connecting.tls import tls_options
from mxgateway_cli.running.settings import ConnectionSettings, decoded
from mxgateway_cli.terminal.text import hide_from_now_on

if TYPE_CHECKING:
    from mxgateway import ApiKey, ClientOptions, GatewayClient, Secret
    from mxgateway.contract import Contract
    from mxgateway.simulator import SimulatedGateway

_log = logging.getLogger("mxgateway.cli")

DEFAULT_KEY_VARIABLE: Final = "MXGATEWAY_API_KEY"
_KEY_FILE_LIMIT: Final = 64 * 1024


def take_settings(ctx: click.Context, params: dict[str, Any]) -> ConnectionSettings:
    """Take the connection options out of a command's parameters.

    Raises:
        click.UsageError: Options contradict each other, or the key is missing where an option says it is.
    """
    choices = Choices.take(ctx, params)
    for text in choices.resolve():
        _warn(text)
    taken = choices.values
    check_scheme(taken)
    timeout = call_timeout = taken["timeout"]
    if choices.ranks["timeout"] is Rank.DEFAULT:
        call_timeout = shared_timeout(ctx) or timeout
    simulator, plaintext = bool(taken["simulator"]), bool(taken["plaintext"] or taken["simulator"])
    key, file = (None, None) if simulator else _api_key(choices)
    return ConnectionSettings(
        endpoint="" if simulator else taken["endpoint"] or mxgateway.DEFAULT_ENDPOINT,
        plaintext=plaintext,
        tls=None if plaintext else tls_options(taken),
        proxy=None if simulator else taken["proxy"],
        wait=0.0 if simulator else _wait(ctx, taken),
        authority=None if simulator else taken["authority"],
        api_key=key,
        key_source=file,
        timeout=timeout,
        call_timeout=call_timeout,
        simulator=simulator,
        contract=load_contract(taken["contract"]),
    )


@asynccontextmanager
async def connected(settings: ConnectionSettings) -> AsyncIterator[GatewayClient]:
    """Connect while the block runs, to the gateway or to a simulated one that is started for it."""
    async with AsyncExitStack() as stack:
        endpoint, options = settings.endpoint, settings.client_options()
        if settings.simulator:
            gateway = await stack.enter_async_context(simulated_gateway(settings.contract))
            endpoint, options = gateway.endpoint, replace(options, api_key=mxgateway.ApiKey(gateway.api_key))
        log_connecting(endpoint, options)
        yield await stack.enter_async_context(mxgateway.GatewayClient.connect(endpoint, options=options))
        _log.debug("closing the connection")


def simulated_gateway(contract: Contract | Literal["auto"] | None) -> SimulatedGateway:
    """Return a simulated gateway that uses a contract; it is not started yet."""
    from mxgateway.simulator import SimulatedGateway

    return SimulatedGateway(contract=contract if contract != "auto" else None)


def load_contract(source: str | None) -> Contract | Literal["auto"] | None:
    """Return the contract that ``--contract`` names.

    Raises:
        click.UsageError: The file does not hold a usable contract.
    """
    if source is None or source == "auto":
        return "auto" if source else None
    from mxgateway.contract import Contract

    try:
        contract = Contract.load(source)
        contract.codec  # noqa: B018 - an incompatible contract fails before anything is sent
    except mxgateway.MxGatewayContractError as error:
        raise click.UsageError(f"The contract {source!r} cannot be used: {error}.") from None
    return contract


def log_connecting(endpoint: str, options: ClientOptions) -> None:
    """Log the endpoint of a connection, TLS, proxy and key."""
    key = f"API key {options.api_key}" if options.api_key is not None else "no API key"
    route = "without TLS" if options.plaintext else "with TLS"
    route += f" through the proxy {options.proxy}" if options.proxy is not None else ""
    _log.debug("connecting to %s %s, %s", endpoint, route, key)


def _wait(ctx: click.Context, taken: Mapping[str, Any]) -> float:
    """Return the seconds to wait for the gateway; a ``--timeout`` of the whole command bounds them."""
    wait: float = taken["wait_for_gateway"] or 0.0
    (timeout,) = [each for each in ctx.command.params if each.name == "timeout"]
    is_of_each_call = isinstance(timeout, ConnectionOption)
    return wait if is_of_each_call else min(wait, taken["timeout"] or wait)


@functools.cache
def _warn(text: str) -> None:
    """Warn once, although every line of a batch has the same options."""
    _log.warning("%s", text)


def key_options(choices: Choices) -> list[str]:
    """Return the options that say where the key is; after `Choices.resolve` at most one."""
    return [name for name in ("api_key", "api_key_file", "api_key_env") if choices.values[name]]


def is_from_environment(choices: Choices) -> bool:
    """Return whether the key is that of `DEFAULT_KEY_VARIABLE`."""
    ranks = [choices.ranks[name] for name in key_options(choices)]
    return DEFAULT_KEY_VARIABLE in os.environ and not any(rank > Rank.ENVIRONMENT for rank in ranks)


def _api_key(choices: Choices) -> tuple[ApiKey | None, KeyFile | None]:
    """Return the key of the option that wins, or that of the environment if it has precedence; and the file it is from."""
    if is_from_environment(choices):
        return key_from_environment(DEFAULT_KEY_VARIABLE), None
    for name in key_options(choices):
        value = choices.values[name]
        if isinstance(value, mxgateway.ApiKey):
            return value, None
        if name == "api_key_file":
            key = key_from_file(value)
            return key, KeyFile(value, key, key_from_file)
        from_profile = choices.ranks[name] is Rank.PROFILE
        return key_from_environment(value, "the profile's api-key-env" if from_profile else "--api-key-env"), None
    return None, None


def key_from_environment(variable: str, option_name: str = "") -> ApiKey:
    """Return the key in an environment variable; `option_name` is the option that named it, for the message.

    Raises:
        click.UsageError: The variable is not set, or does not hold a key.
    """
    if read_variable(variable) is None:
        raise click.UsageError(f"The environment variable {variable!r} named by {option_name} is not set.")
    return _key(mxgateway.Secret(os.environ[variable]), f"The environment variable {variable!r}")


def key_from_file(path: str) -> ApiKey:
    """Return the key in a file. Blocks.

    Raises:
        click.UsageError: It cannot be read, or does not hold a key.
    """
    try:
        text = decoded(read_secret(path, _KEY_FILE_LIMIT))
    except OSError as error:
        raise click.UsageError(f"The API key file {path!r} cannot be read: {refusal_text(error)}.") from None
    if text is None:
        raise click.UsageError(f"The API key file {path!r} is not a text file.")
    return _key(text, f"The API key file {path!r}")


class KeyFile:
    """Returns the key of a file: at first the one that was read already, then what the file holds at that time.

    Two of the same file are equal, so that the lines of a batch share a connection.
    """

    def __init__(self, path: str, first: ApiKey, read: Callable[[str], ApiKey]) -> None:
        self._path = path
        self._first = first
        self._read = read
        self._was_asked = False

    async def __call__(self) -> ApiKey:
        """Return the key."""
        if not self._was_asked:
            self._was_asked = True
            return self._first
        import asyncio  # shells that complete words load this module, and no event loop

        key = await asyncio.to_thread(self._read, self._path)
        hide_from_now_on(key)
        return key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyFile) and other._path == self._path

    def __hash__(self) -> int:
        return hash(self._path)

    def __str__(self) -> str:
        return str(self._first)


def _key(text: Secret, source: str) -> ApiKey:
    try:
        return mxgateway.ApiKey(text.reveal())
    except ValueError as error:
        raise click.UsageError(f"{source} does not hold a usable key: {error}.") from None
