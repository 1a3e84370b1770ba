"""From the tags and objects of a recording to a plant that moves only when the recording is played."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, Final

from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.simulator.mxaccess.values import DataType, fits
from mxgateway.simulator.plant.exports import galaxy_object
from mxgateway.simulator.plant.model import Attribute, PlantObject, Template
from mxgateway.simulator.plant.objects import Plant
from mxgateway.wire import to_json_dict

_RECORDED: Final = Template("$Recorded", ("$UserDefined",))

_Shape = tuple[DataType, Any] | None


def recorded_plant(shapes: Mapping[str, _Shape], objects: Iterable[galaxy.GalaxyObject]) -> Plant:
    """Return the plant of a recording.

    Args:
        shapes: The type and the first value of each tag; None where no value was recorded.
        objects: The recorded objects of the galaxy.

    Raises:
        ValueError: The objects contradict each other.
    """
    base = Plant(_still(galaxy_object(to_json_dict(obj), {}, {})) for obj in _with_parents(objects))
    found = {obj.tag_name.casefold(): obj for obj in base.objects}
    ids = count(max((obj.gobject_id for obj in base.objects), default=0) + 1)
    changed: dict[str, dict[str, Attribute]] = {}
    for tag, shape in shapes.items():
        target = base.find(tag)
        if target is not None and target.element is None:
            obj, attribute = target.object.tag_name, _shaped(target.attribute, shape)
        else:
            obj, _, name = tag.strip().partition(".")
            if not name.removesuffix("[]"):  # no galaxy has a tag without an attribute
                continue
            attribute = _shaped(Attribute(name=name.removesuffix("[]"), is_array=name.endswith("[]")), shape)
        changed.setdefault(obj.casefold(), {})[attribute.name.casefold()] = attribute
        if obj.casefold() not in found:
            found[obj.casefold()] = PlantObject(next(ids), obj, _RECORDED)
    return Plant(_with_attributes(obj, changed.get(name, {})) for name, obj in found.items())


def _shaped(attribute: Attribute, shape: _Shape) -> Attribute:
    """Return an attribute with the type and the value that were recorded."""
    if shape is None:
        return attribute
    data_type, native = shape
    is_array = isinstance(native, list)
    is_sound = all(fits(data_type, each) for each in (native if is_array else [native]))
    return replace(attribute, data_type=data_type, is_array=is_array, value=native if is_sound else None)


def _still(obj: PlantObject) -> PlantObject:
    """Return an object whose attributes neither move by themselves nor have alarms."""
    attributes = tuple(replace(attribute, pattern=None, alarms=()) for attribute in obj.template.attributes)
    return replace(obj, template=replace(obj.template, attributes=attributes))


def _with_parents(objects: Iterable[galaxy.GalaxyObject]) -> list[galaxy.GalaxyObject]:
    """Return the objects; one whose parent was not recorded is at the top level."""
    listed = list(objects)
    known = {obj.gobject_id for obj in listed}
    for obj in listed:
        if obj.parent_gobject_id not in known:
            obj.parent_gobject_id = 0
    return listed


def _with_attributes(obj: PlantObject, attributes: dict[str, Attribute]) -> PlantObject:
    if not attributes:
        return obj
    every = tuple((obj.template.by_name | attributes).values())
    return replace(obj, template=replace(obj.template, attributes=every))
