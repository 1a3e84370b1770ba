"""Sending commands: how they are wrapped and sent, and which of them may be retried."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from mxgateway import proto
from mxgateway.calling.replies import check_mxaccess, check_protocol
from mxgateway.calling.rpcs import INVOKE
from mxgateway.errors import CallSite, map_fault
from mxgateway.errors.faults import ContractFault, RequestFault
from mxgateway.options.credentials import Secret
from mxgateway.transport.calls.call import framed
from mxgateway.transport.calls.method import CallOptions, Progress, site_of
from mxgateway.transport.calls.unary import UnaryCall, unary
from mxgateway.transport.channel import Channel
from mxgateway.wire import which_one_of
from mxgateway.wire.messages.betterproto_seam import Message
from mxgateway.wire.schema import schema_of

REPEATABLE: Final = frozenset(
    {proto.MxCommandKind.PING, proto.MxCommandKind.GET_SESSION_STATE, proto.MxCommandKind.GET_WORKER_INFO}
)
"""Commands that change nothing: they are retried while the gateway is unavailable.

Any other command is sent again only if the gateway certainly did not process it.
"""


_ARMS: Final[dict[type, str]] = {
    field.python_type: field.name for field in schema_of(proto.MxCommand).fields if field.group == "payload"
}


def wrap(payload: Message) -> proto.MxCommand:
    """Return the command with `payload`: arm and kind follow from its type."""
    arm = _ARMS[type(payload)]
    fields: dict[str, Any] = {"kind": proto.MxCommandKind.from_string(arm.upper()), arm: payload}
    return proto.MxCommand(**fields)


def check_size(channel: Channel, request: proto.MxCommandRequest, site: CallSite) -> None:
    """Refuse a request that cannot be sent, before anything else is done for it.

    Raises:
        MxGatewayInvalidRequestError: It is larger than the message limit, or cannot be encoded.
        MxGatewayContractError: The gateway's contract lacks a part of it.
    """
    try:
        framed(channel, request)
    except (RequestFault, ContractFault) as fault:
        raise map_fault(fault, site, phase="connect") from fault


def framed_ahead(channel: Channel, request: proto.MxCommandRequest) -> bytes:
    """Return a request encoded in advance; empty if it cannot be encoded: sending it then raises the error."""
    try:
        return framed(channel, request)
    except (RequestFault, ContractFault):
        return b""


async def invoke_raw(
    channel: Channel, request: proto.MxCommandRequest, timeout: float | None, progress: Progress | None = None
) -> proto.MxCommandReply:
    """Send a command and return its reply; an MXAccess failure does not raise.

    Raises:
        MxGatewayError: The call failed, or the gateway reports a protocol failure.
    """
    options = _options(request, timeout, progress)
    with channel.hiding(_secrets(request.command)) if options.secret else _NOTHING_TO_HIDE:
        reply = await unary(channel, INVOKE, request, options)
    check_protocol(reply, site_of(channel, INVOKE, options))
    return reply


class SentCommand(UnaryCall[proto.MxCommandRequest, proto.MxCommandReply]):
    """A command in steps."""

    def __init__(self, channel: Channel, request: proto.MxCommandRequest, timeout: float | None) -> None:
        options = _options(request, timeout)
        super().__init__(channel, INVOKE, request, options)
        self.command = request.command
        self._site = site_of(channel, INVOKE, options)

    async def reply(self) -> proto.MxCommandReply:
        """Return the reply; an MXAccess failure does not raise.

        Raises:
            MxGatewayError: The call failed, or the gateway reports a protocol failure.
        """
        reply = await super().reply()
        check_protocol(reply, self._site)
        return reply


async def invoke(channel: Channel, request: proto.MxCommandRequest, timeout: float | None) -> proto.MxCommandReply:
    """Send a command and return its reply, if MXAccess accepted it.

    Raises:
        MxAccessError: MXAccess refused it.
        MxGatewayError: The call failed, or the gateway reports a protocol failure.
    """
    reply = await invoke_raw(channel, request, timeout)
    check_mxaccess(reply, request.command, site_of(channel, INVOKE, _options(request, timeout)))
    return reply


def _options(request: proto.MxCommandRequest, timeout: float | None, progress: Progress | None = None) -> CallOptions:
    arm = which_one_of(request.command, "payload")
    return CallOptions(
        timeout=timeout, correlation_id=request.client_correlation_id, session_id=request.session_id,
        repeatable=_is_repeatable(request.command.kind, arm), secret=arm in _WITH_SECRETS, progress=progress,
    )  # fmt: skip


def _is_repeatable(kind: proto.MxCommandKind, arm: str) -> bool:
    """Return whether a command may be retried; not if its kind and payload contradict each other."""
    return kind in REPEATABLE and (not arm or proto.MxCommandKind.from_string(arm.upper()) == kind)


def _secrets(command: proto.MxCommand) -> list[Secret]:
    """Return the passwords in a command."""
    if which_one_of(command, "payload") != "authenticate_user":
        return []
    password: Any = command.authenticate_user.verify_user_password
    return [Secret(password)] if isinstance(password, str) and password else []


_NOTHING_TO_HIDE: Final = contextlib.nullcontext()
_WITH_SECRETS: Final = frozenset(
    {"authenticate_user", "write_secured", "write_secured2", "write_secured_bulk", "write_secured2_bulk"}
)
"""The arms of commands with secrets: no traceback frame may hold a part of them."""
