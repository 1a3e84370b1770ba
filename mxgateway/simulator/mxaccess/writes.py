"""The four kinds of write: what is rejected at once, what is accepted, and how an accepted write ends."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, NamedTuple

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.mxaccess import statuses
from mxgateway.simulator.mxaccess.items import Item
from mxgateway.simulator.mxaccess.sparse_arrays import expand
from mxgateway.simulator.mxaccess.statuses import MxAccessFailure, security_failure
from mxgateway.simulator.mxaccess.values import DataType, UnfitValue, from_message
from mxgateway.simulator.mxaccess.worker import Command, Completion, Worker
from mxgateway.simulator.plant.live_tags import Tag
from mxgateway.simulator.plant.model import Security, WriteRefusal

_E_FAIL: Final = 0x80004005 - 2**32


class WriteRequest(NamedTuple):
    """One write, independent of its command."""

    server_handle: int
    item_handle: int
    value: mx.MxValue
    time: mx.MxValue | None = None
    """The time of the value; None for the clock's time."""
    user_id: int = 0
    """The user of a plain write."""
    secured: tuple[int, int] | None = None
    """Current user and verifier of a secured write; None for a plain one."""


def write_request(message: Any, server_handle: int) -> WriteRequest:
    """Return the write of a write command or of a bulk entry; a sparse array is expanded.

    Raises:
        GRPCError: INVALID_ARGUMENT for a missing value or a sparse array that cannot be expanded.
    """
    if not message.is_set("value"):
        raise GRPCError(Status.INVALID_ARGUMENT, "The write has no value.")
    is_secured = hasattr(message, "current_user_id")
    return WriteRequest(
        server_handle=server_handle,
        item_handle=message.item_handle,
        value=expand(message.value),
        time=getattr(message, "timestamp_value", None),
        user_id=getattr(message, "user_id", 0),
        secured=(message.current_user_id, message.verifier_user_id) if is_secured else None,
    )


def accept(worker: Worker, command: Command, write: WriteRequest) -> None:
    """Accept a write; its OnWriteComplete reports the outcome.

    Args:
        worker: The worker.
        command: The command that contains the write.
        write: The write.

    Raises:
        MxAccessFailure: MXAccess rejects it at once: unknown handle, item not advised, unknown user, invalid time, or a
            provider that rejects at once.
        AccessDenied: The API key may not write the tag.
    """
    item = worker.item(write.server_handle, write.item_handle)
    worker.check_write(command.key, item.tag)
    if not item.is_advised:
        raise MxAccessFailure
    if write.secured is not None and not all(map(item.server.knows, write.secured)):
        raise MxAccessFailure("The user id does not belong to this server handle.")
    time_ns = worker.clock.now_ns() if write.time is None else _time(write.time)
    if item.tag is not None and item.tag.attribute.refusal is WriteRefusal.AT_ONCE:
        raise security_failure(statuses.PROVIDER_SECURITY)
    worker.accept_write(item, write.value, partial(_execute, item, write, time_ns, item.is_supervisory))


def _execute(item: Item, write: WriteRequest, time_ns: int, is_supervisory: bool) -> Completion:
    tag = item.tag
    if tag is None:
        return Completion(statuses.UNKNOWN_REFERENCE, _E_FAIL)
    if (refusal := _refusal(tag, write)) is not None:
        return Completion(refusal, statuses.E_PROVIDER_SECURITY)
    try:
        is_array = tag.attribute.is_array and item.index is None
        native = from_message(write.value, tag.attribute.data_type, is_array=is_array)
        sample = tag.written(native, item.index, time_ns)
    except UnfitValue as unfit:
        return Completion(statuses.wrong_type(str(unfit)), _E_FAIL)
    if write.secured is not None:
        tag.last_user_id = write.secured[0]
    elif is_supervisory:
        tag.last_user_id = write.user_id
    return Completion(statuses.OK, sample=sample)


def _refusal(tag: Tag, write: WriteRequest) -> mx.MxStatusProxy | None:
    """Return why the attribute's security rejects the write; None if it does not."""
    if tag.attribute.refusal is WriteRefusal.ON_COMPLETION:
        return statuses.PROVIDER_SECURITY
    security = tag.attribute.security
    if security is Security.VIEW_ONLY:
        return statuses.VIEW_ONLY
    if security is Security.SECURED_WRITE and write.secured is None:
        return statuses.SECURED_WRITE_REQUIRED
    if security is Security.VERIFIED_WRITE and (write.secured is None or write.secured[0] == write.secured[1]):
        return statuses.VERIFIED_WRITE_REQUIRED
    return None


def _time(value: mx.MxValue) -> int:
    try:
        time_ns: int = from_message(value, DataType.TIME, is_array=False)
    except UnfitValue:
        raise MxAccessFailure("The time of the write is not a time.") from None
    return time_ns
