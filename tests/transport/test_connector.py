"""Of a host's addresses the first one that answers is taken; the others are given up without a trace."""

import asyncio
import socket

import pytest

from mxgateway.transport import connector
from mxgateway.transport.connector import connect_first, interleave
from tests.peers.raw_peers import RawServer, drops_attempts, full_backlog, silent

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

V4, V6 = socket.AF_INET, socket.AF_INET6


def closed_port() -> tuple[str, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address: tuple[str, int] = probe.getsockname()
        return address


def test_the_families_take_turns_and_the_resolvers_first_one_begins():
    addresses = [(V6, "a"), (V6, "b"), (V6, "c"), (V4, "d"), (V4, "e")]
    assert interleave(addresses) == [(V6, "a"), (V4, "d"), (V6, "b"), (V4, "e"), (V6, "c")]
    assert interleave(reversed(addresses)) == [(V4, "e"), (V6, "c"), (V4, "d"), (V6, "b"), (V6, "a")]
    assert interleave([]) == []


async def test_an_address_that_refuses_makes_room_for_the_next_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connector, "ATTEMPT_DELAY", 3600.0)
    async with RawServer(silent) as server:
        sock = await connect_first([(V4, closed_port()), (V4, closed_port()), (V4, ("127.0.0.1", server.port))])
        assert sock.getpeername()[1] == server.port
        sock.close()
        await server.all_gone()


@drops_attempts
async def test_an_address_that_does_not_answer_does_not_hold_back_the_next():
    async with RawServer(silent) as server:
        with full_backlog() as nowhere:
            sock = await connect_first([(V4, nowhere), (V4, ("127.0.0.1", server.port))])
        assert sock.getpeername()[1] == server.port
        sock.close()
        await server.all_gone()


async def test_when_no_address_answers_the_first_ones_failure_is_told():
    with pytest.raises(ConnectionRefusedError):
        await connect_first([(V4, closed_port()), (V4, ("256.0.0.1", 1))])
    with pytest.raises(OSError, match="no address"):
        await connect_first([])


@drops_attempts
async def test_cancelling_gives_up_every_attempt():
    with full_backlog() as nowhere:
        connecting = asyncio.create_task(connect_first([(V4, nowhere), (V4, nowhere)]))
        await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
