"""`Scenario`: the steps of a file, read and judged before anything is started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

from mxgateway.simulator.controls import Controls
from mxgateway.simulator.files import Description, DescriptionError, check, path_text
from mxgateway.simulator.scenarios import conditions
from mxgateway.simulator.scenarios.actions import ACTIONS, Action, Arguments, Outlook
from mxgateway.simulator.scenarios.conditions import Condition, TagCondition, read_condition
from mxgateway.simulator.scenarios.kinds import LONGEST

_TIMES: Final = {
    "at": {"type": "number", "minimum": 0, "maximum": LONGEST, "description": "Seconds since the scenario began"},
    "after": {
        "type": "number",
        "minimum": 0,
        "maximum": LONGEST,
        "description": "Seconds since the step before it began, or since its condition holds",
    },
    "when": {"$ref": "#/$defs/condition"},
    "every": {"type": "number", "minimum": 0.001, "maximum": LONGEST, "description": "Seconds between repetitions"},
    "times": {"type": "integer", "minimum": 1, "description": "How often the action is done; without it, for ever"},
}


@dataclass(frozen=True)
class Step:
    """One step of a scenario."""

    place: str
    """Where it is in its file: ``line 12: steps[3]``."""
    action: Action
    arguments: Arguments
    at: float | None = None
    after: float | None = None
    when: Condition | None = None
    every: float | None = None
    times: int | None = 1
    """How often the action is done; None for ever."""


@cache
def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file; ``scenario.schema.json`` has the same."""
    actions = {name: {"$ref": f"#/$defs/{name}"} for name in ACTIONS}
    step = {"type": "object", "additionalProperties": False, "properties": _TIMES | actions}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of the simulated MXAccess Gateway",
        "type": "object",
        "additionalProperties": False,
        "required": ["steps"],
        "properties": {
            "description": {"type": "string", "description": "What the scenario shows"},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}, "description": "What happens, in order"},
        },
        "$defs": {
            "step": step,
            "condition": conditions.SCHEMA,
            **{name: each.schema for name, each in ACTIONS.items()},
        },
    }


class Scenario:
    """Faults and changes of a simulated gateway, at given times or under conditions.

    Args:
        steps: The steps, in order.
        name: The name in errors, such as the file's.
        description: What the scenario shows.
    """

    def __init__(self, steps: tuple[Step, ...], *, name: str = "scenario", description: str = "") -> None:
        self.steps = steps
        self.name = name
        self.description = description

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the scenario that a file describes: TOML, or JSON if its name ends with ``.json``. Blocks.

        Raises:
            ValueError: The file is wrong; the text names file and place.
            OSError: It cannot be read, or is too large.
        """
        return cls._described(Description.read(path), os.path.dirname(os.fspath(path)))

    @classmethod
    def from_text(cls, text: str, *, name: str = "scenario.toml", folder: str = "") -> Self:
        """Return the scenario that a text describes. Blocks if it names files.

        Args:
            text: TOML, or JSON if `name` ends with ``.json``.
            name: The name in errors.
            folder: Where the paths of its files start.

        Raises:
            ValueError: The text is wrong; the error names the place.
        """
        return cls._described(Description(name, text), folder)

    @classmethod
    def _described(cls, source: Description, folder: str) -> Self:
        try:
            check(source.data, scenario_schema())
            if not source.data["steps"]:
                raise DescriptionError("there is no step", "steps")
            steps = tuple(_steps(source.data["steps"], folder, source.lines("steps")))
        except RecursionError:
            raise DescriptionError(f"{source.name}: it is nested too deeply") from None
        except DescriptionError as error:
            raise source.located(error) from None
        return cls(steps, name=source.name, description=source.data.get("description", ""))

    def check(self, gateway: Controls) -> None:
        """Check that a gateway can play the scenario; nothing is started.

        Raises:
            ValueError: It has no such tag, alarm or object at that step, or a condition can never hold.
        """
        outlook = Outlook(gateway.plant, gateway.first_plant, gateway.is_tls, gateway.key_ids)
        for number, step in enumerate(self.steps):
            try:
                if step.when is not None:
                    step.when.judge(outlook, gateway.options.session_limit)
                    if not step.when.holds(gateway, {}):
                        self._check_circle(number, step.when, outlook)
            except (LookupError, ValueError) as error:
                raise DescriptionError(f"{self.name}: {step.place}.when.{_plain(error)}") from None
            try:
                if step.action.judge is not None:
                    step.action.judge(outlook, step.arguments)
            except (LookupError, ValueError) as error:
                raise DescriptionError(f"{self.name}: {step.place}.{step.action.name}: {_plain(error)}") from None

    def _check_circle(self, number: int, when: Condition, outlook: Outlook) -> None:
        """Refuse a step that waits for a value that only a step after it can set."""
        if not isinstance(when, TagCondition) or not when.is_fixed(outlook):
            return
        setters = [place for place, step in enumerate(self.steps) if _sets(step, when.tag)]
        if setters and setters[0] >= number:
            later = self.steps[setters[0]].place
            raise ValueError(f"tag: only {later} sets {when.tag!r}, and it waits for this step")


def _sets(step: Step, tag: str) -> bool:
    return step.action.name == "deploy" or (
        step.action.name == "set_tag" and step.arguments["tag"].casefold() == tag.casefold()
    )


def _plain(error: Exception) -> str:
    return str(error.args[0]) if error.args else str(error)


def _steps(said: list[dict[str, Any]], folder: str, lines: Mapping[int, int]) -> list[Step]:
    found: list[Step] = []
    latest = 0.0
    for number, each in enumerate(said):
        place = path_text("steps", number)
        try:
            step = _step(each, folder, f"line {lines[number]}: {place}" if number in lines else place)
            if step.at is not None:
                if step.at < latest:
                    raise DescriptionError(f"the steps are in order, and one before is at {latest:g}", "at")
                latest = step.at
        except DescriptionError as error:
            raise error.within("steps", number) from None
        found.append(step)
    return found


def _step(said: Mapping[str, Any], folder: str, place: str) -> Step:
    names = [key for key in said if key in ACTIONS]
    if len(names) != 1:
        listed = f": {', '.join(names)}" if names else ""
        raise DescriptionError(f"a step has one action, not {len(names)}{listed}")
    if "at" in said and (other := next((key for key in ("after", "when") if key in said), None)):
        raise DescriptionError(f"give at or {other}, not both", other)
    if "times" in said and "every" not in said:
        raise DescriptionError("this needs every, the seconds between two times", "times")
    action = ACTIONS[names[0]]
    try:
        when = read_condition(said["when"]) if "when" in said else None
    except DescriptionError as error:
        raise error.within("when") from None
    try:
        arguments = action.arguments(said[action.name], folder)
    except DescriptionError as error:
        raise error.within(action.name) from None
    every = said.get("every")
    times = said.get("times") if every is not None else 1
    return Step(place, action, arguments, said.get("at"), said.get("after"), when, every, times)
