"""Errors whose remedy is not the usual one of their status say which it is."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from mxgateway import GatewayClient, MxGatewayAuthenticationError, MxGatewayTransportError
from mxgateway.errors import CallSite, GrpcStatus, Phase, map_fault
from mxgateway.errors.faults import ConnectFault, Fault, ProtocolStatusFault, ProxyFault, RpcStatus
from mxgateway.simulator import SimulatedGateway
from tests.errors.places import GALAXY, GATEWAY, Session, Transport, Worker
from tests.rows import each_row

OPENING = CallSite(endpoint="gw.plant:5001", method="MxAccessGateway/OpenSession")


async def test_a_call_without_a_key_says_which_option_and_variable_to_set() -> None:
    async with SimulatedGateway() as gateway:
        async with GatewayClient.connect(gateway.endpoint, plaintext=True) as client:
            with pytest.raises(MxGatewayAuthenticationError) as caught:
                await client.open_session()
            with pytest.raises(MxGatewayAuthenticationError) as galaxy:
                await client.galaxy.test_connection()
    for error in (caught.value, galaxy.value):
        assert all(word in error.hint for word in ("api_key=", "MXGATEWAY_API_KEY", "--api-key-file"))


@each_row("fault", [RpcStatus(GrpcStatus.UNAVAILABLE, "busy"), ProtocolStatusFault("WORKER_UNAVAILABLE", "busy")])
def test_only_a_session_that_is_open_has_a_worker_that_can_be_gone(fault: Fault) -> None:
    opening, later = map_fault(fault, OPENING), map_fault(fault, GATEWAY)
    assert type(opening) is type(later) is Worker
    assert "the session's worker" not in opening.hint
    assert "no worker for a new session" in opening.hint
    assert "the session's worker is gone" in later.hint


@each_row(
    "words",
    [
        "Received message exceeds the maximum configured message size.",
        "Received message larger than max (17000000 vs. 16777216)",
        "The reply is too large.",
    ],
)
def test_a_message_that_is_too_large_is_no_matter_of_sessions(words: str) -> None:
    error = map_fault(RpcStatus(GrpcStatus.RESOURCE_EXHAUSTED, words), GATEWAY)
    assert type(error) is Session
    assert "close sessions" not in error.hint
    assert "too large for the gateway" in error.hint
    assert not error.retryable


@each_row("fault", [TimeoutError(), RpcStatus(GrpcStatus.DEADLINE_EXCEEDED, "too late")])
def test_a_call_outside_sessions_that_times_out_is_no_command_in_doubt(fault: Fault) -> None:
    for site in (GALAXY, replace(GATEWAY, method="MxAccessGateway/StreamAlarms")):
        assert map_fault(fault, site).hint == "try again later, or allow more time"
    assert "may still be carried out" in map_fault(fault, GATEWAY).hint


@each_row("number", [errno.EMFILE, errno.ENFILE])
@each_row("phase", ["resolve", "connect", "proxy"])
def test_no_file_descriptors_left_is_no_fault_of_the_network(number: int, phase: Phase) -> None:
    fault = OSError(number, os.strerror(number))
    through = ProxyFault("proxy:8080", "did not connect to it", cause=fault)
    for cause in (fault, through):
        for site in (replace(GATEWAY, method=""), GALAXY):
            error = map_fault(ConnectFault(phase, cause), site)
            assert type(error) is Transport
            assert (error.grpc_status, error.phase, error.retryable) == (GrpcStatus.RESOURCE_EXHAUSTED, phase, True)
            assert "no more file descriptors" in error.message
            assert "ulimit -n" in error.hint
            assert "network" not in str(error)


async def test_a_client_that_gets_no_descriptor_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> object:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("mxgateway.transport.connecting.happy_eyeballs.socket.socket", none_left)
    with pytest.raises(MxGatewayTransportError, match="no more file descriptors"):
        await GatewayClient.connect("127.0.0.1:5001", plaintext=True)
