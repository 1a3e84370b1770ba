"""Writes the tags that a search in the galaxy finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mxgateway_cli.input.tag_search import type_name
from mxgateway_cli.output.galaxy import security_name
from mxgateway_cli.output.records import RecordWriter
from mxgateway_cli.output.tags import tag_record

if TYPE_CHECKING:
    from mxgateway.proto import GalaxyAttribute, GalaxyObject


class FoundTagWriter(RecordWriter):
    """Writes tags as they are found; a single JSON document is held until the end."""

    headings = ("tag", "type", "security", "historized", "alarm")
    widths = ("<40", "<10", "<13", "<10", "<5")

    def add(self, obj: GalaxyObject, attribute: GalaxyAttribute) -> None:
        """Write one tag; the first one of a table after the headings."""
        self.count += 1
        if self._output.form == "table":
            self.start()
            self._output.row(_cells(attribute))
        else:
            self._write(_record(obj, attribute), (), attribute.full_tag_reference)

    def finish(self, correlation_id: str) -> None:
        """Write the document if the format is ``json``."""
        self._begun = True
        head = {"operation": "tags", "correlationId": correlation_id, "tagCount": self.count}
        self._write_document(head, "tags", value="tagCount")


def _cells(attribute: GalaxyAttribute) -> tuple[str, ...]:
    return (
        attribute.full_tag_reference,
        type_name(attribute),
        security_name(attribute),
        "yes" if attribute.is_historized else "",
        "yes" if attribute.is_alarm else "",
    )


def _record(obj: GalaxyObject, attribute: GalaxyAttribute) -> dict[str, Any]:
    return {
        **tag_record(attribute.full_tag_reference),
        "type": type_name(attribute),
        "dataTypeName": attribute.data_type_name,
        "isArray": attribute.is_array,
        "arrayDimension": attribute.array_dimension if attribute.array_dimension_present else None,
        "securityClassification": security_name(attribute),
        "isHistorized": attribute.is_historized,
        "isAlarm": attribute.is_alarm,
        "object": obj.tag_name,
        "template": obj.template_chain[0] if obj.template_chain else None,
    }
