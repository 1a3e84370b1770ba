"""What the project does with each of its own files and with secrets."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Callable
from pathlib import Path

from mxgateway import TlsOptions
from mxgateway.system.file_lock import locked
from mxgateway.system.files import export, read_secret
from mxgateway.transport.connecting.known_gateways import KnownGateways
from mxgateway.transport.connecting.tls import client_context
from mxgateway.transport.connecting.trust import PinnedTrust
from mxgateway_cli.main import run

FINGERPRINT = ":".join(["AB"] * 32)
GATEWAY = "gw.plant:5001"
NOWHERE = ("--plaintext", "--endpoint", "127.0.0.1:1", "--timeout", "5")
"""Where nobody listens: what is sent all the same fails with another code."""


def command(*arguments: str, **variables: str) -> str:
    """Run a command line; return its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    for name in [name for name in os.environ if name.startswith("MXGATEWAY_")]:
        del os.environ[name]
    os.environ.update(variables)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    return f"{code}\n{out.getvalue()}\n{err.getvalue()}"


def reads_known_gateways(file: Path) -> str:
    return str([known.fingerprint for known in KnownGateways(file).read(GATEWAY)])


def adds_known_gateway(file: Path) -> str:
    logging.disable()
    return str([known.fingerprint for known in KnownGateways(file).add("new:1", FINGERPRINT)])


def takes_lock(file: Path) -> str:
    with locked(file):
        return "locked"


def reads_profile(file: Path) -> str:
    return command("profile", "list", MXGATEWAY_CONFIG=str(file))


def uses_profile(file: Path) -> str:
    return command("ping", "--profile", "plant", *NOWHERE, MXGATEWAY_CONFIG=str(file))


def writes_profile(file: Path) -> str:
    return command("profile", "set", "new", "--plaintext", MXGATEWAY_CONFIG=str(file))


def reads_secret(file: Path) -> str:
    return read_secret(file, 1000).decode()


def uses_api_key(file: Path) -> str:
    return command("ping", "--api-key-file", str(file), *NOWHERE)


def uses_password(file: Path) -> str:
    return command("authenticate-user", "--user", "op", "--password-file", str(file), *NOWHERE)


def loads_client_key(file: Path) -> str:
    return str(client_context(TlsOptions(client_cert=file), PinnedTrust(())))


def exports(file: Path) -> str:
    export(file, b"exported")
    return "exported"


OWN_FILES: dict[str, Callable[[Path], str]] = {
    each.__name__: each
    for each in (reads_known_gateways, adds_known_gateway, takes_lock, reads_profile, uses_profile, writes_profile)
}
SECRETS: dict[str, Callable[[Path], str]] = {
    each.__name__: each for each in (reads_secret, uses_api_key, uses_password, loads_client_key)
}
