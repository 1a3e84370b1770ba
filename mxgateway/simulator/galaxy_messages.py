"""Objects of the galaxy as the contract's bytes. What all objects of a template have in common is written once: a galaxy has a million attributes and some dozens of kinds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.simulator.plant_model import Attribute, PlantObject, Security, Template, reference
from mxgateway.wire import decode, encode
from mxgateway.wire.varint import encode_varint

# The repository's codes of an attribute's category: written by clients, and calculated by the object.
_WRITEABLE: Final = 10
_CALCULATED: Final = 3

# The tags on the wire: a field's number in the upper bits, and that a length follows.
_ATTRIBUTES: Final = bytes((10 << 3 | 2,))
_FULL_TAG_REFERENCE: Final = bytes((2 << 3 | 2,))
# The objects of a page of either kind are its first field.
_OBJECTS: Final = bytes((1 << 3 | 2,))


class PreparedReply(NamedTuple):
    """A reply that is encoded already."""

    message_type: type[Any]
    data: bytes

    def message(self) -> Any:
        """Return the reply as a message."""
        return decode(self.message_type, self.data)


class _SharedAttribute(NamedTuple):
    """What an attribute is in every object of its template."""

    attribute: Attribute
    before: bytes
    """The fields before the full tag reference, which alone is the object's own."""
    after: bytes


class ObjectWriter:
    """Writes objects of one plant."""

    def __init__(self) -> None:
        # By identity: two templates may be equal but for what equality does not see.
        self._shared: dict[int, tuple[Template, list[_SharedAttribute]]] = {}

    def page(self, reply: Any, objects: Iterable[PlantObject], *, with_attributes: bool) -> PreparedReply:
        """Return a page.

        Args:
            reply: The reply without its objects.
            objects: The objects of the page.
            with_attributes: Whether they come with their attributes.
        """
        parts: list[bytes] = []
        for obj in objects:
            data = self._object(obj, with_attributes=with_attributes)
            parts += (_OBJECTS, encode_varint(len(data)), data)
        parts.append(encode(reply))
        return PreparedReply(type(reply), b"".join(parts))

    def _object(self, obj: PlantObject, *, with_attributes: bool) -> bytes:
        head = encode(
            galaxy.GalaxyObject(
                gobject_id=obj.gobject_id,
                tag_name=obj.tag_name,
                contained_name=obj.contained_name,
                browse_name=obj.browse_name,
                parent_gobject_id=obj.parent_id,
                is_area=obj.is_area,
                category_id=int(obj.template.category),
                hosted_by_gobject_id=obj.host_id,
                template_chain=list(obj.template.chain),
            )
        )
        if not with_attributes or not obj.template.attributes:
            return head
        parts = [head]
        for attribute, before, after in self._attributes(obj.template):
            full = reference(obj, attribute).encode()
            size = encode_varint(len(full))
            length = len(before) + 1 + len(size) + len(full) + len(after)
            parts += (_ATTRIBUTES, encode_varint(length), before, _FULL_TAG_REFERENCE, size, full, after)
        return b"".join(parts)

    def _attributes(self, template: Template) -> list[_SharedAttribute]:
        known = self._shared.get(id(template))
        if known is None:
            shared = [_SharedAttribute(each, *_around_reference(each)) for each in template.attributes]
            known = self._shared[id(template)] = (template, shared)
        return known[1]


def _around_reference(attribute: Attribute) -> tuple[bytes, bytes]:
    is_calculated = attribute.pattern is not None or attribute.security is Security.VIEW_ONLY
    after = galaxy.GalaxyAttribute(
        mx_data_type=attribute.data_type.traits.code,
        data_type_name=attribute.data_type.traits.title,
        is_array=attribute.is_array,
        array_dimension=len(attribute.initial) if attribute.is_array else 0,
        array_dimension_present=attribute.is_array,
        mx_attribute_category=_CALCULATED if is_calculated else _WRITEABLE,
        security_classification=int(attribute.security),
        is_historized=attribute.historized,
        is_alarm=bool(attribute.alarms),
    )
    return encode(galaxy.GalaxyAttribute(attribute_name=attribute.name)), encode(after)
