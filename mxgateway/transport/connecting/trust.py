"""The check of a certificate in addition to OpenSSL's: a pin, or the first certificate seen."""

from __future__ import annotations

import functools
import hashlib
from abc import ABC, abstractmethod

from mxgateway.errors.faults import PinFault
from mxgateway.errors.logs import logger
from mxgateway.options import Endpoint, TlsOptions
from mxgateway.system import daemon_threads as threads
from mxgateway.transport.connecting.known_gateways import KnownGateway, KnownGateways, gateway_name

log = logger("mxgateway.transport.tls")


class Trust(ABC):
    """An additional check of one gateway's certificate; by default nothing is read before it or kept after it."""

    async def prepare(self) -> None:
        """Read what the check needs; called before the handshake.

        Raises:
            CertificateFileFault: A file cannot be used.
        """
        return

    @abstractmethod
    def check(self, certificate: bytes) -> None:
        """Check a certificate (DER); called within the handshake, so it is fast and synchronous.

        Raises:
            PinFault: It is not the trusted one.
        """

    async def keep(self, certificate: bytes) -> None:
        """Store a new certificate; called before anything is sent.

        Raises:
            CertificateFileFault: The file cannot be used.
            PinFault: Another process stored another certificate at the same time.
        """
        return

    def greeted(self, certificate: bytes) -> None:
        """Trust the certificate of a gateway that has answered the HTTP/2 greeting.

        Raises:
            PinFault: Another address of the gateway was first, with another certificate.
        """
        return


class PinnedTrust(Trust):
    """Trusts the certificates with given fingerprints; without a pin, the check is left to OpenSSL.

    Args:
        pins: SHA-256 fingerprints.
    """

    def __init__(self, pins: tuple[str, ...]) -> None:
        self._pins = pins

    def check(self, certificate: bytes) -> None:
        """Compare `certificate` with the pins."""
        presented = fingerprint(certificate)
        if self._pins and presented not in self._pins:
            raise PinFault(" or ".join(self._pins), presented, "change the pin")


class TrustOnFirstUse(Trust):
    """Trusts the first certificate that a gateway presents, and no other after that.

    Without a file, it is remembered as long as this object lives. With a file, the file decides at each handshake:
    after a line was removed, even a running client trusts the next certificate.

    Args:
        gateway: The gateway's name in the file.
        file: Where first certificates are kept.
    """

    def __init__(self, gateway: str = "", file: KnownGateways | None = None) -> None:
        self._gateway = gateway
        self._file = file
        self._known: tuple[KnownGateway, ...] = ()
        self._pinned: str | None = None

    async def prepare(self) -> None:
        """Read the lines of the gateway."""
        if self._file is not None:
            self._known = await threads.run(functools.partial(self._file.read, self._gateway))

    def check(self, certificate: bytes) -> None:
        """Compare `certificate` with the known ones, if there are any."""
        presented = fingerprint(certificate)
        if self._known:
            self._compare(presented)
        elif self._pinned is not None and presented != self._pinned:
            raise PinFault(self._pinned, presented, "create a new client")

    async def keep(self, certificate: bytes) -> None:
        """Write the first certificate to the file, unless another process wrote a line meanwhile, which then counts."""
        if self._file is not None and not self._known:
            presented = fingerprint(certificate)
            self._known = await threads.run(functools.partial(self._file.add, self._gateway, presented))
            self._compare(presented)

    def greeted(self, certificate: bytes) -> None:
        """Without a file, remember the first certificate: of several addresses, that of the first one that greets."""
        self.check(certificate)
        if self._file is None and self._pinned is None:
            self._pinned = fingerprint(certificate)
            log.info("%s is trusted: its certificate is the first one seen (SHA-256 %s)", self._gateway, self._pinned)

    def _compare(self, presented: str) -> None:
        if any(known.fingerprint == presented for known in self._known):
            return
        lines = " and ".join(str(known.line) for known in self._known)
        raise PinFault(
            " or ".join(known.fingerprint for known in self._known),
            presented,
            f"remove line {lines} of {self._file.file if self._file else 'the file'}",
        )


def trust_in(endpoint: Endpoint, options: TlsOptions) -> Trust:
    """Return the check that the options request."""
    if options.pins or verifies(options):
        return PinnedTrust(options.pins)
    file = KnownGateways(options.known_gateways) if options.known_gateways is not None else None
    return TrustOnFirstUse(gateway_name(endpoint), file)


def verifies(options: TlsOptions) -> bool:
    """Return whether OpenSSL verifies chain and host name."""
    return options.ca_file is not None or options.require_certificate_validation


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a DER certificate as upper-case hex pairs joined by colons."""
    return hashlib.sha256(certificate).digest().hex(":").upper()
