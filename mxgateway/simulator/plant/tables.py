"""Reads a table of tags, a CSV file, as what a plant file says."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Iterator
from typing import Any, Final

from mxgateway.simulator.files import DescriptionError, decoded, schema
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.system.files import read_input

_LARGEST: Final = 64 * 1024 * 1024
LONGEST_CELL: Final = 131_072
"""The most characters of a cell: what csv takes by itself."""
_TOO_LONG: Final = f"a cell has more than {LONGEST_CELL:,} characters"
_TEMPLATE: Final = "Tags"
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}
_ALARMS: Final[dict[str, dict[str, Any]]] = {
    "hihi": {"name": "HiHi", "severity": 900},
    "hi": {"name": "Hi", "severity": 500},
    "lo": {"name": "Lo", "severity": 500, "above": False},
    "lolo": {"name": "LoLo", "severity": 900, "above": False},
}
_PLAIN: Final = ("type", "length", "security", "historized", "unit")


class TagTable:
    """A table of tags.

    The columns are ``tag`` and ``type``; ``value``, ``length``, ``security``, ``historized`` and ``unit`` of an
    attribute; ``area`` of its object; the limits ``hihi``, ``hi``, ``lo`` and ``lolo`` of its alarms; ``behaviour`` and
    the keys of behaviours.

    Args:
        name: The file's name.
        text: Its text.

    Raises:
        DescriptionError: It is wrong; the text names file, line and column.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.data: dict[str, Any] = {"templates": {_TEMPLATE: {}}, "areas": {}, "objects": {}}
        """What a plant file with the same tags says."""
        # The line of each attribute, and the first one of each object and area.
        self._lines: dict[tuple[str, str], int] = {}
        self._objects: dict[str, str] = {}  # their names, by those in lower case
        self._take(text)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> TagTable:
        """Return what a table says.

        Raises:
            DescriptionError: It is wrong; the text names file, line and column.
            OSError: It cannot be read, or is larger than 64 MiB.
        """
        # Excel begins it with a byte order mark.
        return cls(os.fspath(path), decoded(read_input(path, _LARGEST).removeprefix(codecs.BOM_UTF8), os.fspath(path)))

    def located(self, error: DescriptionError) -> DescriptionError:
        """Return an error of the document with the file, the line and the column."""
        path = error.path
        if len(path) < 2:
            return DescriptionError(f"{self.name}: {error}")
        section, owner = str(path[0]), str(path[1])
        if section != "objects" or len(path) < 4:
            column = "area" if section == "areas" or path[-1] == "area" else "tag"
            return self._wrong(self._lines[section, owner], error.text, column)
        key = str(path[4]) if len(path) > 4 else "tag"
        line = self._lines[owner, str(path[3])]
        if key == "alarms":
            return self._wrong(line, error.text, self._alarm_column(path))
        if key == "behaviour" and len(path) > 5 and path[5] != "kind":
            key = str(path[5])
        return self._wrong(line, error.text, key)

    def _alarm_column(self, path: tuple[str | int, ...]) -> str:
        alarms = self.data["objects"][path[1]]["attributes"][path[3]]["alarms"]
        name: str = alarms[path[5] if len(path) > 5 else 0]["name"]
        return name.rpartition(".")[2].casefold()

    def _wrong(self, line: int, text: str, column: str = "") -> DescriptionError:
        place = f"{self.name}: line {line}"
        return DescriptionError(f"{place}, column {column}: {text}" if column else f"{place}: {text}")

    def _take(self, text: str) -> None:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            header = [cell.strip().casefold() for cell in next(reader, [])]
            self._check_header(header)
            for row in reader:
                if any(cell.strip() for cell in row):
                    if max(map(len, row)) > LONGEST_CELL:  # csv's own limit is the process's: another part may raise it
                        raise self._wrong(reader.line_num, _TOO_LONG)
                    if len(row) > len(header):
                        raise self._wrong(reader.line_num, f"it has {len(row)} cells, the first line has {len(header)}")
                    self._take_row(reader.line_num, dict(zip(header, row, strict=False)))
        except csv.Error as error:
            text = _TOO_LONG if "field limit" in str(error) else str(error)
            raise self._wrong(max(reader.line_num, 1), text) from None
        if not self.data["objects"]:
            raise DescriptionError(f"{self.name}: it has no tags")

    def _check_header(self, header: list[str]) -> None:
        known = ("tag", "type", "value", *_PLAIN[1:], "area", *_ALARMS, "behaviour", *_parameters())
        for place, name in enumerate(header):
            if name not in known:
                raise self._wrong(1, f"the column {name[:40]!r} is unknown; known are {', '.join(known)}")
            if name in header[:place]:
                raise self._wrong(1, f"the column {name!r} is there twice")
        for name in ("tag", "type"):
            if name not in header:
                raise self._wrong(1, f"the column {name!r} is missing")

    def _take_row(self, line: int, row: dict[str, str]) -> None:
        cells = {column: cell for column, cell in row.items() if cell.strip()}
        owner, _, name = cells.pop("tag", "").strip().partition(".")
        if not owner or not name:
            raise self._wrong(line, "a tag is Object.Attribute", "tag")
        if not cells.get("type"):
            raise self._wrong(line, "the type is missing", "type")
        owner = self._objects.setdefault(owner.casefold(), owner)
        obj = self.data["objects"].setdefault(owner, {"template": _TEMPLATE, "attributes": {}})
        self._lines.setdefault(("objects", owner), line)
        if name in obj["attributes"]:
            raise self._wrong(line, f"the tag is on line {self._lines[owner, name]} already", "tag")
        self._lines[owner, name] = line
        self._take_area(line, obj, cells.pop("area", "").strip())
        try:
            obj["attributes"][name] = dict(_attribute(name, cells))
        except DescriptionError as error:
            raise self._wrong(line, error.text, str(error.path[0])) from None

    def _take_area(self, line: int, obj: dict[str, Any], area: str) -> None:
        if not area:
            return
        if obj.setdefault("area", area) != area:
            raise self._wrong(line, f"the object is in the area {obj['area']!r} already", "area")
        self.data["areas"].setdefault(area, {})
        self._lines.setdefault(("areas", area), line)


