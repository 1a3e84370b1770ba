"""The bulk commands for items and their subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from mxgateway_cli.bulk.input import Wanted, read_entries
from mxgateway_cli.bulk.options import ADDRESS_OPTIONS, HANDLE_OPTIONS, take_options
from mxgateway_cli.bulk.output import SUBSCRIPTIONS
from mxgateway_cli.bulk.run import Send, on_items, run_bulk
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.input.tag_globs import expanded_tags
from mxgateway_cli.input.target import Place

_BACKLOG: Final = (
    "With a long list, run stream-events at the same time: a backlog of more than 10,000 events ends the session."
)


def _by_address(name: str, description: str, example: str) -> click.Command:
    """Declare a command that calls the session's method of the same name for tags."""

    async def act(call: Call, max_tags: int, **params: Any) -> None:
        target, given = take_options(params)
        entries = await read_entries(Wanted(by_handle=False), given)

        async def prepare(place: Place) -> Send:
            async def send(part: range) -> Sequence[Any]:
                return await _done(call, place, entries.tags[part.start : part.stop])

            return send

        async with expanded_tags(call, entries.tags, max_tags) as entries.tags:
            await run_bulk(call, SUBSCRIPTIONS, target, entries, prepare)

    act.__doc__ = description
    session = f'mxgw-py {name} --session-id "$SESSION" --server-handle 1 \\\n  Tank01.Level Tank02.Level'
    return gateway_command(name, *ADDRESS_OPTIONS, examples=(session, example))(act)


def _by_handle(name: str, description: str, *, advised: bool) -> click.Command:
    """Declare a command that calls the session's method of the same name for items.

    Args:
        name: The command's name.
        description: Its help.
        advised: Whether tags that the command adds are advised first.
    """

    async def act(call: Call, **params: Any) -> None:
        target, given = take_options(params)
        entries = await read_entries(Wanted(by_handle=not target.is_own, once=True), given)

        async def prepare(place: Place) -> Send:
            async def of_items(_: Sequence[int], handles: list[int]) -> Sequence[Any]:
                return await _done(call, place, handles)

            async def send(part: range) -> Sequence[Any]:
                return await on_items(call, place, entries, part, of_items, advised=advised)

            return send

        await run_bulk(call, SUBSCRIPTIONS, target, entries, prepare)

    act.__doc__ = description
    session = f'mxgw-py {name} --session-id "$SESSION" \\\n  --server-handle 1 --item-handles 2'
    examples = session, f"mxgw-py {name} Tank01.Level Tank02.Level --json"
    return gateway_command(name, *HANDLE_OPTIONS, examples=examples)(act)


async def _done(call: Call, place: Place, entries: Sequence[Any]) -> Sequence[Any]:
    method = getattr(place.session, call.operation.replace("-", "_"))
    results: Sequence[Any] = await method(place.server_handle, entries, correlation_id=call.correlation_id)
    return results


add_item_bulk = _by_address(
    "add-item-bulk",
    "Add items and show their handles.\n\n"
    "MXAccess accepts any name; a tag that does not exist is reported by its first event.",
    example="mxgw-py add-item-bulk 'Tank*.Level' --json",
)
subscribe_bulk = _by_address(
    "subscribe-bulk",
    f"Add items and subscribe to their changes.\n\n{_BACKLOG}",
    example="mxgw-py subscribe-bulk --from setpoints.csv -o jsonl",
)
advise_item_bulk = _by_handle("advise-item-bulk", f"Subscribe to the changes of items.\n\n{_BACKLOG}", advised=False)
unadvise_item_bulk = _by_handle("unadvise-item-bulk", "Unsubscribe from the changes of items.", advised=True)
remove_item_bulk = _by_handle("remove-item-bulk", "Remove items.", advised=False)
unsubscribe_bulk = _by_handle("unsubscribe-bulk", "Unsubscribe from items and remove them.", advised=True)
