"""A certificate that is made for one run of a simulated gateway, as files that go with it."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from mxgateway_cli.terminal.failures import CommandFailure

MADE: Final = "self"
"""The word for a certificate that is made at the start."""


@dataclass(frozen=True, slots=True)
class MadeFiles:
    """The files of a certificate."""

    authority: str
    """The authority's certificate, for clients."""
    served: str
    """The gateway's certificate and its private key."""


@contextmanager
def made_files(host: str) -> Iterator[MadeFiles]:
    """Have a certificate for a gateway during the block, in a folder that only its owner may enter. Blocks.

    Args:
        host: The address on which the gateway listens.

    Raises:
        CommandFailure: It cannot be made.
    """
    from mxgateway.simulator import make_certificate

    try:
        made = make_certificate(_names(host))
        folder = tempfile.mkdtemp(prefix="mxgw-simulate-")
    except (OSError, ValueError) as error:
        raise CommandFailure(f"no certificate can be made: {error}", hint="use --certificate FILE") from None
    try:
        files = MadeFiles(os.path.join(folder, "ca.pem"), os.path.join(folder, "gateway.pem"))
        for path, text in ((files.authority, made.authority), (files.served, made.certificate + made.private_key)):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(text)
        yield files
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _names(host: str) -> list[str]:
    """Return the names of the gateway: its address, or this machine's name if it listens on every address."""
    try:
        is_any = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return [host]
    name = socket.gethostname()
    return [host] if not is_any else [name] if name.isascii() and name else []
