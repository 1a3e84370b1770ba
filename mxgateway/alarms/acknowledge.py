"""Acknowledges an alarm: sends the request once and reports the outcome exactly."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from mxgateway import proto, status
from mxgateway.alarms.references import AlarmReference
from mxgateway.calling.argument_checks import check_correlation_id, check_text
from mxgateway.calling.replies import check_protocol, hide_secrets, malformed, mxaccess_error
from mxgateway.calling.rpcs import ACKNOWLEDGE_ALARM
from mxgateway.errors import CallSite, GrpcStatus, MxGatewayError
from mxgateway.errors.faults import is_unprocessed
from mxgateway.transport.calls.method import CallOptions, Progress, site_of
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel
from mxgateway.wire import has_field

_NOTHING_DONE: Final = frozenset(
    {
        GrpcStatus.UNAUTHENTICATED, GrpcStatus.PERMISSION_DENIED, GrpcStatus.INVALID_ARGUMENT, GrpcStatus.OUT_OF_RANGE,
        GrpcStatus.NOT_FOUND, GrpcStatus.FAILED_PRECONDITION, GrpcStatus.UNIMPLEMENTED,
    }
)  # fmt: skip
"""Statuses that mean nothing was done."""


@dataclass(frozen=True, slots=True)
class AlarmAcknowledgement:
    """An acknowledgement that the alarm provider accepted."""

    reference: AlarmReference
    """The acknowledged alarm."""
    hresult: int | None
    """The provider's result: 0; None when the gateway reported success by a status alone."""
    diagnostic: str
    """The gateway's diagnostic text, for the log; often empty."""
    correlation_id: str
    """Identifies the call in the gateway's log."""
    reply: proto.AcknowledgeAlarmReply = field(hash=False)
    """The raw reply."""


async def acknowledge_alarm(
    channel: Channel,
    reference: AlarmReference | UUID | str,
    comment: str,
    operator: str,
    timeout: float | None,
    correlation_id: str,
) -> AlarmAcknowledgement:
    """Acknowledge one alarm; see `GatewayClient.acknowledge_alarm`."""
    named = AlarmReference.parse(str(reference) if isinstance(reference, AlarmReference | UUID) else reference)
    request = proto.AcknowledgeAlarmRequest(
        client_correlation_id=check_correlation_id(correlation_id),
        alarm_full_reference=str(named),
        comment=check_text("comment", comment),
        operator_user=check_text("operator", operator),
    )
    reply = await acknowledge_alarm_raw(channel, request, timeout)
    options = CallOptions(timeout=timeout, correlation_id=request.client_correlation_id)
    _check_outcome(reply, named, site_of(channel, ACKNOWLEDGE_ALARM, options)())
    return AlarmAcknowledgement(
        named, reply.hresult, reply.diagnostic_message, reply.correlation_id or request.client_correlation_id, reply
    )


async def acknowledge_alarm_raw(
    channel: Channel, request: proto.AcknowledgeAlarmRequest, timeout: float | None
) -> proto.AcknowledgeAlarmReply:
    """Send AcknowledgeAlarm once and return the reply; the alarm provider's result is data here."""
    progress = Progress()
    options = CallOptions(timeout=timeout, correlation_id=request.client_correlation_id, progress=progress)
    try:
        reply = await unary(channel, ACKNOWLEDGE_ALARM, request, options)
    except MxGatewayError as error:
        certain = is_unprocessed(error.__cause__) or error.grpc_status in _NOTHING_DONE
        if progress.sent and not certain:
            raise _in_doubt(error) from error.__cause__
        raise
    check_protocol(reply, site_of(channel, ACKNOWLEDGE_ALARM, options))
    hide_secrets(reply, channel.gate)
    return reply


def _check_outcome(reply: proto.AcknowledgeAlarmReply, reference: AlarmReference, site: CallSite) -> None:
    """Raise for a native failure, and for a reply without a native outcome."""
    statuses = [reply.status] if has_field(reply, "status") else []
    refused = reply.protocol_status.code == proto.ProtocolStatusCode.MXACCESS_FAILURE
    if refused or reply.hresult or status.failures(statuses):
        hide_secrets(reply, site.gate, everywhere=True)
        subject = f"the acknowledgement of {reference}"
        diagnostic = reply.diagnostic_message or reply.protocol_status.message
        answer: Any = reply
        raise mxaccess_error(subject, reply.hresult, statuses, diagnostic, answer, site)
    if reply.hresult is None and not statuses:
        raise malformed("the OK reply to AcknowledgeAlarm has no result from the alarm provider", site, reply)


def _in_doubt(error: MxGatewayError) -> MxGatewayError:
    """Return the error for an acknowledgement with an unknown outcome."""
    own = copy.copy(error)
    own.message = f"{error.message}; it is unknown whether the alarm was acknowledged"
    own.hint = "check the alarm's state before you acknowledge again; the client did not retry"
    own.args = (f"{own.message}; {own.hint}",)
    return own
