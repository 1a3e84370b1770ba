"""Of a host's addresses the first one that greets is taken; the others are given up without a trace."""

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, TlsOptions
from mxgateway.errors.faults import UnansweredFault
from mxgateway.transport.connecting import attempt, happy_eyeballs
from mxgateway.transport.connecting.resolver import Address, interleave
from mxgateway.transport.http2.protocol import GatewayProtocol
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, RawServer, drops_attempts, full_backlog, silent
from tests.peers.network.certificates import ServerCertificate
from tests.peers.network.connect_proxy import ConnectProxy

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

V4, V6 = socket.AF_INET, socket.AF_INET6


async def connect_first(addresses: list[Address]) -> socket.socket:
    """Race for a connected socket."""
    return await happy_eyeballs.connect_first(addresses, happy_eyeballs.open_socket, socket.socket.close)


def closed_port() -> tuple[str, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address: tuple[str, int] = probe.getsockname()
        return address


def test_the_families_take_turns_and_the_resolvers_first_one_begins() -> None:
    addresses = [(V6, "a"), (V6, "b"), (V6, "c"), (V4, "d"), (V4, "e")]
    assert interleave(addresses) == [(V6, "a"), (V4, "d"), (V6, "b"), (V4, "e"), (V6, "c")]
    assert interleave(reversed(addresses)) == [(V4, "e"), (V6, "c"), (V4, "d"), (V6, "b"), (V6, "a")]
    assert interleave([]) == []


async def test_an_address_that_refuses_makes_room_for_the_next_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 3600.0)
    async with RawServer(silent) as server:
        sock = await connect_first([(V4, closed_port()), (V4, closed_port()), (V4, ("127.0.0.1", server.port))])
        assert sock.getpeername()[1] == server.port
        sock.close()
        await server.all_gone()


@drops_attempts
async def test_an_address_that_does_not_answer_does_not_hold_back_the_next() -> None:
    async with RawServer(silent) as server:
        with full_backlog() as nowhere:
            sock = await connect_first([(V4, nowhere), (V4, ("127.0.0.1", server.port))])
        assert sock.getpeername()[1] == server.port
        sock.close()
        await server.all_gone()


async def test_when_no_address_answers_the_first_ones_failure_is_told() -> None:
    with pytest.raises(ConnectionRefusedError):
        await connect_first([(V4, closed_port()), (V4, ("256.0.0.1", 1))])
    with pytest.raises(OSError, match="no address"):
        await connect_first([])


@drops_attempts
async def test_cancelling_gives_up_every_attempt() -> None:
    with full_backlog() as nowhere:
        connecting = asyncio.create_task(connect_first([(V4, nowhere), (V4, nowhere)]))
        await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_a_second_cancellation_while_the_losers_are_given_up_closes_the_winner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def interrupted(attempts: list[Any], close: Any) -> None:
        await give_up(attempts, close)
        raise asyncio.CancelledError

    give_up = happy_eyeballs._abandon
    monkeypatch.setattr(happy_eyeballs, "_abandon", interrupted)
    async with RawServer(silent) as server:
        with pytest.raises(asyncio.CancelledError):
            await connect_first([(V4, ("127.0.0.1", server.port))])
        await server.all_gone()


async def test_of_two_addresses_that_answer_at_once_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 0.0)
    async with RawServer(silent) as one, RawServer(silent) as other:
        sock = await connect_first([(V4, ("127.0.0.1", one.port)), (V4, ("127.0.0.1", other.port))])
        assert sock.getpeername()[1] in (one.port, other.port)
        sock.close()
        await one.all_gone()
        await other.all_gone()


async def test_a_fault_that_is_none_of_the_system_leaves_no_socket_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawServer(silent) as server:
        good, bad = ("127.0.0.1", server.port), None
        sock = await connect_first([(V4, bad), (V4, good)])
        sock.close()
        await server.all_gone()
    with pytest.raises(TypeError):
        await connect_first([(V4, bad)])


async def test_small_messages_leave_at_once() -> None:
    async with RawServer(silent) as server:
        sock = await connect_first([(V4, ("127.0.0.1", server.port))])
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        sock.close()
        await server.all_gone()


async def suspension_points(make: Callable[[], Awaitable[None]]) -> int:
    """Cancel a coroutine at its first suspension, then at its second, and so on; return how many there are."""
    for number in itertools.count():
        task = asyncio.ensure_future(make())
        for _ in range(number):
            await asyncio.sleep(0)
            if task.done():
                await task
                return number
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelling() == 1
    raise AssertionError


@pytest.mark.parametrize("way", ["plaintext", "TLS", "TLS and a file", "a proxy", "a proxy and TLS"])
async def test_a_connection_that_is_given_up_at_any_moment_leaves_nothing_behind(
    way: str, own_certificate: ServerCertificate, tmp_path: Path
) -> None:
    async def connect() -> None:
        async with GatewayClient.connect(f"localhost:{server.port}", **options):
            pass

    async def greet(peer: Http2Peer) -> None:
        await peer.until_gone()

    options: dict[str, Any] = {"connect_timeout": 5.0}
    if "TLS" in way:
        options["tls"] = TlsOptions(known_gateways=tmp_path / "known") if "file" in way else None
    else:
        options["plaintext"] = True
    tls = own_certificate.context() if "TLS" in way else None
    async with Http2Server(greet, tls=tls) as server, ConnectProxy() as proxy:
        if "proxy" in way:
            options["proxy"] = proxy.url
        assert await suspension_points(connect) > 3
        await server.all_gone()
        await proxy.all_gone()


async def test_a_connection_that_is_lost_in_the_moment_of_its_handing_over_is_lost_to_who_has_it_then() -> None:
    class Lost(GatewayProtocol):
        def __init__(self) -> None:
            self.told: list[BaseException | None] = []

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            pass

        def connection_lost(self, exc: BaseException | None) -> None:
            self.told.append(exc)

    class Transport(asyncio.Transport):
        def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
            pass

        pause_reading = resume_reading = lambda self: None

    gate, protocol, fault = attempt._Gate(), Lost(), ConnectionResetError()
    gate.connection_made(Transport())
    gate.open(protocol)
    gate.connection_lost(fault)
    assert protocol.told == [fault]
    with pytest.raises(UnansweredFault, match="right after the TLS handshake"):
        gate.open(protocol)
