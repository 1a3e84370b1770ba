"""From the TLS options of a command line to those of the library, with a file that keeps first certificates by default."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.connecting.precedence import VERIFYING, blank_variable, is_blank

if TYPE_CHECKING:
    from mxgateway import TlsOptions

_log = logging.getLogger("mxgateway.cli")

KEY_PASSWORD_VARIABLE: Final = "MXGATEWAY_CLIENT_KEY_PASSWORD"  # noqa: S105 - the name of a variable
_COPIED: Final = (
    "ca_file",
    "require_certificate_validation",
    "server_name_override",
    "pin",
    "client_cert",
    "client_key",
)


def tls_options(taken: Mapping[str, Any]) -> TlsOptions:
    """Return what the library is to be asked for.

    Args:
        taken: The options' values, by name; none excludes another.

    Raises:
        click.UsageError: A key is named without its certificate, or its password is empty.
    """
    fields = {name: taken[name] for name in _COPIED if taken[name]}
    if "client_key" in fields and "client_cert" not in fields:
        raise click.UsageError("--client-key means nothing without --client-cert.")
    if "client_cert" in fields and KEY_PASSWORD_VARIABLE in os.environ:
        if is_blank(KEY_PASSWORD_VARIABLE):
            raise blank_variable(KEY_PASSWORD_VARIABLE)
        fields["client_key_password"] = mxgateway.Secret(os.environ[KEY_PASSWORD_VARIABLE])
    if not any(name in fields for name in VERIFYING):
        fields["known_gateways"] = _known_gateways(taken["known_hosts"])
    return mxgateway.TlsOptions(**fields)


def default_file() -> str | None:
    """Return where first certificates are kept when nothing else is said; None when there is no home directory."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    else:
        base = os.environ.get("XDG_STATE_HOME", "")
        if not os.path.isabs(base):  # the specification has a relative one ignored
            base = os.path.expanduser("~/.local/state")
    return os.path.join(base, "mxgateway", "known_gateways") if os.path.isabs(base) else None


def _known_gateways(named: str | None) -> str | None:
    """Return the file in which first certificates are kept; None, which is told, when there is none."""
    if named is not None:
        if os.path.normcase(named) != os.path.normcase(os.devnull):
            return named
        _warn_of_trust_unseen(f"{named} keeps nothing")
        return None
    file = default_file()
    if file is not None and _can_be_kept(file):
        return file
    _warn_of_trust_unseen(f"no file can be made at {file or 'the home directory, which is unknown'}")
    return None


@functools.cache
def _warn_of_trust_unseen(why: str) -> None:
    """Say once what counts for every line of a batch."""
    _log.warning(
        "%s: the gateway's certificate is trusted unseen, for this command alone; --pin, --ca-file or --known-hosts help",
        why,
    )


def _can_be_kept(file: str) -> bool:
    if os.path.exists(file):
        return True  # whether it can be read and written will show
    place = os.path.dirname(file)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    return os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)
