"""Builds the OpenSession request from the options."""

from __future__ import annotations

from datetime import timedelta

from mxgateway import proto
from mxgateway.calling.arguments import check_correlation_id, check_text
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options import OpenSessionOptions
from mxgateway.options.checks import is_number
from mxgateway.wire.times.duration import MAX_DURATION


def open_session_request(options: OpenSessionOptions) -> proto.OpenSessionRequest:
    """Return the request that opens a session with these options.

    Raises:
        MxGatewayInvalidRequestError: An option cannot be sent.
    """
    request = proto.OpenSessionRequest(
        requested_backend=check_text("requested_backend", options.requested_backend),
        client_session_name=check_text("client_session_name", options.client_session_name),
        client_correlation_id=check_correlation_id(options.correlation_id),
    )
    if options.command_timeout is not None:
        request.command_timeout = _command_timeout(options.command_timeout)
    return request


def _command_timeout(timeout: timedelta | float) -> timedelta:
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if not (is_number(seconds) and 0 < seconds <= MAX_DURATION):
        raise MxGatewayInvalidRequestError(
            f"command_timeout is {timeout!r:.100}", hint=f"give seconds above 0 and up to {MAX_DURATION}, or None",
            phase="request",
        )  # fmt: skip
    return timedelta(seconds=float(seconds))
