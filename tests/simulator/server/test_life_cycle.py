from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import grpc
import pytest
import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

from mxgateway.simulator import SimulatedGateway, generated_plant
from tests.simulator.conftest import Until
from tests.simulator.peer import CONTRACT, PATIENCE, Peer, ok, take


def refuses(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) != 0


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """Fail when the test leaves a task of the simulator behind; a socket left open would be a ResourceWarning."""
    yield
    # What pytest runs the fixture in, and what grpcio closes its channels in.
    foreign = ("asyncgen", "grpc")
    left = {task for task in asyncio.all_tasks() if not any(name in repr(task) for name in foreign)}
    gc.collect()
    assert not left


pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_any_free_port_is_taken_and_told() -> None:
    async with SimulatedGateway() as first, SimulatedGateway() as second:
        assert first.host == "127.0.0.1"
        assert first.port != second.port
        assert first.endpoint == f"127.0.0.1:{first.port}"
    assert refuses(first.host, first.port)


async def test_leaving_ends_open_streams_and_pending_calls_promptly() -> None:
    async with SimulatedGateway() as gateway:
        peer = Peer(gateway.endpoint, gateway.api_key)
        session = await peer.open()
        gateway.hold_commands()
        streams = [await session.attach(), peer.stream("StreamAlarms"), peer.stream("WatchDeployEvents")]
        pending = asyncio.create_task(peer.invoke_fails(session.session_id, "ping"))
        for stream in streams:
            await asyncio.wait_for(stream.initial_metadata(), PATIENCE)
    for stream in streams:
        assert await stream.code() is grpc.StatusCode.UNAVAILABLE
    assert (await pending).code() is grpc.StatusCode.UNAVAILABLE
    await peer.channel.close()


async def test_leaving_does_not_wait_for_a_client_that_does_not_read(until: Until) -> None:
    async with asyncio.timeout(PATIENCE), SimulatedGateway(plant=generated_plant(600, 20)) as gateway:
        _, writer = await asyncio.open_connection(gateway.host, gateway.port, limit=1024)
        client = H2Connection(H2Configuration())
        client.initiate_connection()
        client.increment_flow_control_window(2**30)
        client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
        for stream in range(1, 41, 2):
            path = CONTRACT.rpcs["DiscoverHierarchy"].path
            headers = [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", path),
                (":authority", "x"),
                ("te", "trailers"),
            ]
            headers += [("content-type", "application/grpc"), ("authorization", f"Bearer {gateway.api_key}")]
            client.send_headers(stream, headers)
            client.send_data(stream, bytes(5), end_stream=True)
        cast("asyncio.Transport", writer.transport).pause_reading()
        writer.write(client.data_to_send())
        await until(lambda: len(gateway.received) == 20)
        [connection] = gateway._running.listener.connections
        await until(lambda: not connection.connection.write_ready.is_set())
    writer.transport.abort()


async def test_the_body_of_the_block_may_fail() -> None:
    with pytest.raises(ZeroDivisionError):
        async with SimulatedGateway() as gateway:
            raise ZeroDivisionError
    assert refuses(gateway.host, gateway.port)


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    async with SimulatedGateway() as gateway:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{gateway.port}: [^:]+$"):
            async with SimulatedGateway(port=gateway.port):
                pass


async def test_a_gateway_can_be_entered_again_and_not_twice_at_once() -> None:
    gateway = SimulatedGateway()
    for _ in range(2):
        async with gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
            ok(await peer.call("OpenSession"))
            with pytest.raises(RuntimeError, match="already running"):
                await gateway.start()
    with pytest.raises(RuntimeError, match="not running"):
        _ = gateway.sessions
    await gateway.stop()


async def test_serving_for_ever_ends_with_the_gateway_or_by_cancellation() -> None:
    async with SimulatedGateway() as gateway:
        serving, cancelled = [asyncio.create_task(gateway.serve_forever()) for _ in range(2)]
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert not serving.done()
    await asyncio.wait_for(serving, PATIENCE)
    await gateway.serve_forever()


