"""From a plant file, TOML, JSON or CSV, to a plant."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from mxgateway.simulator.files import Description, DescriptionError, check, schema
from mxgateway.simulator.mxaccess.values import NUMERIC, DataType, fits
from mxgateway.simulator.plant.behaviours.dependences import DependenceError
from mxgateway.simulator.plant.behaviours.derived import BehaviourError, Derived
from mxgateway.simulator.plant.behaviours.following import Expression, Follow, Step
from mxgateway.simulator.plant.behaviours.in_time import converter, disturbed, random_walk, replay, wave
from mxgateway.simulator.plant.behaviours.patterns import Pattern, counter
from mxgateway.simulator.plant.behaviours.recordings import read_rows
from mxgateway.simulator.plant.model import (
    AlarmLimit,
    Attribute,
    Category,
    PlantObject,
    Security,
    Template,
    inside_itself,
)
from mxgateway.simulator.plant.tables import TagTable
from mxgateway.system.files import refusal_text

_UNIT: Final = "EngUnits"
"""The name, behind that of its attribute, of the tag with an engineering unit."""
_DERIVED: Final[dict[str, type[Derived]]] = {"expression": Expression, "follow": Follow, "step": Step}

P = TypeVar("P")
_Path = tuple[str | int, ...]


_Build = Callable[[Iterable[PlantObject], str, int], P]
"""Makes a plant of its objects, its name and its seed."""


def read_plant(path: str | os.PathLike[str], build: _Build[P]) -> P:
    """Return the plant that a file describes.

    Args:
        path: The file; ``.json`` is JSON, ``.csv`` a table of tags, any other name TOML.
        build: Makes the plant of its objects, its name and its seed.

    Raises:
        DescriptionError: The file is wrong; the text names file and place.
        OSError: It cannot be read, or is larger than 16 MiB.
    """
    name = os.fspath(path)
    source = TagTable.read(path) if name.casefold().endswith(".csv") else Description.read(path)
    try:
        check(source.data, schema("plant", "plant.schema.json"))
        return _Reader(source.data, os.path.dirname(name)).plant(build)
    except RecursionError:
        raise DescriptionError(f"{name}: it is nested too deeply") from None
    except DescriptionError as error:
        raise source.located(error) from None


@dataclass
class _Reader:
    source: Mapping[str, Any]
    folder: str
    templates: dict[str, Template] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    places: dict[int, _Path] = field(default_factory=dict)
    """Where the behaviour of each attribute is, by the attribute's identity."""

    def plant(self, build: _Build[P]) -> P:
        source = self.source
        areas, objects = source.get("areas", {}), source["objects"]
        self._number("areas", areas)
        self._number("objects", objects)
        for kind in source.get("templates", {}):
            self._template(kind, ())
        area = Template("$Area", category=Category.AREA)
        made = [
            PlantObject(self.ids[name.casefold()], name, area, self._parent(("areas", name), said, "area"))
            for name, said in areas.items()
        ]
        made += [self._object(name, said) for name, said in objects.items()]
        if (inside := inside_itself(made)) is not None:
            place = ("areas", inside.tag_name, "area") if inside.is_area else ("objects", inside.tag_name, "parent")
            raise DescriptionError("it contains itself", *place)
        try:
            return build(made, source.get("name", "Galaxy"), source.get("seed", 0))
        except DependenceError as error:
            raise DescriptionError(str(error), *self.places[id(error.attribute)], error.key) from None

    def _number(self, section: str, named: Mapping[str, Any]) -> None:
        for name in named:
            if not name.strip() or any(letter in name for letter in ".[]/!"):
                raise DescriptionError("a tag name is not empty and has none of . [ ] / !", section, name)
            if name.casefold() in self.ids:
                raise DescriptionError("the name is taken; upper and lower case are the same", section, name)
            self.ids[name.casefold()] = len(self.ids) + 1

    def _parent(self, path: _Path, said: Mapping[str, Any], key: str) -> int:
        name = said.get(key)
        if name is None:
            return 0
        known = self.source.get("areas" if key == "area" else "objects", {})
        if name not in known:
            raise DescriptionError(f"there is no {'area' if key == 'area' else 'object'} {name!r}", *path, key)
        return self.ids[name.casefold()]

    def _template(self, kind: str, users: tuple[str, ...]) -> Template:
        if kind in self.templates:
            return self.templates[kind]
        path = ("templates", kind)
        if kind in users:
            circle = " → ".join((*users, kind))
            raise DescriptionError(f"the templates are based on each other: {circle}", *path, "base")
        said = self.source["templates"][kind]
        chain: tuple[str, ...] = ("$UserDefined",)
        attributes: dict[str, Attribute] = {}
        if (base := said.get("base")) is not None:
            if base not in self.source["templates"]:
                raise DescriptionError(f"there is no template {base!r}", *path, "base")
            inherited = self._template(base, (*users, kind))
            chain, attributes = inherited.chain, dict(inherited.by_name)
        attributes |= self._attributes(path, said)
        made = Template(f"${kind.removeprefix('$')}", chain, attributes=tuple(attributes.values()))
        self.templates[kind] = made
        return made

    def _object(self, name: str, said: Mapping[str, Any]) -> PlantObject:
        path = ("objects", name)
        template = self.templates.get(said["template"])
        if template is None:
            raise DescriptionError(f"there is no template {said['template']!r}", *path, "template")
        if "area" in said and "parent" in said:
            raise DescriptionError("give an area or a parent, not both", *path, "parent")
        parent = self._parent(path, said, "parent" if "parent" in said else "area")
        if own := self._attributes(path, said):
            attributes = tuple((template.by_name | own).values())
            template = Template(template.name, template.base, template.category, attributes)
        return PlantObject(self.ids[name.casefold()], name, template, parent, said.get("contained", ""))

    def _attributes(self, path: _Path, said: Mapping[str, Any]) -> dict[str, Attribute]:
        found: dict[str, Attribute] = {}
        for name, each in said.get("attributes", {}).items():
            place = (*path, "attributes", name)
            if not name.strip() or name.casefold() in found:
                raise DescriptionError("the name is empty or taken", *place)
            attribute = found[name.casefold()] = self._attribute(place, name, each)
            self.places[id(attribute)] = (*place, "behaviour")
            if (unit := each.get("unit")) is not None:
                title = f"{name}.{_UNIT}"
                if title.casefold() in found:
                    raise DescriptionError(f"the name of its tag, {title!r}, is taken", *place, "unit")
                found[title.casefold()] = Attribute(
                    name=title, data_type=DataType.STRING, value=unit, security=Security.CONFIGURE
                )
        return found

    def _attribute(self, path: _Path, name: str, said: Mapping[str, Any]) -> Attribute:
        data_type, is_array = DataType[said["type"].upper()], "length" in said
        value = said.get("value")
        if is_array and value is None:
            value = [data_type.traits.default] * said["length"]
        if is_array and (not isinstance(value, list) or len(value) != said["length"]):
            raise DescriptionError(f"this must be an array of {said['length']} values", *path, "value")
        alarms = tuple(AlarmLimit(**alarm) for alarm in said.get("alarms", ()))
        if alarms and (is_array or not _is_number(data_type)):
            raise DescriptionError("only a number or a boolean has alarms", *path, "alarms")
        behaviour = said.get("behaviour", {"kind": "constant"})
        try:
            pattern = self._pattern(data_type, value, is_array, behaviour)
        except DescriptionError as error:
            raise error.within(*path, "behaviour") from None
        try:
            return Attribute(
                name=name,
                data_type=data_type,
                value=value,
                is_array=is_array,
                pattern=pattern,
                interval=behaviour.get("every", 1.0),
                security=Security[said.get("security", "free_access").upper()],
                historized=said.get("historized", False),
                alarms=alarms,
            )
        except BehaviourError as error:
            raise DescriptionError(error.text, *path, "behaviour", *filter(None, [error.key])) from None
        except ValueError as error:
            raise DescriptionError(str(error), *path, "value") from None

    def _pattern(
        self, data_type: DataType, first: Any, is_array: bool, said: Mapping[str, Any]
    ) -> Pattern | Derived | None:
        kind = said["kind"]
        if kind in _DERIVED:
            try:
                return _DERIVED[kind](**{key: value for key, value in said.items() if key not in ("kind", "every")})
            except BehaviourError as error:
                raise DescriptionError(error.text, error.key) from None
        disturbances = {key: said.get(key, 0) for key in ("noise", "bad", "uncertain")}
        if is_array and (kind != "constant" or any(disturbances.values())):
            raise DescriptionError("an array follows another one or is set by steps, and has no other behaviour")
        if kind == "constant" and not any(disturbances.values()):
            return None
        if kind not in ("constant", "replay") or disturbances["noise"]:
            _check_numbers(data_type, said)
        pattern = self._pattern_in_time(data_type, first, said)
        return disturbed(pattern, convert=converter(data_type), seed=said.get("seed"), **disturbances)

    def _pattern_in_time(self, data_type: DataType, first: Any, said: Mapping[str, Any]) -> Pattern:
        kind, every = said["kind"], said.get("every", 1.0)
        if kind == "constant":
            held = data_type.traits.default if first is None else first
            return lambda tick, seed, time_ns: held
        if kind == "counter":
            return counter
        if kind == "random_walk":
            return random_walk(said["low"], said["high"], said["step"])
        if kind != "replay":
            return wave(kind, said["low"], said["high"], said["period"] / every)
        try:
            return replay(read_rows(os.path.join(self.folder, said["file"]), data_type), every)
        except OSError as error:
            raise DescriptionError(f"{said['file']}: {refusal_text(error)}", "file") from None
        except DescriptionError as error:
            raise DescriptionError(str(error), "file") from None


def _check_numbers(data_type: DataType, said: Mapping[str, Any]) -> None:
    if not _is_number(data_type):
        raise DescriptionError("only a number or a boolean changes like this", "kind")
    for key in ("low", "high", "step", "noise"):
        if key in said and not fits(DataType.FLOAT, said[key]):
            raise DescriptionError(f"{said[key]!r} is too large", key)
    if said.get("low", 0) > said.get("high", said.get("low", 0)):
        raise DescriptionError("it is above high", "low")


def _is_number(data_type: DataType) -> bool:
    return data_type in NUMERIC or data_type is DataType.BOOLEAN
