"""What a shell is offered for the actions of a simulated gateway; no gateway is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem


def action_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of actions."""
    return [
        CompletionItem(name, help=each["description"])
        for name, each in _actions().items()
        if name.startswith(incomplete)
    ]


def argument_words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer ``NAME=``, and the values of a choice."""
    parameters = _actions().get(ctx.params.get("action") or "", {}).get("properties", {})
    name, equals, begun = incomplete.partition("=")
    if not equals:
        return [CompletionItem(f"{each}=") for each in parameters if each.startswith(incomplete)]
    schema = parameters.get(name, {})
    values = ["true", "false"] if schema.get("type") == "boolean" else schema.get("enum", ())
    return [CompletionItem(f"{name}={each}") for each in values if each.startswith(begun)]


def choices_of(parameter: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return what offers the values of a parameter of ``fail_next``, in letters of any case."""

    def words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        known = _actions()["fail_next"]["properties"][parameter]["enum"]
        return [CompletionItem(each) for each in known if each.casefold().startswith(incomplete.casefold())]

    return words


def _actions() -> Mapping[str, Any]:
    from mxgateway.simulator import scenario_schema

    named: dict[str, Any] = scenario_schema()["$defs"]
    return {name: each for name, each in named.items() if name not in ("step", "condition")}
