"""The ready file of `simulate`: where a gateway and its control are, and their keys, for who shares this account.

It is written like a file with a secret: whole or not at all, and readable by its owner only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import mxgateway
from mxgateway.system.files import own_file, read_secret, refusal_text
from mxgateway_cli.running.settings import ConnectionSettings
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

_LARGEST: Final = 64 * 1024


@contextmanager
def written(path: str, document: Mapping[str, Any]) -> Iterator[None]:
    """Have a ready file during the block. Blocks at both ends.

    Another gateway may have written the same file meanwhile; then it stays.

    Raises:
        CommandFailure: It cannot be written.
    """
    data = (json.dumps(document, indent=2) + "\n").encode()  # not by `json_text`, which hides the keys
    try:
        with own_file(path) as place:
            place.replace(data)
    except OSError as error:
        text = f"the ready file {path!r} cannot be written: {refusal_text(error)}"
        raise CommandFailure(text, code=ExitCode.USAGE) from None
    try:
        yield
    finally:
        with suppress(OSError), own_file(path) as place:
            if place.read(_LARGEST) == data:
                os.unlink(place.path)


def gateway_settings(path: str) -> ConnectionSettings:
    """Return how to connect to the gateway of a ready file. Blocks.

    Raises:
        FileNotFoundError: There is none.
        CommandFailure: It cannot be read, or is no ready file.
        MxGatewayInvalidRequestError: What it says cannot be used.
    """
    document = read(path)
    authority = document.get("caFile")
    return ConnectionSettings(
        endpoint=document["endpoint"],
        plaintext=authority is None,
        tls=None if authority is None else mxgateway.TlsOptions(ca_file=authority),
        api_key=mxgateway.ApiKey(document["apiKey"]),
    )


def read(path: str) -> dict[str, Any]:
    """Return what a ready file says. Blocks.

    Raises:
        FileNotFoundError: There is none: the gateway is not ready yet, or has ended.
        CommandFailure: It cannot be read, or is no ready file.
    """
    try:
        document = json.loads(read_secret(path, _LARGEST))
    except FileNotFoundError:
        raise
    except OSError as error:
        text = f"the ready file {path!r} cannot be read: {refusal_text(error)}"
        raise CommandFailure(text, code=ExitCode.USAGE) from None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("operation") != "simulate":
        raise CommandFailure(f"{path!r} is no ready file of mxgw-py simulate", code=ExitCode.USAGE)
    return document
