"""The commands for server handles and items."""

from __future__ import annotations

from typing import Any

import click

import mxgateway
from mxgateway_cli.connecting.passwords import password_options
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, SESSION_ID
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import Examples, option
from mxgateway_cli.input.named_tags import TAG_FORM, one_tag
from mxgateway_cli.input.target import ITEM_OPTIONS, SERVER_OPTIONS, Place, item_place, server_place
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

_ITEM = one_tag(f"The tag, {TAG_FORM}.", required=True)
_CONTEXT_HELP = "The object that a relative tag refers to."


# --------------------------------------------------------------------------------------------------------------------
# Server handles


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
    Place(session, handle).report(call, format_value="serverHandle")


@gateway_command(
    "unregister",
    *SERVER_OPTIONS,
    examples=(
        'mxgw-py unregister --session-id "$SESSION" --server-handle 1',
        'mxgw-py unregister --session-id "$SESSION" --server-handle 1 --json',
    ),
)
async def unregister(call: Call, **server: Any) -> None:
    """Unregister a server handle and all its items."""
    async with server_place(call, **server) as place:
        await place.session.unregister(place.server_handle, correlation_id=call.correlation_id)
    place.report(call, format_value="serverHandle")


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
async def set_buffered_update_interval(call: Call, milliseconds: int, **server: Any) -> None:
    """Set how often buffered items report their values."""
    async with server_place(call, **server) as place:
        set_interval = place.session.set_buffered_update_interval
        await set_interval(place.server_handle, milliseconds, correlation_id=call.correlation_id)
    place.report(call, format_value="milliseconds", milliseconds=milliseconds)


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
async def authenticate_user(call: Call, user: str, password: mxgateway.Secret, **server: Any) -> None:
    """Authenticate a user and show the user id.

    The id is valid for secured writes with the same server handle. Without --session-id the command only checks the
    password.
    """
    async with server_place(call, **server) as place:
        authenticate = place.session.authenticate_user
        user_id = await authenticate(place.server_handle, user, password, correlation_id=call.correlation_id)
    place.report(call, format_value="userId", user=user, userId=user_id)


@gateway_command(
    "user-to-id",
    *SERVER_OPTIONS,
    option("--guid", metavar="GUID", required=True, help="The user's GUID in the galaxy."),
    examples=(
        "mxgw-py user-to-id --guid 5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0001",
        'mxgw-py user-to-id --session-id "$SESSION" --server-handle 1 \\\n  --guid 5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0001 -o value',
    ),
)
async def user_to_id(call: Call, guid: str, **server: Any) -> None:
    """Look up a user id by the user's GUID.

    The id is valid for secured writes with the same server handle.
    """
    async with server_place(call, **server) as place:
        look_up = place.session.archestra_user_to_id
        user_id = await look_up(place.server_handle, guid, correlation_id=call.correlation_id)
    place.report(call, format_value="userId", guid=guid, userId=user_id)


# --------------------------------------------------------------------------------------------------------------------
# New items


@gateway_command(
    "add-item",
    *_ITEM,
    *SERVER_OPTIONS,
    examples=(
        'mxgw-py add-item --session-id "$SESSION" --server-handle 1 Tank01.Level',
        'mxgw-py add-item --session-id "$SESSION" --server-handle 1 \\\n  Tank01.Level -o value',
    ),
)
async def add_item(call: Call, tag: str, **server: Any) -> None:
    """Add an item and show its handle.

    MXAccess accepts any name; a tag that does not exist is reported by its first event.
    """
    await _add(call, server, tag)


@gateway_command(
    "add-item2",
    *_ITEM,
    *SERVER_OPTIONS,
    option("--context", may_be_empty=True, metavar="TEXT", required=True, help=_CONTEXT_HELP),
    examples=(
        'mxgw-py add-item2 --session-id "$SESSION" --server-handle 1 \\\n  Level --context Tank01',
        "mxgw-py add-item2 Level --context Tank01 --json",
    ),
)
async def add_item2(call: Call, tag: str, context: str, **server: Any) -> None:
    """Add an item with a context and show its handle."""
    await _add(call, server, tag, context=context)


@gateway_command(
    "add-buffered-item",
    *_ITEM,
    *SERVER_OPTIONS,
    option("--context", may_be_empty=True, metavar="TEXT", default="", help=f"{_CONTEXT_HELP}  [default: none]"),
    examples=(
        'mxgw-py add-buffered-item --session-id "$SESSION" \\\n  --server-handle 1 Tank01.Level',
        'mxgw-py add-buffered-item --session-id "$SESSION" --server-handle 1 \\\n  Level --context Tank01 --json',
    ),
)
async def add_buffered_item(call: Call, tag: str, context: str, **server: Any) -> None:
    """Add a buffered item and show its handle.

    It is subscribed automatically; each of its OnBufferedDataChange events reports several values.
    """
    await _add(call, server, tag, context=context)


async def _add(call: Call, server: dict[str, Any], tag: str, **context: str) -> None:
    async with server_place(call, **server) as place:
        add = _method(call, place)
        handle = await add(place.server_handle, tag, *context.values(), correlation_id=call.correlation_id)
    call.app.names.add(place.session.session_id, place.server_handle, handle, tag)
    Place(place.session, place.server_handle, handle).report(call, format_value="itemHandle", **context)


# --------------------------------------------------------------------------------------------------------------------
# One item


def _item_command(name: str, description: str, *, advised: bool = True) -> click.Command:
    """Declare a command that calls the session's method of the same name for one item.

    Args:
        name: The command's name.
        description: Its help.
        advised: Whether a tag that the command adds is advised first.
    """

    async def act(call: Call, **target: Any) -> None:
        async with item_place(call, **target, advised=advised) as place:
            method = _method(call, place)
            status = await method(place.server_handle, place.item_handle, correlation_id=call.correlation_id)
        if status is None:
            place.report(call, format_value="itemHandle")
            return
        words = mxgateway.status.explain_status(status)
        place.report(call, format_value="statusText", statusText=words, status=mxgateway.to_json_dict(status))
        if mxgateway.status.is_failure(status.category):
            raise CommandFailure(f"MXAccess refused {name}: {words}", code=ExitCode.MXACCESS_REFUSED)

    act.__doc__ = description
    return gateway_command(name, *ITEM_OPTIONS, examples=_examples(name))(act)


def _method(call: Call, place: Place) -> Any:
    return getattr(place.session, call.operation.replace("-", "_"))


def _examples(name: str) -> Examples:
    begin, handles = f'mxgw-py {name} --session-id "$SESSION"', "--server-handle 1 --item-handle 2"
    space = " " if len(f"{begin} {handles}") < 78 else " \\\n  "  # the help has 80 columns and an indent
    return f"{begin}{space}{handles}", f"mxgw-py {name} Tank01.Level --json"


remove_item = _item_command("remove-item", "Remove an item.", advised=False)
advise = _item_command("advise", "Subscribe to an item's changes.\n\nstream-events shows the changes.", advised=False)
unadvise = _item_command("unadvise", "Unsubscribe from an item's changes.")
advise_supervisory = _item_command(
    "advise-supervisory",
    "Subscribe to an item in supervisory mode.\n\nWrites of the item then record their user id.",
    advised=False,
)
suspend = _item_command(
    "suspend", "Pause an item's updates.\n\nThe immediate status is PENDING; an OperationComplete event follows."
)
activate = _item_command(
    "activate", "Resume a suspended item's updates.\n\nIf the item was suspended, an OperationComplete event follows."
)
