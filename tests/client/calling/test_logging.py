"""What the library logs: to which logger, at which level, and never a secret."""

from __future__ import annotations

import ast
import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status
from hyperframe.frame import GoAwayFrame, PingFrame

import mxgateway
from mxgateway import GatewayClient, GrpcStatus, MxGatewayError, RetryOptions, proto
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import connect
from tests.peers.http2.raw_peers import Http2Peer, Http2Server

PACKAGE = Path(mxgateway.__file__).parent
PAGE = PACKAGE.parent / "docs" / "library.md"
SECRET = "s3cr3t-0f-the-pl4nt"
KEY = f"mxgw_tests_{SECRET}"


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("mxgateway", "hpack", "hpack.hpack", "hpack.table"):
        caplog.set_level(logging.DEBUG, logger=name)


def logged(caplog: pytest.LogCaptureFixture, name: str) -> list[tuple[str, str]]:
    """Return level and text of what one logger was told."""
    records = [record for record in caplog.records if record.name == f"mxgateway.{name}"]
    return [(record.levelname, record.getMessage()) for record in records]


def says(records: Iterable[tuple[str, str]], level: str, *words: str) -> bool:
    """Tell whether one of the records has a level and all of these words, on one line."""
    return any(each == level and all(word in text for word in words) and text.isprintable() for each, text in records)


def loggers_in(folder: Path) -> set[str]:
    """Return the names of the loggers that the modules of a folder make."""
    calls = [
        node
        for path in folder.rglob("*.py")
        if "simulator" not in path.relative_to(folder).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", "") == "logger" or getattr(node.func, "attr", "") == "getLogger")
    ]
    return {
        arg.value for call in calls for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
    }


def test_the_loggers_are_those_that_the_guide_lists() -> None:
    listed = re.findall(r"^\| `(mxgateway\.[a-z.]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(loggers_in(PACKAGE))


@asynccontextmanager
async def client_of(server: Http2Server, **options: Any) -> AsyncIterator[GatewayClient]:
    """Give a client of a scripted peer, with a key."""
    async with GatewayClient.connect(server.endpoint, api_key=KEY, plaintext=True, **options) as client:
        yield client
    await server.all_gone()


async def test_connections_and_their_ends_are_told(gateway: SimulatedGateway, caplog: pytest.LogCaptureFixture) -> None:
    async with connect(gateway) as client:
        assert logged(caplog, "transport.channel") == [("INFO", f"connected to {gateway.endpoint}")]
        gateway.drop_connections()
        session = await asyncio.gather(client.open_session_raw(proto.OpenSessionRequest()), return_exceptions=True)
        assert session
        await client.open_session_raw(proto.OpenSessionRequest())
    records = logged(caplog, "transport.channel")
    assert says(records[1:2], "INFO", f"the connection to {gateway.endpoint} ended: ")
    assert records[2] == ("INFO", f"connected to {gateway.endpoint}")
    assert records[3] == ("INFO", f"the connection to {gateway.endpoint} ended: the client was closed")


async def test_calls_are_told_with_their_ends_and_times(
    gateway: SimulatedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(gateway, retry=RetryOptions(initial_backoff=0.001)) as client, client.open_session() as session:
        gateway.fail_next("Invoke.Ping", Status.UNAVAILABLE, "not now")
        await session.ping()
        gateway.fail_next("Invoke.Register", Status.INTERNAL, "no luck")
        with pytest.raises(MxGatewayError):
            await session.register("x")
        async with session.stream_events():
            pass
    records = logged(caplog, "transport.calls")
    assert {level for level, _ in records} == {"DEBUG"}
    assert says(records, "DEBUG", "MxAccessGateway/OpenSession ended after")
    assert says(records, "DEBUG", "MxAccessGateway/Invoke is retried in 0.0", "not now")
    assert says(records, "DEBUG", "MxAccessGateway/Invoke failed after", "no luck")
    assert says(records, "DEBUG", "MxAccessGateway/StreamEvents was cancelled after")


async def test_what_the_peer_does_to_the_connection_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        if len(server.peers) == 1:
            await peer.send(GoAwayFrame(0, last_stream_id=0, additional_data=b"moving\r\nhouse"))
        elif len(server.peers) == 2:
            await peer.send(GoAwayFrame(0, last_stream_id=request.stream_id, additional_data=b"too_many_pings"))
            await peer.reply(request, bytes(reply))
        elif len(server.peers) == 3:
            await peer.send(PingFrame(0, b"12345678"))
            await peer.send_bytes(b"\0\0\1\6\0\0\0\0\0!")
        else:
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]

    status = proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK)
    reply = proto.OpenSessionReply(session_id="session-1", protocol_status=status, gateway_protocol_version=3)
    async with (
        Http2Server(script) as server,
        client_of(server, keepalive_time=0.05, keepalive_timeout=0.05) as client,
    ):
        for _ in range(3):  # the first one is sent again on the second connection
            await asyncio.gather(client.open_session_raw(proto.OpenSessionRequest()), return_exceptions=True)
        server.peers[-1].writer.transport.resume_reading()  # type: ignore[attr-defined]
    records = logged(caplog, "transport.connection")
    assert {level for level, _ in records} == {"DEBUG"}
    assert says(records, "DEBUG", "GOAWAY NO_ERROR, moving house", "it finishes the calls up to stream 0")
    assert says(records, "DEBUG", "connection refused: the gateway broke HTTP/2: a PING frame has 1 bytes")
    assert says(records, "DEBUG", "no byte from the gateway for", "the connection is closed")
    assert says(logged(caplog, "transport.channel"), "WARNING", "complains about keepalive pings")


