"""The commands that write values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import mxgateway
from mxgateway_cli.command import Call, gateway_command
from mxgateway_cli.options import USER_ID, VALUE_TEXT, VALUE_TYPE
from mxgateway_cli.sections import option
from mxgateway_cli.target import ITEM_OPTIONS, item_place

if TYPE_CHECKING:
    from datetime import datetime


@gateway_command(
    "write",
    *ITEM_OPTIONS,
    VALUE_TYPE,
    VALUE_TEXT,
    USER_ID,
    option("--confirm", is_flag=True, help="Wait until MXAccess has carried the write out."),
)
async def write(call: Call, value_type: str, value: str, user_id: int, confirm: bool, **target: Any) -> None:
    """Write a value to an item.

    Without --confirm the result means that MXAccess has accepted the write. With it the result carries the OnWriteComplete
    event, and a write that fails later ends with exit code 22.
    """
    message = mxgateway.parse_mx_value(value_type, value)
    event = None
    async with item_place(call, **target) as place:
        write = place.session.write_confirmed if confirm else place.session.write
        event = await write(
            place.server_handle, place.item_handle, message, user_id=user_id, correlation_id=call.correlation_id
        )
    place.report(
        call,
        "write",
        value="confirmed",
        confirmed=confirm,
        event=mxgateway.to_json_dict(event) if event is not None else None,
    )


@gateway_command(
    "write2",
    *ITEM_OPTIONS,
    VALUE_TYPE,
    VALUE_TEXT,
    option("--timestamp", metavar="TIME", required=True, help="When the value was true: 2026-03-01T08:30:00.5Z"),
    USER_ID,
)
async def write2(call: Call, value_type: str, value: str, timestamp: str, user_id: int, **target: Any) -> None:
    """Write a value with its time to an item."""
    message = mxgateway.parse_mx_value(value_type, value)
    moment = cast("datetime", mxgateway.parse_value("time", timestamp, name="timestamp"))
    async with item_place(call, **target) as place:
        await place.session.write2(
            place.server_handle,
            place.item_handle,
            message,
            moment,
            user_id=user_id,
            correlation_id=call.correlation_id,
        )
    place.report(call, "write2", value="timestamp", timestamp=timestamp)
