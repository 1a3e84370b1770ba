"""With a known-gateways file the first certificate is trusted for good: by every client, in every process, from then on."""

# ruff: noqa: ASYNC240 - a test may wait for its own small file
from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hyperframe.frame import SettingsFrame

from mxgateway import GatewayClient, TlsOptions, proto
from mxgateway.errors import GrpcStatus, MxGatewayError, MxGatewayProtocolError, MxGatewayTlsError
from mxgateway.transport.connecting.known_gateways import HEADER, KnownGateway, KnownGateways
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, RawServer, silent
from tests.peers.network.certificates import ServerCertificate, self_signed
from tests.peers.network.tls_peers import StrictTlsServer, TwoFacedServer
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

KEY = "mxgw_op_known-gateways-secret"


async def serve_one(peer: Http2Peer) -> None:
    """Answer one call and hang up, so that the next one needs another handshake."""
    await peer.reply(await peer.request(), REPLY)
    peer.writer.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "known_gateways"


async def ping(client: GatewayClient) -> None:
    assert (await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))).diagnostic_message == "answered"


async def call(server: RawServer, file: Path | str, *, host: str = "localhost") -> None:
    """Connect with the file, make a call and close."""
    options = TlsOptions(known_gateways=file)
    async with GatewayClient.connect(f"{host}:{server.port}", api_key=KEY, tls=options, connect_timeout=5.0) as client:
        await ping(client)
    await server.all_gone()


async def refused(server: RawServer, file: Path) -> MxGatewayTlsError:
    """Return the error of a connection that the file does not let come about."""
    with pytest.raises(MxGatewayTlsError) as caught:
        await call(server, file)
    await server.all_gone()
    error = caught.value
    assert (error.phase, error.retryable) == ("tls", False)
    assert KEY not in str(error)
    assert str(error).isprintable()
    return error


async def test_a_first_certificate_is_kept_and_told_once(
    own_certificate: ServerCertificate, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="mxgateway")
    async with Http2Server(serve_one, tls=own_certificate.context()) as server:
        for _ in range(3):
            await call(server, file)
        line = f"localhost:{server.port} SHA256:{own_certificate.fingerprint}\n"
    assert file.read_text() == HEADER + line
    [told] = [record.getMessage() for record in caplog.records if "trusted" in record.getMessage()]
    assert own_certificate.fingerprint in told
    assert str(file) in told


async def test_without_a_file_it_is_told_at_a_lower_level(
    own_certificate: ServerCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="mxgateway")
    async with Http2Server(serve_one, tls=own_certificate.context()) as server:
        async with GatewayClient.connect(server.endpoint):
            pass
        await server.all_gone()
    [told] = [record for record in caplog.records if "trusted" in record.getMessage()]
    assert told.levelno == logging.INFO
    assert own_certificate.fingerprint in told.getMessage()


async def test_another_client_refuses_another_certificate_before_anything_is_said(
    own_certificate: ServerCertificate, file: Path
) -> None:
    changed = self_signed()
    async with TwoFacedServer(serve_one, own_certificate) as server:
        await call(server, file)
        before = file.read_bytes()
        server.change(changed)
        error = await refused(server, file)
        assert error.grpc_status is GrpcStatus.UNAVAILABLE
        assert own_certificate.fingerprint in error.message
        assert changed.fingerprint in error.message
        assert f"remove line {len(HEADER.splitlines()) + 1} of {file}" in error.hint
        assert "someone may intercept the connection" in error.hint
        assert b"".join(server.decrypted) == b""
    assert file.read_bytes() == before


async def test_the_remedy_helps_a_client_that_runs_as_well(own_certificate: ServerCertificate, file: Path) -> None:
    changed = self_signed()
    async with TwoFacedServer(serve_one, own_certificate) as server:
        options = TlsOptions(known_gateways=file)
        async with GatewayClient.connect(f"localhost:{server.port}", api_key=KEY, tls=options) as client:
            await ping(client)
            await server.all_gone()
            server.change(changed, listen=False)
            with pytest.raises(MxGatewayTlsError):
                await ping(client)
            file.write_text("")
            await ping(client)
            await server.all_gone()
        await call(server, file)
    assert changed.fingerprint in file.read_text()


