"""The commands for server handles and items."""

from __future__ import annotations

from typing import Any

from mxgateway_cli.command import Call, gateway_command
from mxgateway_cli.options import CLIENT_NAME, SESSION_ID
from mxgateway_cli.sections import option
from mxgateway_cli.target import ITEM_OPTIONS, SERVER_OPTIONS, Place, item_place, server_place

_ITEM = option("--item", metavar="TAG", required=True, help="The tag, Object.Attribute; Attribute[] is a whole array.")


@gateway_command("register", SESSION_ID, CLIENT_NAME)
async def register(call: Call, session_id: str | None, client_name: str) -> None:
    """Register with MXAccess and show the server handle."""
    async with call.session(session_id, name=client_name) as session:
        handle = await session.register(client_name, correlation_id=call.correlation_id)
    Place(session, handle).report(call, "register", value="serverHandle")


@gateway_command("unregister", *SERVER_OPTIONS)
async def unregister(call: Call, session_id: str | None, server_handle: int | None, client_name: str) -> None:
    """Unregister a server handle with all its items."""
    async with server_place(call, session_id, server_handle, client_name) as place:
        await place.session.unregister(place.server_handle, correlation_id=call.correlation_id)
    place.report(call, "unregister", value="serverHandle")


@gateway_command("add-item", *SERVER_OPTIONS, _ITEM)
async def add_item(call: Call, session_id: str | None, server_handle: int | None, client_name: str, item: str) -> None:
    """Add an item and show its handle.

    MXAccess accepts any name; that a tag does not exist shows in its first event.
    """
    async with server_place(call, session_id, server_handle, client_name) as place:
        handle = await place.session.add_item(place.server_handle, item, correlation_id=call.correlation_id)
    Place(place.session, place.server_handle, handle).report(call, "add-item", value="itemHandle", item=item)


@gateway_command(
    "add-item2",
    *SERVER_OPTIONS,
    _ITEM,
    option("--context", metavar="TEXT", required=True, help="The object that a relative tag starts from."),
)
async def add_item2(
    call: Call, session_id: str | None, server_handle: int | None, client_name: str, item: str, context: str
) -> None:
    """Add an item with a context and show its handle."""
    async with server_place(call, session_id, server_handle, client_name) as place:
        handle = await place.session.add_item2(
            place.server_handle, item, context, correlation_id=call.correlation_id
        )  # fmt: skip
    found = Place(place.session, place.server_handle, handle)
    found.report(call, "add-item2", value="itemHandle", item=item, context=context)


@gateway_command("remove-item", *ITEM_OPTIONS)
async def remove_item(call: Call, **target: Any) -> None:
    """Remove an item."""
    async with item_place(call, **target, advised=False) as place:
        await place.session.remove_item(place.server_handle, place.item_handle, correlation_id=call.correlation_id)
    place.report(call, "remove-item", value="itemHandle")


@gateway_command("advise", *ITEM_OPTIONS)
async def advise(call: Call, **target: Any) -> None:
    """Subscribe to an item's changes.

    The changes themselves are what stream-events shows.
    """
    async with item_place(call, **target, advised=False) as place:
        await place.session.advise(place.server_handle, place.item_handle, correlation_id=call.correlation_id)
    place.report(call, "advise", value="itemHandle")


@gateway_command("unadvise", *ITEM_OPTIONS)
async def unadvise(call: Call, **target: Any) -> None:
    """End the subscription to an item."""
    async with item_place(call, **target) as place:
        await place.session.unadvise(place.server_handle, place.item_handle, correlation_id=call.correlation_id)
    place.report(call, "unadvise", value="itemHandle")


@gateway_command("advise-supervisory", *ITEM_OPTIONS)
async def advise_supervisory(call: Call, **target: Any) -> None:
    """Subscribe to an item in supervisory mode.

    Writes of the item then record their user id.
    """
    async with item_place(call, **target, advised=False) as place:
        await place.session.advise_supervisory(
            place.server_handle, place.item_handle, correlation_id=call.correlation_id
        )
    place.report(call, "advise-supervisory", value="itemHandle")
