"""The kinds of values that follow from other tags: of another tag, of each write to one, of an expression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mxgateway.simulator.mxaccess.statuses import BAD, GOOD
from mxgateway.simulator.mxaccess.values import fits
from mxgateway.simulator.plant.behaviours.derived import (
    BehaviourError,
    Derived,
    Input,
    Sampler,
    Shape,
    Source,
    fitting,
    is_bad,
    kind_of,
)
from mxgateway.simulator.plant.behaviours.expressions import NUMBER, TEXT, ParsedExpression, parse_expression
from mxgateway.simulator.plant.behaviours.patterns import Reading


@dataclass(frozen=True, kw_only=True)
class Follow(Derived):
    """The value of another tag."""

    input_key = "source"
    source: str
    """The other tag."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The other tag."""
        return (self.source,)

    def check_inputs(self, own: Shape, inputs: Sequence[Input]) -> None:
        """Refuse another kind of value."""
        _check_same("source", own, inputs[0])

    def sampler(self, sources: Sequence[Source], own: Shape) -> Sampler:
        """Return what reads the other tag."""
        return sources[0].reading


@dataclass(frozen=True, kw_only=True)
class Step(Derived):
    """A value that each write to another tag sets."""

    input_key = "on"
    on: str
    """The tag that is written."""
    to: Any = None
    """The value after the step; None for the written one."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tag that is written."""
        return (self.on,)

    def check(self, own: Shape) -> None:
        """Refuse another kind of value."""
        super().check(own)
        values = self.to if isinstance(self.to, list) else [self.to]
        is_fit = all(fits(own.data_type, each) for each in values) and isinstance(self.to, list) == own.is_array
        if self.to is not None and not is_fit:
            raise BehaviourError("to", f"{self.to!r:.100} is no {own.data_type.name} value")

    def check_inputs(self, own: Shape, inputs: Sequence[Input]) -> None:
        """Refuse another kind of value, and a tag that no write changes."""
        if inputs[0].attribute.pattern is not None:
            raise BehaviourError("on", f"{self.on!r} has a behaviour of its own, so no write changes it")
        if self.to is None:
            _check_same("on", own, inputs[0])

    def sampler(self, sources: Sequence[Source], own: Shape) -> Sampler:
        """Return what notices writes, and whether the tag is there and has such values."""
        [source] = sources
        seen = source.writes
        reached = Reading(own.initial, own.quality)
        fit = fitting(own)

        def sample(time_ns: int) -> Reading:
            nonlocal seen, reached
            now = source.reading(time_ns)
            is_lost = is_bad(now)
            if self.to is None and not is_lost:
                try:
                    fit(now.native)
                except (ValueError, OverflowError, TypeError):
                    is_lost = True
            if source.writes != seen:
                seen = source.writes
                if not is_lost:
                    reached = now if self.to is None else Reading(self.to, GOOD)
            return Reading(reached.native, now.quality if is_bad(now) else BAD) if is_lost else reached

        return sample


@dataclass(frozen=True, kw_only=True)
class Expression(Derived):
    """What an expression of other tags yields.

    Raises:
        BehaviourError: The expression is wrong; the error names the column.
    """

    input_key = "expression"
    expression: str
    """The expression."""
    _parsed: ParsedExpression = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            object.__setattr__(self, "_parsed", parse_expression(self.expression))
        except ValueError as error:
            raise BehaviourError("expression", str(error)) from None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tags that it names."""
        return self._parsed.inputs

    def check(self, own: Shape) -> None:
        """Refuse what no expression yields."""
        super().check(own)
        if own.is_array or kind_of(own) not in (NUMBER, TEXT):
            raise BehaviourError("", "only a number, a boolean or a text has an expression")

    def check_inputs(self, own: Shape, inputs: Sequence[Input]) -> None:
        """Refuse kinds of values that do not go together."""
        kinds = []
        for name, each in zip(self.inputs, inputs, strict=True):
            if each.attribute.is_array and each.element is None:
                raise BehaviourError("expression", f"{name!r} is an array; name an element, such as {name}[1]")
            kinds.append(kind_of(each.attribute))
        try:
            found = self._parsed.kind(kinds)
        except ValueError as error:
            raise BehaviourError("expression", str(error)) from None
        if found != kind_of(own):
            text = f"it yields a {found}, the attribute is of type {own.data_type.name.lower()}"
            raise BehaviourError("expression", text)

    def sampler(self, sources: Sequence[Source], own: Shape) -> Sampler:
        """Return what evaluates the expression."""
        compute = self._parsed.value

        def sample(time_ns: int) -> Reading:
            readings = [source.reading(time_ns) for source in sources]
            quality = min((each.quality for each in readings), default=GOOD)
            try:
                value = compute([each.native for each in readings])
            except (ArithmeticError, ValueError, TypeError):
                return Reading(None, BAD)
            is_sound = not isinstance(value, float) or math.isfinite(value)
            return Reading(value, quality if is_sound else BAD)

        return sample


def _check_same(key: str, own: Shape, source: Input) -> None:
    other, is_array = source.attribute, source.attribute.is_array and source.element is None
    if (
        is_array != own.is_array
        or (is_array and other.data_type is not own.data_type)
        or kind_of(other) != kind_of(own)
    ):
        shown = f"{'an array' if is_array else 'a value'} of type {other.data_type.name.lower()}"
        raise BehaviourError(key, f"the other tag has {shown}, which does not go with {own.data_type.name.lower()}")
