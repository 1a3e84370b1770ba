"""What a peer says may stand in an error, but neither a secret nor a control character of it."""

import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.errors import CallSite, GrpcStatus, map_fault
from mxgateway.errors.faults import (
    ConnectFault,
    ConnectionFault,
    Fault,
    NotHttp2Fault,
    PeerFault,
    ProtocolStatusFault,
    ProxyFault,
    RpcStatus,
)
from tests.rows import each_row

SITE = CallSite(endpoint="gw:5001", method="MxAccessGateway/Invoke")
SECRET = "DEADBEEFsecret"

KINDS: dict[str, Callable[[str], Fault]] = {
    "a gRPC status": lambda text: RpcStatus(GrpcStatus.UNAUTHENTICATED, text),
    "a protocol status": lambda text: ProtocolStatusFault("TIMEOUT", text),
    "an unknown protocol status": lambda text: ProtocolStatusFault("NEW", text),
    "a broken rule": PeerFault,
    "a peer without HTTP/2": NotHttp2Fault,
    "a lost connection": ConnectionFault,
    "a proxy": lambda text: ProxyFault("http://proxy:3128", text),
    "a failed connection": lambda text: ConnectFault("http2", NotHttp2Fault(text)),
    "an operating system's error": lambda text: OSError(5, text),
    "any exception": RuntimeError,
}


@each_row("kind", KINDS)
@given(text=st.text())
def test_an_error_is_one_printable_line_whatever_the_peer_says(kind: str, text: str) -> None:
    error = map_fault(KINDS[kind](text), SITE)
    assert str(error).isprintable()
    assert error.message == error.message.strip()


@each_row("kind", KINDS)
@each_row(
    "echo",
    [
        f"bad key mxgw_op_{SECRET}",
        f"authorization: Bearer mxgw_op_{SECRET}",
        f"authorization: bearer {SECRET}",
        f"MXGW_OP_{SECRET}.",
        f'{{"key": "mxgw_op_{SECRET}"}}',
        f"x_mxgw_op_{SECRET}",
        f"mxgw_op_{SECRET[:4]}\x00\x1b{SECRET[4:]}",
        f"no route to http://op:{SECRET}@proxy:3128",
        f"no route to http://op:p@ss/{SECRET}@proxy:3128/",
    ],
)
def test_a_secret_that_the_peer_echoes_is_not_repeated(kind: str, echo: str) -> None:
    error = map_fault(KINDS[kind](echo), SITE)
    for shown in (str(error), repr(error), error.message, repr(vars(error))):
        assert SECRET not in shown


@each_row("kind", [kind for kind in KINDS if kind not in ("an operating system's error", "any exception")])
def test_a_traceback_with_its_causes_does_not_repeat_it_either(kind: str) -> None:
    def fail(fault: Fault) -> None:
        error = map_fault(fault, SITE)
        raise error from error.__cause__

    with pytest.raises(Exception, match="gw:5001") as caught:
        fail(KINDS[kind](f"bad key mxgw_op_{SECRET}\x1b]0;owned\x07"))
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
