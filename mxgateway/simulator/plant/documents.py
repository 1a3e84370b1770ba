"""From a plant file, TOML or JSON, to the objects of a plant."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mxgateway.simulator.files import DescriptionError, check, parse, read_text, schema
from mxgateway.simulator.mxaccess.values import BOUND, NUMERIC, DataType, fits
from mxgateway.simulator.plant.behaviours import COMMON, KEYS, disturbed, random_walk, replay, wave
from mxgateway.simulator.plant.model import (
    AlarmLimit,
    Attribute,
    Category,
    PlantObject,
    Security,
    Template,
    inside_itself,
)
from mxgateway.simulator.plant.patterns import Pattern, counter
from mxgateway.simulator.plant.recordings import read_rows

_LARGEST_FLOAT: Final = {DataType.FLOAT: 3.4028234e38}


@dataclass(frozen=True)
class Document:
    """What a plant file says."""

    name: str
    seed: int
    objects: tuple[PlantObject, ...]


def read_document(path: str | os.PathLike[str]) -> Document:
    """Return what a plant file says; ``.json`` is JSON, any other name TOML.

    Raises:
        DescriptionError: The file is wrong; the text names file and place.
        OSError: It cannot be read, or is larger than 16 MiB.
    """
    name = os.fspath(path)
    document = parse(read_text(path), name)
    try:
        check(document, schema("plant", "plant.schema.json"))
        return _Reader(document, os.path.dirname(name)).document()
    except RecursionError:
        raise DescriptionError(f"{name}: it is nested too deeply") from None
    except DescriptionError as error:
        raise DescriptionError(f"{name}: {error}") from None


@dataclass
class _Reader:
    source: Mapping[str, Any]
    folder: str
    templates: dict[str, Template] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)

    def document(self) -> Document:
        source = self.source
        areas, objects = source.get("areas", {}), source["objects"]
        self._number("areas", areas)
        self._number("objects", objects)
        for kind in source.get("templates", {}):
            self._template(kind, ())
        area = Template("$Area", category=Category.AREA)
        made = [
            PlantObject(self.ids[name.casefold()], name, area, self._parent(f"areas.{name}", said, "area"))
            for name, said in areas.items()
        ]
        made += [self._object(name, said) for name, said in objects.items()]
        if (inside := inside_itself(made)) is not None:
            place = f"areas.{inside.tag_name}.area" if inside.is_area else f"objects.{inside.tag_name}.parent"
            raise DescriptionError(f"{place}: it contains itself")
        return Document(source.get("name", "Galaxy"), source.get("seed", 0), tuple(made))

    def _number(self, section: str, named: Mapping[str, Any]) -> None:
        for name in named:
            if not name.strip() or any(letter in name for letter in ".[]/!"):
                raise DescriptionError(f"{section}.{name}: a tag name is not empty and has none of . [ ] / !")
            if name.casefold() in self.ids:
                raise DescriptionError(f"{section}.{name}: the name is taken; upper and lower case are the same")
            self.ids[name.casefold()] = len(self.ids) + 1

    def _parent(self, path: str, said: Mapping[str, Any], key: str) -> int:
        name = said.get(key)
        if name is None:
            return 0
        known = self.source.get("areas" if key == "area" else "objects", {})
        if name not in known:
            raise DescriptionError(f"{path}.{key}: there is no {'area' if key == 'area' else 'object'} {name!r}")
        return self.ids[name.casefold()]

    def _template(self, kind: str, users: tuple[str, ...]) -> Template:
        if kind in self.templates:
            return self.templates[kind]
        path = f"templates.{kind}"
        if kind in users:
            raise DescriptionError(f"{path}.base: the templates are based on each other: {' → '.join((*users, kind))}")
        said = self.source["templates"][kind]
        chain: tuple[str, ...] = ("$UserDefined",)
        attributes: dict[str, Attribute] = {}
        if (base := said.get("base")) is not None:
            if base not in self.source["templates"]:
                raise DescriptionError(f"{path}.base: there is no template {base!r}")
            inherited = self._template(base, (*users, kind))
            chain, attributes = inherited.chain, dict(inherited.by_name)
        attributes |= self._attributes(path, said)
        made = Template(f"${kind.removeprefix('$')}", chain, attributes=tuple(attributes.values()))
        self.templates[kind] = made
        return made

    def _object(self, name: str, said: Mapping[str, Any]) -> PlantObject:
        path = f"objects.{name}"
        template = self.templates.get(said["template"])
        if template is None:
            raise DescriptionError(f"{path}.template: there is no template {said['template']!r}")
        if "area" in said and "parent" in said:
            raise DescriptionError(f"{path}.parent: give an area or a parent, not both")
        parent = self._parent(path, said, "parent" if "parent" in said else "area")
        if own := self._attributes(path, said):
            attributes = tuple((template.by_name | own).values())
            template = Template(template.name, template.base, template.category, attributes)
        return PlantObject(self.ids[name.casefold()], name, template, parent, said.get("contained", ""))

    def _attributes(self, path: str, said: Mapping[str, Any]) -> dict[str, Attribute]:
        found: dict[str, Attribute] = {}
        for name, each in said.get("attributes", {}).items():
            place = f"{path}.attributes.{name}"
            if not name.strip() or name.casefold() in found:
                raise DescriptionError(f"{place}: the name is empty or taken")
            found[name.casefold()] = self._attribute(place, name, each)
        return found

    def _attribute(self, path: str, name: str, said: Mapping[str, Any]) -> Attribute:
        data_type, is_array = DataType[said["type"].upper()], "length" in said
        value = said.get("value")
        if is_array and value is None:
            value = [data_type.traits.default] * said["length"]
        if is_array and (not isinstance(value, list) or len(value) != said["length"]):
            raise DescriptionError(f"{path}.value: this must be an array of {said['length']} values")
        alarms = tuple(AlarmLimit(**alarm) for alarm in said.get("alarms", ()))
        if alarms and (is_array or data_type not in NUMERIC):
            raise DescriptionError(f"{path}.alarms: only a number has alarms")
        behaviour = said.get("behaviour", {"kind": "constant"})
        if is_array and behaviour["kind"] != "constant":
            raise DescriptionError(f"{path}.behaviour: an array has none")
        pattern = self._pattern(f"{path}.behaviour", data_type, value, behaviour)
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
        except ValueError as error:
            raise DescriptionError(f"{path}.value: {error}") from None

    def _pattern(self, path: str, data_type: DataType, first: Any, said: Mapping[str, Any]) -> Pattern | None:
        kind = said["kind"]
        if unused := said.keys() - COMMON - KEYS[kind]:
            raise DescriptionError(f"{path}.{min(unused)}: a {kind} has no such key")
        if missing := KEYS[kind] - said.keys():
            raise DescriptionError(f"{path}: a {kind} needs the key {min(missing)!r}")
        disturbances = {key: said.get(key, 0) for key in ("noise", "bad", "uncertain")}
        if kind == "constant" and not any(disturbances.values()):
            return None
        if kind not in ("constant", "replay") or disturbances["noise"]:
            self._check_numbers(path, data_type, said)
        every = said.get("every", 1.0)
        if kind == "constant":
            held = data_type.traits.default if first is None else first
            pattern: Pattern = lambda tick, seed, time_ns: held  # noqa: E731
        elif kind == "counter":
            pattern = counter
        elif kind == "random_walk":
            pattern = random_walk(said["low"], said["high"], said["step"])
        elif kind == "replay":
            try:
                pattern = replay(read_rows(os.path.join(self.folder, said["file"]), data_type), every)
            except OSError as error:
                raise DescriptionError(f"{path}.file: {said['file']}: {error.strerror or error}") from None
        else:
            pattern = wave(kind, said["low"], said["high"], said["period"] / every)
        return disturbed(pattern, convert=_converter(data_type), seed=said.get("seed"), **disturbances)

    def _check_numbers(self, path: str, data_type: DataType, said: Mapping[str, Any]) -> None:
        if data_type not in NUMERIC and data_type is not DataType.BOOLEAN:
            raise DescriptionError(f"{path}: only a number or a boolean changes like this")
        for key in ("low", "high", "step", "noise"):
            if key in said and not fits(DataType.FLOAT, said[key]):
                raise DescriptionError(f"{path}.{key}: {said[key]!r} is too large")
        if said.get("low", 0) > said.get("high", said.get("low", 0)):
            raise DescriptionError(f"{path}.low: it is above high")


def _converter(data_type: DataType) -> Any:
    """Return what makes a number one of the type: rounded, and within its range."""
    if data_type is DataType.BOOLEAN:
        return lambda value: value >= 0.5
    if data_type in BOUND:
        bound = BOUND[data_type]
        return lambda value: min(max(round(value), -bound), bound - 1)
    if data_type in NUMERIC:
        largest = _LARGEST_FLOAT.get(data_type, 1e308)
        return lambda value: min(max(float(value), -largest), largest)
    return lambda value: value
