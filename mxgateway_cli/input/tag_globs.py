"""Patterns in the place of tags: ``Tank*.Level`` is looked up in the galaxy; a tag without ``*`` and ``?`` never asks it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import click

import mxgateway
from mxgateway_cli.help.sections import option
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway import GalaxyRepositoryClient
    from mxgateway_cli.declaring.command import Call

_log = logging.getLogger("mxgateway.cli")

PATTERN_HINT: Final = "'Tank*.Level' in quotes stands for all tags of the galaxy that are like it."
MAX_TAGS: Final = option(
    "--max-tags", type=click.IntRange(1, 1_000_000), metavar="N", default=1000, show_default=True,
    help="How many tags the patterns among the tags may stand for, all together.",
)  # fmt: skip


def is_glob(tag: str) -> bool:
    """Tell whether a tag is a pattern: no name in a galaxy has these characters."""
    return "*" in tag or "?" in tag


@asynccontextmanager
async def tags_of(call: Call, tags: Sequence[str], limit: int) -> AsyncIterator[list[str]]:
    """Give the tags that a command works on: those that are named, and in the place of each pattern those of the galaxy that are like it.

    Args:
        call: The command's run; its connection stays open for the block where the galaxy had to be asked.
        tags: Tags and patterns.
        limit: How many tags all patterns together may stand for.

    Raises:
        click.UsageError: A pattern cannot stand for a tag.
        CommandFailure: A pattern stands for no tag, or all of them for too many.
        MxGatewayAuthorizationError: The API key may not look into the galaxy.
    """
    if not any(map(is_glob, tags)):
        yield list(tags)
        return
    check_patterns(tags)
    async with call.client():
        yield await expanded(call, tags, limit)


async def expanded(call: Call, tags: Sequence[str], limit: int) -> list[str]:
    """Return what `tags_of` gives; the connection is the one of a block around it, or one of its own.

    Raises:
        click.UsageError: A pattern cannot stand for a tag.
        CommandFailure: A pattern stands for no tag, or all of them for too many.
        MxGatewayAuthorizationError: The API key may not look into the galaxy.
    """
    if not any(map(is_glob, tags)):
        return list(tags)
    check_patterns(tags)
    async with call.client() as client:
        return await _Expansion(client.galaxy, limit, call.correlation_id).of(tags)


def check_patterns(tags: Sequence[str]) -> None:
    """Refuse patterns that can stand for no tag, before anything is sent.

    Raises:
        click.UsageError: One of them cannot.
    """
    for tag in filter(is_glob, tags):
        _check(tag)


def _check(tag: str) -> None:
    if not tag.isprintable():
        raise click.UsageError(f"The pattern {tag!r:.80} holds a character that no name in a galaxy has.")
    if "." not in tag:
        raise click.UsageError(
            f"The pattern {tag!r:.80} has no attribute: write it like 'Tank*.Level', or 'Tank*.*' for all attributes."
        )


class _Expansion:
    def __init__(self, galaxy: GalaxyRepositoryClient, limit: int, correlation_id: str) -> None:
        self._galaxy = galaxy
        self._limit = limit
        self._correlation_id = correlation_id

    async def of(self, tags: Sequence[str]) -> list[str]:
        """Return what the tags stand for, in their order; a pattern adds no tag that is there already."""
        expanded: list[str] = []
        seen = {tag.casefold() for tag in tags}
        added = 0
        for tag in tags:
            if not is_glob(tag):
                expanded.append(tag)
                continue
            new = [name for name in await self._find(tag) if name.casefold() not in seen]
            seen.update(name.casefold() for name in new)
            expanded += new
            added += len(new)
            if added > self._limit:
                raise self._too_many("the patterns stand")
        return expanded

    async def _find(self, pattern: str) -> list[str]:
        try:
            found = await self._galaxy.find(pattern, limit=self._limit, correlation_id=self._correlation_id)
        except mxgateway.MxGatewayAuthorizationError as error:
            error.hint = "a pattern is looked up in the galaxy: name the tags one by one, or use a key that may"
            raise
        except mxgateway.MxGatewayInvalidRequestError as error:
            if error.grpc_status is not None:
                raise
            raise self._too_many(f"{pattern!r:.80} stands") from error
        if not found:
            raise CommandFailure(
                f"the galaxy has no tag like {pattern!r:.80}",
                hint="mxgw-py galaxy-discover shows what there is; a pattern is like the whole tag",
            )
        _log.debug("%r stands for %d tags", pattern, len(found))
        return found

    def _too_many(self, what: str) -> CommandFailure:
        return CommandFailure(
            f"{what} for more than {self._limit} tags",
            code=ExitCode.USAGE,
            hint="make it narrower, or allow more with --max-tags",
        )