def _attribute(name: str, cells: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield what a plant file says of an attribute; an error has its column as its path."""
    properties = schema("plant", "plant.schema.json")["$defs"]["attribute"]["properties"]
    for column in _PLAIN:
        if column in cells:
            yield column, _cell(column, cells[column], properties[column].get("type"))
    data_type = DataType.__members__.get(cells["type"].strip().upper(), DataType.STRING)
    is_array = "length" in cells
    if "value" in cells:
        yield "value", _value("value", cells["value"], data_type, is_array=is_array)
    alarms = [
        {**alarm, "name": f"{name}.{alarm['name']}", "limit": _cell(column, cells[column], "number")}
        for column, alarm in _ALARMS.items()
        if column in cells
    ]
    if alarms:
        yield "alarms", alarms
    parameters: dict[str, Any] = {
        column: _value(column, cells[column], data_type, is_array=is_array)
        if column == "to"
        else _cell(column, cells[column], kind)
        for column, kind in _parameters().items()
        if column in cells
    }
    if "behaviour" in cells:
        yield "behaviour", {"kind": cells["behaviour"].strip(), **parameters}
    elif parameters:
        raise DescriptionError("this belongs to a behaviour, and the column 'behaviour' is empty", min(parameters))


def _parameters() -> dict[str, str | None]:
    """Return the keys of behaviours, and the types of their values."""
    known = schema("plant", "plant.schema.json")["$defs"]
    kinds = (known[each["$ref"].rpartition("/")[2]] for each in known["behaviour"]["oneOf"])
    keys = {key: each for kind in kinds for key, each in kind["properties"].items() if key != "kind"}
    return {key: known[each["$ref"].rpartition("/")[2]].get("type") for key, each in keys.items()}


def _cell(column: str, text: str, kind: str | None) -> Any:
    """Return the value of a cell, of a type of JSON Schema."""
    said = text.strip()
    try:
        if kind == "boolean":
            return _TRUTH[said.casefold()]
        if kind == "integer":
            return int(said)
        if kind == "number":
            return float(said)
    except (KeyError, ValueError):
        raise DescriptionError(f"{said[:40]!r} is no {kind}", column) from None
    return said


def _value(column: str, text: str, data_type: DataType, *, is_array: bool) -> Any:
    """Return a value of a tag; those of an array are separated by semicolons."""
    if is_array:
        return [_value(column, each, data_type, is_array=False) for each in text.split(";")]
    default = data_type.traits.default
    if isinstance(default, str):
        return text
    kind = "boolean" if isinstance(default, bool) else "integer" if isinstance(default, int) else "number"
    return _cell(column, text, kind)
