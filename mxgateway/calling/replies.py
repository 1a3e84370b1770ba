"""Checks of replies: protocol failures, MXAccess failures, and the payload that an OK reply must have."""

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
    Phase,
    map_fault,
)
from mxgateway.errors.faults import CONTRACT_HINT, ProtocolStatusFault, in_seconds
from mxgateway.errors.redaction import Gate
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


ReplyReader = Callable[[proto.MxCommandReply, proto.MxCommand, Site], T]
"""Extracts the result from the reply to a command."""


Reply: TypeAlias = proto.OpenSessionReply | proto.CloseSessionReply | proto.MxCommandReply | proto.AcknowledgeAlarmReply
"""The replies with a protocol status."""


def check_protocol(reply: Reply, site: Site) -> None:
    """Raise if a reply's protocol status is a protocol failure; an MXAccess failure is not one.

    Raises:
        MxGatewayError: The error for the status.
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
    """Raise if a command reply reports an MXAccess failure.

    Args:
        reply: A reply that passed `check_protocol`.
        command: The command that it answers.
        site: For the error.

    Raises:
        MxAccessError: With reply, HRESULT and statuses.
    """
    if refused(reply):
        hide_secrets(reply, site().gate, everywhere=True)
        diagnostic = reply.diagnostic_message or reply.protocol_status.message
        raise mxaccess_error(describe(command), reply.hresult, reply.statuses, diagnostic, reply, site())


def refused(reply: proto.MxCommandReply) -> bool:
    """Return whether a command reply reports an MXAccess failure."""
    failed = reply.protocol_status.code == proto.ProtocolStatusCode.MXACCESS_FAILURE
    return failed or status.reports_failure(reply.hresult, reply.statuses)


def check_completion(
    event: proto.MxEvent, reply: proto.MxCommandReply, command: proto.MxCommand, site: CallSite
) -> None:
    """Raise if an OnWriteComplete reports a failure.

    Raises:
        MxAccessError: With the reply that accepted the write, and the event's HRESULT and statuses.
    """
    if status.reports_failure(event.hresult, event.statuses):
        hide_secrets(event, site.gate)
        hide_secrets(reply, site.gate, everywhere=True)
        subject = f"{describe(command)} after accepting it"
        raise mxaccess_error(subject, event.hresult, event.statuses, event.raw_status, reply, site)


def unconfirmed(subject: str, site: CallSite) -> MxGatewayTimeoutError:
    """Return the error for a write that was accepted, but not confirmed within the timeout of `site`."""
    text = f"MXAccess accepted {subject}, but its OnWriteComplete did not come within {in_seconds(site.timeout or 0.0)}"
    return _timeout(text, "the write may still be carried out; read the tag to see", site, "stream")


def unsent(
    subject: str,
    waited_for: str,
    site: CallSite,
    hint: str = "nothing was carried out; try again, or allow more time",
) -> MxGatewayTimeoutError:
    """Return the error for a call that was not sent within the timeout of `site`."""
    text = f"{subject} was not sent within {in_seconds(site.timeout or 0.0)}: it was waiting for {waited_for}"
    return _timeout(text, hint, site, "request")


def _timeout(text: str, hint: str, site: CallSite, phase: Phase) -> MxGatewayTimeoutError:
    return MxGatewayTimeoutError(text, hint=hint, site=site, phase=phase, grpc_status=GrpcStatus.DEADLINE_EXCEEDED)


def unseen(error: MxGatewayError) -> MxGatewayError:
    """Return the error for an accepted write whose completion cannot come, because the stream failed with `error`.

    It is a copy: all who wait for a completion get the same `error`.
    """
    own = copy.copy(error)
    own.message = f"MXAccess accepted the write, but its OnWriteComplete was not seen: {error.message}"
    own.hint = "; ".join(filter(None, ("the write may still be carried out", error.hint)))
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
    """Return the error for a command that MXAccess refused, with its reasons in words."""
    reasons = status.explain_failure(hresult, statuses)
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
    """Return the payload that an OK reply to `command` must have.

    Raises:
        MxGatewayMalformedReplyError: It is missing, or another command's.
    """
    sent = which_one_of(command, "payload")
    arm = _REPLY_ARMS.get(sent, sent)
    if which_one_of(reply, "payload") != arm:
        raise malformed(f"the OK reply to {sent} carries no {arm} payload", site(), reply)
    return getattr(reply, arm)


def handle(reply: proto.MxCommandReply, command: proto.MxCommand, site: Site, *, name: str) -> int:
    """Return the handle in the field `name` of an OK reply's payload; MXAccess numbers handles from 1, so 0 is invalid.

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
    if which_one_of(command, "payload") in _GIVE_HANDLES:
        for result in results:
            if result.was_successful and result.item_handle <= 0:  # an item that cannot be named is none
                result.was_successful = False
                result.error_message = f"the reply has the item handle {result.item_handle}"
    if failed := [result for result in results if result.error_message or not result.was_successful]:
        gate = site().gate
        for result in failed:
            hide_secrets(result, gate)
    return results


