"""One function turns every fault into one exception: the table, row by row."""

import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from mxgateway.errors import (
    CallSite,
    GrpcStatus,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewaySessionError,
    Phase,
    map_fault,
)
from mxgateway.errors.faults import (
    CertificateFileFault,
    ClosedFault,
    ConnectFault,
    ConnectionFault,
    ContractFault,
    Fault,
    LackingFault,
    MessageFault,
    MessageTooLargeFault,
    NotHttp2Fault,
    PeerFault,
    PinFault,
    ProtocolStatusFault,
    ProxyFault,
    RequestFault,
    RpcStatus,
    StreamLimitFault,
    TransportFault,
    UnansweredFault,
    is_reply_too_large,
)
from tests.errors.places import (
    GATEWAY,
    Contract,
    Invalid,
    Protocol,
    Session,
    Timeout,
    Tls,
    Transport,
    assert_tells_where,
)
from tests.rows import each_row

Row = tuple[Fault, type[MxGatewayError], Phase, GrpcStatus | None, bool, str]

UNAVAILABLE, INTERNAL, DEADLINE = GrpcStatus.UNAVAILABLE, GrpcStatus.INTERNAL, GrpcStatus.DEADLINE_EXCEEDED

PROXY = "http://proxy.plant:3128"

FAULTS: list[Row] = [
    # fault; class, phase, status, worth another try, words
    (RequestFault("too large"), Invalid, "request", None, False, "nothing was sent"),
    (ContractFault("a reply does not fit"), Contract, "stream", None, False, "mxgw-py contract"),
    (LackingFault("the gateway's contract has no call"), Contract, "stream", None, False, "nothing was sent"),
    (ClosedFault("the client was closed"), Transport, "stream", GrpcStatus.CANCELLED, False, "open a new client"),
    (ConnectionFault("it was lost"), Transport, "stream", UNAVAILABLE, True, "it was lost"),
    (ConnectionFault("gone", processed=False), Transport, "stream", UNAVAILABLE, True, "did not see the request"),
    (UnansweredFault("it closed"), Transport, "stream", UNAVAILABLE, True, "the gateway may be starting"),
    (
        NotHttp2Fault("it answered in HTTP/1"),
        Protocol,
        "http2",
        INTERNAL,
        False,
        "is not a gRPC server: it answered in HTTP/1",
    ),
    (
        StreamLimitFault(100),
        Timeout,
        "stream",
        DEADLINE,
        True,
        "no free stream for MxAccessGateway/Invoke on the connection",
    ),
    (StreamLimitFault(100), Timeout, "stream", DEADLINE, True, "within 2.5 s: all 100 streams that the gateway allows"),
    (PeerFault("bad frame"), Protocol, "stream", INTERNAL, False, "bad frame"),
    (MessageFault("garbled"), Protocol, "stream", INTERNAL, False, "garbled"),
    (MessageTooLargeFault("17 MiB"), Protocol, "stream", INTERNAL, False, "17 MiB"),
    (TransportFault("anything else"), Protocol, "stream", INTERNAL, False, "anything else"),
    (CertificateFileFault("the CA file x cannot be read"), Tls, "tls", None, False, "the CA file x cannot be read"),
    (
        CertificateFileFault("no line", remedy="make one"),
        Tls,
        "tls",
        None,
        False,
        "no line; make one; nothing was sent",
    ),
    (PinFault("AA:BB", "CC:DD"), Tls, "tls", UNAVAILABLE, False, "expected SHA-256 AA:BB, presented CC:DD"),
    (
        PinFault("AA", "CC", "remove line 3 of known"),
        Tls,
        "tls",
        UNAVAILABLE,
        False,
        "was renewed, remove line 3 of known",
    ),
    (
        ProxyFault(PROXY, "hung up", transient=True),
        Transport,
        "stream",
        UNAVAILABLE,
        True,
        f"the proxy {PROXY} hung up",
    ),
    (
        ProxyFault(PROXY, "is none"),
        Transport,
        "stream",
        UNAVAILABLE,
        False,
        "no connection to gw.plant:5001: the proxy",
    ),
    (ProxyFault(PROXY, "refused", status=407), Transport, "stream", UNAVAILABLE, False, "give the proxy's user name"),
    (
        ProxyFault(PROXY, "refused", status=407, authenticated=True),
        Transport,
        "stream",
        UNAVAILABLE,
        False,
        "does not accept this user name",
    ),
    (
        ProxyFault(PROXY, "refused", status=407, schemes=("NTLM",)),
        Transport,
        "stream",
        UNAVAILABLE,
        False,
        "requires NTLM",
    ),
    (ProxyFault(PROXY, "refused", status=403), Transport, "stream", UNAVAILABLE, False, "have the proxy allow"),
    (
        ProxyFault(PROXY, "refused", status=502),
        Transport,
        "stream",
        UNAVAILABLE,
        True,
        "as seen from the proxy's network",
    ),
    (ProxyFault(PROXY, "x", cause=TimeoutError()), Timeout, "stream", DEADLINE, False, "within 2.5 s"),
    (
        ProxyFault(PROXY, "x", cause=TimeoutError(errno.ETIMEDOUT, "timed out")),
        Timeout,
        "stream",
        DEADLINE,
        False,
        f"the tunnel of the proxy {PROXY} broke (timed out)",
    ),
    (
        ProxyFault(PROXY, "x", cause=ConnectionRefusedError(111, "x")),
        Transport,
        "stream",
        UNAVAILABLE,
        True,
        f"nothing is listening on the proxy {PROXY}",
    ),
    (
        ProxyFault(PROXY, "x", cause=socket.gaierror(-2, "unknown")),
        Transport,
        "stream",
        UNAVAILABLE,
        True,
        f"the host name of the proxy {PROXY} cannot be resolved (unknown)",
    ),
    (
        ProxyFault(PROXY, "x", cause=ConnectionResetError()),
        Transport,
        "stream",
        UNAVAILABLE,
        True,
        f"the tunnel of the proxy {PROXY} broke (closed by the peer)",
    ),
    (ssl.SSLCertVerificationError(1, "no chain"), Tls, "tls", UNAVAILABLE, False, "was refused"),
    (ssl.SSLError(1, "odd record"), Tls, "tls", UNAVAILABLE, False, "odd record"),
    (ssl.SSLEOFError(8, "EOF in handshake"), Tls, "tls", UNAVAILABLE, False, "EOF in handshake"),
    (TimeoutError(), Timeout, "stream", DEADLINE, False, "no answer from gw.plant:5001 within 2.5 s"),
    (
        TimeoutError(errno.ETIMEDOUT, "timed out"),
        Timeout,
        "stream",
        DEADLINE,
        False,
        "no answer from gw.plant:5001 during",
    ),
    (
        socket.gaierror(-2, "Name or service not known"),
        Transport,
        "resolve",
        UNAVAILABLE,
        True,
        "Name or service not known",
    ),
    (UnicodeError("label too long"), Transport, "resolve", UNAVAILABLE, True, "cannot be resolved"),
    (
        ConnectionRefusedError(111, "refused"),
        Transport,
        "connect",
        UNAVAILABLE,
        True,
        "nothing is listening on gw.plant:5001",
    ),
    (ConnectionResetError(), Transport, "stream", UNAVAILABLE, True, "closed by the peer"),
    (
        ConnectionResetError(104, "Connection reset by peer"),
        Transport,
        "stream",
        UNAVAILABLE,
        True,
        "Connection reset by peer",
    ),
    (BrokenPipeError(32, "Broken pipe"), Transport, "stream", UNAVAILABLE, True, "Broken pipe"),
    (OSError(113, "No route to host"), Transport, "stream", UNAVAILABLE, True, "No route to host"),
    (OSError(), Transport, "stream", UNAVAILABLE, True, "OSError"),
    (KeyError("surprise"), Transport, "stream", INTERNAL, False, "KeyError while talking to gw.plant:5001"),
]


