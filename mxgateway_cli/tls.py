"""From the TLS options of a command line to those of the library, with a file that keeps first certificates by default."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway

if TYPE_CHECKING:
    from mxgateway import TlsOptions

_log = logging.getLogger("mxgateway.cli")

TLS_OPTIONS: Final = (
    "tls", "ca_file", "require_certificate_validation", "server_name_override", "pin", "known_hosts", "client_cert", "client_key",
)  # fmt: skip
KEY_PASSWORD_VARIABLE: Final = "MXGATEWAY_CLIENT_KEY_PASSWORD"  # noqa: S105 - the name of a variable
_VERIFYING: Final = ("ca_file", "require_certificate_validation", "pin")
_COPIED: Final = (
    "ca_file",
    "require_certificate_validation",
    "server_name_override",
    "pin",
    "client_cert",
    "client_key",
)


def tls_options(taken: Mapping[str, Any], given: Collection[str]) -> TlsOptions:
    """Return what the library is to be asked for.

    Args:
        taken: The options' values, by name.
        given: Those that stood on the command line; they win over the environment.

    Raises:
        click.UsageError: Options contradict each other.
    """
    fields = {name: taken[name] for name in _COPIED if taken[name]}
    if "client_key" in fields and "client_cert" not in fields:
        raise click.UsageError("--client-key means nothing without --client-cert.")
    if "client_cert" in fields and (password := os.environ.get(KEY_PASSWORD_VARIABLE)):
        fields["client_key_password"] = mxgateway.Secret(password)
    verifying, known_hosts = _rank([name for name in _VERIFYING if name in fields], taken["known_hosts"], given)
    if known_hosts is None and not verifying:
        known_hosts = _default_known_hosts()
    if known_hosts is not None and os.path.normcase(known_hosts) != os.path.normcase(os.devnull):
        fields["known_gateways"] = known_hosts
    for name in set(_VERIFYING) - set(verifying):
        fields.pop(name, None)
    return mxgateway.TlsOptions(**fields)


def _rank(verifying: list[str], known_hosts: str | None, given: Collection[str]) -> tuple[list[str], str | None]:
    """Return what is left of the options that verify and of the file: of two that exclude each other the flag wins."""
    if not verifying or known_hosts is None:
        return verifying, known_hosts
    flags = [name for name in verifying if name in given]
    if "known_hosts" in given and not flags:
        return [], known_hosts
    if flags and "known_hosts" not in given:
        return verifying, None
    name = (flags or verifying)[0].replace("_", "-")
    raise click.UsageError(
        f"--known-hosts and --{name} contradict each other: the file is for certificates that nothing else vouches for."
    )


def default_file() -> str | None:
    """Return where first certificates are kept when nothing else is said; None when there is no home directory."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    else:
        base = os.environ.get("XDG_STATE_HOME", "")
        if not os.path.isabs(base):  # the specification has a relative one ignored
            base = os.path.expanduser("~/.local/state")
    return os.path.join(base, "mxgateway", "known_gateways") if os.path.isabs(base) else None


def _default_known_hosts() -> str | None:
    file = default_file()
    if file is not None and _can_be_kept(file):
        return file
    _log.warning(
        "no file can be made at %s: the gateway's certificate is trusted unseen, for this command alone; --pin, --ca-file or --known-hosts help",
        file or "the home directory, which is unknown",
    )  # fmt: skip
    return None


def _can_be_kept(file: str) -> bool:
    if os.path.exists(file):
        return True  # whether it can be read and written will show
    place = os.path.dirname(file)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    return os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)
