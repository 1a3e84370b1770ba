"""`connect(wait=...)` waits for a gateway that is not up yet, and for nothing else."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, MxGatewayError, TlsOptions
from mxgateway.errors import (
    MxGatewayInvalidRequestError,
    MxGatewayProtocolError,
    MxGatewayTlsError,
    MxGatewayTransportError,
)
from mxgateway.simulator import SimulatedGateway
from mxgateway.transport.calls.backoff import Backoff
from mxgateway.transport.connecting import open_channel
from tests.peers.http2.raw_peers import RawServer, StreamScript, closes_at_once, http1, silent
from tests.peers.network.certificates import ServerCertificate
from tests.rows import each_row
from tests.transport.connecting.test_greeted_first import closed_port

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses short."""
    monkeypatch.setattr(open_channel, "Backoff", lambda *_: Backoff(0.02, 0.02))


async def test_a_gateway_that_starts_later_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    for wait in (60.0, None):
        _, port = closed_port()
        caplog.clear()
        connecting = asyncio.ensure_future(connect(f"127.0.0.1:{port}", wait=wait))
        while not caplog.records:
            await asyncio.sleep(0.01)
        assert not connecting.done()
        async with SimulatedGateway(port=port):
            client = await connecting
            assert client.stats().connections_opened == 1
            await client.close()
        told = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(told) == 1
        assert f"waiting for 127.0.0.1:{port}" in told[0].getMessage()


async def connect(endpoint: str, **options: Any) -> GatewayClient:
    return await GatewayClient.connect(endpoint, plaintext=True, **options)


async def test_a_forwarder_and_a_silent_host_are_waited_for_as_well() -> None:
    for script in (closes_at_once, silent):
        number = 0

        async def then_the_gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal number
            number += 1
            if number < 3:
                await script(reader, writer)  # noqa: B023 - the script of this round
            else:
                writer.write(b"\0\0\0\x04\0\0\0\0\0")
                await silent(reader, writer)

        async with RawServer(then_the_gateway) as server:
            client = await connect(server.endpoint, wait=60, connect_timeout=0.2)
            await client.close()
            await server.all_gone()
        assert number == 3


async def test_without_wait_there_is_one_attempt() -> None:
    attempts = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        await closes_at_once(reader, writer)

    async with RawServer(counted) as server:
        with pytest.raises(MxGatewayTransportError):
            await connect(server.endpoint)
        assert attempts == 1
        with pytest.raises(MxGatewayTransportError, match="closed the connection instead") as caught:
            await connect(server.endpoint, wait=0.1)
        assert attempts > 2
        assert caught.value.retryable
        await server.all_gone()


async def test_what_waiting_does_not_mend_ends_it_at_once(own_certificate: ServerCertificate, ca_file: Path) -> None:
    rows: list[tuple[StreamScript, bool, type[MxGatewayError]]] = [
        (http1, False, MxGatewayProtocolError),
        (silent, True, MxGatewayTlsError),
    ]
    for script, secured, error_class in rows:
        async with RawServer(script, tls=own_certificate.context() if secured else None) as server:
            tls = TlsOptions(ca_file=ca_file) if secured else None
            with pytest.raises(error_class):
                await GatewayClient.connect(server.endpoint, plaintext=not secured, tls=tls, wait=None)
            await server.all_gone()


async def test_a_key_that_is_refused_while_the_contract_is_fetched_ends_it_at_once() -> None:
    async with SimulatedGateway() as gateway:
        with pytest.raises(MxGatewayError) as caught:
            await connect(gateway.endpoint, wait=None, api_key="mxgw_op_of-nobody", contract="auto")
        assert not caught.value.retryable


async def test_waiting_can_be_cancelled() -> None:
    _, port = closed_port()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await connect(f"127.0.0.1:{port}", wait=None)


@each_row("wait", [-1, float("nan"), "5", True, False])
async def test_a_wait_that_is_no_time_is_refused(wait: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="wait is"):
        await connect("127.0.0.1:1", wait=wait)
