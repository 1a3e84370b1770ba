"""What `tags` searches for: patterns of names, types, and marks of attributes."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.completing.tags import tag_words
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import Decorator, option
from mxgateway_cli.input.tag_globs import check_patterns

if TYPE_CHECKING:
    from mxgateway.proto import GalaxyAttribute

_TYPES: Final = {
    1: "bool", 2: "int32", 3: "float", 4: "double", 5: "string", 6: "time", 7: "elapsed", 15: "string", 16: "string",
}  # fmt: skip
"""The repository's codes of data types, and the types of values that they hold."""
_NAMES: Final = tuple(dict.fromkeys(_TYPES.values()))
_WILDCARD: Final = re.compile(r"[*?]")

SEARCH_OPTIONS: Final[tuple[Decorator, ...]] = (
    argument("patterns", "Patterns of tags in quotes, such as 'Tank*.Level'; * is any text, ? any character. "
             "Without a dot: all tags of the objects with such names.  [default: all tags]", metavar="[PATTERN]...", nargs=-1, shell_complete=tag_words),
    option("--type", "types", type=click.Choice((*_NAMES, *(f"{name}[]" for name in _NAMES))), metavar="TYPE", multiple=True,
           help=f"Only tags of this type: {', '.join(_NAMES)}; int32[] etc. are arrays; if repeated, of any of them."),
    option("--historized-only", is_flag=True, help="Only historized tags."),
    option("--alarm-bearing-only", is_flag=True, help="Only tags with an alarm."),
)  # fmt: skip
"""`TagSearch.take` turns these options into a `TagSearch`."""


def type_name(attribute: GalaxyAttribute) -> str:
    """Return the type of a tag as ``write --type`` takes it; the repository's own word for any other."""
    return _TYPES.get(attribute.mx_data_type, attribute.data_type_name) + ("[]" if attribute.is_array else "")


class TagSearch:
    """Which tags of the galaxy to show; no patterns and no types stand for all.

    Raises:
        click.UsageError: A pattern cannot match any tag.
    """

    def __init__(
        self, patterns: Sequence[str], types: Sequence[str], *, historized_only: bool, alarm_bearing_only: bool
    ) -> None:
        self.patterns = [each if "." in each else f"{each}.*" for each in patterns] or ["*.*"]
        if nameless := [each for each in self.patterns if each.startswith(".") or not each.strip()]:
            raise click.UsageError(f"The pattern {nameless[0]!r:.80} names no object: use 'Tank*.Level'.")
        check_patterns(self.patterns)
        self._matches = [
            re.compile(fnmatch.translate(each.replace("[", "[[]")), re.IGNORECASE) for each in self.patterns
        ]
        self._types = frozenset(types)
        self._historized_only = historized_only
        self._alarm_bearing_only = alarm_bearing_only

    @classmethod
    def take(cls, params: dict[str, Any]) -> TagSearch:
        """Take the search out of a command's parameters.

        Raises:
            click.UsageError: A pattern cannot match any tag.
        """
        names = ("patterns", "types", "historized_only", "alarm_bearing_only")
        return cls(**{name: params.pop(name) for name in names})

    def objects(self, number: int) -> mxgateway.HierarchyOptions:
        """Return which objects to request for one of the patterns."""
        return mxgateway.HierarchyOptions(
            tag_name_glob=_object_glob(self.patterns[number]),
            include_attributes=True,
            historized_only=self._historized_only,
            alarm_bearing_only=self._alarm_bearing_only,
        )

    def finds(self, number: int, attribute: GalaxyAttribute) -> bool:
        """Return whether one of the patterns finds an attribute that no pattern before it finds."""
        if not self._is_wanted(attribute):
            return False
        reference = attribute.full_tag_reference
        return self._matches_of(number, reference) and not any(
            self._matches_of(each, reference) for each in range(number)
        )

    def _is_wanted(self, attribute: GalaxyAttribute) -> bool:
        if self._types and type_name(attribute) not in self._types:
            return False
        if self._historized_only and not attribute.is_historized:
            return False
        return attribute.is_alarm or not self._alarm_bearing_only

    def _matches_of(self, number: int, reference: str) -> bool:
        """Return whether a pattern matches; an array also matches without its brackets."""
        matches = self._matches[number].match
        return bool(matches(reference) or (reference.endswith("[]") and matches(reference[:-2])))


def _object_glob(pattern: str) -> str | None:
    """Return a glob for the objects that can have such tags: a wildcard may match the dot as well; None for all."""
    first = pattern.partition(".")[0]
    wildcard = _WILDCARD.search(first)
    if wildcard is None:
        return first
    return f"{first[: wildcard.start()]}*" if wildcard.start() else None
