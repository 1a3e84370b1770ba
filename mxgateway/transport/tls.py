"""TLS: whom to trust, decided inside the handshake.

The judgement happens in `do_handshake` itself: a certificate that is refused ends the handshake before our side has finished it, so nothing, the API key least of all, is
sent to a peer that is not trusted, and no second connection is needed to look at the certificate first.
"""

from __future__ import annotations

import os
import ssl

from mxgateway.faults import CertificateFileFault, PinFault
from mxgateway.options import TlsOptions

ALPN_PROTOCOL = "h2"


class TrustOnFirstUse:
    """Pins the first certificate that a gateway presents, for as long as this object lives."""

    def __init__(self) -> None:
        self.pinned: str | None = None

    def check(self, certificate: bytes) -> None:
        """Pin `certificate` (DER), or compare it with the pinned one.

        Raises:
            PinFault: It is another one.
        """
        presented = fingerprint(certificate)
        if self.pinned is None:
            self.pinned = presented
        elif presented != self.pinned:
            raise PinFault(expected=self.pinned, presented=presented)


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a DER certificate as upper-case hex pairs joined by colons."""
    import hashlib

    return hashlib.sha256(certificate).digest().hex(":").upper()


class GatewaySslContext(ssl.SSLContext):
    """A client context that may carry a judgement of its own on the peer's certificate."""

    trust: TrustOnFirstUse | None = None


class _JudgingSslObject(ssl.SSLObject):
    def do_handshake(self) -> None:
        super().do_handshake()
        trust = self.context.trust if isinstance(self.context, GatewaySslContext) else None
        if trust is not None:
            trust.check(self.getpeercert(binary_form=True) or b"")


def client_context(options: TlsOptions | None, trust: TrustOnFirstUse) -> ssl.SSLContext:
    """Return the context for one client. Reads files; not for the event loop's thread.

    Args:
        options: How the certificate is judged; None means trust on first use.
        trust: Where the first certificate is pinned, when neither a CA file nor validation is asked for.

    Raises:
        CertificateFileFault: The CA file cannot be read, or holds no certificate.
    """
    options = options or TlsOptions()
    context = GatewaySslContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN_PROTOCOL])
    context.sslobject_class = _JudgingSslObject
    if options.ca_file is not None:
        _load_authorities(context, os.fspath(options.ca_file))
    elif options.require_certificate_validation:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.trust = trust
    return context


def _load_authorities(context: ssl.SSLContext, file: str) -> None:
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise CertificateFileFault(f"the CA file {file} holds no PEM certificate") from None
    except OSError as error:
        raise CertificateFileFault(f"the CA file {file} cannot be read: {error.strerror}") from None
