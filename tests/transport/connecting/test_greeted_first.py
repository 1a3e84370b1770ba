"""Of a name's addresses, the one that answers the HTTP/2 greeting wins, whatever the others do."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from mxgateway import GatewayClient, MxGatewayError, TlsOptions, proto
from mxgateway.errors import MxGatewayProtocolError, MxGatewayTlsError, MxGatewayTransportError
from mxgateway.transport.connecting import happy_eyeballs
from mxgateway.transport.connecting.known_gateways import HEADER
from mxgateway.transport.connecting.resolver import Resolver
from tests.peers.http2.raw_peers import (
    Http2Peer,
    Http2Server,
    RawServer,
    StreamScript,
    closes_at_once,
    drops_attempts,
    full_backlog,
    http1,
    resets_at_once,
    says,
    silent,
)
from tests.peers.network.certificates import Authority, ServerCertificate, self_signed
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

KEY = "mxgw_op_greeted-first-secret"
NAME = "gw.plant:5001"


async def answer(peer: Http2Peer) -> None:
    """Answer one call."""
    await peer.reply(await peer.request(), REPLY)
    await peer.until_gone()


class Listener:
    """A peer that is not the gateway: does what a script says, and keeps what it hears."""

    def __init__(self, script: StreamScript) -> None:
        self._script = script
        self.heard = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the script on what is heard."""
        read = reader.read

        async def keep(n: int = -1) -> bytes:
            data = await read(n)
            self.heard += data
            return data

        reader.read = keep  # type: ignore[method-assign]
        await self._script(reader, writer)


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the addresses of every name; the test fills the list."""
    listed: list[tuple[str, int]] = []

    async def look_up(_: Resolver) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
        return [(socket.AF_INET, address) for address in listed]

    monkeypatch.setattr(Resolver, "addresses", look_up)
    monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 0.05)
    return listed


def closed_port() -> tuple[str, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address: tuple[str, int] = probe.getsockname()
        return address


async def call(tls: TlsOptions | None, *, plaintext: bool = False, connect_timeout: float = 10.0) -> None:
    async with GatewayClient.connect(
        NAME, api_key=KEY, plaintext=plaintext, tls=tls, connect_timeout=connect_timeout
    ) as client:
        await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))


async def test_the_addresses_are_raced_to_the_answered_greeting(addresses: list[tuple[str, int]]) -> None:
    for script in (closes_at_once, resets_at_once, http1, silent, says(b"SSH-2.0-OpenSSH_9.6\r\n"), says(bytes(3))):
        heard = Listener(script)
        async with RawServer(heard) as bad, Http2Server(answer) as good:
            addresses[:] = [("127.0.0.1", bad.port), ("127.0.0.1", good.port)]
            await call(None, plaintext=True)
            await bad.all_gone()
            await good.all_gone()
            assert (bad.connections, good.connections) == (1, 1)
        assert heard.heard
        assert KEY.encode() not in heard.heard


async def test_the_race_includes_the_tls_handshake(
    addresses: list[tuple[str, int]], own_certificate: ServerCertificate
) -> None:
    strange = self_signed().context()
    without_http2 = self_signed().context()
    without_http2.set_alpn_protocols(["http/1.1"])
    kinds: list[tuple[StreamScript, ssl.SSLContext | None]] = [
        (closes_at_once, None), (silent, None), (http1, None),
        (silent, strange), (closes_at_once, strange), (http1, strange), (silent, without_http2),
    ]  # fmt: skip
    for script, context in kinds:
        heard = Listener(script)
        async with RawServer(heard, tls=context) as bad, Http2Server(answer, tls=own_certificate.context()) as good:
            addresses[:] = [("127.0.0.1", bad.port), ("127.0.0.1", good.port)]
            await call(None)
            await bad.all_gone()
            await good.all_gone()
        assert KEY.encode() not in heard.heard


async def test_an_address_with_a_refused_certificate_leaves_the_race_to_the_others(
    addresses: list[tuple[str, int]], authority: Authority, ca_file: Path
) -> None:
    heard, good_certificate = Listener(silent), authority.issue("gw.plant")
    async with (
        RawServer(heard, tls=self_signed().context()) as bad,
        Http2Server(answer, tls=good_certificate.context()) as good,
    ):
        addresses[:] = [("127.0.0.1", bad.port), ("127.0.0.1", good.port)]
        await call(TlsOptions(ca_file=ca_file))
        await call(TlsOptions(pin=good_certificate.fingerprint))
        await bad.all_gone()
    assert heard.heard == b""


async def test_a_certificate_without_http2_behind_it_is_never_written_down(
    addresses: list[tuple[str, int]], own_certificate: ServerCertificate, tmp_path: Path
) -> None:
    file = tmp_path / "known"
    without_http2 = self_signed().context()
    without_http2.set_alpn_protocols(["http/1.1"])
    async with RawServer(silent, tls=without_http2) as bad, Http2Server(answer, tls=own_certificate.context()) as good:
        addresses[:] = [("127.0.0.1", bad.port), ("127.0.0.1", good.port)]
        await call(TlsOptions(known_gateways=file))
        await bad.all_gone()
        await good.all_gone()
    assert file.read_text() == f"{HEADER}{NAME} SHA256:{own_certificate.fingerprint}\n"


async def test_when_no_address_greets_the_one_that_came_farthest_is_told(
    addresses: list[tuple[str, int]], ca_file: Path
) -> None:
    async def refused(error_class: type[MxGatewayError], tls: TlsOptions | None = None, **options: float) -> str:
        with pytest.raises(MxGatewayError) as caught:
            await call(tls, plaintext=tls is None, **options)
        assert type(caught.value) is error_class
        return caught.value.message

    nothing = closed_port()
    async with (
        RawServer(http1) as web, RawServer(closes_at_once) as forwarder,
        RawServer(silent) as hung, RawServer(silent, tls=self_signed().context()) as stranger,
    ):  # fmt: skip
        web_, forwarder_, hung_, stranger_ = [("127.0.0.1", each.port) for each in (web, forwarder, hung, stranger)]
        addresses[:] = [nothing, nothing]
        assert "nothing is listening" in await refused(MxGatewayTransportError)
        addresses[:] = [nothing, web_]
        assert "answered in HTTP/1" in await refused(MxGatewayProtocolError)
        addresses[:] = [forwarder_, nothing]
        assert "closed the connection instead of answering" in await refused(MxGatewayTransportError)
        for addresses[:] in ([nothing, stranger_], [stranger_, nothing], [hung_, stranger_]):
            message = await refused(MxGatewayTlsError, TlsOptions(ca_file=ca_file), connect_timeout=1.0)
            assert "was refused" in message
        for each in (web, forwarder, hung, stranger):
            await each.all_gone()


@drops_attempts
async def test_cancelling_the_race_closes_every_attempt(
    addresses: list[tuple[str, int]], own_certificate: ServerCertificate
) -> None:
    async with RawServer(silent) as mute, RawServer(silent, tls=own_certificate.context()) as secured:
        with full_backlog() as nowhere:
            addresses[:] = [nowhere, ("127.0.0.1", mute.port), ("127.0.0.1", secured.port)]
            connecting = asyncio.create_task(call(None))
            while not secured.connections:
                await asyncio.sleep(0.01)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
        await mute.all_gone()
        await secured.all_gone()
