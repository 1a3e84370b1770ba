"""Conditions: what a step waits for."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.controls import Controls
from mxgateway.simulator.files import DescriptionError
from mxgateway.simulator.mxaccess.statuses import UNCERTAIN
from mxgateway.simulator.mxaccess.values import BOUND, NUMERIC, fits
from mxgateway.simulator.plant.live_tags import Sample, Tag, native_value
from mxgateway.simulator.plant.model import Attribute, Security
from mxgateway.simulator.scenarios.kinds import method_names
from mxgateway.simulator.scenarios.plant_actions import tag_in
from mxgateway.simulator.scenarios.registry import Outlook

_QUALITIES: Final = ("bad", "uncertain", "uncertain", "good")
"""The words for a quality, by its upper two bits."""
_COUNTED: Final = ("sessions", "connections", "subscribers")

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "What the step waits for",
    "additionalProperties": False,
    "properties": {
        "tag": {"type": "string", "minLength": 1, "description": "A tag, with one or more of the next four keys"},
        "equals": {"description": "The value that the tag has"},
        "above": {"type": "number", "description": "What the tag's value is above"},
        "below": {"type": "number", "description": "What the tag's value is below"},
        "quality": {"enum": ["bad", "uncertain", "good"], "description": "The quality that the tag has"},
        "method": {"enum": list(method_names()), "description": "An RPC or a kind of command that is received"},
        "times": {"type": "integer", "minimum": 1, "description": "How often, since the scenario began"},
        "sessions": {"type": "integer", "minimum": 0, "description": "At least so many open sessions; 0: none"},
        "connections": {"type": "integer", "minimum": 0, "description": "At least so many connections; 0: none"},
        "subscribers": {"type": "integer", "minimum": 0, "description": "At least so many event streams; 0: none"},
    },
}
"""The schema of ``when``."""


class Condition(ABC):
    """Something that holds or does not hold."""

    @abstractmethod
    def judge(self, outlook: Outlook, session_limit: int) -> None:
        """Refuse a condition that can never hold.

        Raises:
            LookupError: There is no such tag.
            ValueError: It can never hold.
        """

    @abstractmethod
    def holds(self, gateway: Controls, begin: Mapping[str, int]) -> bool:
        """Return whether it holds now.

        Args:
            gateway: The gateway.
            begin: How often each method had been received when the scenario began.
        """


@dataclass(frozen=True)
class TagCondition(Condition):
    """A tag has a value or a quality."""

    tag: str
    wanted: Mapping[str, Any]
    """What it must have: ``equals``, ``above``, ``below``, ``quality``."""

    def judge(self, outlook: Outlook, session_limit: int) -> None:
        """Refuse an unknown tag and what a value of its type cannot be."""
        attribute = tag_in(outlook.plant, self.tag)
        if "equals" in self.wanted:
            wanted = native_value(self.wanted["equals"])
            elements = wanted if isinstance(wanted, list) else [wanted]
            is_possible = all(fits(attribute.data_type, each) for each in elements)
            is_possible = is_possible and not any(isinstance(each, float) and math.isnan(each) for each in elements)
            if isinstance(wanted, list) != attribute.is_array or not is_possible:
                raise ValueError(f"equals: {self.tag!r} never has this value: it is {_described(attribute)}")
        for bound in ("above", "below"):
            if bound in self.wanted and (attribute.is_array or attribute.data_type not in NUMERIC):
                raise ValueError(f"{bound}: {self.tag!r} has no numbers: it is {_described(attribute)}")
        limit = BOUND.get(attribute.data_type, math.inf)
        if self.wanted.get("above", -math.inf) >= limit - 1 or self.wanted.get("below", math.inf) <= -limit:
            raise ValueError(f"tag: {self.tag!r} never has such a value: it is {_described(attribute)}")

    def is_fixed(self, outlook: Outlook) -> bool:
        """Whether neither a provider nor a client can change the tag, and it does not have the value."""
        attribute = tag_in(outlook.plant, self.tag)
        is_closed = attribute.security is Security.VIEW_ONLY or attribute.refusal is not None
        sample = Sample(attribute.data_type, attribute.initial, attribute.quality, 0)
        return attribute.pattern is None and is_closed and not self.fits(sample)

    def fits(self, sample: Sample) -> bool:
        """Return whether a sample is what is waited for."""
        value = None if sample.quality < UNCERTAIN else sample.native
        tests: dict[str, Callable[[Any], bool]] = {
            "equals": lambda wanted: value is not None and bool(value == native_value(wanted)),
            "above": lambda wanted: isinstance(value, int | float) and value > wanted,
            "below": lambda wanted: isinstance(value, int | float) and value < wanted,
            "quality": lambda wanted: bool(_QUALITIES[sample.quality // UNCERTAIN % 4] == wanted),
        }
        return all(tests[key](wanted) for key, wanted in self.wanted.items())

    def holds(self, gateway: Controls, begin: Mapping[str, int]) -> bool:
        """Return whether the tag's current sample is what is waited for."""
        found = self.found(gateway)
        return found is not None and self.fits(found.sample)

    def found(self, gateway: Controls) -> Tag | None:
        """Return the live tag; None while there is none."""
        try:
            return gateway.tag(self.tag)
        except (LookupError, RuntimeError):
            return None


