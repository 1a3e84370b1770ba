"""The registry of actions: their names, their typed parameters, and what they do to a gateway.

An action is a function of the gateway and its parameters. The registry reads the parameters from the function's
annotations, so that files, their schema and any other control have one description of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_args, get_type_hints

from mxgateway.simulator.controls import Controls
from mxgateway.simulator.files import DescriptionError, check
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.scenarios.kinds import KINDS, Kind

Arguments = dict[str, Any]
Do = Callable[..., "Awaitable[None] | None"]


@dataclass
class Outlook:
    """What a gateway will serve when a step begins, as far as that can be known before."""

    plant: Plant
    first: Plant
    """The plant of the gateway's start."""
    is_tls: bool
    keys: set[str]
    """The ids of its keys."""


Judge = Callable[[Outlook, Arguments], None]
"""Refuses arguments that the gateway cannot follow with a LookupError or a ValueError, and changes the outlook."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of an action."""

    name: str
    annotation: Any
    is_required: bool

    @property
    def kind(self) -> Kind:
        """How a file writes it."""
        return KINDS[self.annotation]


@dataclass(frozen=True)
class Action:
    """Something that a scenario does to a gateway."""

    name: str
    summary: str
    """What it does, in one sentence."""
    parameters: tuple[Parameter, ...]
    do: Do = field(repr=False)
    judge: Judge | None = field(default=None, repr=False)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its parameters."""
        described: dict[str, Any] = {
            "type": "object",
            "description": self.summary,
            "additionalProperties": False,
            "properties": {each.name: each.kind.schema for each in self.parameters},
        }
        if required := [each.name for each in self.parameters if each.is_required]:
            described["required"] = required
        return described

    def arguments(self, said: Mapping[str, Any], folder: str = "") -> Arguments:
        """Return the arguments that a file, or another control, gives.

        Args:
            said: The values by parameter.
            folder: Where relative paths start.

        Raises:
            DescriptionError: A parameter is unknown or missing, or a value is wrong; the text begins with its name.
        """
        check(dict(said), self.schema)
        found = {}
        for each in self.parameters:
            if each.name in said:
                try:
                    found[each.name] = each.kind.read(said[each.name], folder)
                except ValueError as error:
                    raise DescriptionError(str(error), each.name) from None
        return found

    def start(self, gateway: Controls, arguments: Arguments) -> Awaitable[None] | None:
        """Act on a gateway that runs; an awaitable ends when the action has.

        Raises:
            LookupError: There is nothing to act on.
            ValueError: The gateway cannot do it.
            RuntimeError: The gateway does not run.
        """
        return self.do(gateway, **arguments)


ACTIONS: Final[dict[str, Action]] = {}
"""Every action, by its name; `mxgateway.simulator.scenarios.actions` fills it."""


def action(judge: Judge | None = None) -> Callable[[Do], Do]:
    """Register a function as the action of its name.

    Args:
        judge: Judges arguments before anything is started.
    """

    def register(do: Do) -> Do:
        name = do.__name__
        ACTIONS[name] = Action(name, (do.__doc__ or "").partition("\n")[0], _parameters(do), do, judge)
        return do

    return register


def _parameters(do: Do) -> tuple[Parameter, ...]:
    hints = get_type_hints(do)
    return tuple(
        Parameter(name, _without_none(hints[name]), each.default is inspect.Parameter.empty)
        for name, each in list(inspect.signature(do).parameters.items())[1:]
    )


def _without_none(hint: Any) -> Any:
    """Return the annotation of an optional parameter without its None."""
    kinds = get_args(hint)
    return next(each for each in kinds if each is not type(None)) if type(None) in kinds else hint
