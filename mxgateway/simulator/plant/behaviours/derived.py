"""Values that follow from other tags, with a delay and a first-order lag."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from mxgateway.simulator.mxaccess.statuses import BAD, UNCERTAIN
from mxgateway.simulator.mxaccess.values import NUMERIC, DataType, fits
from mxgateway.simulator.plant.behaviours.expressions import NUMBER, TEXT
from mxgateway.simulator.plant.behaviours.in_time import converter, disturbed
from mxgateway.simulator.plant.behaviours.patterns import Pattern, Reading

MOST_TICKS: Final = 10_000
"""Most intervals of a delay: each may hold a value."""
_TEXTS: Final = frozenset((DataType.STRING, DataType.REFERENCE, DataType.INTERNATIONALIZED_STRING, DataType.BIG_STRING))


class Shape(Protocol):
    """What an attribute's values are like."""

    @property
    def data_type(self) -> DataType:
        """The type of the value, or of the array's elements."""

    @property
    def is_array(self) -> bool:
        """Whether it is an array."""

    @property
    def interval(self) -> float:
        """Seconds between two values."""

    @property
    def initial(self) -> Any:
        """The first value."""

    @property
    def quality(self) -> int:
        """The first quality."""

    @property
    def pattern(self) -> Any:
        """What drives the value; None if only writes change it."""


class BehaviourError(ValueError):
    """A behaviour that an attribute cannot have.

    Args:
        key: The key that is wrong, as in a plant file; empty for the whole.
        text: What is wrong.
    """

    def __init__(self, key: str, text: str) -> None:
        super().__init__(f"{key}: {text}" if key else text)
        self.key = key
        self.text = text


class Source(Protocol):
    """A tag that a value depends on."""

    @property
    def writes(self) -> int:
        """How often a client or a test has set its value."""

    def reading(self, time_ns: int) -> Reading:
        """Return its value at a time, which is not before that of an earlier call; bad if there is no such tag."""


class Input(Protocol):
    """An attribute that a value depends on."""

    @property
    def attribute(self) -> Shape:
        """The attribute."""

    @property
    def element(self) -> int | None:
        """The element of its array; None for the whole."""


@dataclass(frozen=True, kw_only=True)
class Derived(ABC):
    """How a value follows from other tags, sampled at each interval of its attribute.

    It starts at the attribute's first value. Bad inputs make it bad; it keeps its last value meanwhile.

    Raises:
        BehaviourError: A number is out of range.
    """

    input_key: ClassVar[str]
    """The key of the inputs in a plant file."""
    delay: float = 0.0
    """Seconds until a change has its effect; rounded up to whole intervals."""
    lag: float = 0.0
    """Seconds of the time constant of a first-order lag; 0 for none."""
    noise: float = 0.0
    """The largest deviation."""
    seed: int | None = None
    """Instead of the tag's own seed."""
    bad: float = 0.0
    """Probability of bad quality."""
    uncertain: float = 0.0
    """Probability of uncertain quality."""

    def __post_init__(self) -> None:
        for name in ("delay", "lag", "noise", "bad", "uncertain"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BehaviourError(name, "this must be a number, 0 or more")

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """The tags that it depends on, by name or relative to its own object."""

    def check(self, own: Shape) -> None:
        """Check that an attribute can have it.

        Raises:
            BehaviourError: It cannot.
        """
        if self.delay > own.interval * MOST_TICKS:
            raise BehaviourError("delay", f"this is longer than {MOST_TICKS} intervals of {own.interval:g} s")
        for key in ("lag", "noise"):
            if getattr(self, key) and (own.is_array or kind_of(own) != NUMBER):
                raise BehaviourError(key, "only a number or a boolean changes like this")

    @abstractmethod
    def check_inputs(self, own: Shape, inputs: Sequence[Input]) -> None:
        """Check that it goes with its inputs, in the order of `inputs`.

        Raises:
            BehaviourError: It does not.
        """

    @abstractmethod
    def sampler(self, sources: Sequence[Source], own: Shape) -> Sampler:
        """Return what samples the inputs of one tag."""

    def begin(self, sources: Sequence[Source], own: Shape) -> Pattern:
        """Return the pattern of one tag, which has a state of its own.

        Args:
            sources: The inputs, in the order of `inputs`.
            own: The tag's attribute.
        """
        return disturbed(
            _State(self, self.sampler(sources, own), own),
            convert=converter(own.data_type, is_array=own.is_array),
            noise=self.noise,
            seed=self.seed,
            bad=self.bad,
            uncertain=self.uncertain,
        )


class Sampler(Protocol):
    """Samples the inputs of one tag."""

    def __call__(self, time_ns: int) -> Reading | None:
        """Return what the inputs say at a time; None while they say nothing."""


def kind_of(shape: Shape) -> str:
    """Return what kind of value an attribute has, in an expression."""
    if shape.data_type in NUMERIC or shape.data_type is DataType.BOOLEAN:
        return NUMBER
    return TEXT if shape.data_type in _TEXTS else shape.data_type.name.lower()


def fitting(own: Shape) -> Callable[[Any], Any]:
    """Return what makes the value of an input one of an attribute's type.

    It raises a ValueError, an OverflowError or a TypeError for one of another kind: an input may have been retyped.
    """
    convert = converter(own.data_type, is_array=own.is_array)
    is_number = kind_of(own) == NUMBER

    def fit(native: Any) -> Any:
        found = convert(native)
        elements = found if isinstance(found, list) else [found]
        is_text = is_number and isinstance(native, str)  # Python makes a number of some texts
        if (
            is_text
            or isinstance(found, list) != own.is_array
            or not all(fits(own.data_type, each) for each in elements)
        ):
            raise ValueError("a value of another kind")
        return found

    return fit


def is_bad(reading: Reading) -> bool:
    """Return whether a reading has no value."""
    return reading.quality < UNCERTAIN


class _State:
    """The pattern of one tag: what its inputs say, later and slower."""

    def __init__(self, derived: Derived, sampler: Sampler, own: Shape) -> None:
        self._sampler = sampler
        self._convert = fitting(own)
        self._ticks = math.ceil(round(derived.delay / own.interval, 6))
        self._lag = derived.lag / own.interval
        self._last = own.initial
        self._place: float | None = None  # where the lag is
        self._tick = 0
        # What the inputs said, by the tick at which it is there.
        self._coming: deque[tuple[int, Reading]] = deque()
        self._now = self._first = Reading(own.initial, own.quality)

    def __call__(self, tick: int, seed: int, time_ns: int) -> Reading:
        said = self._sampler(time_ns)
        if said is not None and said != (self._coming[-1][1] if self._coming else self._now):
            self._coming.append((tick + self._ticks, said))
        while self._coming and self._coming[0][0] <= tick:
            self._now = self._coming.popleft()[1]
        found = self._sound(self._now)
        if self._lag:
            found = self._slowed(tick, found)
        self._tick = tick
        return found

    def _sound(self, reading: Reading) -> Reading:
        """Return a reading of the attribute's type; a bad one has the last value."""
        native, quality = reading
        if quality >= UNCERTAIN:
            try:
                if self._lag and not math.isfinite(native):
                    raise ValueError("a lag never leaves infinity")
                self._last = self._convert(native)
            except (ValueError, OverflowError, TypeError):
                quality = BAD
        return Reading(self._last, quality)

    def _slowed(self, tick: int, reading: Reading) -> Reading:
        if self._place is None:
            self._place = float(self._first.native)
        elif not is_bad(reading):
            self._place += (reading.native - self._place) * -math.expm1((self._tick - tick) / self._lag)
        return Reading(self._place, reading.quality)
