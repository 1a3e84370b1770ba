"""The exception tree that callers catch by, and what every exception carries."""

import pickle

from mxgateway import errors, proto
from mxgateway.errors import CallSite, GrpcStatus, MxAccessError, MxGatewayError
from tests.rows import each_row

TREE = {
    "MxGatewayError": {"Exception"},
    "MxGatewayUsageError": {"MxGatewayError"},
    "MxGatewayTransportError": {"MxGatewayError"},
    "MxGatewayTimeoutError": {"MxGatewayTransportError", "TimeoutError"},
    "MxGatewayTlsError": {"MxGatewayTransportError"},
    "MxGatewayProtocolError": {"MxGatewayTransportError"},
    "MxGatewayLimitError": {"MxGatewayProtocolError"},
    "MxGatewayAuthenticationError": {"MxGatewayError"},
    "MxGatewayAuthorizationError": {"MxGatewayError"},
    "MxGatewaySessionError": {"MxGatewayError"},
    "MxGatewayWorkerError": {"MxGatewayError"},
    "MxGatewayNotFoundError": {"MxGatewayError"},
    "MxGatewayInvalidRequestError": {"MxGatewayError", "ValueError"},
    "MxGatewayContractError": {"MxGatewayError", "ValueError"},
    "MxGatewayRedeployError": {"MxGatewayInvalidRequestError"},
    "MxGatewayMalformedReplyError": {"MxGatewayError"},
    "MxGatewayCommandError": {"MxGatewayError"},
    "MxAccessError": {"MxGatewayCommandError"},
}

SITE = CallSite(
    endpoint="gw.plant:5001", method="MxAccessGateway/Invoke", correlation_id="c-1", session_id="session-1", timeout=2.0
)


def test_the_tree_is_the_documented_one() -> None:
    found = {
        name: {base.__name__ for base in each.__bases__}
        for name in dir(errors)
        if isinstance(each := getattr(errors, name), type) and issubclass(each, MxGatewayError)
    }
    assert found == TREE


@each_row("name", [name for name in TREE if name not in ("MxGatewayCommandError", "MxAccessError")])
def test_every_exception_carries_where_and_what_and_what_to_do(name: str) -> None:
    error = getattr(errors, name)(
        "it failed", hint="try this", site=SITE, phase="stream", grpc_status=GrpcStatus.ABORTED, retryable=True
    )
    assert str(error) == "it failed; try this"
    assert (error.message, error.hint) == ("it failed", "try this")
    assert (error.endpoint, error.method) == ("gw.plant:5001", "MxAccessGateway/Invoke")
    assert (error.correlation_id, error.session_id) == ("c-1", "session-1")
    assert (error.phase, error.grpc_status, error.retryable) == ("stream", GrpcStatus.ABORTED, True)


@each_row("name", [name for name in TREE if name not in ("MxGatewayCommandError", "MxAccessError")])
def test_an_exception_without_a_place_has_empty_fields(name: str) -> None:
    error = getattr(errors, name)("it failed")
    assert str(error) == "it failed"
    assert (error.endpoint, error.method, error.correlation_id, error.session_id) == ("", "", "", "")
    assert (error.phase, error.grpc_status, error.retryable) == ("", None, False)


def test_a_refusal_of_mxaccess_keeps_reply_hresult_and_statuses() -> None:
    statuses = [proto.MxStatusProxy(detail=321), proto.MxStatusProxy(detail=322)]
    reply = proto.MxCommandReply(hresult=-2147220992, statuses=statuses)
    error = MxAccessError("refused", reply=reply, hresult=reply.hresult, statuses=reply.statuses, site=SITE)
    assert error.reply is reply
    assert error.hresult == -2147220992
    assert error.statuses == tuple(statuses)
    assert error.session_id == "session-1"


@each_row("text", ["two\nlines", "tab\tand\r\nreturn", "bell\x07 esc\x1b[31m", "nul\0", "bidi\u202e", "nel\x85x"])
def test_every_message_is_one_printable_line(text: str) -> None:
    error = MxGatewayError(text, hint=text)
    assert str(error).isprintable()
    assert error.message.isprintable()
    assert error.hint.isprintable()


def test_an_exception_survives_the_way_to_another_process() -> None:
    error = errors.MxGatewayTimeoutError("no answer", hint="wait", site=SITE, phase="stream")
    revived = pickle.loads(pickle.dumps(error))
    assert type(revived) is type(error)
    assert str(revived) == str(error)
    assert vars(revived) == vars(error)
