"""Completes tags from the galaxy: first the objects, then the attributes of one object.

A gateway is asked for a second at most, and only for what begins as the word does. Nothing is shown when it cannot be
reached, and no certificate is trusted that was not trusted before.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from mxgateway_cli.declaring.leading import connection_command, connection_words
from mxgateway_cli.running.app import App

if TYPE_CHECKING:
    from collections.abc import Callable

    from mxgateway_cli.running.settings import ConnectionSettings

PART: Final = "part"
"""The type of an item that is only the beginning of a word."""


def tag_words(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what a tag that is begun may become; nothing if the galaxy cannot be asked."""
    logging.disable(logging.CRITICAL)
    try:
        with suppress(Exception, SystemExit):
            return _items(lambda: _settings(ctx), incomplete)
    finally:
        logging.disable(logging.NOTSET)
    return []


def tag_list_words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what the last tag of a list with commas may become."""
    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{item.value}", item.type) for item in tag_words(ctx, param, last)]


def _settings(ctx: click.Context) -> ConnectionSettings:
    if (file := ctx.params.get("ready_file")) is not None:  # of a simulated gateway that the command controls
        from mxgateway_cli.controlling.ready_file import gateway_settings

        return gateway_settings(file)
    from mxgateway_cli.connecting.connection import take_settings

    command = connection_command()
    with command.make_context("completion", connection_words(ctx), obj=App()) as made:
        return take_settings(made, dict(made.params))


def _items(settings: Callable[[], ConnectionSettings], incomplete: str) -> list[CompletionItem]:
    from mxgateway_cli.completing.lookup import LONGEST_WORD, Lookup, Query

    is_glob = "*" in incomplete or "?" in incomplete
    if is_glob or not incomplete.isprintable() or len(incomplete) > LONGEST_WORD:
        return []
    lookup = Lookup(settings())
    object_name, dot, _ = incomplete.partition(".")
    if not dot:
        objects = _begun(lookup.words(Query("objects", incomplete)), incomplete)
        if len(objects) != 1:
            return [CompletionItem(f"{name}.", PART) for name in objects]
        object_name, incomplete = objects[0], f"{objects[0]}."
    found = lookup.words(Query("attributes", object_name))
    return [CompletionItem(name) for name in _begun(found, incomplete)]


def _begun(words: list[str], incomplete: str) -> list[str]:
    begin = incomplete.casefold()
    return [word for word in words if word.casefold().startswith(begin)]