@pytest.mark.parametrize(("host", "endpoint"), [("localhost", "localhost:{}"), ("0.0.0.0", "127.0.0.1:{}")])
async def test_a_name_and_a_wildcard_give_an_endpoint_to_connect_to(host: str, endpoint: str) -> None:
    async with SimulatedGateway(host=host) as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
        assert gateway.endpoint == endpoint.format(gateway.port)
        ok(await peer.call("OpenSession"))


async def test_ipv6_is_served_in_brackets() -> None:
    try:
        async with SimulatedGateway(host="::1") as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
            assert gateway.endpoint == f"[::1]:{gateway.port}"
            ok(await peer.call("OpenSession"))
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def files(self, authority: trustme.CA, tmp_path: Path) -> tuple[Path, Path]:
        issued = authority.issue_cert("localhost", "127.0.0.1")
        certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return certificate, key

    async def test_a_certificate_makes_it_tls(self, authority: trustme.CA, files: tuple[Path, Path]) -> None:
        trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        async with SimulatedGateway(certificate=files[0], private_key=files[1]) as gateway:
            peer = Peer(gateway.endpoint, gateway.api_key, trusted)
            session = await peer.open()
            stream = await session.attach()
            await session.advise("TestChildObject.TestInt")
            await take(stream, 1)
        assert await stream.code() is grpc.StatusCode.UNAVAILABLE
        await peer.channel.close()

    async def test_a_ready_made_context_is_used_as_it_is(self, authority: trustme.CA) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        context.set_alpn_protocols(["h2"])
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
        client = authority.issue_cert("client@example")
        credentials = grpc.ssl_channel_credentials(
            authority.cert_pem.bytes(), client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
        )
        async with SimulatedGateway(ssl_context=context) as gateway:
            async with Peer(gateway.endpoint, gateway.api_key, credentials) as peer:
                ok(await peer.call("OpenSession"))
            anonymous = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
            async with Peer(gateway.endpoint, gateway.api_key, anonymous) as peer:
                assert (await peer.fails("OpenSession")).code() is grpc.StatusCode.UNAVAILABLE

    async def test_clients_that_speak_no_tls_or_never_shake_hands_are_no_harm(self, files: tuple[Path, Path]) -> None:
        async with SimulatedGateway(certificate=files[0], private_key=files[1]) as gateway:
            _, silent = await asyncio.open_connection(gateway.host, gateway.port)
            reader, plain = await asyncio.open_connection(gateway.host, gateway.port)
            plain.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" * 10)
            await asyncio.wait_for(reader.read(), PATIENCE)
            plain.close()
        silent.close()
        await silent.wait_closed()

    def test_certificate_and_context_together_are_refused(self) -> None:
        with pytest.raises(ValueError, match="not both"):
            SimulatedGateway(certificate="x.pem", ssl_context=ssl.create_default_context())

    async def test_a_missing_certificate_file_is_an_os_error(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="No such file"):
            async with SimulatedGateway(certificate=tmp_path / "none.pem"):
                pass


async def test_a_restart_waits_for_a_stop_or_a_restart_that_has_begun() -> None:
    async with asyncio.timeout(PATIENCE), SimulatedGateway() as gateway:
        port = gateway.port
        await asyncio.gather(gateway.restart(), gateway.restart(down=0.01), gateway.restart())
        assert gateway.is_running
        await asyncio.gather(gateway.stop(), gateway.restart())
        assert not gateway.is_running, "a stop ends a restart that comes with it"
        await gateway.restart()
        assert (gateway.is_running, gateway.port) == (True, port)
        restarting = asyncio.create_task(gateway.restart(down=3600))
        await asyncio.sleep(0.05)
        await gateway.stop()
        assert restarting.done(), "nothing is left that would start it again"
        assert not gateway.is_running