async def test_each_of_several_lines_is_accepted_during_a_roll_over(
    own_certificate: ServerCertificate, file: Path
) -> None:
    following = self_signed()
    async with TwoFacedServer(serve_one, own_certificate) as server:
        file.parent.mkdir()
        lines = [f"localhost:{server.port} SHA256:{each.fingerprint}" for each in (own_certificate, following)]
        file.write_text("\n".join(lines))
        file.chmod(0o600)
        await call(server, file)
        server.change(following, listen=False)
        await call(server, file)
        server.change(self_signed())
        error = await refused(server, file)
        assert f"remove line 1 and 2 of {file}" in error.hint
        assert f"{own_certificate.fingerprint} or {following.fingerprint}" in error.message


async def test_a_gateway_is_the_same_however_its_host_is_spelt_and_another_port_is_another(
    own_certificate: ServerCertificate, file: Path
) -> None:
    async with Http2Server(serve_one, tls=own_certificate.context()) as server:
        await call(server, file)
        await call(server, str(file), host="LOCALHOST")
        assert file.read_text().count("SHA256:") == 1
    async with Http2Server(serve_one, tls=own_certificate.context()) as server:
        await call(server, file)
    assert file.read_text().count("SHA256:") == 2


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[KnownGateways, str], object]) -> None:
    """Do something between the handshake and the moment in which its certificate is written down."""
    add = KnownGateways.add

    def delayed(self: KnownGateways, gateway: str, fingerprint: str) -> tuple[KnownGateway, ...]:
        act(self, gateway)
        return add(self, gateway, fingerprint)

    monkeypatch.setattr(KnownGateways, "add", delayed)


