"""The commands for server handles and items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import mxgateway
from mxgateway_cli.connecting.passwords import password_options
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, SESSION_ID
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.named_tags import TAG_FORM, one_tag
from mxgateway_cli.input.target import ITEM_OPTIONS, SERVER_OPTIONS, Place, item_place, server_place
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway.proto import MxStatusProxy

_ITEM = one_tag(f"The tag, {TAG_FORM}.", required=True)


@gateway_command(
    "register",
    SESSION_ID,
    CLIENT_NAME,
    examples=(
        'mxgw-py register --session-id "$SESSION"',
        'mxgw-py register --session-id "$SESSION" --client-name line-4 -o value',
    ),
)
async def register(call: Call, session_id: str | None, client_name: str) -> None:
    """Register with MXAccess and show the server handle."""
    async with call.session(session_id, name=client_name) as session:
        handle = await session.register(client_name, correlation_id=call.correlation_id)
    Place(session, handle).report(call, "register", format_value="serverHandle")


@gateway_command(
    "unregister",
    *SERVER_OPTIONS,
    examples=(
        'mxgw-py unregister --session-id "$SESSION" --server-handle 1',
        'mxgw-py unregister --session-id "$SESSION" --server-handle 1 --json',
    ),
)
async def unregister(call: Call, session_id: str | None, server_handle: int | None, client_name: str) -> None:
    """Unregister a server handle and all its items."""
    async with server_place(call, session_id, server_handle, client_name) as place:
        await place.session.unregister(place.server_handle, correlation_id=call.correlation_id)
    place.report(call, "unregister", format_value="serverHandle")


@gateway_command(
    "add-item",
    *_ITEM,
    *SERVER_OPTIONS,
    examples=(
        'mxgw-py add-item --session-id "$SESSION" --server-handle 1 Tank01.Level',
        'mxgw-py add-item --session-id "$SESSION" --server-handle 1 \\\n  Tank01.Level -o value',
    ),
)
async def add_item(call: Call, session_id: str | None, server_handle: int | None, client_name: str, tag: str) -> None:
    """Add an item and show its handle.

    MXAccess accepts any name; a tag that does not exist is reported by its first event.
    """
    async with server_place(call, session_id, server_handle, client_name) as place:
        handle = await place.session.add_item(place.server_handle, tag, correlation_id=call.correlation_id)
    _report_added(call, "add-item", place, handle, tag)


@gateway_command(
    "add-item2",
    *_ITEM,
    *SERVER_OPTIONS,
    option(
        "--context", may_be_empty=True, metavar="TEXT", required=True, help="The object that a relative tag refers to."
    ),
    examples=(
        'mxgw-py add-item2 --session-id "$SESSION" --server-handle 1 \\\n  Level --context Tank01',
        "mxgw-py add-item2 Level --context Tank01 --json",
    ),
)
async def add_item2(
    call: Call, session_id: str | None, server_handle: int | None, client_name: str, tag: str, context: str
) -> None:
    """Add an item with a context and show its handle."""
    async with server_place(call, session_id, server_handle, client_name) as place:
        handle = await place.session.add_item2(
            place.server_handle, tag, context, correlation_id=call.correlation_id
        )  # fmt: skip
    _report_added(call, "add-item2", place, handle, tag, context=context)


@gateway_command(
    "remove-item",
    *ITEM_OPTIONS,
    examples=(
        'mxgw-py remove-item --session-id "$SESSION" --server-handle 1 --item-handle 2',
        "mxgw-py remove-item Tank01.Level --json",
    ),
)
async def remove_item(call: Call, **target: Any) -> None:
    """Remove an item."""
    async with item_place(call, **target, advised=False) as place:
        await place.session.remove_item(place.server_handle, place.item_handle, correlation_id=call.correlation_id)
    place.report(call, "remove-item", format_value="itemHandle")


@gateway_command(
    "advise",
    *ITEM_OPTIONS,
    examples=(
        'mxgw-py advise --session-id "$SESSION" --server-handle 1 --item-handle 2',
        "mxgw-py advise Tank01.Level --json",
    ),
)
async def advise(call: Call, **target: Any) -> None:
    """Subscribe to an item's changes.

    stream-events shows the changes.
    """
    async with item_place(call, **target, advised=False) as place:
        await place.session.advise(place.server_handle, place.item_handle, correlation_id=call.correlation_id)
    place.report(call, "advise", format_value="itemHandle")


@gateway_command(
    "unadvise",
    *ITEM_OPTIONS,
    examples=(
        'mxgw-py unadvise --session-id "$SESSION" --server-handle 1 --item-handle 2',
        "mxgw-py unadvise Tank01.Level --json",
    ),
)
async def unadvise(call: Call, **target: Any) -> None:
    """Unsubscribe from an item's changes."""
    async with item_place(call, **target) as place:
        await place.session.unadvise(place.server_handle, place.item_handle, correlation_id=call.correlation_id)
    place.report(call, "unadvise", format_value="itemHandle")


