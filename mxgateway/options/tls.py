"""How the gateway's certificate is verified, and which client certificate is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mxgateway.options.checks import check_file, check_switch, refuse_unusable, refused
from mxgateway.options.credentials import Secret
from mxgateway.options.hosts import is_server_name
from mxgateway.options.secret_fields import hide_arguments

_FINGERPRINT: Final = re.compile(r"(?i)(?:sha-?256(?:\s+fingerprint)?\s*[:=])?\s*+([0-9a-f:\s]*+)")


@hide_arguments
@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """How the gateway's certificate is verified, and which client certificate is sent.

    With nothing set, the certificate of the first handshake is trusted and pinned for the life of the client (plants
    often have no PKI, and the gateway can serve a self-signed certificate).
    """

    ca_file: str | os.PathLike[str] | None = None
    """PEM file of the trusted CAs; the certificate is then fully verified, host name included."""
    require_certificate_validation: bool = False
    """Verify against the system's roots instead of trusting the first certificate seen."""
    server_name_override: str | None = None
    """The server name to send (in SNI and in ``:authority``) and to verify, if it differs from the endpoint's host."""
    pin: str | Sequence[str] | None = None
    """SHA-256 fingerprint of the certificate, as hex with or without colons; of several, one must match (a rollover).

    Without `ca_file` and `require_certificate_validation` only the pin is checked; with them, both must hold.
    """
    known_gateways: str | os.PathLike[str] | None = None
    """File that keeps the first certificate of each gateway, so that other processes and later starts refuse any other.

    None keeps it in memory, for the life of the client. The file is created when the first gateway is trusted.
    """
    client_cert: str | os.PathLike[str] | None = None
    """PEM file of the client certificate (and its chain), sent if the gateway asks for one."""
    client_key: str | os.PathLike[str] | None = None
    """PEM file of the key for `client_cert`; None if that file contains it. Only its owner or root may write it."""
    client_key_password: Secret | str | None = field(default=None, repr=False)
    """The password of an encrypted `client_key`."""

    def __post_init__(self) -> None:
        name = self.server_name_override
        if name is not None and not (isinstance(name, str) and is_server_name(name)):
            raise refused(f"server_name_override is {name!r}", "give a host name or an address, without a port")
        check_switch("require_certificate_validation", self.require_certificate_validation)
        for option in ("ca_file", "known_gateways", "client_cert", "client_key"):
            check_file(option, getattr(self, option))
        if self.pin is not None:
            object.__setattr__(self, "pin", _pins(self.pin))
        refuse_unusable(self.client_key_password)
        self._check_combination()

    def _check_combination(self) -> None:
        if self.known_gateways is not None:
            for option in ("ca_file", "require_certificate_validation", "pin"):
                if getattr(self, option):
                    raise refused(
                        f"known_gateways and {option} contradict each other",
                        "drop one of the two: the file is for certificates that nothing else verifies",
                    )
        for option in ("client_key", "client_key_password"):
            if getattr(self, option) is not None and self.client_cert is None:
                raise refused(f"{option} is given without client_cert", "name the certificate as well")
        if self.key_password is not None and not self.key_password.reveal():
            raise refused("client_key_password is empty", "give the password, or leave the option out")

    @property
    def pins(self) -> tuple[str, ...]:
        """The pins as upper-case hex pairs joined by colons; empty if there are none."""
        return self.pin if isinstance(self.pin, tuple) else ()

    @property
    def key_password(self) -> Secret | None:
        """The key's password as a `Secret`."""
        return self.client_key_password if isinstance(self.client_key_password, Secret) else None


def read_fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint as upper-case hex pairs joined by colons.

    Args:
        text: Hex digits in either case, with or without colons, optionally after ``SHA256:`` or OpenSSL's prefix.

    Raises:
        ValueError: It is not a fingerprint; the error's text says why.
    """
    match = _FINGERPRINT.fullmatch(text.strip())
    if match is None:
        raise ValueError("it contains something other than hex digits")
    digits = re.sub(r"[:\s]", "", match[1]).upper()
    if len(digits) != 64:
        raise ValueError(f"it has {len(digits)} hex digits, a SHA-256 fingerprint has 64")
    return ":".join(digits[i : i + 2] for i in range(0, 64, 2))


def _pins(given: object) -> tuple[str, ...]:
    """Return the pins in one form.

    Anything else is refused: ignoring it would skip a check that the caller asked for.
    """
    pins = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    if not pins:
        raise refused("pin is an empty list", "give one fingerprint or more, or None for trust on first use")
    return tuple(dict.fromkeys(_pin(pin) for pin in pins))


def _pin(text: object) -> str:
    try:
        return read_fingerprint(text if isinstance(text, str) else "")
    except ValueError as error:
        defect = str(error)
    raise refused(
        f"the pin {text!r} is not a SHA-256 fingerprint: {defect}",
        "give 64 hex digits, as 'openssl x509 -noout -fingerprint -sha256 -in FILE' shows them",
    )
