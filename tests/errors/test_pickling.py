"""Errors cross process boundaries whole."""

from __future__ import annotations

import pickle

from mxgateway import MxAccessError, MxGatewayAuthorizationError, MxGatewayError, proto
from mxgateway.errors import map_fault
from mxgateway.errors.faults import CallSite, GrpcStatus, RpcStatus


def test_an_mxaccess_error_keeps_everything_that_mxaccess_said() -> None:
    reply = proto.MxCommandReply(session_id="session-1", hresult=-2147024809)
    statuses = [proto.MxStatusProxy(category=proto.MxStatusCategory.SECURITY_ERROR, detail=321)]
    error = MxAccessError("refused", hint="ask", reply=reply, hresult=-2147024809, statuses=statuses)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.reply, copy.hresult, copy.statuses) == (
        MxAccessError, str(error), reply, -2147024809, tuple(statuses),
    )  # fmt: skip


def test_an_error_keeps_its_fields_and_its_text() -> None:
    site = CallSite(endpoint="gw:5001", method="MxAccessGateway/Invoke", correlation_id="c", session_id="s")
    status = RpcStatus(GrpcStatus.PERMISSION_DENIED, "API key is missing required scope 'admin'.")
    error: MxGatewayError = map_fault(status, site)
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, MxGatewayAuthorizationError)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert copy.required_scope == "admin"
