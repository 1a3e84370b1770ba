"""The `tags` command."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import mxgateway
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.input.tag_search import SEARCH_OPTIONS, TagSearch
from mxgateway_cli.output.found_tags import FoundTagWriter
from mxgateway_cli.terminal.exit_codes import CommandFailure

if TYPE_CHECKING:
    from mxgateway.proto import GalaxyAttribute, GalaxyObject


@gateway_command(
    "tags",
    *SEARCH_OPTIONS,
    vocabulary.count("tags", "--limit"),
    examples=(
        "mxgw-py tags 'Tank*.Level'",
        "mxgw-py tags TestMachine_001 --type double --json",
        "mxgw-py tags 'Tank*.Level' -o value | mxgw-py read --from -",
    ),
)
async def tags(call: Call, count: int | None, **params: Any) -> None:
    """Find the tags of the galaxy that match a pattern.

    One line for each tag; -o value writes only the names, for read --from. Exit code 1 if there is none.
    """
    search = TagSearch.take(params)
    writer = FoundTagWriter(call.output, ends=True)
    async with aclosing(_found(call, search)) as found:
        async for obj, attribute in found:
            writer.add(obj, attribute)
            if writer.count == count:
                break
    writer.finish(call.correlation_id)
    if not writer.count:
        hint = "a pattern must match the whole tag, Object.Attribute; mxgw-py galaxy-discover lists the objects"
        raise CommandFailure("no tag of the galaxy matches", hint=hint)


async def _found(call: Call, search: TagSearch) -> AsyncGenerator[tuple[GalaxyObject, GalaxyAttribute], None]:
    """Yield the tags page by page, with their objects."""
    async with call.client() as client:
        for number in range(len(search.patterns)):
            try:
                objects = client.galaxy.iter_hierarchy(search.objects(number), correlation_id=call.correlation_id)
                async with objects as pages:
                    async for obj in pages:
                        if call.output.form == "json":  # one document, held in memory until the end
                            pages.check_kept()
                        for attribute in obj.attributes:
                            if search.finds(number, attribute):
                                yield obj, attribute
            except mxgateway.MxGatewayRedeployError as error:
                error.hint = "run the command again"
                raise
