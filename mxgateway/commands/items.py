"""The session's methods for registrations and items."""

from __future__ import annotations

from mxgateway import proto
from mxgateway.calling import replies
from mxgateway.calling.argument_checks import check_handle, check_interval, check_text
from mxgateway.commands.core import ITEM_HANDLE, SERVER_HANDLE, SessionCore
from mxgateway.events.writes.item_writes import Item


class ItemCommands(SessionCore):
    """Registrations, items and their subscriptions."""

    async def register(self, client_name: str, *, timeout: float | None = None, correlation_id: str = "") -> int:
        """Register a client with MXAccess and return its server handle.

        Args:
            client_name: The name under which MXAccess lists the client.
        """
        command = proto.RegisterCommand(client_name=check_text("client_name", client_name))
        return await self._ask(command, SERVER_HANDLE, timeout, correlation_id)

    async def unregister(self, server_handle: int, *, timeout: float | None = None, correlation_id: str = "") -> None:
        """Unregister a client; all items of its server handle are removed with it."""
        command = proto.UnregisterCommand(server_handle=check_handle("server_handle", server_handle))
        await self._send(command, timeout, correlation_id)

    async def add_item(
        self, server_handle: int, item_definition: str, *, timeout: float | None = None, correlation_id: str = ""
    ) -> int:
        """Add an item and return its handle. MXAccess accepts any name; an unknown tag shows in its first event.

        Args:
            server_handle: From `register`.
            item_definition: The tag, ``Object.Attribute``; ``Attribute[]`` names a whole array.
        """
        command = proto.AddItemCommand(
            server_handle=check_handle("server_handle", server_handle),
            item_definition=check_text("item_definition", item_definition),
        )
        return await self._ask(command, ITEM_HANDLE, timeout, correlation_id)

    async def add_item2(
        self,
        server_handle: int,
        item_definition: str,
        item_context: str,
        *,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> int:
        """Add an item within a context (the object that relative names start from) and return its handle."""
        command = proto.AddItem2Command(
            server_handle=check_handle("server_handle", server_handle),
            item_definition=check_text("item_definition", item_definition),
            item_context=check_text("item_context", item_context),
        )
        return await self._ask(command, ITEM_HANDLE, timeout, correlation_id)

    async def add_buffered_item(
        self,
        server_handle: int,
        item_definition: str,
        item_context: str,
        *,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> int:
        """Add a buffered item and return its handle.

        It subscribes by itself and reports its values in OnBufferedDataChange events.

        Args:
            server_handle: From `register`.
            item_definition: The tag, relative to the context.
            item_context: The object that relative names start from, passed on unchanged; may be empty.
        """
        command = proto.AddBufferedItemCommand(
            server_handle=check_handle("server_handle", server_handle),
            item_definition=check_text("item_definition", item_definition),
            item_context=check_text("item_context", item_context),
        )
        return await self._ask(command, ITEM_HANDLE, timeout, correlation_id)

    async def set_buffered_update_interval(
        self, server_handle: int, milliseconds: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> None:
        """Set the interval at which the buffered items of a registration report their values.

        Args:
            server_handle: From `register`.
            milliseconds: The interval, 0 to 2^31 - 1; MXAccess rounds up to 100 ms.
        """
        command = proto.SetBufferedUpdateIntervalCommand(
            server_handle=check_handle("server_handle", server_handle),
            update_interval_milliseconds=check_interval("milliseconds", milliseconds),
        )
        await self._send(command, timeout, correlation_id)

    async def remove_item(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> None:
        """Remove an item; MXAccess may reuse its handle."""
        command = proto.RemoveItemCommand(**check_item(server_handle, item_handle)._asdict())
        await self._send(command, timeout, correlation_id)

    async def advise(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> None:
        """Subscribe to an item: an OnDataChange with the current value comes first, then one for each change."""
        command = proto.AdviseCommand(**check_item(server_handle, item_handle)._asdict())
        await self._send(command, timeout, correlation_id)

    async def unadvise(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> None:
        """End the subscription to an item."""
        command = proto.UnAdviseCommand(**check_item(server_handle, item_handle)._asdict())
        await self._send(command, timeout, correlation_id)

    async def advise_supervisory(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> None:
        """Subscribe to an item as a supervisory client; writes then record their user id."""
        command = proto.AdviseSupervisoryCommand(**check_item(server_handle, item_handle)._asdict())
        await self._send(command, timeout, correlation_id)

    async def suspend(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.MxStatusProxy:
        """Pause an advised item's updates until `activate`.

        Returns the status at once, PENDING; OperationComplete follows as an event.
        """
        command = proto.SuspendCommand(**check_item(server_handle, item_handle)._asdict())
        found: proto.SuspendReply = await self._ask(command, replies.payload, timeout, correlation_id)
        return found.status

    async def activate(
        self, server_handle: int, item_handle: int, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.MxStatusProxy:
        """Resume a suspended item's updates.

        Returns the status; OperationComplete follows as an event if the item was suspended.
        """
        command = proto.ActivateCommand(**check_item(server_handle, item_handle)._asdict())
        found: proto.ActivateReply = await self._ask(command, replies.payload, timeout, correlation_id)
        return found.status


def check_item(server_handle: int, item_handle: int) -> Item:
    """Return an item by its two handles if MXAccess can have assigned them."""
    return Item(check_handle("server_handle", server_handle), check_handle("item_handle", item_handle))
