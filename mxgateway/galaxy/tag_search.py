"""Finds tags by a pattern of their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from typing import Final

from mxgateway import proto
from mxgateway.calling.argument_checks import check_text
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.galaxy.options import HierarchyOptions

DEFAULT_LIMIT: Final = 1000
"""Default limit of a search: the size of one bulk command. A pattern that matches more is usually a mistake."""

Pick = Callable[[list[proto.GalaxyObject]], Iterator[str]]
"""Returns the search results of one page of objects."""

_WILDCARD: Final = re.compile(r"[*?]")


def compile_glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob that matches a whole text, ignoring case: ``*`` matches any text, ``?`` one character."""
    return re.compile(translate(pattern.replace("[", "[[]")), re.IGNORECASE)


def search(pattern: str) -> tuple[HierarchyOptions, Pick]:
    """Return which objects to request for a pattern, and a function that picks the results from them.

    Raises:
        MxGatewayInvalidRequestError: The pattern is empty or starts with a dot; nothing was sent.
    """
    if not check_text("pattern", pattern).strip() or pattern.startswith("."):
        raise MxGatewayInvalidRequestError(
            f"pattern is {pattern!r:.100}", hint="give a glob such as 'Tank*.Level'; nothing was sent", phase="request"
        )
    matches = compile_glob(pattern).match
    if "." not in pattern:
        options = HierarchyOptions(tag_name_glob=pattern, include_attributes=False)
        return options, lambda page: (each.tag_name for each in page if matches(each.tag_name))
    options = HierarchyOptions(tag_name_glob=_object_glob(pattern), include_attributes=True)
    return options, lambda page: _references(page, matches)


def _object_glob(pattern: str) -> str:
    """Return a glob that matches every object with tags that could match `pattern`.

    The text before the first dot is not enough: a wildcard can match the dot between object and attribute.
    """
    first = pattern.partition(".")[0]
    wildcard = _WILDCARD.search(first)
    return first if wildcard is None else f"{first[: wildcard.start()]}*"


def _references(page: list[proto.GalaxyObject], matches: Callable[[str], object]) -> Iterator[str]:
    """Yield the references that match; an array matches with or without its brackets."""
    for each in page:
        for attribute in each.attributes:
            reference = attribute.full_tag_reference
            if matches(reference) or (reference.endswith("[]") and matches(reference[:-2])):
                yield reference


def too_many(pattern: str, limit: int) -> MxGatewayInvalidRequestError:
    """Return the error for a pattern that matches more tags than the limit."""
    text = f"the pattern {pattern!r:.100} matches more than {limit} tags"
    return MxGatewayInvalidRequestError(text, hint="narrow the pattern, or raise limit", phase="request")
