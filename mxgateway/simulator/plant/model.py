"""The static parts of a plant: objects, templates, attributes, alarm limits. Live values are in `live_tags`."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cached_property
from typing import Any, Final

from mxgateway.simulator.mxaccess.statuses import GOOD
from mxgateway.simulator.mxaccess.values import NUMERIC, DataType, fits
from mxgateway.simulator.plant.behaviours.derived import Derived
from mxgateway.simulator.plant.behaviours.patterns import Pattern

_WITH_LIMITS: Final = NUMERIC | {DataType.BOOLEAN}


class Category(IntEnum):
    """The galaxy repository's code for the kind of an object."""

    WIN_PLATFORM = 1
    APP_ENGINE = 3
    USER_DEFINED = 10
    AREA = 13


class Security(IntEnum):
    """The galaxy repository's code for an attribute's security classification."""

    FREE_ACCESS = 0
    OPERATE = 1
    SECURED_WRITE = 2
    VERIFIED_WRITE = 3
    TUNE = 4
    CONFIGURE = 5
    VIEW_ONLY = 6


class WriteRefusal(Enum):
    """When an attribute's provider rejects writes, by its own security."""

    AT_ONCE = "the command fails"
    ON_COMPLETION = "the command is accepted, its OnWriteComplete fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLimit:
    """An alarm on an analog attribute, or on a boolean, which is 0 or 1.

    Raises:
        ValueError: It has no name, its limit is no number, or its severity is none.
    """

    name: str
    """The alarm's name in its object: HiHi, or Level.HiHi if several attributes have one. The last part is its type."""
    limit: float
    """The value beyond which the alarm is active."""
    above: bool = True
    """Whether the alarm is active above the limit (True) or below it."""
    severity: int = 500
    """On the native scale, 1 to 999."""
    category: str = "Process"
    """The alarm's category for operators."""
    description: str = ""
    """The alarm's text for operators."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("an alarm has no name")
        is_number = isinstance(self.limit, int | float) and not isinstance(self.limit, bool)
        if not is_number or abs(self.limit) > sys.float_info.max:  # NaN is a limit that a galaxy can have
            raise ValueError(f"the limit {self.limit!r} of the alarm {self.name!r} is no number")
        if not 1 <= self.severity <= 999:
            raise ValueError(f"the severity {self.severity!r} of the alarm {self.name!r} is not from 1 to 999")

    def is_beyond(self, value: float) -> bool:
        """Return whether a value makes the alarm active."""
        return value > self.limit if self.above else value < self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute of a template; in an object of the template it is a tag.

    Raises:
        ValueError: The initial value is not of the attribute's type, or what is no number has alarms, or the attribute
            has no name, or a time is negative, or the pattern does not go with the type.
    """

    name: str
    """The attribute's name, which may contain dots."""
    data_type: DataType = DataType.INTEGER
    """The type of the value, or of the array's elements."""
    value: Any = None
    """The initial native value; a list for an array. None for the type's default."""
    is_array: bool = False
    """Whether the attribute is an array."""
    pattern: Pattern | Derived | None = None
    """How the provider drives the value, by time or from other tags; None for a value that only writes change."""
    interval: float = 1.0
    """Seconds between two values of the pattern."""
    quality: int = GOOD
    """The initial OPC DA quality; a tag with bad quality has no value."""
    security: Security = Security.FREE_ACCESS
    """Who may write."""
    refusal: WriteRefusal | None = None
    """How the provider rejects writes; None if it accepts them."""
    response_time: float = 0.0
    """Seconds from the first advise until the first value; `math.inf` for a provider that never answers."""
    historized: bool = False
    """Whether the repository lists the attribute as historized."""
    alarms: tuple[AlarmLimit, ...] = ()
    """The limits that raise alarms."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("an attribute has no name")
        if not (self.interval > 0 and self.response_time >= 0):
            raise ValueError(f"the attribute {self.name!r} needs an interval above 0 and a response_time of 0 or more")
        if self.alarms and (self.is_array or self.data_type not in _WITH_LIMITS):
            raise ValueError(f"the attribute {self.name!r} has alarms and is no number and no boolean")
        self.check(self.value)
        if isinstance(self.pattern, Derived):
            self.pattern.check(self)

    def check(self, native: Any) -> None:
        """Check that a native value is one of this attribute; None is no value.

        Raises:
            ValueError: It is not.
        """
        if native is None:
            return
        if isinstance(native, list) != self.is_array:
            raise ValueError(
                f"the attribute {self.name!r} is {'an' if self.is_array else 'no'} array, its value {native!r:.100} is "
                f"{'not' if self.is_array else 'one'}"
            )
        for each in native if self.is_array else (native,):
            if not fits(self.data_type, each):
                raise ValueError(f"{each!r:.100} is no {self.data_type.name} value for the attribute {self.name!r}")

    @property
    def initial(self) -> Any:
        """The initial native value."""
        if self.value is not None:
            return self.value
        return [] if self.is_array else self.data_type.traits.default


@dataclass(frozen=True)
class Template:
    """The common parts of objects of one kind.

    Raises:
        ValueError: Two attributes have one name; case is ignored.
    """

    name: str
    """The template's name, with its dollar sign."""
    base: tuple[str, ...] = ()
    """The names of its base templates, nearest first."""
    category: Category = Category.USER_DEFINED
    """The kind of its objects."""
    attributes: tuple[Attribute, ...] = ()
    """The attributes of its objects."""

    def __post_init__(self) -> None:
        if len(self.by_name) < len(self.attributes):
            raise ValueError(f"two attributes of the template {self.name} have one name")

    @property
    def chain(self) -> tuple[str, ...]:
        """The template and its bases, nearest first."""
        return (self.name, *self.base)

    @cached_property
    def by_name(self) -> dict[str, Attribute]:
        """The attributes by lower-case name."""
        return {attribute.name.casefold(): attribute for attribute in self.attributes}

    @cached_property
    def derived(self) -> tuple[Attribute, ...]:
        """The attributes whose values follow from other tags."""
        return tuple(attribute for attribute in self.attributes if isinstance(attribute.pattern, Derived))

    @cached_property
    def has_alarms(self) -> bool:
        """Whether any attribute has alarms."""
        return any(attribute.alarms for attribute in self.attributes)

    @cached_property
    def is_historized(self) -> bool:
        """Whether any attribute is historized."""
        return any(attribute.historized for attribute in self.attributes)


