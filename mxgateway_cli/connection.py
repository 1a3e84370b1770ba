"""From connection options to a connected client.

A flag wins over the environment, the environment over the default; options that contradict each other are refused instead
of being ranked.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

import mxgateway
from mxgateway_cli.tls import TLS_OPTIONS, tls_options

if TYPE_CHECKING:
    from mxgateway import ApiKey, ClientOptions, GatewayClient, HttpProxy, Secret, TlsOptions

_log = logging.getLogger("mxgateway.cli")

DEFAULT_KEY_VARIABLE: Final = "MXGATEWAY_API_KEY"
_KEY_FILE_LIMIT: Final = 64 * 1024
_SERVER_OPTIONS: Final = ("endpoint", "api_key", "api_key_file", "api_key_env", "proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """Which gateway a command talks to, and how."""

    endpoint: str
    plaintext: bool
    tls: TlsOptions | None
    proxy: HttpProxy | None
    api_key: ApiKey | None
    timeout: float | None
    """Seconds; None takes the library's defaults."""
    simulator: bool

    @classmethod
    def take(cls, ctx: click.Context, params: dict[str, Any]) -> ConnectionSettings:
        """Take the connection options out of a command's parameters.

        Raises:
            click.UsageError: Options contradict each other, or no key is where one was announced.
        """
        taken = {
            name: params.pop(name) for name in (*_SERVER_OPTIONS, *TLS_OPTIONS, "plaintext", "simulator", "timeout")
        }
        given = frozenset(
            name for name in taken if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE and taken[name]
        )
        if taken["simulator"]:
            _refuse_beside(
                "simulator", given & {*_SERVER_OPTIONS, *TLS_OPTIONS}, "the simulated gateway brings its own"
            )
            return cls(
                endpoint="", plaintext=True, tls=None, proxy=None, api_key=None, timeout=taken["timeout"], simulator=True
            )  # fmt: skip
        if taken["plaintext"]:
            _refuse_beside("plaintext", given & set(TLS_OPTIONS), "it turns TLS off")
        endpoint = taken["endpoint"] or mxgateway.DEFAULT_ENDPOINT
        _check_scheme(endpoint, plaintext=taken["plaintext"])
        return cls(
            endpoint=endpoint,
            plaintext=taken["plaintext"],
            tls=None if taken["plaintext"] else tls_options(taken, given),
            proxy=taken["proxy"],
            api_key=_api_key(taken, given),
            timeout=taken["timeout"],
            simulator=False,
        )

    @property
    def secrets(self) -> list[Secret]:
        """What nothing that is written may show."""
        found = [
            self.api_key,
            self.proxy.credentials if self.proxy is not None else None,
            self.tls.key_password if self.tls is not None else None,
        ]
        return [secret for secret in found if secret is not None]

    def client_options(self) -> ClientOptions:
        """Return what the library is connected with."""
        options = mxgateway.ClientOptions(
            api_key=self.api_key, plaintext=self.plaintext, tls=self.tls, proxy=self.proxy
        )  # fmt: skip
        if self.timeout is None:
            return options
        connect_timeout = min(options.connect_timeout, self.timeout)
        return replace(options, connect_timeout=connect_timeout, call_timeout=self.timeout)


@asynccontextmanager
async def connected(settings: ConnectionSettings) -> AsyncIterator[GatewayClient]:
    """Connect for the time of the block, to the gateway or to a simulated one that is started for it."""
    async with AsyncExitStack() as stack:
        endpoint, options = settings.endpoint, settings.client_options()
        if settings.simulator:
            from mxgateway.simulator import SimulatedGateway

            gateway = await stack.enter_async_context(SimulatedGateway())
            endpoint, options = gateway.endpoint, replace(options, api_key=gateway.api_key)
        key = f"API key {options.api_key}" if options.api_key is not None else "no API key"
        way = "without TLS" if options.plaintext else "with TLS"
        way += f" through the proxy {options.proxy}" if options.proxy is not None else ""
        _log.debug("connecting to %s %s, %s", endpoint, way, key)
        yield await stack.enter_async_context(mxgateway.GatewayClient.connect(endpoint, options=options))
        _log.debug("closing the connection")


def _refuse_beside(name: str, others: frozenset[str] | set[str], why: str) -> None:
    if others:
        listed = ", ".join(_flag(other) for other in sorted(others))
        raise click.UsageError(f"{_flag(name)} and {listed} contradict each other: {why}.")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _check_scheme(endpoint: str, *, plaintext: bool) -> None:
    scheme = endpoint.strip().lower().partition("://")[0] if "://" in endpoint else ""
    if scheme == "http" and not plaintext:
        raise click.UsageError(f"The endpoint {endpoint!r} asks for no TLS, which needs --plaintext as well.")
    if scheme == "https" and plaintext:
        raise click.UsageError(f"The endpoint {endpoint!r} asks for TLS, but --plaintext is given.")


def _api_key(taken: Mapping[str, Any], given: frozenset[str]) -> ApiKey | None:
    sources = sorted(given & {"api_key", "api_key_file", "api_key_env"})
    if len(sources) > 1:
        _refuse_beside(sources[0], set(sources[1:]), "one key is sent")
    if taken["api_key"] is not None:
        key: ApiKey = taken["api_key"]
        return key
    if taken["api_key_file"]:
        return _key_from_file(taken["api_key_file"])
    if taken["api_key_env"]:
        return key_from_environment(taken["api_key_env"], "--api-key-env")
    return key_from_environment(DEFAULT_KEY_VARIABLE) if os.environ.get(DEFAULT_KEY_VARIABLE, "").strip() else None


def key_from_environment(variable: str, option_name: str = "") -> ApiKey:
    """Return the key in an environment variable.

    Args:
        variable: Its name.
        option_name: The option that named it, for the message.

    Raises:
        click.UsageError: It is not set, or holds no key.
    """
    text = os.environ.get(variable, "")
    if not text.strip():
        raise click.UsageError(f"The environment variable {variable!r} of {option_name} is not set.")
    return _key(text, f"The environment variable {variable!r}")


def _key_from_file(path: str) -> ApiKey:
    try:
        with open(path, "rb") as file:
            text = file.read(_KEY_FILE_LIMIT).decode("utf-8-sig")
    except OSError as error:
        raise click.UsageError(f"The API key file {path!r} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"The API key file {path!r} is no text file.") from None
    return _key(text, f"The API key file {path!r}")


def _key(text: str, place: str) -> ApiKey:
    try:
        return mxgateway.ApiKey(text)
    except ValueError as error:
        raise click.UsageError(f"{place} holds no usable key: {error}.") from None