_GIVE_HANDLES: Final = frozenset({"add_item_bulk", "subscribe_bulk"})
"""The bulk commands whose results carry new item handles."""


def hide_secrets(message: Any, gate: Gate, *, everywhere: bool = False) -> None:
    """Hide the client's own secrets in a received message, for the caller and for the frames that hold it.

    Args:
        message: The message; it is changed.
        gate: Knows the secrets.
        everywhere: Check every text, as in a reply that ends in an error; the first `MOST_LOOKED_AT` messages and texts
            of its lists are kept. Otherwise only the diagnostic texts: names and values are data and stay unchanged.
    """
    if not gate.is_idle:
        _hide_in(message, gate.hide_in_many(), [MOST_LOOKED_AT] if everywhere else None)


def _hide_in(message: Any, hide: Callable[[str], str], left: list[int] | None) -> None:
    everywhere = left is not None
    for name, value in list(vars(message).items()):
        if isinstance(value, str):
            if value and (everywhere or name in _DIAGNOSTIC_FIELDS) and (hidden := hide(value)) != value:
                setattr(message, name, hidden)
        elif is_message(value):
            _hide_in(value, hide, left)
        elif isinstance(value, list) and value:
            if left is not None and (is_message(value[0]) or isinstance(value[0], str)):
                del value[left[0] :]
                left[0] -= len(value)
            if value and is_message(value[0]):
                for each in value:
                    _hide_in(each, hide, left)
            elif everywhere and value and isinstance(value[0], str):
                value[:] = map(hide, value)


MOST_LOOKED_AT: Final = 50_000
"""Messages and texts in the lists of a reply that ends in an error: a reply of a million would hold the loop for seconds."""

_DIAGNOSTIC_FIELDS: Final = frozenset(
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
    """Return the error for a reply without a required part; unknown fields in it mean that the contracts differ."""
    hide_secrets(reply, site.gate, everywhere=True)
    if has_unnamed_fields(reply):
        return contract_error(f"{text} but has unknown fields", site)
    error = MxGatewayMalformedReplyError(
        f"{text} from {site.endpoint}",
        hint="the gateway speaks another version of the contract; compare the two with mxgw-py contract",
        site=site,
        phase="reply",
    )
    error.reply = reply
    return error


def contract_error(text: str, site: CallSite) -> MxGatewayContractError:
    """Return the error for a reply that follows another contract than the one in use."""
    return MxGatewayContractError(f"{text} from {site.endpoint}", hint=CONTRACT_HINT, site=site, phase="reply")


_DESCRIBED_FIELDS: Final = ("item_definition", "server_handle", "item_handle")


def describe(command: proto.MxCommand) -> str:
    """Return a description of a command for error texts; never a value or a credential."""
    arm = which_one_of(command, "payload")
    body = getattr(command, arm) if arm else None
    fields = [(name, getattr(body, name, None)) for name in _DESCRIBED_FIELDS]
    details = ", ".join(f"{name.replace('_', ' ')} {value!r}" for name, value in fields if value is not None)
    return f"{arm or 'the command'} ({details})" if details else arm or "the command"
