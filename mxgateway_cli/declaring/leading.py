"""Options before the command: ``mxgw-py --endpoint HOST read TAG`` means ``mxgw-py read TAG --endpoint HOST``."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from mxgateway_cli.connecting.shared_options import CALL_TIMEOUT, CONNECTION_OPTIONS
from mxgateway_cli.help.sections import LEADING, OUTPUT_OPTIONS, WORDS, apply_options
from mxgateway_cli.help.suggestions import unknown_option


@functools.cache
def shared_parameters() -> tuple[click.Parameter, ...]:
    """Return the connection and output options, which may stand before the command."""
    return tuple(_carrier().params)


def connection_command() -> click.Command:
    """Return a command that has the connection options and does nothing."""
    return click.command("connection")(apply_options(lambda **_: None, (*CONNECTION_OPTIONS, CALL_TIMEOUT)))


def take_leading(ctx: click.Context, args: Sequence[str]) -> list[str]:
    """Keep the options before the command for it, and return the command and what follows it.

    Raises:
        click.UsageError: An option is unknown or lacks its value, or no command follows.
    """
    carrier = _carrier()
    carrier.params += ctx.command.params
    try:
        found, rest, _ = carrier.make_parser(ctx).parse_args(list(args))
    except click.NoSuchOption as error:
        raise unknown_option(error, ctx.__class__(carrier, parent=ctx.parent, info_name=ctx.info_name)) from None
    for own in click.Command.get_params(ctx.command, ctx):
        if found.get(own.name or ""):
            return own.opts[:1]
    if not rest and not ctx.resilient_parsing:
        raise click.UsageError("the command is missing after the options", ctx)
    ctx.meta[LEADING] = {each.name: [*words_of(each, found)] for each in carrier.params if each.name in found}
    return rest


def connection_words(ctx: click.Context) -> list[str]:
    """Return the connection options of a command line that a shell completes, as words.

    Raises:
        click.UsageError: The command line cannot be parsed.
    """
    strict = click.Context(ctx.command, info_name=ctx.info_name)
    completed = ""  # the word that is begun: an option before it needs one
    found, _, _ = ctx.command.make_parser(strict).parse_args([*ctx.meta.get(WORDS, ()), completed])
    return [word for each in connection_command().params for word in words_of(each, found)]


def words_of(parameter: click.Parameter, found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words that give a parameter the value that a parser has found."""
    value = found.get(parameter.name or "")
    if value is None or not isinstance(parameter, click.Option):
        return
    name = max(parameter.opts, key=len)
    if parameter.is_flag:
        yield name
        return
    for each in value if parameter.multiple else (value,):
        yield f"{name}={each}"


def _carrier() -> click.Command:
    every = (*CONNECTION_OPTIONS, CALL_TIMEOUT, *OUTPUT_OPTIONS)
    return click.command("options")(apply_options(lambda **_: None, every))
