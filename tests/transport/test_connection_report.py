"""`report_connection` tells how a connection was made, or how far it came, and raises nothing of it."""

from __future__ import annotations

import asyncio
import ssl

import pytest

import mxgateway
from mxgateway.simulator import SimulatedGateway
from tests.peers.http2.raw_peers import RawServer
from tests.peers.network.certificates import self_signed


async def test_a_connection_that_is_made() -> None:
    async with SimulatedGateway() as gateway:
        report = await mxgateway.report_connection(gateway.endpoint, plaintext=True)
        assert not gateway.received, "no call is made, so no key is sent"

    assert report.error is None
    assert report.endpoint == report.address == gateway.endpoint
    assert report.addresses == (gateway.endpoint,)
    assert {"resolve", "connect", "http2"} <= set(report.seconds)
    assert (report.certificate, report.tls_version) == (None, "")
    assert gateway.api_key not in repr(report)


async def test_the_connection_is_closed_again() -> None:
    async with SimulatedGateway() as gateway:
        await mxgateway.report_connection(gateway.endpoint, plaintext=True)
        async with asyncio.timeout(5):
            while gateway.connections:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_certificate_is_told_whether_it_is_trusted_or_not(trusted: bool) -> None:
    certificate = self_signed()
    tls = mxgateway.TlsOptions(pin=certificate.fingerprint if trusted else "0F" * 32)
    async with SimulatedGateway(ssl_context=certificate.context()) as gateway:
        report = await mxgateway.report_connection(gateway.endpoint, tls=tls)

    assert report.certificate == ssl.PEM_cert_to_DER_cert(certificate.certificate_pem.decode())
    assert (report.error is None) == trusted
    assert report.tls_version == ("TLSv1.3" if trusted else "")
    assert isinstance(report.error, mxgateway.MxGatewayTlsError | None)


async def test_a_look_at_a_refused_certificate_sends_nothing_after_the_handshake() -> None:
    received: list[bytes] = []

    async def record(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        received.append(await reader.read(100))

    certificate = self_signed()
    async with RawServer(record, tls=certificate.context()) as server:
        await mxgateway.report_connection(server.endpoint, tls=mxgateway.TlsOptions(pin="0F" * 32))
    assert b"".join(received) == b""


async def test_the_error_is_that_of_connect() -> None:
    report = await mxgateway.report_connection("127.0.0.1:1", plaintext=True)
    with pytest.raises(mxgateway.MxGatewayTransportError) as caught:
        await mxgateway.GatewayClient.connect("127.0.0.1:1", plaintext=True)

    assert report.error is not None
    assert str(report.error) == str(caught.value)
    assert (report.error.phase, report.error.endpoint) == ("connect", "127.0.0.1:1")


async def test_one_report_is_about_one_endpoint() -> None:
    with pytest.raises(mxgateway.MxGatewayInvalidRequestError, match="one endpoint"):
        await mxgateway.report_connection("a:1,b:2", plaintext=True)
