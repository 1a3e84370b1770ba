"""What a plant is made of: objects of templates, attributes, alarm limits. Static; the live values are in `tags`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cached_property
from typing import Any

from mxgateway.simulator.mxaccess.statuses import GOOD
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.patterns import Pattern


class Category(IntEnum):
    """The galaxy repository's code of an object's kind."""

    WIN_PLATFORM = 1
    APP_ENGINE = 3
    USER_DEFINED = 10
    AREA = 13


class Security(IntEnum):
    """The galaxy repository's code of an attribute's security classification."""

    FREE_ACCESS = 0
    OPERATE = 1
    SECURED_WRITE = 2
    VERIFIED_WRITE = 3
    TUNE = 4
    CONFIGURE = 5
    VIEW_ONLY = 6


class WriteRefusal(Enum):
    """When the provider of an attribute refuses every write by its own security."""

    AT_ONCE = "the command fails"
    ON_COMPLETION = "the command is accepted, its OnWriteComplete fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLimit:
    """An alarm on an analog attribute."""

    name: str
    """The alarm's name within its object, such as HiHi, or Level.HiHi where several attributes have one; the last part is its type."""
    limit: float
    """The value beyond which the alarm is active."""
    above: bool = True
    """Whether the alarm is active above the limit, or below it."""
    severity: int = 500
    """The native scale, 1 to 999."""
    category: str = "Process"
    """The alarm's category as operators see it."""
    description: str = ""
    """The alarm's text as operators see it."""

    def is_beyond(self, value: float) -> bool:
        """Say whether `value` makes the alarm active."""
        return value > self.limit if self.above else value < self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of a template; with an object of the template it is a tag."""

    name: str
    """The attribute's name; it may hold dots."""
    data_type: DataType = DataType.INTEGER
    """The type of the value, or of the array's elements."""
    value: Any = None
    """The value at the plant's start, native; a list for an array. None takes the type's default."""
    is_array: bool = False
    """Whether the attribute is an array."""
    pattern: Pattern | None = None
    """How the provider drives the value; None for a value that only writes change."""
    interval: float = 1.0
    """Seconds between two values of the pattern."""
    quality: int = GOOD
    """The OPC DA quality at the plant's start; a tag with bad quality has no value."""
    security: Security = Security.FREE_ACCESS
    """Who may write."""
    refusal: WriteRefusal | None = None
    """How the provider refuses writes; None when it takes them."""
    response_time: float = 0.0
    """Seconds from the first advise until the first value; `math.inf` for a provider that never answers."""
    historized: bool = False
    """Whether the repository says that the attribute is historized."""
    alarms: tuple[AlarmLimit, ...] = ()
    """The limits that raise alarms."""

    @property
    def initial(self) -> Any:
        """The native value at the plant's start."""
        if self.value is not None:
            return self.value
        return [] if self.is_array else self.data_type.traits.default


@dataclass(frozen=True)
class Template:
    """What objects of one kind have in common."""

    name: str
    """The template's name, with its dollar sign."""
    base: tuple[str, ...] = ()
    """The names of the templates that it derives from, the nearest first."""
    category: Category = Category.USER_DEFINED
    """The kind of its objects."""
    attributes: tuple[Attribute, ...] = ()
    """The attributes of its objects."""

    @property
    def chain(self) -> tuple[str, ...]:
        """The template and its bases, the nearest first."""
        return (self.name, *self.base)

    @cached_property
    def by_name(self) -> dict[str, Attribute]:
        """The attributes by name without case."""
        return {attribute.name.casefold(): attribute for attribute in self.attributes}

    @cached_property
    def has_alarms(self) -> bool:
        """Whether an attribute alarms."""
        return any(attribute.alarms for attribute in self.attributes)

    @cached_property
    def is_historized(self) -> bool:
        """Whether an attribute is historized."""
        return any(attribute.historized for attribute in self.attributes)


@dataclass(frozen=True, slots=True)
class PlantObject:
    """An object of the galaxy."""

    gobject_id: int
    """Unique in the galaxy, above 0."""
    tag_name: str
    """Unique in the galaxy without case."""
    template: Template
    """What it is an instance of."""
    parent_id: int = 0
    """The area or object that contains it; 0 at the top level."""
    contained_name: str = ""
    """Its name within a containing object; empty when it has none."""
    host_id: int = 0
    """The engine or platform that runs it."""

    @property
    def browse_name(self) -> str:
        """What a tree shows."""
        return self.contained_name or self.tag_name

    @property
    def is_area(self) -> bool:
        """Whether it is an area."""
        return self.template.category is Category.AREA


def reference(obj: PlantObject, attribute: Attribute) -> str:
    """Return the full tag reference: tag name, dot, attribute name, and ``[]`` for an array."""
    return f"{obj.tag_name}.{attribute.name}{'[]' if attribute.is_array else ''}"
