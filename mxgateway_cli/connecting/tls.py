"""Turns the TLS options of a command line into the library's; by default a file keeps first certificates."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.connecting.environment import read_variable, user_path
from mxgateway_cli.connecting.precedence import VERIFYING

if TYPE_CHECKING:
    from mxgateway import TlsOptions

_log = logging.getLogger("mxgateway.cli")

KEY_PASSWORD_VARIABLE: Final = "MXGATEWAY_CLIENT_KEY_PASSWORD"  # noqa: S105 - the name of a variable
_COPIED: Final = (
    "ca_file", "require_certificate_validation", "server_name_override", "pin", "client_cert", "client_key",
)  # fmt: skip


def tls_options(taken: Mapping[str, Any]) -> TlsOptions:
    """Return the library's TLS options, from the options' values by name; none excludes another.

    Raises:
        click.UsageError: A key is named without its certificate, or its password is empty.
    """
    fields = {name: taken[name] for name in _COPIED if taken[name]}
    if "client_key" in fields and "client_cert" not in fields:
        raise click.UsageError("--client-key requires --client-cert.")
    if "client_cert" in fields and read_variable(KEY_PASSWORD_VARIABLE) is not None:
        fields["client_key_password"] = mxgateway.Secret(os.environ[KEY_PASSWORD_VARIABLE])
    if not any(name in fields for name in VERIFYING):
        fields["known_gateways"] = _known_gateways(taken["known_hosts"])
    return mxgateway.TlsOptions(**fields)


def default_file() -> str | None:
    """Return the default file for first certificates; None if there is no home directory."""
    return user_path("state", "known_gateways")


def _known_gateways(named: str | None) -> str | None:
    """Return the file for first certificates; None, with a warning, if there is none."""
    if named is not None:
        if os.path.normcase(named) != os.path.normcase(os.devnull):
            return named
        _warn_unverified(f"{named} keeps nothing")
        return None
    file = default_file()
    if file is not None and _can_be_created(file):
        return file
    _warn_unverified(f"cannot create {file}" if file is not None else "no home directory to keep certificates in")
    return None


@functools.cache
def _warn_unverified(why: str) -> None:
    """Warn once, although every line of a batch has the same options."""
    _log.warning(
        "%s: the gateway's certificate is trusted without verification, for this command only; "
        "use --pin, --ca-file or --known-hosts",
        why,
    )


def _can_be_created(file: str) -> bool:
    if os.path.exists(file):
        return True  # opening it will show whether it is readable and writable
    directory = os.path.dirname(file)
    while not os.path.exists(directory):
        directory = os.path.dirname(directory)
    return os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK)
