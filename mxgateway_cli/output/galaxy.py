"""Writes the objects of a galaxy: a row or a record each, one document, or a tree."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.terminal.capabilities import can_encode
from mxgateway_cli.terminal.text import json_text

if TYPE_CHECKING:
    from mxgateway.proto import GalaxyAttribute, GalaxyObject
    from mxgateway_cli.terminal.stdout import Output

Guides = tuple[bool, ...]
"""The branches from the first level below the roots down to an object: whether each is the last of its siblings."""

_CATEGORIES: Final = {1: "platform", 3: "engine", 10: "object", 13: "area"}
_SECURITY: Final = ("FreeAccess", "Operate", "SecuredWrite", "VerifiedWrite", "Tune", "Configure", "ViewOnly")
_HEADINGS: Final = ("id", "parent", "tag name", "contained name", "category", "template", "attributes")
_WIDTHS: Final = ("<8", "<8", "<32", "<24", "<9", "<24", "<")
_RECORDS_PER_WRITE: Final = 1_000
"""A document is written in chunks of this many records."""


class ObjectWriter:
    """Writes the objects of one command as they arrive; a single JSON document is held until the end."""

    def __init__(self, output: Output, *, references: bool) -> None:
        self.count = 0
        self._output = output
        self._references = references
        self._texts: list[str] = []

    def start(self) -> None:
        """Write the headings of a table."""
        self._output.headings(_HEADINGS, _WIDTHS, ends=True)

    def add(self, obj: GalaxyObject) -> None:
        """Write one object."""
        if self._output.form == "table":
            self._output.row(_cells(obj))
            self.count += 1
        else:
            self.add_record(mxgateway.to_json_dict(obj) if self._output.form != "value" else {}, obj)

    def add_record(self, record: Mapping[str, Any], obj: GalaxyObject) -> None:
        """Write one object as a record, or as ``value`` lines."""
        self.count += 1
        if self._output.form == "json":
            self._texts.append(json_text(record))
        elif self._output.form == "value":
            references = [attribute.full_tag_reference for attribute in obj.attributes]
            for text in references if self._references else [obj.tag_name]:
                self._output.record({}, (), value=text)
        else:
            self._output.record(record, (), value="")

    def restart(self, restarts: int) -> None:
        """Report that the listing restarts with the first object."""
        self.count = 0
        self._texts.clear()
        if self._output.form == "jsonl":
            self._output.record({"restart": {"cause": "redeploy", "restarts": restarts}}, (), value="")
        elif self._output.form == "table":
            self._output.aside("the galaxy was deployed: restarting with the first object")

    def finish(self, **head: Any) -> None:
        """Write the document if the format is ``json``; the fields of `head` precede its objects."""
        if self._output.form != "json":
            return
        head["objectCount"] = self.count
        if not self._texts:
            self._output.text(json_text(head | {"objects": []}, indent=2))
            return
        self._output.text(json_text(head, indent=2).removesuffix("\n}") + ',\n  "objects": [')
        for begin in range(0, len(self._texts), _RECORDS_PER_WRITE):
            texts = self._texts[begin : begin + _RECORDS_PER_WRITE]
            more = begin + len(texts) < len(self._texts)
            self._output.text("    " + ",\n    ".join(texts) + ("," if more else ""))
        self._output.text("  ]\n}")


def _cells(obj: GalaxyObject) -> tuple[str, ...]:
    return (
        str(obj.gobject_id),
        str(obj.parent_gobject_id or ""),
        obj.tag_name,
        obj.contained_name,
        _category(obj),
        obj.template_chain[0] if obj.template_chain else "",
        str(len(obj.attributes) or ""),
    )


def _category(obj: GalaxyObject) -> str:
    return _CATEGORIES.get(obj.category_id, str(obj.category_id))


# --------------------------------------------------------------------------------------------------------------------
# The tree


class TreeWriter:
    """Writes objects as a tree, one line each, with their attributes as leaves if they were requested."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._branch, self._last, self._through, self._more = _glyphs()

    def write(self, obj: GalaxyObject, guides: Guides, *, is_leaf: bool, has_more: bool = False) -> None:
        """Write the line of one object.

        Args:
            obj: The object.
            guides: Its position in the tree; empty for a root.
            is_leaf: Whether no object follows below it; its last attribute then ends the branch.
            has_more: Whether there are objects below it that are not shown.
        """
        name = obj.browse_name or obj.tag_name
        if name != obj.tag_name:
            name += f" [{obj.tag_name}]"
        words = [obj.template_chain[0] if obj.template_chain else _category(obj)]
        if has_more:
            words.append(self._more)
        self._output.branch(self._guide(guides), name, "  ".join(words))
        for left, attribute in enumerate(obj.attributes, 1 - len(obj.attributes)):
            guide = self._guide((*guides, is_leaf and left == 0))
            self._output.branch(guide, *attribute_text(attribute))

    def _guide(self, guides: Guides) -> str:
        if not guides:
            return ""
        outer = "".join("    " if is_last else self._through for is_last in guides[:-1])
        return outer + (self._last if guides[-1] else self._branch)


def attribute_text(attribute: GalaxyAttribute) -> tuple[str, str]:
    """Return an attribute's name in the tree, and what is said of it."""
    kind = attribute.data_type_name + ("[]" if attribute.is_array else "")
    words = [kind, security_name(attribute)]
    words += ["historized"] * attribute.is_historized + ["alarm"] * attribute.is_alarm
    return f".{attribute.attribute_name}", "  ".join(words)


def security_name(attribute: GalaxyAttribute) -> str:
    """Return the name of an attribute's security classification; its number if that is unknown."""
    level = attribute.security_classification
    return _SECURITY[level] if 0 <= level < len(_SECURITY) else str(level)


def _glyphs() -> tuple[str, str, str, str]:
    """Return the characters that draw the tree; ASCII if stdout cannot encode box-drawing characters."""
    glyphs = ("├── ", "└── ", "│   ", "…")
    if not can_encode("".join(glyphs), getattr(sys.stdout, "encoding", None)):
        return ("|-- ", "`-- ", "|   ", "...")
    return glyphs
