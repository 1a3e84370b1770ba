"""The session's methods that write one item."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from mxgateway import proto
from mxgateway.calling import requests
from mxgateway.calling.argument_checks import check_int32, check_mapping, check_time, check_user_id
from mxgateway.commands.items import ItemCommands, check_item
from mxgateway.commands.refused_values import hides_refused_values
from mxgateway.options.credentials import SecretText
from mxgateway.values import MxScalarInput, MxValueInput, to_mx_sparse_array, to_mx_value


class WriteCommands(ItemCommands):
    """The four kinds of write, the confirmed write, and the write of some array elements."""

    @hides_refused_values
    async def write(
        self,
        server_handle: int,
        item_handle: int,
        value: MxValueInput,
        *,
        user_id: int = 0,
        data_type: proto.MxDataType | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> None:
        """Write an advised item. On return MXAccess has accepted the write; its outcome is an OnWriteComplete event.

        Args:
            server_handle: From `register`.
            item_handle: Of an item that is advised.
            value: A Python value; see `mxgateway.values` for its conversion.
            user_id: Recorded only while the item has a supervisory advise.
            data_type: The MXAccess type to send, if the Python type should not decide it.
        """
        command = _write_command(server_handle, item_handle, value, user_id, data_type)
        await self._send(command, timeout, correlation_id)

    @hides_refused_values
    async def write2(
        self,
        server_handle: int,
        item_handle: int,
        value: MxValueInput,
        timestamp: datetime,
        *,
        user_id: int = 0,
        data_type: proto.MxDataType | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> None:
        """Write an advised item with a timestamp (a datetime with a time zone); otherwise like `write`."""
        command = proto.Write2Command(
            **check_item(server_handle, item_handle)._asdict(),
            value=to_mx_value(value, data_type=data_type),
            timestamp_value=time_value("timestamp", timestamp),
            user_id=check_int32("user_id", user_id),
        )
        await self._send(command, timeout, correlation_id)

    @hides_refused_values
    async def write_secured(
        self,
        server_handle: int,
        item_handle: int,
        value: MxValueInput,
        *,
        current_user_id: int,
        verifier_user_id: int | None = None,
        data_type: proto.MxDataType | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> None:
        """Write an advised item in the name of a user; otherwise like `write`.

        Attributes classified SecuredWrite or VerifiedWrite require it.

        Args:
            current_user_id: From `authenticate_user` with the same server handle.
            verifier_user_id: The second user of a verified write; None for a secured write, which sends the same id
                twice.
        """
        message = _secured_value(value, data_type)
        del value  # a traceback may show local variables
        command = proto.WriteSecuredCommand(
            **check_item(server_handle, item_handle)._asdict(),
            **_users(current_user_id, verifier_user_id),
            value=message,
        )
        del message
        await self._send(command, timeout, correlation_id)

    @hides_refused_values
    async def write_secured2(
        self,
        server_handle: int,
        item_handle: int,
        value: MxValueInput,
        timestamp: datetime,
        *,
        current_user_id: int,
        verifier_user_id: int | None = None,
        data_type: proto.MxDataType | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> None:
        """Write like `write_secured`, with a timestamp (a datetime with a time zone)."""
        message = _secured_value(value, data_type)
        del value  # a traceback may show local variables
        command = proto.WriteSecured2Command(
            **check_item(server_handle, item_handle)._asdict(),
            **_users(current_user_id, verifier_user_id),
            value=message,
            timestamp_value=time_value("timestamp", timestamp),
        )
        del message
        await self._send(command, timeout, correlation_id)

    @hides_refused_values
    async def write_array_elements(
        self,
        server_handle: int,
        item_handle: int,
        element_data_type: proto.MxDataType,
        total_length: int,
        elements: Mapping[int, MxScalarInput],
        *,
        user_id: int = 0,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> None:
        """Write a whole array, giving only some elements; MXAccess RESETS the others to the type's default.

        Args:
            server_handle: From `register`.
            item_handle: Of an advised item that is a whole array.
            element_data_type: The MXAccess type of every element.
            total_length: The number of elements of the array.
            elements: The new values by index, counted from 0; one or more.
            user_id: Recorded only while the item has a supervisory advise.
        """
        check_mapping("elements", elements, "{index: value}")
        sparse = to_mx_sparse_array(element_data_type, total_length, elements, name="elements")
        command = _write_command(server_handle, item_handle, sparse, user_id, None)
        await self._send(command, timeout, correlation_id)

    @hides_refused_values
    async def write_confirmed(
        self,
        server_handle: int,
        item_handle: int,
        value: MxValueInput,
        *,
        user_id: int = 0,
        data_type: proto.MxDataType | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> proto.MxEvent:
        """Write an advised item and wait until MXAccess has carried it out.

        From the first confirmed write on, the session's event stream stays open; up to 10,000 events that nobody reads
        are buffered for the next `stream_events`. Plain writes of the same item may be in flight at the same time.

        Args:
            server_handle: From `register`.
            item_handle: Of an item that is advised.
            value: A Python value; see `mxgateway.values` for its conversion.
            user_id: Recorded only while the item has a supervisory advise.
            data_type: The MXAccess type to send, if the Python type should not decide it.
            timeout: Timeout in seconds for write and confirmation together (None: the client's `call_timeout`).

        Returns:
            The OnWriteComplete event.

        Raises:
            MxAccessError: MXAccess refused the write, at once or later.
            MxGatewayTimeoutError: No confirmation came in time; the write may still happen, unless the error says that
                it was not sent.
            MxGatewaySessionError: Another event stream is attached to the session, the confirmation was lost, or an
                earlier write of the item is in doubt. In the last case nothing was sent, and only another handle can be
                confirmed: add the tag again, then remove the old item.
        """
        command = requests.wrap(_write_command(server_handle, item_handle, value, user_id, data_type))
        seconds = self._timeout(timeout)
        request = self._request(command, correlation_id)
        site = replace(self._site(request.client_correlation_id), timeout=seconds)
        requests.check_size(self._channel, request, site)  # before the event stream is opened
        item = check_item(server_handle, item_handle)
        return await self._writer.write_confirmed(item, request, seconds, site)


def time_value(name: str, moment: datetime) -> proto.MxValue:
    """Return the message for the timestamp of a write."""
    return to_mx_value(check_time(name, moment), data_type=proto.MxDataType.TIME, name=name)


def _write_command(
    server_handle: int, item_handle: int, value: MxValueInput, user_id: int, data_type: proto.MxDataType | None
) -> proto.WriteCommand:
    return proto.WriteCommand(
        **check_item(server_handle, item_handle)._asdict(),
        value=to_mx_value(value, data_type=data_type),
        user_id=check_int32("user_id", user_id),
    )


def _secured_value(value: MxValueInput, data_type: proto.MxDataType | None) -> proto.MxValue:
    """Return the message of a value that no repr shows."""
    message = to_mx_value(value, data_type=data_type)
    if isinstance(text := vars(message).get("string_value"), str):
        message = copy.copy(message)  # it may be the caller's own
        message.string_value = SecretText(text)
    return message


def _users(current_user_id: int, verifier_user_id: int | None) -> dict[str, int]:
    current = check_user_id("current_user_id", current_user_id)
    verifier = current if verifier_user_id is None else check_user_id("verifier_user_id", verifier_user_id)
    return {"current_user_id": current, "verifier_user_id": verifier}
