"""Changes of an object's attributes, as a deployment makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.model import Attribute, PlantObject, Template


@dataclass
class AttributeEdits:
    """The changes of one object's attributes, each by the attribute's name in lower case."""

    remove: set[str] = field(default_factory=set)
    rename: dict[str, str] = field(default_factory=dict)
    retype: dict[str, DataType] = field(default_factory=dict)

    def applied(self, obj: PlantObject) -> PlantObject:
        """Return the changed object.

        Raises:
            LookupError: It has no such attribute.
            ValueError: Two of its attributes would have the same name.
        """
        template = obj.template
        for name in (*self.remove, *self.rename, *self.retype):
            if name not in template.by_name:
                raise LookupError(f"the object {obj.tag_name!r} has no attribute {name!r}")
        kept = [self._changed(each) for each in template.attributes if each.name.casefold() not in self.remove]
        if len({each.name.casefold() for each in kept}) < len(kept):
            raise ValueError(f"two attributes of the object {obj.tag_name!r} have the same name")
        return replace(obj, template=Template(template.name, template.base, template.category, tuple(kept)))

    def _changed(self, attribute: Attribute) -> Attribute:
        key = attribute.name.casefold()
        name = self.rename.get(key, attribute.name)
        if key not in self.retype:
            return replace(attribute, name=name)
        return Attribute(
            name=name,
            data_type=self.retype[key],
            value=[self.retype[key].traits.default] * len(attribute.initial) if attribute.is_array else None,
            is_array=attribute.is_array,
            security=attribute.security,
            historized=attribute.historized,
        )


def edits_by_object(
    remove: Iterable[str], rename: Mapping[str, str], retype: Mapping[str, DataType]
) -> dict[str, AttributeEdits]:
    """Return the changes of attributes by the tag name of their object, in lower case.

    Args:
        remove: The removed tags.
        rename: New tags by old tag, of the same object.
        retype: New types by tag.

    Raises:
        ValueError: A tag is renamed to a tag of another object.
    """
    found: dict[str, AttributeEdits] = {}

    def of(tag: str) -> tuple[AttributeEdits, str]:
        owner, _, attribute = tag.removesuffix("[]").casefold().partition(".")
        return found.setdefault(owner, AttributeEdits()), attribute

    for tag in remove:
        edits, name = of(tag)
        edits.remove.add(name)
    for tag, new in rename.items():
        owner, _, attribute = new.removesuffix("[]").partition(".")
        if owner.casefold() != tag.partition(".")[0].casefold() or not attribute:
            raise ValueError(f"{tag!r} stays a tag of the same object, so it cannot become {new!r}")
        edits, name = of(tag)
        edits.rename[name] = attribute
    for tag, data_type in retype.items():
        edits, name = of(tag)
        edits.retype[name] = data_type
    return found
