"""Tag patterns such as ``Tank*.Level``, which are looked up in the galaxy; a tag without ``*`` or ``?`` is not."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import click

import mxgateway
from mxgateway_cli.help.sections import option
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway import GalaxyRepositoryClient
    from mxgateway_cli.declaring.command import Call

_log = logging.getLogger("mxgateway.cli")

PATTERN_HINT: Final = "'Tank*.Level' in quotes matches all such tags of the galaxy."
MAX_TAGS: Final = option(
    "--max-tags", type=click.IntRange(1, 1_000_000), metavar="N", default=1000, show_default=True,
    help="Limit of tags that all patterns together may match.",
)  # fmt: skip


def is_glob(tag: str) -> bool:
    """Return whether a tag is a pattern: no name in a galaxy has these characters."""
    return "*" in tag or "?" in tag


@asynccontextmanager
async def expanded_tags(call: Call, tags: Sequence[str], limit: int) -> AsyncIterator[list[str]]:
    """Yield a command's tags, with each pattern replaced by the tags of the galaxy that match it, `limit` at most.

    If the galaxy is asked, its connection stays open while the block runs.

    Raises:
        click.UsageError: A pattern cannot match any tag.
        CommandFailure: A pattern matches no tag, or all patterns match too many.
        MxGatewayAuthorizationError: The API key may not browse the galaxy.
    """
    if not any(map(is_glob, tags)):
        yield list(tags)
        return
    check_patterns(tags)
    async with call.client():
        yield await expand(call, tags, limit)


async def expand(call: Call, tags: Sequence[str], limit: int) -> list[str]:
    """Return the tags that `expanded_tags` yields, and raise as it does; a pattern adds only tags that are new."""
    if not any(map(is_glob, tags)):
        return list(tags)
    check_patterns(tags)
    expanded: list[str] = []
    seen = {tag.casefold() for tag in tags}
    added = 0
    async with call.client() as client:
        for tag in tags:
            if not is_glob(tag):
                expanded.append(tag)
                continue
            found = await _find(client.galaxy, tag, limit, call.correlation_id)
            new = [name for name in found if name.casefold() not in seen]
            seen.update(name.casefold() for name in new)
            expanded += new
            added += len(new)
            if added > limit:
                raise _too_many("the patterns match", limit)
    return expanded


def check_patterns(tags: Sequence[str]) -> None:
    """Reject patterns that cannot match any tag, before anything is sent.

    Raises:
        click.UsageError: A pattern cannot match.
    """
    for tag in filter(is_glob, tags):
        if not tag.isprintable():
            raise click.UsageError(f"The pattern {tag!r:.80} contains a character that no name in a galaxy has.")
        if "." not in tag:
            raise click.UsageError(
                f"The pattern {tag!r:.80} has no attribute: use 'Tank*.Level', or 'Tank*.*' for all attributes."
            )


async def _find(galaxy: GalaxyRepositoryClient, pattern: str, limit: int, correlation_id: str) -> list[str]:
    try:
        found = await galaxy.find(pattern, limit=limit, correlation_id=correlation_id)
    except mxgateway.MxGatewayAuthorizationError as error:
        error.hint = "patterns are looked up in the galaxy: list the tags, or use a key that may browse it"
        raise
    except mxgateway.MxGatewayInvalidRequestError as error:
        if error.grpc_status is not None:
            raise
        raise _too_many(f"{pattern!r:.80} matches", limit) from error
    if not found:
        raise CommandFailure(
            f"no tag of the galaxy matches {pattern!r:.80}",
            hint="mxgw-py galaxy-discover lists the objects; a pattern must match the whole tag",
        )
    _log.debug("%r matches %d tags", pattern, len(found))
    return found


def _too_many(what: str, limit: int) -> CommandFailure:
    hint = "use a narrower pattern, or raise --max-tags"
    return CommandFailure(f"{what} more than {limit} tags", code=ExitCode.USAGE, hint=hint)
