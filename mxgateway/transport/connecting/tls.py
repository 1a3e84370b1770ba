"""TLS: contexts whose handshake also checks the client's own trust (a pin, or the first certificate seen).

The check happens in `do_handshake` itself: a refused certificate ends the handshake before our side finishes it. So
nothing, the API key least of all, is sent to an untrusted peer, and no second connection is needed to look at the
certificate first.
"""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, cast

from mxgateway.errors.faults import CertificateFileFault, NotHttp2Fault
from mxgateway.errors.texts import os_text
from mxgateway.options import Endpoint, TlsOptions
from mxgateway.options.credentials import Secret
from mxgateway.system import daemon_threads as threads
from mxgateway.system.files import FileRefusal, bounded, checked_path, opened_input, path_of
from mxgateway.transport.connecting.trust import Trust, trust_in, verifies

ALPN_PROTOCOL: Final = "h2"
_MAX_PEM_SIZE: Final = 16 * 1024 * 1024
"""The maximum size of a PEM file in bytes; all CAs of a system take less than a MiB."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a TLS handshake with one gateway needs."""

    context: ssl.SSLContext
    server_name: str
    trust: Trust

    def checked(self, transport: asyncio.BaseTransport) -> bytes:
        """Check that the handshake on `transport` selected HTTP/2, and return the gateway's certificate (DER).

        Raises:
            NotHttp2Fault: It did not.
        """
        secured = transport.get_extra_info("ssl_object")
        chosen = secured.selected_alpn_protocol()
        if chosen != ALPN_PROTOCOL:
            raise NotHttp2Fault(f"its TLS offers {chosen or 'no protocol'} instead of HTTP/2 (ALPN)")
        return cast(bytes, secured.getpeercert(binary_form=True))

    def version(self, transport: asyncio.BaseTransport) -> str:
        """Return the version of TLS that the handshake on `transport` agreed on, such as ``TLSv1.3``."""
        return transport.get_extra_info("ssl_object").version() or ""


class GatewayTls:
    """TLS with one gateway. A certificate trusted on first use stays pinned as long as this object lives."""

    def __init__(self, endpoint: Endpoint, server_name: str, options: TlsOptions) -> None:
        self._server_name = server_name
        self._trust = trust_in(endpoint, options)
        self._options = options
        self._handshake: Handshake | None = None

    async def prepare(self) -> Handshake:
        """Read the files that the next handshake needs.

        Raises:
            CertificateFileFault: A file cannot be used.
        """
        if self._handshake is None:
            context = await threads.run(functools.partial(client_context, self._options, self._trust))
            self._handshake = Handshake(context, self._server_name, self._trust)
        await self._trust.prepare()
        return self._handshake


class GatewaySslContext(ssl.SSLContext):
    """A client context with an additional check of the peer's certificate."""

    trust: Trust


class _CheckingSslObject(ssl.SSLObject):
    def do_handshake(self) -> None:
        super().do_handshake()
        certificate = self.getpeercert(binary_form=True)
        if certificate is None:
            raise ssl.SSLError(1, "the gateway presented no certificate")
        cast(GatewaySslContext, self.context).trust.check(certificate)


def client_context(options: TlsOptions, trust: Trust) -> ssl.SSLContext:
    """Return the context for one client. Reads files: never call it on the event loop.

    Args:
        options: What OpenSSL verifies, and the client certificate.
        trust: The additional check.

    Raises:
        CertificateFileFault: A file cannot be read, or has the wrong content.
    """
    context = GatewaySslContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN_PROTOCOL])
    context.sslobject_class = _CheckingSslObject
    context.trust = trust
    if options.ca_file is not None:
        _load_authorities(context, os.fspath(options.ca_file))
    elif verifies(options):
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.client_cert is not None:
        _load_client_certificate(context, os.fspath(options.client_cert), options)
    return context


def _load_authorities(context: ssl.SSLContext, file: str) -> None:
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(opened_input(file, trusted=True))
            data = bounded(opened, _MAX_PEM_SIZE)
        except OSError as error:
            raise _unreadable("CA file", file, error) from None
        try:
            if opened.seekable():
                opened.seek(0)
                context.load_verify_locations(cafile=path_of(opened, file))
            else:
                context.load_verify_locations(cadata=data.decode("ascii", "ignore"))
        except (ssl.SSLError, ValueError):
            raise CertificateFileFault(f"the CA file {file} has no PEM certificate") from None


def _load_client_certificate(context: ssl.SSLContext, certificate: str, options: TlsOptions) -> None:
    key = os.fspath(options.client_key) if options.client_key is not None else certificate
    password = _KeyPassword(key, options.key_password)
    with ExitStack() as stack:
        paths = []
        for what, file in (("client certificate", certificate), ("client key", key)):
            try:
                paths.append(stack.enter_context(checked_path(file, _MAX_PEM_SIZE, is_secret=file == key)))
            except OSError as error:
                raise _unreadable(what, file, error) from None
        try:
            context.load_cert_chain(paths[0], paths[1], password)
        except (ssl.SSLError, ValueError) as error:
            fault = _unusable(certificate, key, error, asked=password.asked)
        else:
            return
    raise fault


def _unreadable(what: str, file: str, error: OSError) -> CertificateFileFault:
    text = f"the {what} {file} cannot be read: {os_text(error)}"
    return CertificateFileFault(text, **({"remedy": error.remedy} if isinstance(error, FileRefusal) else {}))


class _KeyPassword:
    """Gives OpenSSL the key's password, which it would otherwise ask for on the terminal."""

    def __init__(self, key: str, password: Secret | None) -> None:
        self.asked = False
        self._key = key
        self._password = password

    def __call__(self) -> str:
        self.asked = True
        if self._password is None:
            raise CertificateFileFault(
                f"the client key {self._key} is encrypted", remedy="give its password (client_key_password)"
            )
        return self._password.reveal()


def _unusable(certificate: str, key: str, error: Exception, *, asked: bool) -> CertificateFileFault:
    reason = getattr(error, "reason", None) or ""
    if "MISMATCH" in reason:
        return CertificateFileFault(
            f"the client key {key} does not belong to the client certificate {certificate}",
            remedy="give a certificate and its own key",
        )
    if asked:
        return CertificateFileFault(
            f"the client key {key} cannot be decrypted", remedy="correct its password (client_key_password)"
        )
    return CertificateFileFault(
        f"the client certificate {certificate} and the client key {key} cannot be used ({reason or 'no PEM'})",
        remedy="give PEM files, the certificate first and its chain after it",
    )
