"""From the export of a real galaxy, ``mxgw-py galaxy-discover -o jsonl``, to the objects of a plant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, Final

from mxgateway.simulator.files import DescriptionError
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.behaviours.patterns import Pattern, counter, cycle, sine, toggle, wall_time
from mxgateway.simulator.plant.model import (
    AlarmLimit,
    Attribute,
    Category,
    PlantObject,
    Security,
    Template,
    inside_itself,
)
from mxgateway.system.files import FileRefusal, opened_input

_LARGEST_FILE: Final = 512 * 1024 * 1024
_LARGEST_LINE: Final = 16 * 1024 * 1024
# Between two equal values of a calculated attribute that does not move.
_LONG: Final = 3600.0
_LONGEST_ARRAY: Final = 100_000
# An attribute of this category is calculated by its object: its value moves.
_CALCULATED: Final = 3
# The first type of a code: a wide integer has the code of an integer.
_TYPES: Final = {kind.traits.code: kind for kind in reversed(DataType)}
_MOVING: Final[dict[DataType, Pattern]] = {
    DataType.BOOLEAN: toggle,
    DataType.INTEGER: counter,
    DataType.FLOAT: sine(0.0, 100.0, 60),
    DataType.DOUBLE: sine(0.0, 100.0, 60),
    DataType.TIME: wall_time,
}
# An export does not tell the limits: above this a number, or a boolean that is true, is an alarm. A value that moves
# by itself comes and goes.
_LIMITS: Final = {DataType.BOOLEAN: 0.5, DataType.INTEGER: 90.0, DataType.FLOAT: 90.0, DataType.DOUBLE: 90.0}

_Key = tuple[Any, ...]


def read_galaxy(path: str | os.PathLike[str]) -> tuple[PlantObject, ...]:
    """Return the objects of an export. An object whose parent is not in the export is at the top level.

    Raises:
        DescriptionError: A line is wrong; the text names file and line.
        OSError: The file cannot be read, or is larger than 512 MiB.
    """
    name = os.fspath(path)
    attributes: dict[_Key, Attribute] = {}
    templates: dict[_Key, Template] = {}
    objects: list[PlantObject] = []
    number = 0
    try:
        with opened_input(path) as file:
            for line in _lines(file):
                number += 1
                if len(line) == _LARGEST_LINE:
                    raise ValueError(f"the line is longer than {_LARGEST_LINE >> 20} MiB")
                if line.strip():
                    objects.append(galaxy_object(json.loads(line), attributes, templates))
    except KeyError as error:
        raise DescriptionError(f"{name}: line {number}: the key {error} is missing") from None
    except RecursionError:
        raise DescriptionError(f"{name}: line {number}: it is nested too deeply") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise DescriptionError(f"{name}: line {number}: {error}") from None
    if not objects:
        raise DescriptionError(f"{name}: it has no objects")
    known = {obj.gobject_id for obj in objects}
    found = tuple(obj if obj.parent_id in known else replace(obj, parent_id=0) for obj in objects)
    if (inside := inside_itself(found)) is not None:
        raise DescriptionError(f"{name}: the object {inside.tag_name!r} contains itself")
    return found


def _lines(file: BinaryIO) -> Iterator[bytes]:
    size = os.fstat(file.fileno()).st_size
    while line := file.readline(_LARGEST_LINE):
        size = max(size, file.tell()) if file.seekable() else size + len(line)
        if size > _LARGEST_FILE:
            raise FileRefusal(f"it is larger than {_LARGEST_FILE >> 20} MiB")
        yield line


def galaxy_object(
    said: dict[str, Any], attributes: dict[_Key, Attribute], templates: dict[_Key, Template]
) -> PlantObject:
    """Return an object of an export.

    Args:
        said: The object in protobuf JSON.
        attributes: The attributes of earlier objects, which are shared.
        templates: Their templates, likewise.

    Raises:
        ValueError: The object is wrong, as with other failures of its keys and types.
    """
    found = []
    for each in said.get("attributes", ()):
        get = each.get
        key = (
            each["attributeName"],
            get("mxDataType", 0),
            get("isArray", False),
            get("arrayDimension", 0),
            get("securityClassification", 0),
            get("isHistorized", False),
            get("isAlarm", False),
            get("mxAttributeCategory", 0),
        )
        attribute = attributes.get(key)
        if attribute is None:
            attribute = attributes[key] = _attribute(*key)
        found.append(attribute)
    # By identity: equal attributes are the same object, and hashing one takes long.
    chain, code = tuple(said.get("templateChain", ())), said.get("categoryId", 0)
    shape = (chain, code, *map(id, found))
    template = templates.get(shape)
    if template is None:
        if not (isinstance(said.get("templateChain", []), list) and all(isinstance(kind, str) for kind in chain)):
            raise ValueError("the template chain is no list of names")
        category = Category(code) if code in set(Category) else Category.USER_DEFINED
        first, base = (chain[0], chain[1:]) if chain else ("", ())
        template = templates[shape] = Template(first, base, category, tuple(found))
    gobject_id, tag_name = said["gobjectId"], said["tagName"]
    parent, host = said.get("parentGobjectId", 0), said.get("hostedByGobjectId", 0)
    contained = said.get("containedName", "")
    if not (type(gobject_id) is type(parent) is type(host) is int and isinstance(tag_name, str)):
        raise ValueError("an id is no integer, or the tag name is no text")
    if not (0 < gobject_id < 2**31 and 0 <= parent < 2**31 and 0 <= host < 2**31):
        raise ValueError("an id is out of range")
    if not isinstance(contained, str):
        raise ValueError("the contained name is no text")
    return PlantObject(gobject_id, tag_name, template, parent, contained, host)


def _attribute(
    name: Any, code: Any, is_array: Any, length: Any, security: Any, historized: Any, alarm: Any, category: Any
) -> Attribute:
    if not isinstance(name, str):
        raise ValueError("an attribute's name is no text")
    if type(length) is not int or not 0 <= length <= _LONGEST_ARRAY:
        raise ValueError(f"the attribute {name!r} has no sound length")
    data_type = _TYPES.get(code, DataType.STRING)
    limit = None if is_array or not alarm else _LIMITS.get(data_type)
    is_calculated = category == _CALCULATED
    first: Any = [data_type.traits.default] * length if is_array else data_type.traits.default
    moving = None if is_array else _MOVING.get(data_type)
    return Attribute(
        name=name,
        data_type=data_type,
        value=first,
        is_array=bool(is_array),
        pattern=(moving or cycle([first])) if is_calculated else None,
        interval=1.0 if moving else _LONG,
        security=Security(security) if security in set(Security) else Security.FREE_ACCESS,
        historized=bool(historized),
        alarms=() if limit is None else (AlarmLimit(name=name, limit=limit),),
    )
