"""The limits of the wire: message size each way, streams per connection, windows."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpclib.const import Status
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged, WindowUpdated
from h2.settings import SettingCodes

from mxgateway.simulator import ControlServer, SimulatedGateway, SimulatorOptions
from tests.simulator.control.control_peer import ControlPeer
from tests.simulator.peer import PATIENCE, Peer, PeerSession, command, integer, ok


async def test_a_request_above_the_limit_is_resource_exhausted(peer: Peer, session: PeerSession) -> None:
    big = {"string_value": "x" * (16 * 1024 * 1024)}
    request = command(session.session_id, "write", server_handle=1, item_handle=1, value=big)
    failure = await peer.fails("Invoke", **request)
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "Received message exceeds" in failure.details()


async def test_a_request_at_the_limit_is_taken(gateway: SimulatedGateway, session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestBigString")
    await session.drain()
    text = "x" * (16 * 1024 * 1024 - 200)
    ok(await session.on_server("write", item_handle=item, value={"string_value": text}))
    await session.invoke("ping")
    assert gateway.tag("TestChildObject.TestBigString").sample.native == text


async def test_a_reply_above_the_limit_is_resource_exhausted() -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(message_limit=4000)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        failure = await peer.fails("DiscoverHierarchy")
        assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "Sending message exceeds" in failure.details()
        session = await peer.open()
        stream = await session.attach()
        await session.advise("TestChildObject.TestBigString")
        assert await stream.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_bulk_above_the_limit_is_resource_exhausted_and_nothing_of_it_is_done(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession
) -> None:
    item = await session.advise("TestChildObject.TestBigString")
    await session.drain()
    entry = {"item_handle": item, "value": {"string_value": "y" * 17_000}}
    failure = await peer.invoke_fails(
        session.session_id, "write_bulk", server_handle=session.server, entries=[entry] * 1000
    )
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "Received message exceeds" in failure.details()
    await session.invoke("ping")
    assert await session.drain() == []
    results = ok(await session.on_server("write_bulk", entries=[entry] * 900)).write_bulk.results
    assert [result.was_successful for result in results] == [True] * 900


async def test_a_bulk_whose_reply_is_above_the_limit_is_resource_exhausted_and_the_session_lives_on(
    peer: Peer, session: PeerSession
) -> None:
    session.server = ok(await session.invoke("register", client_name="svc")).register.server_handle
    tags = ["TestChildObject.TestBigString"] * 4100
    failure = await peer.invoke_fails(session.session_id, "read_bulk", server_handle=session.server, tag_addresses=tags)
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "Sending message exceeds" in failure.details()
    assert len(ok(await session.on_server("read_bulk", tag_addresses=tags[:3900])).read_bulk.results) == 3900


async def test_the_reply_to_a_drain_has_the_limit_too(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession
) -> None:
    await session.advise("TestChildObject.TestBigString")
    for number in range(17):
        gateway.set_tag("TestChildObject.TestBigString", f"{number:02}" * 500_000)
    failure = await peer.invoke_fails(session.session_id, "drain_events")
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_large_reply_is_sent_whole(peer: Peer, session: PeerSession) -> None:
    tags = ["TestChildObject.TestBigString"] * 1000
    results = ok(await session.on_server("read_bulk", tag_addresses=tags)).read_bulk.results
    assert {result.value.string_value for result in results} == {"x" * 4096}


async def test_a_client_that_takes_very_large_frames_gets_its_large_reply(gateway: SimulatedGateway) -> None:
    size = 16 * 1024 * 1024 - 1
    options = [("grpc.http2.max_frame_size", size), ("grpc.http2.lookahead_bytes", size), ("grpc.http2.bdp_probe", 0)]
    async with Peer(gateway.endpoint, gateway.api_key, options=options) as peer:
        session = await peer.open()
        tags = ["TestChildObject.TestBigString"] * 3900
        for _ in range(3):
            assert len(ok(await session.on_server("read_bulk", tag_addresses=tags)).read_bulk.results) == 3900


async def test_a_bulk_of_many_entries_is_taken(session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    entries = [{"item_handle": item, "value": integer(index)} for index in range(5000)]
    results = ok(await session.on_server("write_bulk", entries=entries)).write_bulk.results
    assert all(result.was_successful for result in results)


async def test_the_connection_announces_100_streams_and_the_windows_of_kestrel(gateway: SimulatedGateway) -> None:
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    client = H2Connection(H2Configuration())
    client.initiate_connection()
    writer.write(client.data_to_send())
    settings: dict[int, int] = {}
    connection_window = 65_535
    async with asyncio.timeout(PATIENCE):
        while SettingCodes.MAX_HEADER_LIST_SIZE not in settings or connection_window == 65_535:
            for event in client.receive_data(await reader.read(65536)):
                if isinstance(event, RemoteSettingsChanged):
                    settings |= {code: setting.new_value for code, setting in event.changed_settings.items()}
                elif isinstance(event, WindowUpdated):
                    connection_window += event.delta
    writer.close()
    await writer.wait_closed()
    assert settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 100
    assert settings[SettingCodes.INITIAL_WINDOW_SIZE] == 768 * 1024
    assert settings[SettingCodes.MAX_HEADER_LIST_SIZE] == 32 * 1024
    assert connection_window == 1024 * 1024


async def test_many_streams_share_a_connection(peer: Peer, session: PeerSession) -> None:
    pings = [session.invoke("ping") for _ in range(90)]
    for reply in await asyncio.gather(*pings):
        ok(reply)


@pytest.mark.parametrize("letter", ["x", "é", "%"])
async def test_a_status_repeats_a_long_text_of_a_request_in_part_only(letter: str) -> None:
    long = letter * 500_000
    async with (
        SimulatedGateway() as gateway,
        ControlServer(gateway) as server,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        gateway.fail_next("TestConnection", Status.INTERNAL, long)
        failures = [
            await peer.invoke_fails(long, "ping"),
            await peer.fails("CloseSession", session_id=long),
            await peer.fails("OpenSession", requested_backend=long),
            await peer.fails("DiscoverHierarchy", root_tag_name=long),
            await peer.fails("TestConnection"),
        ]
        texts = [failure.details() for failure in failures]
        async with ControlPeer(server.endpoint, server.key) as caller:
            texts += [(await caller.refused("GetTag", tag=long))[1], (await caller.refused("Do", action=long))[1]]
    for text in texts:
        assert letter * 300 in text
        assert text.endswith("…")
        assert len(text.encode()) <= 4096 + 3
