"""Turns a hint of the library into one for the command line: its options by their flags, and the command to type next."""

from __future__ import annotations

import re
from typing import Final

import mxgateway

_FLAGS: Final = (
    (re.compile(r"pass api_key=; on the command line set "), "set "),
    (re.compile(r"pass plaintext=True \(--plaintext\)"), "repeat the command with --plaintext"),
    (re.compile(r"\b(pass )?client_cert and client_key\b"), "use --client-cert and --client-key"),
    (re.compile(r"\(client_cert, client_key\)"), "(--client-cert, --client-key)"),
    (re.compile(r"\(client_key_password\)"), "(MXGATEWAY_CLIENT_KEY_PASSWORD)"),
    (re.compile(r"\(server_name_override\)"), "(--server-name-override)"),
    (re.compile(r"\bset authority or server_name_override\b"), "use --authority or --server-name-override"),
    (
        re.compile(r"pass the CA file that signed it, or its fingerprint as a pin"),
        "use --ca-file with the CA that signed it, or --pin with its fingerprint",
    ),
)
"""What the library names by its Python API, and how a command line says it."""
_DIALLING: Final = ("resolve", "connect", "proxy", "tls", "http2")
CHECK: Final = "to check each step: mxgw-py doctor"
WAIT: Final = "to wait until it is up, add --wait-for-gateway 60"
WHERE_FROM: Final = "to see where the key comes from: mxgw-py config"


def hint_of(error: mxgateway.MxGatewayError) -> str:
    """Return the hint of an error in the words of the command line."""
    hint = error.hint
    for pattern, words in _FLAGS:
        hint = pattern.sub(words, hint)
    return hint


def with_next_command(error: mxgateway.MxGatewayError) -> str:
    """Return the hint of an error, and the command to type next if one helps."""
    return "; ".join(filter(None, (hint_of(error), *next_commands(error))))


def next_commands(error: mxgateway.MxGatewayError) -> tuple[str, ...]:
    """Return what to type next after an error, if anything helps."""
    if isinstance(error, mxgateway.MxGatewayAuthenticationError):
        return (WHERE_FROM,)
    if isinstance(error, mxgateway.MxGatewayAuthorizationError | mxgateway.MxGatewayWorkerError):
        return (CHECK,)
    if error.phase not in _DIALLING:
        return ()
    waits = error.retryable or isinstance(error, mxgateway.MxGatewayTimeoutError)
    return (WAIT, CHECK) if waits and error.phase == "connect" else (CHECK,)
