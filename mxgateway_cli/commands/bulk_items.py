"""The bulk commands for items and their subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mxgateway_cli.bulk.input import Wanted, read_entries
from mxgateway_cli.bulk.options import ADDRESS_OPTIONS, HANDLE_OPTIONS, take_options
from mxgateway_cli.bulk.output import SUBSCRIPTIONS
from mxgateway_cli.bulk.run import Send, on_items, run_bulk
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.input.tag_globs import expanded_tags
from mxgateway_cli.input.target import Place


@gateway_command(
    "add-item-bulk",
    *ADDRESS_OPTIONS,
    examples=(
        'mxgw-py add-item-bulk --session-id "$SESSION" --server-handle 1 \\\n  Tank01.Level Tank02.Level',
        "mxgw-py add-item-bulk 'Tank*.Level' --json",
    ),
)
async def add_item_bulk(call: Call, **params: Any) -> None:
    """Add items and show their handles.

    MXAccess accepts any name; a tag that does not exist is reported by its first event.
    """
    await _by_address(call, "add-item-bulk", "add_item_bulk", params)


@gateway_command(
    "subscribe-bulk",
    *ADDRESS_OPTIONS,
    examples=(
        'mxgw-py subscribe-bulk --session-id "$SESSION" --server-handle 1 \\\n  Tank01.Level Tank02.Level',
        "mxgw-py subscribe-bulk --from setpoints.csv -o jsonl",
    ),
)
async def subscribe_bulk(call: Call, **params: Any) -> None:
    """Add items and subscribe to their changes.

    With a long list, run stream-events at the same time: a backlog of more than 10,000 events ends the session.
    """
    await _by_address(call, "subscribe-bulk", "subscribe_bulk", params)


@gateway_command(
    "advise-item-bulk",
    *HANDLE_OPTIONS,
    examples=(
        'mxgw-py advise-item-bulk --session-id "$SESSION" \\\n  --server-handle 1 --item-handles 2',
        "mxgw-py advise-item-bulk Tank01.Level Tank02.Level --json",
    ),
)
async def advise_item_bulk(call: Call, **params: Any) -> None:
    """Subscribe to the changes of items.

    With a long list, run stream-events at the same time: a backlog of more than 10,000 events ends the session.
    """
    await _by_handle(call, "advise-item-bulk", "advise_item_bulk", params, advised=False)


@gateway_command(
    "unadvise-item-bulk",
    *HANDLE_OPTIONS,
    examples=(
        'mxgw-py unadvise-item-bulk --session-id "$SESSION" \\\n  --server-handle 1 --item-handles 2',
        "mxgw-py unadvise-item-bulk Tank01.Level Tank02.Level --json",
    ),
)
async def unadvise_item_bulk(call: Call, **params: Any) -> None:
    """Unsubscribe from the changes of items."""
    await _by_handle(call, "unadvise-item-bulk", "unadvise_item_bulk", params, advised=True)


@gateway_command(
    "remove-item-bulk",
    *HANDLE_OPTIONS,
    examples=(
        'mxgw-py remove-item-bulk --session-id "$SESSION" \\\n  --server-handle 1 --item-handles 2',
        "mxgw-py remove-item-bulk Tank01.Level Tank02.Level --json",
    ),
)
async def remove_item_bulk(call: Call, **params: Any) -> None:
    """Remove items."""
    await _by_handle(call, "remove-item-bulk", "remove_item_bulk", params, advised=False)


@gateway_command(
    "unsubscribe-bulk",
    *HANDLE_OPTIONS,
    examples=(
        'mxgw-py unsubscribe-bulk --session-id "$SESSION" \\\n  --server-handle 1 --item-handles 2',
        "mxgw-py unsubscribe-bulk Tank01.Level Tank02.Level --json",
    ),
)
async def unsubscribe_bulk(call: Call, **params: Any) -> None:
    """Unsubscribe from items and remove them."""
    await _by_handle(call, "unsubscribe-bulk", "unsubscribe_bulk", params, advised=True)


async def _by_address(call: Call, operation: str, method: str, params: dict[str, Any]) -> None:
    max_tags = params.pop("max_tags")
    target, given = take_options(params)
    entries = await read_entries(Wanted(by_handle=False), given)

    async def prepare(place: Place) -> Send:
        async def send(part: range) -> Sequence[Any]:
            found: Sequence[Any] = await getattr(place.session, method)(
                place.server_handle, entries.tags[part.start : part.stop], correlation_id=call.correlation_id
            )
            return found

        return send

    async with expanded_tags(call, entries.tags, max_tags) as entries.tags:
        await run_bulk(call, operation, SUBSCRIPTIONS, target, entries, prepare)


async def _by_handle(call: Call, operation: str, method: str, params: dict[str, Any], *, advised: bool) -> None:
    target, given = take_options(params)
    entries = await read_entries(Wanted(by_handle=not target.is_own, once=True), given)

    async def prepare(place: Place) -> Send:
        async def act(_: Sequence[int], handles: list[int]) -> Sequence[Any]:
            found: Sequence[Any] = await getattr(place.session, method)(
                place.server_handle, handles, correlation_id=call.correlation_id
            )
            return found

        async def send(part: range) -> Sequence[Any]:
            return await on_items(place, entries, part, act, advised=advised, correlation_id=call.correlation_id)

        return send

    await run_bulk(call, operation, SUBSCRIPTIONS, target, entries, prepare)