@gateway_command(
    "advise-supervisory",
    *ITEM_OPTIONS,
    examples=(
        'mxgw-py advise-supervisory --session-id "$SESSION" \\\n  --server-handle 1 --item-handle 2',
        "mxgw-py advise-supervisory Tank01.Level --json",
    ),
)
async def advise_supervisory(call: Call, **target: Any) -> None:
    """Subscribe to an item in supervisory mode.

    Writes of the item then record their user id.
    """
    async with item_place(call, **target, advised=False) as place:
        await place.session.advise_supervisory(
            place.server_handle, place.item_handle, correlation_id=call.correlation_id
        )
    place.report(call, "advise-supervisory", format_value="itemHandle")


@gateway_command(
    "add-buffered-item",
    *_ITEM,
    *SERVER_OPTIONS,
    option(
        "--context",
        may_be_empty=True,
        metavar="TEXT",
        default="",
        help="The object that a relative tag refers to.  [default: none]",
    ),
    examples=(
        'mxgw-py add-buffered-item --session-id "$SESSION" \\\n  --server-handle 1 Tank01.Level',
        'mxgw-py add-buffered-item --session-id "$SESSION" --server-handle 1 \\\n  Level --context Tank01 --json',
    ),
)
async def add_buffered_item(
    call: Call, session_id: str | None, server_handle: int | None, client_name: str, tag: str, context: str
) -> None:
    """Add a buffered item and show its handle.

    It is subscribed automatically; each of its OnBufferedDataChange events reports several values.
    """
    async with server_place(call, session_id, server_handle, client_name) as place:
        handle = await place.session.add_buffered_item(
            place.server_handle, tag, context, correlation_id=call.correlation_id
        )  # fmt: skip
    _report_added(call, "add-buffered-item", place, handle, tag, context=context)


@gateway_command(
    "set-buffered-update-interval",
    *SERVER_OPTIONS,
    option("--milliseconds", type=click.IntRange(0, 2**31 - 1), metavar="MS", required=True,
           help="The interval; MXAccess rounds up to 100 ms."),
    examples=(
        'mxgw-py set-buffered-update-interval --session-id "$SESSION" \\\n  --server-handle 1 --milliseconds 500',
        "mxgw-py set-buffered-update-interval --milliseconds 1000 --json",
    ),
)  # fmt: skip
async def set_buffered_update_interval(
    call: Call, session_id: str | None, server_handle: int | None, client_name: str, milliseconds: int
) -> None:
    """Set how often buffered items report their values."""
    async with server_place(call, session_id, server_handle, client_name) as place:
        await place.session.set_buffered_update_interval(
            place.server_handle, milliseconds, correlation_id=call.correlation_id
        )  # fmt: skip
    place.report(call, "set-buffered-update-interval", format_value="milliseconds", milliseconds=milliseconds)