async def test_what_matters_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedGateway(options=SimulatorOptions(gateway_protocol_version=9)) as gateway:
        client = await connect(gateway)
        session = await client.open_session()
        gateway.fail_next("CloseSession", Status.INTERNAL, "stuck")
        with pytest.raises(LookupError):
            async with session:
                raise LookupError("of the block")
        second = await client.open_session()
        gateway.fail_next("CloseSession", Status.INTERNAL, "stuck", times=2)
        await client.close()
    assert says(logged(caplog, "client"), "WARNING", "speaks gateway protocol 9")
    assert says(logged(caplog, "client"), "WARNING", f"{second.session_id} was left to its lease", "stuck")
    assert says(logged(caplog, "session"), "WARNING", f"closing {session.session_id} failed as well", "stuck")


async def test_an_ordinary_run_warns_of_nothing(gateway: SimulatedGateway, caplog: pytest.LogCaptureFixture) -> None:
    async with connect(gateway) as client, client.open_session() as session:
        server = await session.register("tests")
        async with session.stream_events() as events:
            await session.advise(server, await session.add_item(server, "TestChildObject.TestInt"))
            await anext(events)
    ours = [record for record in caplog.records if record.name.startswith("mxgateway.")]
    assert ours
    assert {record.levelname for record in ours if record.levelno > logging.INFO} == set()


async def test_a_gateway_that_repeats_the_key_everywhere_puts_it_into_no_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = f"you sent Bearer {KEY}".encode()
    for name in ("hpack", "hpack.hpack", "hpack.table"):  # whatever others have installed there
        monkeypatch.setattr(logging.getLogger(name), "filters", [])

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        assert request.header(b"authorization") == b"Bearer " + KEY.encode()
        match len(server.peers):
            case 1:
                more = (b"grpc-message", echo), (b"x-echo", echo)
                await peer.send(
                    peer.headers(1, [(b":status", b"200"), (b"content-type", b"application/grpc"), more[1]])
                )
                await peer.send(peer.trailers(1, 14, *more))
                request = await peer.request()
                await peer.send(peer.headers(request.stream_id, [(b":status", b"200"), (b"content-type", echo)]))
                peer.hang_up()
            case 2:
                await peer.send(GoAwayFrame(0, last_stream_id=0, additional_data=echo))
            case _:
                while True:  # the call is tried again
                    odd = [(b":status", b"503"), (b"mxgw_tests_" + SECRET.encode(), b"x")]
                    await peer.send(peer.headers(request.stream_id, odd))
                    request = await peer.request()

    async with Http2Server(script) as server, client_of(server, retry=RetryOptions(initial_backoff=0.001)) as client:
        for _ in range(3):
            with pytest.raises(MxGatewayError) as caught:
                await client.open_session_raw(proto.OpenSessionRequest())
            assert caught.value.grpc_status in (GrpcStatus.UNAVAILABLE, GrpcStatus.INTERNAL)
        with pytest.raises(MxGatewayError):
            await client.close_session_raw("session-1")
        assert SECRET not in repr(client.stats())
    names = {record.name for record in caplog.records}
    assert {"hpack.hpack", "mxgateway.transport.calls", "mxgateway.transport.connection"} <= names
    for record in caplog.records:
        assert SECRET not in record.getMessage() + repr(record.args) + (record.exc_text or ""), record.name
