"""The objects of the galaxy that a recording needs: those of its tags, and what contains them."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mxgateway.proto import GalaxyObject


async def objects_of(tags: Sequence[str], galaxy: AsyncIterable[GalaxyObject]) -> list[GalaxyObject]:
    """Return the objects of some tags, each with the attributes that are named, and their parents without attributes.

    Args:
        tags: The tags.
        galaxy: All objects of the galaxy, parents before children.
    """
    wanted = {_plain(tag) for tag in tags}
    every: dict[int, GalaxyObject] = {}
    kept: set[int] = set()
    async for obj in galaxy:
        obj.attributes = [each for each in obj.attributes if _plain(each.full_tag_reference) in wanted]
        every[obj.gobject_id] = obj
        if obj.attributes:
            kept.add(obj.gobject_id)
    for number in list(kept):
        outer = every[number].parent_gobject_id
        while outer in every and outer not in kept:
            kept.add(outer)
            outer = every[outer].parent_gobject_id
    return [obj for number, obj in every.items() if number in kept]


def _plain(tag: str) -> str:
    return tag.strip().partition("[")[0].casefold()