@gateway_command(
    "suspend",
    *ITEM_OPTIONS,
    examples=(
        'mxgw-py suspend --session-id "$SESSION" --server-handle 1 --item-handle 2',
        "mxgw-py suspend Tank01.Level --json",
    ),
)
async def suspend(call: Call, **target: Any) -> None:
    """Pause an item's updates.

    The immediate status is PENDING; an OperationComplete event follows.
    """
    async with item_place(call, **target) as place:
        status = await place.session.suspend(
            place.server_handle, place.item_handle, correlation_id=call.correlation_id
        )  # fmt: skip
    _report_status(call, "suspend", place, status)


@gateway_command(
    "activate",
    *ITEM_OPTIONS,
    examples=(
        'mxgw-py activate --session-id "$SESSION" --server-handle 1 --item-handle 2',
        "mxgw-py activate Tank01.Level --json",
    ),
)
async def activate(call: Call, **target: Any) -> None:
    """Resume a suspended item's updates.

    If the item was suspended, an OperationComplete event follows.
    """
    async with item_place(call, **target) as place:
        status = await place.session.activate(
            place.server_handle, place.item_handle, correlation_id=call.correlation_id
        )  # fmt: skip
    _report_status(call, "activate", place, status)


def _report_added(call: Call, operation: str, place: Place, handle: int, tag: str, **fields: Any) -> None:
    call.app.names.add(place.session.session_id, place.server_handle, handle, tag)
    Place(place.session, place.server_handle, handle).report(call, operation, format_value="itemHandle", **fields)


def _report_status(call: Call, operation: str, place: Place, status: MxStatusProxy) -> None:
    words = mxgateway.status.explain_status(status)
    place.report(call, operation, format_value="statusText", statusText=words, status=mxgateway.to_json_dict(status))
    if mxgateway.status.is_failure(status.category):
        raise CommandFailure(f"MXAccess refused {operation}: {words}", code=ExitCode.MXACCESS_REFUSED)


@gateway_command(
    "authenticate-user",
    *SERVER_OPTIONS,
    option("--user", metavar="NAME", required=True, help="The user of the galaxy."),
    *password_options(),
    examples=(
        'mxgw-py authenticate-user --session-id "$SESSION" --server-handle 1 \\\n  --user operator --password-file operator.txt',
        "mxgw-py authenticate-user --user operator --password-env OPERATOR_PASSWORD",
    ),
)
async def authenticate_user(
    call: Call,
    session_id: str | None,
    server_handle: int | None,
    client_name: str,
    user: str,
    password: mxgateway.Secret,
) -> None:
    """Authenticate a user and show the user id.

    The id is valid for secured writes with the same server handle. Without --session-id the command only checks the
    password.
    """
    async with server_place(call, session_id, server_handle, client_name) as place:
        user_id = await place.session.authenticate_user(
            place.server_handle, user, password, correlation_id=call.correlation_id
        )  # fmt: skip
    place.report(call, "authenticate-user", format_value="userId", user=user, userId=user_id)


@gateway_command(
    "user-to-id",
    *SERVER_OPTIONS,
    option("--guid", metavar="GUID", required=True, help="The user's GUID in the galaxy."),
    examples=(
        "mxgw-py user-to-id --guid 5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0001",
        'mxgw-py user-to-id --session-id "$SESSION" --server-handle 1 \\\n  --guid 5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0001 -o value',
    ),
)
async def user_to_id(
    call: Call, session_id: str | None, server_handle: int | None, client_name: str, guid: str
) -> None:
    """Look up a user id by the user's GUID.

    The id is valid for secured writes with the same server handle.
    """
    async with server_place(call, session_id, server_handle, client_name) as place:
        user_id = await place.session.archestra_user_to_id(
            place.server_handle, guid, correlation_id=call.correlation_id
        )  # fmt: skip
    place.report(call, "user-to-id", format_value="userId", guid=guid, userId=user_id)