async def test_of_two_first_handshakes_the_second_one_to_be_written_notices_the_other(
    own_certificate: ServerCertificate, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = self_signed()
    add = KnownGateways.add
    meanwhile(monkeypatch, lambda known, gateway: add(known, gateway, other.fingerprint) and None)
    async with TwoFacedServer(serve_one, own_certificate) as server:
        server.change(own_certificate)
        error = await refused(server, file)
        assert f"expected SHA-256 {other.fingerprint}, presented {own_certificate.fingerprint}" in error.message
        assert str(file) in error.hint
        assert b"".join(server.decrypted) == b""
    assert file.read_text().count("SHA256:") == 1


async def test_two_clients_that_meet_the_gateway_at_once_agree(own_certificate: ServerCertificate, file: Path) -> None:
    async with Http2Server(serve_one, tls=own_certificate.context()) as server:
        await asyncio.gather(*[call(server, file) for _ in range(8)])
    assert file.read_text().count("SHA256:") == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
async def test_nothing_is_said_before_the_certificate_is_written_down(
    own_certificate: ServerCertificate, file: Path, monkeypatch: pytest.MonkeyPatch, version: ssl.TLSVersion
) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        events.append(await reader.read(1))
        await silent(reader, writer)

    def write_slowly(known: KnownGateways, gateway: str) -> None:
        time.sleep(0.2)  # in which whatever is said too early arrives
        events.append(b"written")

    events: list[bytes] = []
    context = own_certificate.context()
    context.minimum_version = context.maximum_version = version
    meanwhile(monkeypatch, write_slowly)
    async with RawServer(listen, tls=context) as server:
        with pytest.raises(MxGatewayError):
            await GatewayClient.connect(server.endpoint, tls=TlsOptions(known_gateways=file), connect_timeout=1.0)
        await server.all_gone()
    assert events == [b"written", b"P"]


async def test_what_a_gateway_says_first_is_heard_once_the_certificate_is_written_down(
    own_certificate: ServerCertificate, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SettingsFrame(0).serialize())
        await writer.drain()
        spoken.set()
        await silent(reader, writer)

    spoken = threading.Event()
    meanwhile(monkeypatch, lambda known, gateway: spoken.wait(10) and None)
    async with RawServer(eager, tls=own_certificate.context()) as server:
        async with GatewayClient.connect(server.endpoint, tls=TlsOptions(known_gateways=file)):
            pass
        await server.all_gone()


async def test_what_a_gateway_says_together_with_the_end_of_its_handshake_is_heard(
    own_certificate: ServerCertificate, file: Path
) -> None:
    context = own_certificate.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # the server's half ends last there
    async with StrictTlsServer(context, greeting=SettingsFrame(0).serialize()) as server:
        for tls in (TlsOptions(known_gateways=file), TlsOptions()):
            async with GatewayClient.connect(server.endpoint, tls=tls):
                pass
        await server.all_gone()


async def test_a_gateway_that_hangs_up_meanwhile_is_noticed(
    own_certificate: ServerCertificate, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        gone.set()

    gone = threading.Event()
    meanwhile(monkeypatch, lambda known, gateway: gone.wait(10) and None)
    async with RawServer(hang_up, tls=own_certificate.context()) as server:
        with pytest.raises(MxGatewayError) as caught:
            await GatewayClient.connect(server.endpoint, tls=TlsOptions(known_gateways=file), connect_timeout=5.0)
        assert not isinstance(caught.value, TimeoutError)
        assert "report it" not in str(caught.value)
        await server.all_gone()


async def test_giving_up_while_the_certificate_is_written_down_closes_the_connection(
    own_certificate: ServerCertificate, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            said.append(await reader.read())

    said: list[bytes] = []
    loop, writing, proceed = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def wait(known: KnownGateways, gateway: str) -> None:
        loop.call_soon_threadsafe(writing.set)
        proceed.wait(10)

    meanwhile(monkeypatch, wait)
    async with RawServer(script, tls=own_certificate.context()) as server:
        connecting = asyncio.ensure_future(connect(server.endpoint, file))
        await writing.wait()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await server.all_gone()
        proceed.set()
        assert server.connections == 1
    assert b"".join(said) == b""


async def connect(endpoint: str, file: Path) -> None:
    await GatewayClient.connect(endpoint, tls=TlsOptions(known_gateways=file))


async def test_the_file_is_never_touched_on_the_loops_own_thread(
    own_certificate: ServerCertificate, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, threading.Thread] = {}
    for name in ("read", "add"):
        original = getattr(KnownGateways, name)

        def spy(self: KnownGateways, *arguments: str, name: str = name, original: Any = original) -> object:
            threads[name] = threading.current_thread()
            return original(self, *arguments)

        monkeypatch.setattr(KnownGateways, name, spy)
    async with Http2Server(serve_one, tls=own_certificate.context()) as server:
        await call(server, file)
    assert set(threads) == {"read", "add"}
    assert threading.main_thread() not in threads.values()
    assert all(thread.daemon for thread in threads.values())


async def test_a_damaged_file_is_refused_before_a_connection_is_made(
    own_certificate: ServerCertificate, file: Path
) -> None:
    file.parent.mkdir()
    file.write_text("# fine\nnonsense\n")
    file.chmod(0o600)
    async with RawServer(silent, tls=own_certificate.context()) as server:
        error = await refused(server, file)
        assert f"line 2 of the known-gateways file {file} is damaged" in error.message
        assert "nothing was sent" in error.hint
        assert server.connections == 0


async def test_a_certificate_that_cannot_be_kept_is_not_trusted(
    own_certificate: ServerCertificate, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file where a directory should be")
    async with TwoFacedServer(serve_one, own_certificate) as server:
        server.change(own_certificate)
        error = await refused(server, tmp_path / "state" / "known_gateways")
        assert "known_gateways" in error.message
        assert b"".join(server.decrypted) == b""


async def test_a_certificate_that_cannot_be_written_is_not_trusted(
    own_certificate: ServerCertificate, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    async with TwoFacedServer(serve_one, own_certificate) as server:
        server.change(own_certificate)
        error = await refused(server, file)
        assert "cannot be kept in" in error.message
        assert "No space left on device" in error.message
        assert own_certificate.fingerprint in error.message
        assert b"".join(server.decrypted) == b""
    assert not file.exists()


async def test_a_server_that_is_no_gateway_is_not_kept(own_certificate: ServerCertificate, file: Path) -> None:
    async with RawServer(silent, tls=own_certificate.context(alpn=())) as server:
        with pytest.raises(MxGatewayProtocolError, match="ALPN"):
            await call(server, file)
        await server.all_gone()
    assert not file.exists()
