"""Encodes objects of the galaxy.

What all objects of a template share is encoded once: a galaxy has a million attributes of a few dozen kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.simulator.plant.model import Attribute, PlantObject, Security, Template, reference
from mxgateway.simulator.server.encoding import Encoding, tag_of
from mxgateway.wire.varint import encode_varint

# The repository's attribute category codes: writable by clients, and calculated by the object.
_WRITEABLE: Final = 10
_CALCULATED: Final = 3


class PreparedReply(NamedTuple):
    """An encoded reply."""

    message_type: type[Any]
    data: bytes
    decode: Callable[[type[Any], bytes], Any]

    def message(self) -> Any:
        """Return the reply as a message."""
        return self.decode(self.message_type, self.data)


class _SharedAttribute(NamedTuple):
    """The encoded parts of an attribute that are the same in every object of its template."""

    attribute: Attribute
    before: bytes
    """The fields before the full tag reference, which is the only part specific to an object."""
    after: bytes


class ObjectWriter:
    """Encodes objects of one plant."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        encode = encoding.encode
        self._attributes_tag = tag_of(encode, galaxy.GalaxyObject(attributes=[galaxy.GalaxyAttribute()]))
        self._reference_tag = tag_of(encode, galaxy.GalaxyAttribute(full_tag_reference="x"))
        objects = [galaxy.GalaxyObject()]
        self._objects_tags = {
            type(page): tag_of(encode, page)
            for page in (galaxy.DiscoverHierarchyReply(objects=objects), galaxy.BrowseChildrenReply(children=objects))
        }
        # Keyed by identity: templates can be equal although their encoding differs.
        self._shared: dict[int, tuple[Template, list[_SharedAttribute]]] = {}

    def page(self, reply: Any, objects: Iterable[PlantObject], *, with_attributes: bool) -> PreparedReply:
        """Return a page.

        Args:
            reply: The reply without its objects.
            objects: The objects of the page.
            with_attributes: Whether to include the objects' attributes.
        """
        parts: list[bytes] = []
        tag = self._objects_tags[type(reply)]
        for obj in objects if tag else ():  # a contract may lack the field
            data = self._object(obj, with_attributes=with_attributes)
            parts += (tag, encode_varint(len(data)), data)
        parts.append(self._encoding.encode(reply))
        return PreparedReply(type(reply), b"".join(parts), self._encoding.decode)

    def _object(self, obj: PlantObject, *, with_attributes: bool) -> bytes:
        head = self._encoding.encode(
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
        if not (with_attributes and obj.template.attributes and self._attributes_tag):
            return head
        parts = [head]
        for attribute, before, after in self._attributes(obj.template):
            full = reference(obj, attribute).encode()
            size = encode_varint(len(full))
            tag = self._reference_tag
            if not tag:
                parts += (self._attributes_tag, encode_varint(len(before) + len(after)), before, after)
                continue
            length = len(before) + len(tag) + len(size) + len(full) + len(after)
            parts += (self._attributes_tag, encode_varint(length), before, tag, size, full, after)
        return b"".join(parts)

    def _attributes(self, template: Template) -> list[_SharedAttribute]:
        known = self._shared.get(id(template))
        if known is None:
            shared = [_SharedAttribute(each, *self._around_reference(each)) for each in template.attributes]
            known = self._shared[id(template)] = (template, shared)
        return known[1]

    def _around_reference(self, attribute: Attribute) -> tuple[bytes, bytes]:
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
        encode = self._encoding.encode
        return encode(galaxy.GalaxyAttribute(attribute_name=attribute.name)), encode(after)
