"""The results of reading and writing tags by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mxgateway import proto, status
from mxgateway.errors.redaction import OPEN_GATE
from mxgateway.values.fast_frozen import fast_constructor
from mxgateway.values.from_mx import from_mx_value
from mxgateway.values.types import PYDANTIC, MxValueOutput
from mxgateway.wire import Timestamp, has_field


@dataclass(frozen=True, slots=True)
class TagValue:
    """The result of reading one tag."""

    __pydantic_config__: ClassVar = PYDANTIC

    tag: str
    """The tag as requested."""
    value: MxValueOutput = field(hash=False)
    """The value as a Python value; None if there is none."""
    quality: int
    """OPC quality; 192 is good. `mxgateway.status.explain_quality` explains it."""
    source_time: Timestamp | None
    """The source timestamp of the value, in UTC, exact to 100 ns; None if the gateway sent none."""
    data_type: proto.MxDataType
    """MXAccess's type of the value, or of its elements if it is an array."""
    ok: bool
    """True if the tag was read; its quality may still be bad."""
    was_cached: bool
    """True if the value comes from a subscription of the session, False if it was read for this call."""
    error: str
    """Why the tag was not read, in words; empty if it was."""
    statuses: tuple[proto.MxStatusProxy, ...] = field(hash=False)
    """MXAccess's statuses as received."""

    @property
    def is_good(self) -> bool:
        """True if the tag was read and its quality is good."""
        return self.ok and status.is_good(self.quality)


new_tag_value = fast_constructor(TagValue)


@dataclass(frozen=True, slots=True)
class TagWrite:
    """The result of writing one tag."""

    tag: str
    """The tag as requested."""
    ok: bool
    """True if MXAccess accepted the write and, if requested, confirmed it."""
    confirmed: bool
    """True if the write's OnWriteComplete was received, whatever its status."""
    error: str
    """What went wrong, in words; empty if nothing did."""
    hresult: int | None
    """The HRESULT of the refusal or of the completion, if there is one."""
    statuses: tuple[proto.MxStatusProxy, ...] = field(hash=False)
    """The statuses of the refusal or of the completion."""
    event: proto.MxEvent | None = field(hash=False)
    """The OnWriteComplete, if it was received."""


def tag_value(tag: str, result: proto.BulkReadResult) -> TagValue:
    """Return the `TagValue` for one result of ReadBulk."""
    ok = result.was_successful and not status.failures(result.statuses)
    source_time: Any = result.source_timestamp if result.is_set("source_timestamp") else None
    error = "" if ok else _words(result.error_message, None, result.statuses)
    # Positional: keywords take twice as long, and there may be 100,000 results.
    return new_tag_value(
        tag, from_mx_value(result.value), result.quality, source_time, data_type_of(result.value), ok, result.was_cached,
        error, tuple(result.statuses),
    )  # fmt: skip


def tag_write(tag: str, result: proto.BulkWriteResult | proto.SubscribeResult) -> TagWrite:
    """Return the `TagWrite` for an unconfirmed write, or for a write whose item could not be added."""
    hresult = result.hresult if isinstance(result, proto.BulkWriteResult) else None
    statuses = tuple(result.statuses) if isinstance(result, proto.BulkWriteResult) else ()
    error = "" if result.was_successful else _words(result.error_message, hresult, statuses)
    return TagWrite(tag, result.was_successful, False, error, hresult, statuses, None)


def completed_write(tag: str, event: proto.MxEvent) -> TagWrite:
    """Return the `TagWrite` for a write whose OnWriteComplete was received."""
    hresult, statuses = event.hresult, tuple(event.statuses)
    failed = status.reports_failure(hresult, statuses)
    error = _words(event.raw_status, hresult, statuses) if failed else ""
    return TagWrite(tag, not failed, True, error, hresult, statuses, event)


def unconfirmed_write(tag: str, error: str) -> TagWrite:
    """Return the `TagWrite` for a write that was accepted, but whose completion is missing."""
    return TagWrite(tag, False, False, error, None, (), None)


def data_type_of(value: proto.MxValue) -> proto.MxDataType:
    """Return the type of a value, or of its elements if it is an array."""
    if value.data_type or not has_field(value, "array_value"):
        return value.data_type
    return value.array_value.element_data_type


def _words(message: str, hresult: int | None, statuses: Sequence[proto.MxStatusProxy]) -> str:
    reasons = status.explain_failure(hresult, statuses)
    if message and not status.is_said(message, reasons):
        reasons.insert(0, OPEN_GATE.line(message))
    return ", ".join(reasons) or "no reason given"
