"""The galaxy in memory: which object contains which, and the path of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mxgateway import proto


def name_of(galaxy_object: proto.GalaxyObject) -> str:
    """Return an object's name in a path: its browse name, else its contained name, else its tag name."""
    return galaxy_object.browse_name or galaxy_object.contained_name or galaxy_object.tag_name


class GalaxyTree:
    """Objects of the galaxy as a tree. Iterating yields all objects, parents before children.

    An object whose parent is missing, because the tree starts below it or a filter excluded it, is a root. The order of
    the objects is kept.

    Args:
        objects: As returned by `GalaxyRepositoryClient.discover_hierarchy`. Of two with the same id the first counts.
    """

    def __init__(self, objects: Iterable[proto.GalaxyObject]) -> None:
        self._by_id: dict[int, proto.GalaxyObject] = {}
        for each in objects:
            self._by_id.setdefault(each.gobject_id, each)
        self._by_tag = {each.tag_name.casefold(): each for each in self._by_id.values()}
        children: dict[int, list[proto.GalaxyObject]] = {}
        roots: list[proto.GalaxyObject] = []
        for each in self._by_id.values():
            is_root = each.parent_gobject_id not in self._by_id or each.parent_gobject_id == each.gobject_id
            (roots if is_root else children.setdefault(each.parent_gobject_id, [])).append(each)
        self._children = {parent: tuple(group) for parent, group in children.items()}
        self.roots = tuple(roots)
        """The objects without a parent in this tree."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[proto.GalaxyObject]:
        return iter(self._by_id.values())

    def __repr__(self) -> str:
        return f"<GalaxyTree of {len(self)} objects below {len(self.roots)} roots>"

    def get(self, gobject_id: int) -> proto.GalaxyObject | None:
        """Return the object with an id; None if there is none."""
        return self._by_id.get(gobject_id)

    def by_tag_name(self, name: str) -> proto.GalaxyObject | None:
        """Return the object with a tag name, ignoring case; None if there is none."""
        return self._by_tag.get(name.casefold())

    def children(self, galaxy_object: proto.GalaxyObject) -> tuple[proto.GalaxyObject, ...]:
        """Return the direct children of an object."""
        return self._children.get(galaxy_object.gobject_id, ())

    def parent(self, galaxy_object: proto.GalaxyObject) -> proto.GalaxyObject | None:
        """Return the parent of an object; None if it is not in the tree."""
        found = self._by_id.get(galaxy_object.parent_gobject_id)
        return None if found is None or found.gobject_id == galaxy_object.gobject_id else found

    def path(self, galaxy_object: proto.GalaxyObject) -> str:
        """Return the names from the tree's root down to an object, joined with ``/``."""
        chain = {galaxy_object.gobject_id: name_of(galaxy_object)}
        outer = self.parent(galaxy_object)
        while outer is not None and outer.gobject_id not in chain:  # a gateway may list objects that contain each other
            chain[outer.gobject_id] = name_of(outer)
            outer = self.parent(outer)
        return "/".join(reversed(chain.values()))
