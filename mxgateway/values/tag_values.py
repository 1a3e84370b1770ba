"""What reading and writing tags by name comes to, tag by tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mxgateway import proto, status
from mxgateway.errors.redaction import OPEN_GATE
from mxgateway.values.fast_frozen import maker
from mxgateway.values.from_mx import from_mx_value
from mxgateway.values.types import MxValueOutput
from mxgateway.wire import Timestamp, has_field


@dataclass(frozen=True, slots=True)
class TagValue:
    """What reading one tag came to."""

    tag: str
    """The tag as it was asked for."""
    value: MxValueOutput
    """The value as a Python value; None when there is none."""
    quality: int
    """OPC quality; 192 is good. `mxgateway.status.explain_quality` has the words."""
    source_time: Timestamp | None
    """When the value was true, in UTC, exact to 100 ns; None when the gateway did not tell."""
    data_type: proto.MxDataType
    """MXAccess's type of the value, of its elements if it is an array."""
    ok: bool
    """True when the tag was read; its quality may be bad all the same."""
    was_cached: bool
    """True when the value comes from a subscription of the session, False when it was read for this call."""
    error: str
    """Why the tag was not read, in words; empty when it was."""
    statuses: tuple[proto.MxStatusProxy, ...]
    """MXAccess's statuses, as they came."""

    @property
    def is_good(self) -> bool:
        """True when the tag was read and its quality is good."""
        return self.ok and status.is_good(self.quality)


new_tag_value = maker(TagValue)


@dataclass(frozen=True, slots=True)
class TagWrite:
    """What writing one tag came to."""

    tag: str
    """The tag as it was given."""
    ok: bool
    """True when MXAccess has accepted the write and, if that was asked for, has confirmed it."""
    confirmed: bool
    """True when the write's OnWriteComplete has come, whatever it says."""
    error: str
    """What went wrong, in words; empty when nothing did."""
    hresult: int | None
    """The HRESULT of the refusal or of the completion, as far as there is one."""
    statuses: tuple[proto.MxStatusProxy, ...]
    """The statuses of the refusal or of the completion."""
    event: proto.MxEvent | None
    """The OnWriteComplete, when it has come."""


def tag_value(tag: str, result: proto.BulkReadResult) -> TagValue:
    """Return what one result of ReadBulk says."""
    failed = status.failures(result.statuses)
    ok = result.was_successful and not failed
    source_time: Any = result.source_timestamp if result.is_set("source_timestamp") else None
    error = "" if ok else _words(result.error_message, None, result.statuses)
    # By position: with keywords it takes twice as long, and there may be 100,000 of them.
    return new_tag_value(
        tag, from_mx_value(result.value), result.quality, source_time, data_type_of(result.value), ok, result.was_cached,
        error, tuple(result.statuses),
    )  # fmt: skip


def tag_write(tag: str, result: proto.BulkWriteResult | proto.SubscribeResult) -> TagWrite:
    """Return what a result says of a write that nobody waits for, or of an item that could not be had for it."""
    hresult = result.hresult if isinstance(result, proto.BulkWriteResult) else None
    statuses = tuple(result.statuses) if isinstance(result, proto.BulkWriteResult) else ()
    error = "" if result.was_successful else _words(result.error_message, hresult, statuses)
    return TagWrite(tag, result.was_successful, False, error, hresult, statuses, None)


def completed_write(tag: str, event: proto.MxEvent) -> TagWrite:
    """Return what an OnWriteComplete says of a write."""
    hresult, statuses = event.hresult, tuple(event.statuses)
    failed = bool(hresult is not None and status.hresult_failed(hresult)) or bool(status.failures(statuses))
    error = _words(event.raw_status, hresult, statuses) if failed else ""
    return TagWrite(tag, not failed, True, error, hresult, statuses, event)


def unconfirmed_write(tag: str, error: str) -> TagWrite:
    """Return what there is to say of a write that was accepted and whose completion is missing."""
    return TagWrite(tag, False, False, error, None, (), None)


def data_type_of(value: proto.MxValue) -> proto.MxDataType:
    """Return the type of a value, of its elements if it is an array."""
    return value.data_type or (
        value.array_value.element_data_type if has_field(value, "array_value") else value.data_type
    )


def _words(
    message: str, hresult: int | None, statuses: tuple[proto.MxStatusProxy, ...] | list[proto.MxStatusProxy]
) -> str:
    reasons = [status.explain_hresult(hresult)] if hresult else []
    reasons += [status.explain_status(each) for each in status.failures(statuses)]
    if message and not status.is_said(message, reasons):
        reasons.insert(0, OPEN_GATE.line(message))
    return ", ".join(reasons) or "no reason given"
