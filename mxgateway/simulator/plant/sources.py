"""The tags that a live tag's value depends on, also after deployments."""

from __future__ import annotations

from typing import Any, Protocol

from mxgateway.simulator.mxaccess.statuses import BAD
from mxgateway.simulator.plant.behaviours.patterns import Reading
from mxgateway.simulator.plant.objects import Plant


class _Sample(Protocol):
    native: Any
    quality: int

    def element(self, index: int | None) -> _Sample: ...


class _Tag(Protocol):
    writes: int
    is_silent: bool

    def settled(self, time_ns: int) -> _Sample: ...


class _LivePlant(Protocol):
    @property
    def plant(self) -> Plant: ...

    def find(self, text: str, context: str = "") -> tuple[_Tag, int | None] | None: ...


class LiveSource:
    """An input of a live tag: the tag that has a name now.

    Args:
        plant: The live plant.
        owner: The tag name of the object whose tag depends on it.
        name: The input's name, absolute or relative to the object.
    """

    def __init__(self, plant: _LivePlant, owner: str, name: str) -> None:
        self._plant = plant
        self._owner = owner
        self._name = name
        self._of: Plant | None = None
        self._found: tuple[_Tag, int | None] | None = None
        self._earlier = 0  # writes to the tags that had the name before, so that another tag is no write

    @property
    def writes(self) -> int:
        """How often a client or a test has set its value."""
        found = self._tag()
        return self._earlier + (0 if found is None else found[0].writes)

    def reading(self, time_ns: int) -> Reading:
        """Return its value at a time; bad if there is no such tag, or none of its values."""
        found = self._tag()
        if found is None or found[0].is_silent:
            return Reading(None, BAD)
        sample = found[0].settled(time_ns).element(found[1])
        return Reading(sample.native, BAD if sample.native is None else sample.quality)

    def _tag(self) -> tuple[_Tag, int | None] | None:
        if self._of is not self._plant.plant:
            before = self._earlier + (0 if self._found is None else self._found[0].writes)
            self._of = self._plant.plant
            self._found = self._plant.find(self._name, self._owner)
            self._earlier = before - (0 if self._found is None else self._found[0].writes)
        return self._found