@each_row("row", FAULTS)
def test_a_fault_becomes_its_class(row: Row) -> None:
    fault, error_class, phase, grpc_status, retryable, words = row
    error = map_fault(fault, GATEWAY)
    assert type(error) is error_class
    assert (error.phase, error.grpc_status, error.retryable) == (phase, grpc_status, retryable)
    assert words in str(error)
    assert str(error).isprintable()
    assert error.__cause__ is fault
    assert error.hint
    assert_tells_where(error, GATEWAY)


def test_every_fault_of_the_transport_has_a_row() -> None:
    def below(cls: type[Any]) -> set[type[Any]]:
        return {cls}.union(*[below(each) for each in cls.__subclasses__()])

    assert below(TransportFault) - {type(row[0]) for row in FAULTS} == {RpcStatus, ConnectFault}


PHASES: list[tuple[BaseException, Phase, type[MxGatewayError], Phase, str]] = [
    (TimeoutError(), "resolve", Timeout, "resolve", "no connection to gw.plant:5001 within 2.5 s"),
    (TimeoutError(), "connect", Timeout, "connect", "no connection to gw.plant:5001 within 2.5 s"),
    (TimeoutError(), "tls", Timeout, "tls", "no connection to gw.plant:5001 within 2.5 s"),
    (TimeoutError(), "http2", Timeout, "http2", "no connection to gw.plant:5001 within 2.5 s"),
    (ConnectionRefusedError(111, "x"), "connect", Transport, "connect", "nothing is listening"),
    (socket.gaierror(-2, "x"), "resolve", Transport, "resolve", "cannot be resolved"),
    (OSError(101, "Network is unreachable"), "connect", Transport, "connect", "Network is unreachable"),
    (ConnectionResetError(), "tls", Transport, "tls", "closed by the peer) during the TLS handshake"),
    (ssl.SSLError(1, "x"), "tls", Tls, "tls", "the TLS handshake with"),
    (PinFault("AA", "BB"), "tls", Tls, "tls", "not the trusted one"),
    (
        ProxyFault(PROXY, "x", cause=TimeoutError()),
        "resolve",
        Timeout,
        "resolve",
        f"the name of the proxy {PROXY} was not",
    ),
    (
        ProxyFault(PROXY, "x", cause=TimeoutError()),
        "connect",
        Timeout,
        "connect",
        f"the proxy {PROXY} could not be reached",
    ),
    (ProxyFault(PROXY, "x", cause=TimeoutError()), "proxy", Timeout, "proxy", f"the proxy {PROXY} did not answer"),
    (ProxyFault(PROXY, "x", cause=TimeoutError()), "tls", Timeout, "tls", f"the tunnel of the proxy {PROXY}"),
    (
        ProxyFault(PROXY, "x", cause=OSError(101, "no net")),
        "connect",
        Transport,
        "connect",
        "the connection to the proxy",
    ),
    (ProxyFault(PROXY, "x", cause=OSError(101, "no net")), "proxy", Transport, "proxy", "the connection to the proxy"),
    (
        ProxyFault(PROXY, "x", cause=UnicodeError("label")),
        "resolve",
        Transport,
        "resolve",
        "the host name of the proxy",
    ),
    (ProxyFault(PROXY, "refused", status=407), "proxy", Transport, "proxy", f"the proxy {PROXY} refused"),
    (NotHttp2Fault("no ALPN"), "http2", Protocol, "http2", "no ALPN"),
    (ConnectionFault("GOAWAY"), "http2", Transport, "http2", "GOAWAY"),
]


