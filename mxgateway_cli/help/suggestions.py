"""What a mistyped option, command or topic may mean."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import click

_MOST: Final = 3
_CLOSE: Final = 0.7
"""How alike two words are of which one may be meant for the other; 1 is the same."""


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Return the end of an error: the known words that are close to `word`; empty if there are none."""
    from difflib import get_close_matches

    begun = [each for each in known if len(word.lstrip("-")) > 1 and each.startswith(word)]
    near = begun[:_MOST] or get_close_matches(word, list(known), _MOST, _CLOSE)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def unknown_option(error: click.NoSuchOption, ctx: click.Context) -> click.UsageError:
    """Return the error for an option that a command does not have, with the ones that may be meant."""
    options = [each for each in ctx.command.get_params(ctx) if isinstance(each, click.Option) and not each.hidden]
    known = [name for each in options for name in (*each.opts, *each.secondary_opts)]
    return _unknown(f"option {error.option_name}", did_you_mean(error.option_name, known), ctx)


def unknown_command(name: str, known: Collection[str], ctx: click.Context, kind: str = "command") -> click.UsageError:
    """Return the error for a command that a group does not have, with the ones that may be meant."""
    return _unknown(f"{kind} {name!r}", did_you_mean(name, known), ctx)


def _unknown(what: str, meant: str, ctx: click.Context) -> click.UsageError:
    """Return the error; without a suggestion it names the help."""
    return click.UsageError(f"no such {what}{meant}", None if meant else ctx)
