"""Options for galaxy queries: where to start, how deep, and which objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from mxgateway import proto
from mxgateway.calling.argument_checks import (
    INT32_MAX,
    check_flag,
    check_int32,
    check_list,
    check_range,
    check_some_text,
)
from mxgateway.errors import MxGatewayInvalidRequestError

DEFAULT_PAGE: Final = 500
"""Objects per page: the gateway's default. With ten attributes per object a page takes about half a megabyte."""
LARGEST_PAGE: Final = 5000
"""The gateway's largest page, in objects."""


class _FilterFields(TypedDict, total=False):
    category_ids: Sequence[int]
    template_chain_contains: Sequence[str]
    tag_name_glob: str | None
    include_attributes: bool | None
    alarm_bearing_only: bool
    historized_only: bool


class BrowseFields(_FilterFields, total=False):
    """The fields of `BrowseOptions`, as keywords."""

    parent_gobject_id: int | None
    parent_tag_name: str | None
    parent_contained_path: str | None


class HierarchyFields(_FilterFields, total=False):
    """The fields of `HierarchyOptions`, as keywords."""

    root_gobject_id: int | None
    root_tag_name: str | None
    root_contained_path: str | None
    max_depth: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filters:
    """Filters for objects: different filters are ANDed, several values of one filter are ORed.

    Raises:
        MxGatewayInvalidRequestError: A value is invalid; nothing was sent.
    """

    category_ids: Sequence[int] = ()
    """Only objects of these kinds: 1 platform, 3 application engine, 10 user-defined object, 13 area."""
    template_chain_contains: Sequence[str] = ()
    """Only objects with a template whose name contains one of these."""
    tag_name_glob: str | None = None
    """Only objects whose whole tag name matches, ignoring case: ``*`` matches any text, ``?`` one character."""
    include_attributes: bool | None = None
    """Whether the objects include their attributes; None for the gateway's default, which is yes."""
    alarm_bearing_only: bool = False
    """Only objects with an alarmed attribute."""
    historized_only: bool = False
    """Only objects with a historized attribute."""

    def __post_init__(self) -> None:
        categories = [check_int32(f"category_ids[{n}]", each) for n, each in _listed("category_ids", self.category_ids)]
        chain = _listed("template_chain_contains", self.template_chain_contains)
        parts = [check_some_text(f"template_chain_contains[{n}]", each) for n, each in chain]
        object.__setattr__(self, "category_ids", tuple(categories))
        object.__setattr__(self, "template_chain_contains", tuple(parts))
        if self.tag_name_glob is not None:
            check_some_text("tag_name_glob", self.tag_name_glob)
        if self.include_attributes is not None:
            check_flag("include_attributes", self.include_attributes)
        check_flag("alarm_bearing_only", self.alarm_bearing_only)
        check_flag("historized_only", self.historized_only)

    def _filters(self) -> dict[str, Any]:
        return {
            "category_ids": list(self.category_ids),
            "template_chain_contains": list(self.template_chain_contains),
            "tag_name_glob": self.tag_name_glob or "",
            "include_attributes": self.include_attributes,
            "alarm_bearing_only": self.alarm_bearing_only,
            "historized_only": self.historized_only,
        }

    def _start(self, group: str) -> dict[str, Any]:
        """Return the field that names where to start; empty for the top level.

        Raises:
            MxGatewayInvalidRequestError: Several are given, or the value is invalid.
        """
        names = [f"{group}_{arm}" for arm in ("gobject_id", "tag_name", "contained_path")]
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        if len(given) > 1:
            raise MxGatewayInvalidRequestError(
                f"{' and '.join(given)} are both given", hint="give only one of them; nothing was sent", phase="request"
            )
        for name, value in given.items():
            if name.endswith("gobject_id"):
                check_range(name, value, 0, INT32_MAX)
            else:
                check_some_text(name, value)
        return {name: value for name, value in given.items() if value != 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyOptions(_Filters):
    """Which part of the galaxy `discover_hierarchy` and `iter_hierarchy` list: at most one root, and filters.

    Different filters are ANDed, several values of one filter are ORed.

    Raises:
        MxGatewayInvalidRequestError: A value is invalid; nothing was sent.
    """

    root_gobject_id: int | None = None
    """The object to start at, by its id; 0 and None mean the whole galaxy."""
    root_tag_name: str | None = None
    """The object to start at, by its tag name."""
    root_contained_path: str | None = None
    """The object to start at, by contained names joined with ``/`` from the top level."""
    max_depth: int | None = None
    """Levels below the root: 0 for the root alone, None for all."""

    def __post_init__(self) -> None:
        _Filters.__post_init__(self)  # `slots` replaced the class, so super() would not work
        self._start("root")
        if self.max_depth is not None:
            check_range("max_depth", self.max_depth, 0, INT32_MAX)

    def to_request(self, page_size: int) -> proto.DiscoverHierarchyRequest:
        """Return the request for the first page."""
        return proto.DiscoverHierarchyRequest(
            page_size=check_page_size(page_size), max_depth=self.max_depth, **self._start("root"), **self._filters()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseOptions(_Filters):
    """Whose children `browse` lists, and which of them: at most one parent, and filters.

    The filters also apply to every expansion below. Different filters are ANDed, several values of one filter are ORed.

    Raises:
        MxGatewayInvalidRequestError: A value is invalid; nothing was sent.
    """

    parent_gobject_id: int | None = None
    """The parent of the listed objects, by its id; 0 and None mean the top level."""
    parent_tag_name: str | None = None
    """The parent of the listed objects, by its tag name."""
    parent_contained_path: str | None = None
    """The parent of the listed objects, by contained names joined with ``/`` from the top level."""

    def __post_init__(self) -> None:
        _Filters.__post_init__(self)
        self._start("parent")

    def to_request(self, page_size: int) -> proto.BrowseChildrenRequest:
        """Return the request for the first page."""
        return proto.BrowseChildrenRequest(
            page_size=check_page_size(page_size), **self._start("parent"), **self._filters()
        )


def check_page_size(value: int) -> int:
    """Return a page size; raise if the gateway would reject or reduce it."""
    return check_range("page_size", value, 1, LARGEST_PAGE)


def _listed(name: str, values: Iterable[Any]) -> list[tuple[int, Any]]:
    """Return the values with their positions; a single string is rejected."""
    if isinstance(values, tuple | list) and not values:
        return []
    return list(enumerate(check_list(name, values)))
