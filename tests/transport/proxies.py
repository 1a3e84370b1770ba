"""What the tests of HTTP proxies share: calls through one, and what may not show."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from mxgateway import GatewayClient, HttpProxy, proto
from mxgateway.errors import (
    MxGatewayError,
    MxGatewayTransportError,
    Phase,
)
from tests.peers.http2.raw_peers import (
    Http2Peer,
)
from tests.peers.tracebacks import told
from tests.transport.rig import REPLY

KEY = "mxgw_op_proxy-secret"
PASSWORD = "pr0xy-p4ssword"
TOKEN = "b3A6cHIweHktcDRzc3dvcmQ="  # op:pr0xy-p4ssword
GATEWAY = "gw.plant:5001"


async def serve(peer: Http2Peer) -> None:
    await peer.serve(REPLY)


async def call(endpoint: str, proxy: str | HttpProxy, **options: Any) -> None:
    async with GatewayClient.connect(endpoint, api_key=KEY, proxy=proxy, connect_timeout=5.0, **options) as client:
        reply = await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))
        assert reply.diagnostic_message == "answered"


async def refused(
    proxy: str, phase: Phase = "proxy", error_class: type[MxGatewayError] = MxGatewayTransportError, **options: Any
) -> MxGatewayError:
    """Return the error of a connection to the gateway that the proxy does not let come about."""
    options = {"api_key": KEY, "connect_timeout": 5.0, **options}
    with pytest.raises(MxGatewayError) as caught:
        await GatewayClient.connect(GATEWAY, proxy=proxy, **options)
    error = caught.value
    assert (type(error), error.phase, error.endpoint) == (error_class, phase, GATEWAY)
    assert str(error).isprintable()
    assert GATEWAY in error.message
    assert f"the proxy http://{proxy.rpartition('@')[2].removeprefix('http://')}" in error.message
    assert error.hint
    assert "report it" not in str(error)
    assert_discreet(error)
    return error


def assert_discreet(error: BaseException) -> None:
    for secret in (PASSWORD, TOKEN, KEY):
        assert secret not in told(error)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def connect(proxy: str) -> None:
    await GatewayClient.connect(GATEWAY, proxy=proxy)
