"""A command's target: handles of an open session, or a tag in a session of the command's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from mxgateway_cli.connecting.shared_options import CLIENT_NAME, ITEM_HANDLE, SERVER_HANDLE, SESSION_ID
from mxgateway_cli.declaring.command import Call
from mxgateway_cli.input.named_tags import one_tag

if TYPE_CHECKING:
    from mxgateway import Session

_OWN_TAG: Final = one_tag("Without --session-id: the tag to add and use.")
SERVER_OPTIONS: Final = (SESSION_ID, SERVER_HANDLE, CLIENT_NAME)
HANDLE_OPTIONS: Final = (SESSION_ID, SERVER_HANDLE, ITEM_HANDLE, CLIENT_NAME)
ITEM_OPTIONS: Final = (*_OWN_TAG, *HANDLE_OPTIONS)


@dataclass(frozen=True, slots=True)
class Place:
    """A session, a server handle in it, and an item handle under that; 0 if there is none."""

    session: Session
    server_handle: int = 0
    item_handle: int = 0

    def report(self, call: Call, *, format_value: str, **fields: Any) -> None:
        """Write the command's result.

        Args:
            call: The command's run.
            format_value: The key that the format ``value`` writes.
            fields: The result's fields besides session and handles.
        """
        document: dict[str, Any] = {"sessionId": self.session.session_id}
        if self.server_handle:
            document["serverHandle"] = self.server_handle
        if self.item_handle:
            document["itemHandle"] = self.item_handle
            tag = call.app.names.get(self.session.session_id, self.server_handle, self.item_handle)
            if tag is not None:
                document["tag"] = tag
        call.report(document | fields, value=format_value)


@asynccontextmanager
async def server_place(
    call: Call, session_id: str | None, server_handle: int | None, client_name: str
) -> AsyncIterator[Place]:
    """Yield a server handle: the named one, or a new one in a session of the command's own.

    Raises:
        click.UsageError: A handle without its session, or a session without a handle.
    """
    check_pair(session_id, "--server-handle", server_handle)
    async with call.session(session_id, name=client_name) as session:
        yield Place(session, await session.register(client_name) if server_handle is None else server_handle)


@asynccontextmanager
async def item_place(
    call: Call,
    *,
    session_id: str | None,
    server_handle: int | None,
    item_handle: int | None,
    tag: str | None,
    client_name: str,
    advised: bool = True,
) -> AsyncIterator[Place]:
    """Yield an item: the one named by its handles, or a tag that is added in a session of the command's own.

    Raises:
        click.UsageError: The options do not name one item.
    """
    check_pair(session_id, "--server-handle", server_handle)
    check_pair(session_id, "--item-handle", item_handle)
    if session_id is not None and tag is not None:
        raise click.UsageError("TAG cannot be used with --session-id: name an open session's item by its handles.")
    if session_id is None and tag is None:
        raise click.UsageError("Name the item: --session-id with --server-handle and --item-handle, or TAG.")
    async with server_place(call, session_id, server_handle, client_name) as place:
        if tag is None:
            yield Place(place.session, place.server_handle, item_handle or 0)
            return
        yield await added_item(call, place.session, place.server_handle, tag, advised=advised)


async def added_item(call: Call, session: Session, server_handle: int, tag: str, *, advised: bool = True) -> Place:
    """Add a tag, and advise it unless told otherwise; return its item."""
    handle = await session.add_item(server_handle, tag)
    call.app.names.add(session.session_id, server_handle, handle, tag)
    if advised:
        await session.advise(server_handle, handle)
    return Place(session, server_handle, handle)


def check_pair(session_id: str | None, option_name: str, handle: int | None) -> None:
    """Reject a handle without its session, and a session without a handle.

    Raises:
        click.UsageError: One is given without the other.
    """
    if session_id is None and handle is not None:
        raise click.UsageError(f"{option_name} requires --session-id: a handle is valid only in its session.")
    if session_id is not None and handle is None:
        raise click.UsageError(f"--session-id requires {option_name}.")