@dataclass(frozen=True)
class CallCondition(Condition):
    """A method was received a number of times."""

    method: str
    times: int

    def judge(self, outlook: Outlook, session_limit: int) -> None:
        """Refuse nothing: any call can come."""

    def holds(self, gateway: Controls, begin: Mapping[str, int]) -> bool:
        """Return whether it was received so often since the scenario began."""
        return gateway.switches.counts[self.method] - begin.get(self.method, 0) >= self.times


@dataclass(frozen=True)
class CountCondition(Condition):
    """There are a number of sessions, connections or subscribers; 0 is none."""

    counted: str
    number: int

    def judge(self, outlook: Outlook, session_limit: int) -> None:
        """Refuse more sessions than there can be."""
        if self.counted != "connections" and self.number > session_limit:
            raise ValueError(f"{self.counted}: the gateway never has more than {session_limit} sessions")

    def holds(self, gateway: Controls, begin: Mapping[str, int]) -> bool:
        """Return whether there are as many, or none for 0."""
        number = _number(gateway, self.counted)
        return number >= self.number if self.number else number == 0


def read_condition(said: Mapping[str, Any]) -> Condition:
    """Return the condition of a ``when`` that matches the schema.

    Raises:
        DescriptionError: Its keys do not belong together, or it can never hold.
    """
    subjects = [key for key in ("tag", "method", *_COUNTED) if key in said]
    if len(subjects) != 1:
        raise DescriptionError(f"give one of tag, method, {', '.join(_COUNTED)}, not {len(subjects)} of them")
    subject, others = subjects[0], {key: value for key, value in said.items() if key != subjects[0]}
    known = {"tag": {"equals", "above", "below", "quality"}, "method": {"times"}}.get(subject, set())
    if strange := others.keys() - known:
        raise DescriptionError(f"this does not go with {subject}", min(strange))
    if subject == "method":
        return CallCondition(said["method"], said.get("times", 1))
    if subject != "tag":
        return CountCondition(subject, said[subject])
    if not others:
        raise DescriptionError("give a value too: equals, above, below or quality", "tag")
    if "above" in others and "below" in others and others["above"] >= others["below"]:
        raise DescriptionError(f"nothing is above {others['above']} and below {others['below']}", "above")
    if others.get("quality") == "bad" and len(others) > 1:
        raise DescriptionError("a tag of bad quality has no value", "quality")
    return TagCondition(said["tag"], others)


def _number(gateway: Controls, counted: str) -> int:
    """Return how many there are; 0 while the gateway restarts."""
    try:
        if counted == "sessions":
            return sum(session.state is mx.SessionState.READY for session in gateway.sessions.values())
        return gateway.connections if counted == "connections" else gateway.subscribers
    except RuntimeError:
        return 0


def _described(attribute: Attribute) -> str:
    name = attribute.data_type.name.lower()
    return f"an array of {name}" if attribute.is_array else f"of type {name}"
