"""Replies on their way in: protocol failures, MXAccess's own failures, and the payload that an OK reply must carry."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from mxgateway import proto, status
from mxgateway.errors import (
    CallSite,
    GrpcStatus,
    MxAccessError,
    MxGatewayContractError,
    MxGatewayError,
    MxGatewayMalformedReplyError,
    MxGatewayTimeoutError,
    map_fault,
)
from mxgateway.errors.faults import ProtocolStatusFault, in_seconds
from mxgateway.errors.redaction import Gate
from mxgateway.errors.texts import CONTRACT_HINT
from mxgateway.transport.calls.method import Site
from mxgateway.wire import has_unnamed_fields, which_one_of
from mxgateway.wire.schema import is_message

T = TypeVar("T")

_REPLY_ARMS: Final = {
    "get_session_state": "session_state",
    "get_worker_info": "worker_info",
    "acknowledge_alarm_by_name": "acknowledge_alarm",
}
"""Reply arms that are not named after their command."""


Judge = Callable[[proto.MxCommandReply, proto.MxCommand, Site], T]
"""Takes what it is asked for out of the reply to a command."""


Reply: TypeAlias = proto.OpenSessionReply | proto.CloseSessionReply | proto.MxCommandReply | proto.AcknowledgeAlarmReply
"""The replies that carry a protocol status."""


def check_protocol(reply: Reply, site: Site) -> None:
    """Refuse a reply whose protocol status is a protocol failure; an MXAccess failure is none.

    Raises:
        MxGatewayError: The class that stands for the status.
        MxGatewayMalformedReplyError: The reply has no status.
    """
    protocol_status = reply.protocol_status
    code = protocol_status.code
    if code == proto.ProtocolStatusCode.UNSPECIFIED:
        raise malformed(f"{type(reply).__name__} carries no protocol status", site(), reply)
    if code not in (proto.ProtocolStatusCode.OK, proto.ProtocolStatusCode.MXACCESS_FAILURE):
        hide_secrets(reply, site().gate, everywhere=True)
        name = proto.ProtocolStatusCode.try_value(code).name or f"protocol status {int(code)}"
        raise map_fault(ProtocolStatusFault(name, protocol_status.message, reply), site())


def check_mxaccess(reply: proto.MxCommandReply, command: proto.MxCommand, site: Site) -> None:
    """Refuse a command reply that reports an MXAccess failure.

    Args:
        reply: A reply that `check_protocol` has passed.
        command: What it answers.
        site: For the error.

    Raises:
        MxAccessError: With reply, HRESULT and statuses.
    """
    if refused(reply):
        hide_secrets(reply, site().gate, everywhere=True)
        diagnostic = reply.diagnostic_message or reply.protocol_status.message
        raise mxaccess_error(describe(command), reply.hresult, reply.statuses, diagnostic, reply, site())


def refused(reply: proto.MxCommandReply) -> bool:
    """Tell whether a command reply reports an MXAccess failure."""
    failed = reply.protocol_status.code == proto.ProtocolStatusCode.MXACCESS_FAILURE
    return failed or _reports_failure(reply)


def _reports_failure(outcome: proto.MxCommandReply | proto.MxEvent) -> bool:
    hresult = outcome.hresult
    return bool(hresult is not None and status.hresult_failed(hresult)) or bool(status.failures(outcome.statuses))


def check_completion(
    event: proto.MxEvent, reply: proto.MxCommandReply, command: proto.MxCommand, site: CallSite
) -> None:
    """Refuse an OnWriteComplete that reports a failure.

    Raises:
        MxAccessError: With the reply that accepted the write, and the event's HRESULT and statuses.
    """
    if _reports_failure(event):
        hide_secrets(event, site.gate)
        hide_secrets(reply, site.gate, everywhere=True)
        subject = f"{describe(command)} after accepting it"
        raise mxaccess_error(subject, event.hresult, event.statuses, event.raw_status, reply, site)


def unconfirmed(subject: str, site: CallSite) -> MxGatewayTimeoutError:
    """Return the error for a write that was accepted and not confirmed within the bound of `site`."""
    return MxGatewayTimeoutError(
        f"MXAccess accepted {subject}, but its OnWriteComplete did not come within {in_seconds(site.timeout or 0.0)}",
        hint="the write may still be carried out; read the tag to see",
        site=site,
        phase="stream",
        grpc_status=GrpcStatus.DEADLINE_EXCEEDED,
    )


def unsent(subject: str, waited_for: str, site: CallSite) -> MxGatewayTimeoutError:
    """Return the error for a write that was not sent within the bound of `site`."""
    return MxGatewayTimeoutError(
        f"{subject} was not sent within {in_seconds(site.timeout or 0.0)}: it has waited for {waited_for}",
        hint="nothing was carried out; try again, or allow more time",
        site=site,
        phase="request",
        grpc_status=GrpcStatus.DEADLINE_EXCEEDED,
    )


def unseen(error: MxGatewayError) -> MxGatewayError:
    """Return the error for a write that was accepted and whose completion cannot come, because of what `error` says of the stream.

    It is one of its own: everybody who waits for a completion is told the same error.
    """
    own = copy.copy(error)
    own.message = f"MXAccess accepted the write, but its OnWriteComplete was not seen: {error.message}"
    own.hint = (
        f"the write may still be carried out; {error.hint}" if error.hint else "the write may still be carried out"
    )
    own.args = (f"{own.message}; {own.hint}",)
    return own


def mxaccess_error(
    subject: str,
    hresult: int | None,
    statuses: Sequence[proto.MxStatusProxy],
    diagnostic: str,
    reply: proto.MxCommandReply,
    site: CallSite,
) -> MxAccessError:
    """Return the error for what MXAccess refused, in words."""
    reasons = [f"{status.explain_hresult(hresult)}"] if hresult else []
    reasons += [status.explain_status(each) for each in status.failures(statuses)]
    if diagnostic and not status.is_said(diagnostic, reasons):
        reasons.append(diagnostic)
    return MxAccessError(
        f"MXAccess refused {subject}: {', '.join(reasons) or 'no reason given'}",
        reply=reply,
        hresult=hresult,
        statuses=statuses,
        site=site,
        phase="reply",
    )


def payload(reply: proto.MxCommandReply, command: proto.MxCommand, site: Site) -> Any:
    """Return the payload that an OK reply to `command` must carry.

    Raises:
        MxGatewayMalformedReplyError: It is missing, or another command's.
    """
    sent = which_one_of(command, "payload")
    arm = _REPLY_ARMS.get(sent, sent)
    if which_one_of(reply, "payload") != arm:
        raise malformed(f"the OK reply to {sent} carries no {arm} payload", site(), reply)
    return getattr(reply, arm)


def handle(reply: proto.MxCommandReply, command: proto.MxCommand, site: Site, *, name: str) -> int:
    """Return the handle of that name from the payload of an OK reply; MXAccess numbers handles from 1, so 0 is none.

    Raises:
        MxGatewayMalformedReplyError: The payload is missing, or the handle is 0.
    """
    found: int = getattr(payload(reply, command, site), name)
    if found == 0:
        raise malformed(f"the OK reply carries {name} 0", site(), reply)
    return found


def bulk_results(reply: proto.MxCommandReply, command: proto.MxCommand, site: Site, *, count: int) -> list[Any]:
    """Return the results of an OK reply to a bulk command, one for each of its `count` entries.

    Raises:
        MxGatewayMalformedReplyError: The payload is missing, or has another number of results.
    """
    results: list[Any] = payload(reply, command, site).results
    if len(results) != count:
        raise malformed(f"the OK reply carries {len(results)} results for {count} entries", site(), reply)
    if failed := [result for result in results if result.error_message or not result.was_successful]:
        gate = site().gate
        for result in failed:
            hide_secrets(result, gate)
    return results


def hide_secrets(message: Any, gate: Gate, *, everywhere: bool = False) -> None:
    """Hide the client's own secrets in a message of the gateway's, for the caller who has it and the frames that hold it.

    Args:
        message: What was received; it is changed.
        gate: Knows the secrets.
        everywhere: Whether every text is gone through, as of a reply that ends in an error. Otherwise only what a message says about itself: names and
            values are data and stay as they are.
    """
    if gate.is_idle:
        return
    for name, value in list(vars(message).items()):
        if isinstance(value, str):
            if value and (everywhere or name in _SAYINGS) and (hidden := gate.hide(value)) != value:
                setattr(message, name, hidden)
        elif is_message(value):
            hide_secrets(value, gate, everywhere=everywhere)
        elif isinstance(value, list) and value:
            if is_message(value[0]):
                for each in value:
                    hide_secrets(each, gate, everywhere=everywhere)
            elif everywhere and isinstance(value[0], str):
                value[:] = map(gate.hide, value)


_SAYINGS: Final = frozenset(
    {
        "message",
        "diagnostic_message",
        "diagnostic_text",
        "error_message",
        "fault_message",
        "raw_diagnostic",
        "raw_status",
    }
)


def malformed(text: str, site: CallSite, reply: Any) -> MxGatewayMalformedReplyError | MxGatewayContractError:
    """Return the error for a reply that lacks what it must carry; with fields that are not known here, another contract is spoken."""
    hide_secrets(reply, site.gate, everywhere=True)
    if has_unnamed_fields(reply):
        return contract_error(f"{text} but has fields that are not known here", site)
    error = MxGatewayMalformedReplyError(
        f"{text} from {site.endpoint}",
        hint="the gateway speaks another version of the contract; compare the two with mxgw-py contract",
        site=site,
        phase="reply",
    )
    error.reply = reply
    return error


def contract_error(text: str, site: CallSite) -> MxGatewayContractError:
    """Return the error for a reply by another contract than the one that is spoken."""
    return MxGatewayContractError(f"{text} from {site.endpoint}", hint=CONTRACT_HINT, site=site, phase="reply")


_TELLING_FIELDS: Final = ("item_definition", "server_handle", "item_handle")


def describe(command: proto.MxCommand) -> str:
    """Return what a command asks for, in words; never a value or a credential."""
    arm = which_one_of(command, "payload")
    body = getattr(command, arm) if arm else None
    fields = [(name, getattr(body, name, None)) for name in _TELLING_FIELDS]
    details = ", ".join(f"{name.replace('_', ' ')} {value!r}" for name, value in fields if value is not None)
    return f"{arm or 'the command'} ({details})" if details else arm or "the command"