@each_row("row", PHASES)
def test_what_failed_while_connecting_keeps_its_phase_and_its_cause(
    row: tuple[BaseException, Phase, type[MxGatewayError], Phase, str],
) -> None:
    cause, phase, error_class, mapped, words = row
    error = map_fault(ConnectFault(phase, cause), GATEWAY)
    assert (type(error), error.phase) == (error_class, mapped)
    assert words in error.message
    assert error.__cause__ is cause
    assert_tells_where(error, GATEWAY)


def test_an_error_of_the_tree_is_returned_as_it_is() -> None:
    error = MxGatewaySessionError("already mapped")
    assert map_fault(error, GATEWAY) is error
    assert map_fault(ConnectFault("connect", error), GATEWAY) is error


@pytest.mark.parametrize(
    ("message", "scope"),
    [
        ("API key is missing required scope 'invoke:write'.", "invoke:write"),
        ("API key is missing required scope 'admin'.", "admin"),
        ("No.", ""),
    ],
)
def test_a_missing_scope_is_named(message: str, scope: str) -> None:
    error = map_fault(RpcStatus(GrpcStatus.PERMISSION_DENIED, message), GATEWAY)
    assert isinstance(error, MxGatewayAuthorizationError)
    assert error.required_scope == scope


@pytest.mark.parametrize(
    "make",
    [
        lambda: RpcStatus(GrpcStatus.DEADLINE_EXCEEDED, "slow"),
        lambda: ProtocolStatusFault("TIMEOUT", "slow"),
        TimeoutError,
    ],
)
def test_a_deadline_is_a_timeout_error_wherever_it_was_noticed(make: Callable[[], Fault]) -> None:
    error = map_fault(make(), GATEWAY)
    assert isinstance(error, TimeoutError)
    assert error.grpc_status is GrpcStatus.DEADLINE_EXCEEDED
    assert error.retryable is False
    assert "may still be carried out" in error.hint


def test_a_refused_request_is_a_value_error() -> None:
    for fault in (RequestFault("x"), RpcStatus(GrpcStatus.INVALID_ARGUMENT), ProtocolStatusFault("INVALID_REQUEST")):
        assert isinstance(map_fault(fault, GATEWAY), ValueError)


def test_a_fault_without_words_still_makes_a_sentence() -> None:
    assert "no further message" in map_fault(RpcStatus(GrpcStatus.ABORTED), GATEWAY).message
    assert "no further message" in map_fault(ProtocolStatusFault("TIMEOUT"), GATEWAY).message


def test_an_event_stream_that_was_too_slow_is_not_worth_another_try() -> None:
    site = CallSite(endpoint="gw.plant:5001", method="MxAccessGateway/StreamEvents")
    error = map_fault(RpcStatus(GrpcStatus.RESOURCE_EXHAUSTED, "Event queue overflow."), site)
    assert (type(error), error.retryable) == (Session, False)


@each_row(
    ("text", "too_large"),
    [
        ("Sending message exceeds the maximum configured message size.", True),  # grpc-dotnet
        ("Sent message larger than max (17000000 vs. 16777216)", True),  # gRPC's C core
        ("trying to send message larger than max (17000000 vs. 16777216)", True),  # gRPC's Go
        ("Received message exceeds the maximum configured message size.", False),
        ("session-1 has 128 pending commands, the limit.", False),
        ("Event queue overflow.", False),
    ],
)
def test_a_reply_beyond_the_gateways_own_limit_is_told_from_its_other_limits(text: str, too_large: bool) -> None:
    fault = RpcStatus(GrpcStatus.RESOURCE_EXHAUSTED, text)
    error = map_fault(fault, GATEWAY)
    assert is_reply_too_large(fault) is too_large
    assert isinstance(error, Protocol) is too_large
    assert ("request less at once" in error.hint) is too_large
    assert not is_reply_too_large(RpcStatus(GrpcStatus.INTERNAL, text))