@dataclass(frozen=True, slots=True)
class PlantObject:
    """An object of the galaxy."""

    gobject_id: int
    """Unique in the galaxy, above 0."""
    tag_name: str
    """Unique in the galaxy, ignoring case."""
    template: Template
    """Its template."""
    parent_id: int = 0
    """The area or object that contains it; 0 at the top level."""
    contained_name: str = ""
    """Its name within its parent; empty if it has none."""
    host_id: int = 0
    """The engine or platform that runs it."""

    @property
    def browse_name(self) -> str:
        """The name shown in a tree."""
        return self.contained_name or self.tag_name

    @property
    def is_area(self) -> bool:
        """Whether it is an area."""
        return self.template.category is Category.AREA


def reference(obj: PlantObject, attribute: Attribute) -> str:
    """Return the full tag reference: tag name, dot, attribute name, and ``[]`` for an array."""
    return f"{obj.tag_name}.{attribute.name}{'[]' if attribute.is_array else ''}"


def inside_itself(objects: Collection[PlantObject]) -> PlantObject | None:
    """Return an object that contains itself, directly or not; None if there is none."""
    by_id = {obj.gobject_id: obj for obj in objects}
    sound = {0}
    for start in by_id:
        trail: dict[int, None] = {}
        at = start
        while at not in sound:
            if at in trail:
                return by_id[at]
            trail[at] = None
            at = by_id[at].parent_id
        sound.update(trail)
    return None
