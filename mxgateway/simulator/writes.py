"""The four kinds of write: what is refused at once, what is accepted, and how an accepted write ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator import statuses
from mxgateway.simulator.clock import nanoseconds
from mxgateway.simulator.items import Item
from mxgateway.simulator.plant_model import Security, WriteRefusal
from mxgateway.simulator.sparse import expand
from mxgateway.simulator.statuses import MxAccessFailure, security_failure
from mxgateway.simulator.tags import Tag
from mxgateway.simulator.values import UnfitValue, from_message
from mxgateway.simulator.worker import Command, Worker
from mxgateway.wire import has_field, which_one_of

_E_FAIL: Final = 0x80004005 - 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRequest:
    """One write, whichever of the commands carried it."""

    server_handle: int
    item_handle: int
    value: mx.MxValue
    time: mx.MxValue | None = None
    """The time that the value gets; None takes the clock's."""
    user_id: int = 0
    """The user of a plain write."""
    secured: tuple[int, int] | None = None
    """Current user and verifier of a secured write; None for a plain one."""


def write_request(message: Any, server_handle: int) -> WriteRequest:
    """Return the write that a write command, or an entry of a bulk, carries; a sparse array in it is expanded.

    Raises:
        GRPCError: INVALID_ARGUMENT for a missing value and for a sparse array that cannot be expanded.
    """
    if not has_field(message, "value"):
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
    """Accept a write; its OnWriteComplete tells the outcome.

    Args:
        worker: The worker.
        command: The command that the write came with.
        write: The write.

    Raises:
        MxAccessFailure: MXAccess refuses at once: unknown handle, item not advised, user unknown, no valid time, or a
            provider that refuses at once.
        AccessDenied: The API key may not write the tag.
    """
    item = worker.item(write.server_handle, write.item_handle)
    worker.check_write(command.key, item.tag)
    if not item.is_advised:
        raise MxAccessFailure
    if write.secured is not None and not all(map(item.server.knows, write.secured)):
        raise MxAccessFailure("The user id does not belong to this server handle.")
    time_ns = worker.clock.now_ns() if write.time is None else _time(write.time)
    tag = item.tag
    if tag is None:
        worker.accept_write(item, None, statuses.UNKNOWN_REFERENCE, _E_FAIL)
        return
    if tag.attribute.refusal is WriteRefusal.AT_ONCE:
        raise security_failure(statuses.PROVIDER_SECURITY)
    if (refusal := _refusal(tag, write)) is not None:
        worker.accept_write(item, None, refusal, statuses.E_PROVIDER_SECURITY)
        return
    _accept_value(worker, item, tag, write, time_ns)


def _accept_value(worker: Worker, item: Item, tag: Tag, write: WriteRequest, time_ns: int) -> None:
    is_array = tag.attribute.is_array and item.index is None
    try:
        native = from_message(write.value, tag.attribute.data_type, is_array=is_array)
    except UnfitValue as unfit:
        worker.accept_write(item, None, statuses.wrong_type(str(unfit)), _E_FAIL)
        return
    user_id = write.secured[0] if write.secured is not None else write.user_id

    def apply() -> None:
        if item.is_supervisory or write.secured is not None:
            tag.last_user_id = user_id
        tag.write(native, item.index, time_ns)

    worker.accept_write(item, apply, statuses.OK, statuses.S_OK)


def _refusal(tag: Tag, write: WriteRequest) -> mx.MxStatusProxy | None:
    """Return why the attribute's security refuses the write; None when it does not."""
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
    if which_one_of(value, "kind") != "timestamp_value":
        raise MxAccessFailure("The time of the write is no time.")
    return nanoseconds(value.timestamp_value)
