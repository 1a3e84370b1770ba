"""The simulated plant: the objects of one galaxy, and the lookup of references."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Final, NamedTuple, Self

from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.behaviours.dependences import check_dependences
from mxgateway.simulator.plant.behaviours.derived import Derived
from mxgateway.simulator.plant.edits import edits_by_object
from mxgateway.simulator.plant.model import Attribute, PlantObject, reference

_ARRAY_SUFFIX: Final = re.compile(r"\[(\d*)\]$")


class Target(NamedTuple):
    """What a reference names."""

    object: PlantObject
    attribute: Attribute
    element: int | None
    """The element, counted from 1, of an array reference ``Attr[n]``; None for the whole attribute."""


class Plant:
    """The objects of a galaxy.

    Args:
        objects: All objects; tag names and ids are unique, parents exist.
        name: The galaxy's name, the first part of its alarms' references.
        seed: The seed of the plant's random values.
        strict: Refuse a tag whose value cannot follow from others as its pattern says; otherwise it has bad quality.

    Raises:
        ValueError: A tag name or an id is not unique, or a parent is missing, or a value would follow from itself.
    """

    def __init__(
        self, objects: Iterable[PlantObject], *, name: str = "Galaxy", seed: int = 0, strict: bool = True
    ) -> None:
        self.name = name
        self.seed = seed
        self.objects = tuple(objects)
        self._by_id = {obj.gobject_id: obj for obj in self.objects}
        self._by_tag = {obj.tag_name.casefold(): obj for obj in self.objects}
        if not len(self._by_id) == len(self._by_tag) == len(self.objects):
            raise ValueError("a tag name or a gobject id of the plant is not unique")
        if missing := {obj.parent_id for obj in self.objects} - self._by_id.keys() - {0}:
            raise ValueError(f"parents of plant objects are missing: {sorted(missing)}")
        self._check_dependences(strict=strict)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the plant that a file describes. Blocks.

        The name tells the form: ``.json`` is JSON, ``.csv`` a table of tags, any other TOML.

        Raises:
            ValueError: The file is wrong; the text names file and place.
            OSError: It cannot be read, or is too large.
        """
        # Readers of files are imported on use: most programs that simulate a gateway read none.
        from mxgateway.simulator.plant.documents import read_plant

        return read_plant(path, lambda objects, name, seed: cls(objects, name=name, seed=seed))

    @classmethod
    def from_galaxy(cls, path: str | os.PathLike[str], *, name: str = "Galaxy", seed: int = 0) -> Self:
        """Return the plant of a real galaxy, from the output of ``mxgw-py galaxy-discover -o jsonl``. Blocks.

        Args:
            path: The file with the output.
            name: The galaxy's name, which the output does not have.
            seed: The seed of the plant's random values.

        Raises:
            ValueError: The file is wrong; the text names file and place.
            OSError: It cannot be read, or is too large.
        """
        from mxgateway.simulator.files import DescriptionError
        from mxgateway.simulator.plant.exports import read_galaxy

        try:
            return cls(read_galaxy(path), name=name, seed=seed)
        except DescriptionError:
            raise
        except ValueError as error:
            raise DescriptionError(f"{os.fspath(path)}: {error}") from None

    @classmethod
    def demo(cls) -> Self:
        """Return a plant that looks like one: tanks, pumps, a boiler, a packaging line. Blocks."""
        return cls.load(os.path.join(os.path.dirname(__file__), "demo.toml"))

    def object_by_id(self, gobject_id: int) -> PlantObject | None:
        """Return the object with an id."""
        return self._by_id.get(gobject_id)

    def object_by_tag(self, tag_name: str) -> PlantObject | None:
        """Return the object with a tag name, ignoring case."""
        return self._by_tag.get(tag_name.casefold())

    def object_by_path(self, path: str) -> PlantObject | None:
        """Return the object at a path of browse names joined with ``/``, ignoring case."""
        found: PlantObject | None = None
        for name in path.strip("/").split("/"):
            found = self._child(found.gobject_id if found else 0, name)
            if found is None:
                return None
        return found

    def children(self, parent_id: int) -> tuple[PlantObject, ...]:
        """Return the direct children: areas first, then by browse name ignoring case. Parent 0 is the top level."""
        return self._children.get(parent_id, ())

    def descendants(self, root: PlantObject, depth: int | None = None) -> Iterator[PlantObject]:
        """Iterate over `root` and everything below it, parents before children.

        Args:
            root: Where to start.
            depth: Levels below the root; None for all.
        """
        stack = [(root, 0)]
        while stack:
            obj, level = stack.pop()
            yield obj
            if depth is None or level < depth:
                stack.extend((child, level + 1) for child in reversed(self.children(obj.gobject_id)))

    def edited(
        self,
        *,
        add: Iterable[PlantObject] = (),
        remove: Iterable[str] = (),
        rename: Mapping[str, str] | None = None,
        retype: Mapping[str, DataType] | None = None,
    ) -> Plant:
        """Return the changed plant; the same one if nothing changes.

        A tag whose value follows from one that is gone, or that is of another type now, has bad quality.

        Args:
            add: New objects.
            remove: Objects, by tag name, to remove together with their contents, and tags to remove.
            rename: New tag names by old tag name, and new tags by old tag of the same object.
            retype: New types of tags, which then have the default value of their type.

        Raises:
            LookupError: There is no such object or tag.
            ValueError: Names or ids are not unique, or a parent is missing, or a value would follow from itself.
        """
        names, tags = _apart(remove)
        new_names, new_tags = _apart(rename or {})
        edits = edits_by_object(tags, {old: (rename or {})[old] for old in new_tags}, retype or {})
        edited = {self._named(name).gobject_id: each for name, each in edits.items()}
        gone = {obj.gobject_id for name in names for obj in self.descendants(self._named(name))}
        renamed = {self._named(old).gobject_id: (rename or {})[old] for old in new_names}
        new = tuple(add)
        if not (gone or renamed or new or edited):
            return self
        kept = (
            edited[obj.gobject_id].applied(obj) if obj.gobject_id in edited else obj
            for obj in self.objects
            if obj.gobject_id not in gone
        )
        objects = (replace(obj, tag_name=renamed[obj.gobject_id]) if obj.gobject_id in renamed else obj for obj in kept)
        return Plant((*objects, *new), name=self.name, seed=self.seed, strict=False)

    def ancestors(self, obj: PlantObject) -> Iterator[PlantObject]:
        """Iterate over `obj` and its ancestors, outwards."""
        current: PlantObject | None = obj
        while current is not None:
            yield current
            current = self._by_id.get(current.parent_id)

    def area_of(self, obj: PlantObject) -> str:
        """Return the tag name of the object's area; empty if it has none."""
        return next((outer.tag_name for outer in self.ancestors(obj) if outer.is_area), "")

    def find(self, text: str, context: str = "") -> Target | None:
        """Return what a reference names; None if the galaxy does not know it.

        Args:
            text: ``Object.Attribute`` by tag names or contained names, ignoring case; ``[]`` names the whole array and
                ``[n]`` one element, counted from 1.
            context: The start of a relative reference, as in AddItem2.
        """
        found = self._find(text.strip())
        if found is None and context.strip():
            relative = text.strip().removeprefix("me.").removeprefix(".")
            found = self._find(f"{context.strip().rstrip('.')}.{relative}")
        return found

    @cached_property
    def derived(self) -> tuple[Target, ...]:
        """The tags whose values follow from other tags."""
        return tuple(
            Target(obj, attribute, None)
            for obj in self.objects
            if obj.template.derived
            for attribute in obj.template.derived
        )

    def _check_dependences(self, *, strict: bool) -> None:
        if not self.derived:
            return
        tags = []
        for obj, attribute, _ in self.derived:
            assert isinstance(attribute.pattern, Derived)
            found = [self.find(name, obj.tag_name) for name in attribute.pattern.inputs]
            inputs = [None if each is None else (reference(each.object, each.attribute), each) for each in found]
            tags.append((reference(obj, attribute), attribute, inputs))
        check_dependences(tags, strict=strict)

    @cached_property
    def attribute_count(self) -> int:
        """The number of attributes of all objects."""
        return sum(len(obj.template.attributes) for obj in self.objects)

    def _named(self, tag_name: str) -> PlantObject:
        found = self.object_by_tag(tag_name)
        if found is None:
            raise LookupError(f"the plant has no object {tag_name!r}")
        return found

    def _find(self, text: str) -> Target | None:
        suffix = _ARRAY_SUFFIX.search(text)
        first, _, rest = (text[: suffix.start()] if suffix else text).partition(".")
        obj = self._by_tag.get(first.casefold())
        while obj is not None and rest:
            by_name = obj.template.by_name
            if suffix and (element := by_name.get(f"{rest}{suffix[0]}".casefold())) is not None:
                return Target(obj, element, None)  # an element that is an attribute of its own, in a recording
            attribute = by_name.get(rest.casefold())
            if attribute is not None:
                return _target(obj, attribute, suffix)
            first, _, rest = rest.partition(".")
            obj = self._child(obj.gobject_id, first)
        return None

    def _child(self, parent_id: int, name: str) -> PlantObject | None:
        return self._by_browse_name.get((parent_id, name.casefold()))

    @cached_property
    def _children(self) -> dict[int, tuple[PlantObject, ...]]:
        grouped: dict[int, list[PlantObject]] = {}
        for obj in self.objects:
            grouped.setdefault(obj.parent_id, []).append(obj)
        return {
            parent: tuple(sorted(group, key=lambda obj: (not obj.is_area, obj.browse_name.casefold(), obj.gobject_id)))
            for parent, group in grouped.items()
        }

    @cached_property
    def _by_browse_name(self) -> dict[tuple[int, str], PlantObject]:
        return {(obj.parent_id, obj.browse_name.casefold()): obj for obj in self.objects}


def _apart(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return which names are those of objects, and which those of tags: they have a dot."""
    listed = list(names)
    return [name for name in listed if "." not in name], [name for name in listed if "." in name]


def _target(obj: PlantObject, attribute: Attribute, suffix: re.Match[str] | None) -> Target | None:
    index = int(suffix[1]) if suffix and suffix[1] else None
    if suffix and not attribute.is_array:
        return None
    if index is not None and not 1 <= index <= len(attribute.initial):
        return None
    return Target(obj, attribute, index)
