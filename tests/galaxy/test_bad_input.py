"""What cannot be meant is refused in one clear line, and nothing is sent."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mxgateway import (
    BrowseOptions,
    GalaxyRepositoryClient,
    GrpcStatus,
    HierarchyOptions,
    MxGatewayInvalidRequestError,
    MxGatewayNotFoundError,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.support import in_words

NUL, SURROGATE = "Tank\0", "Tank\ud800"

FILTERS: list[tuple[str, Any]] = [
    *(("tag_name_glob", value) for value in ("", NUL, SURROGATE, 5, b"Tank*", ["Tank*"])),
    *(("category_ids", value) for value in ("13", 13, [1.5], ["13"], [True], [2**31], [None])),
    *(("template_chain_contains", value) for value in ("$Tank", 5, [""], [NUL], [5])),
    *(("include_attributes", value) for value in (1, "yes")),
    *(("alarm_bearing_only", value) for value in (None, 1, "yes")),
    *(("historized_only", value) for value in (None, 0)),
]
PLACES: list[tuple[str, Any]] = [
    *(("gobject_id", value) for value in (-1, 2**31, "1", 1.5, True)),
    *(("tag_name", value) for value in ("", NUL, SURROGATE, 5)),
    *(("contained_path", value) for value in ("", NUL, 5)),
]
HIERARCHY: list[tuple[str, Any]] = [
    *FILTERS,
    *((f"root_{name}", value) for name, value in PLACES),
    *(("max_depth", value) for value in (-1, -(2**31), 2**31, 1.0, "1", True)),
]
BROWSE: list[tuple[str, Any]] = [*FILTERS, *((f"parent_{name}", value) for name, value in PLACES)]
PAGES: list[tuple[str, Any]] = [("page_size", value) for value in (0, -1, 5001, 2**40, "500", 1.5, None, True)]
CALL: list[tuple[str, Any]] = [
    *(("timeout", value) for value in (0, -1, "5", True, float("nan"))),
    *(("correlation_id", value) for value in (NUL, SURROGATE, "x" * 1001, 5)),
]
ON_REDEPLOY: list[tuple[str, Any]] = [("on_redeploy", value) for value in ("", "retry", None, True)]
PREFETCH: list[tuple[str, Any]] = [("prefetch", value) for value in (-1, 2, None, True)]
PATTERNS: list[tuple[str, Any]] = [("pattern", value) for value in ("", "  ", ".Level", NUL, SURROGATE, None, 5, ["*"])]
LIMITS: list[tuple[str, Any]] = [("limit", value) for value in (0, -1, 2**40, "5", None)]
REQUESTS: list[tuple[str, Any]] = [("request", None), ("request", {}), ("request", proto.MxValue())]

METHODS: dict[str, list[tuple[str, Any]]] = {
    "test_connection": CALL,
    "get_last_deploy_time": CALL,
    "discover_hierarchy": [*HIERARCHY, *PAGES, *ON_REDEPLOY, *CALL],
    "iter_hierarchy": [*HIERARCHY, *PAGES, *PREFETCH, *ON_REDEPLOY, *CALL],
    "tree": [*HIERARCHY, *PAGES, *CALL],
    "browse": [*BROWSE, *PAGES, *CALL],
    "find": [*PATTERNS, *LIMITS, *CALL],
    "discover_hierarchy_raw": [*REQUESTS, *CALL],
    "browse_children_raw": [*REQUESTS, *CALL],
}
GOOD: dict[str, dict[str, Any]] = {
    "find": {"pattern": "Tank*"},
    "discover_hierarchy_raw": {"request": proto.DiscoverHierarchyRequest()},
    "browse_children_raw": {"request": proto.BrowseChildrenRequest()},
}


async def call(galaxy: GalaxyRepositoryClient, method: str, **arguments: Any) -> None:
    outcome = getattr(galaxy, method)(**{**GOOD.get(method, {}), **arguments})
    if inspect.isawaitable(outcome):
        await outcome


@pytest.mark.parametrize("method", METHODS)
async def test_a_wrong_argument_is_refused_in_one_line_and_nothing_is_sent(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient, method: str
) -> None:
    complaints = []
    for name, value in METHODS[method]:
        try:
            await call(galaxy, method, **{name: value})
        except MxGatewayInvalidRequestError as error:
            if not (in_words(error, name) and error.grpc_status is None and error.phase == "request"):
                complaints.append(f"{name}={value!r:.40}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the complaint names it
            complaints.append(f"{name}={value!r:.40}: {error!r}")
        else:
            complaints.append(f"{name}={value!r:.40}: taken")
    assert not complaints, "\n".join(complaints)
    assert not gateway.received
    await call(galaxy, method)


def test_every_method_with_arguments_has_its_wrong_values() -> None:
    ours = {
        name
        for name, method in inspect.getmembers(GalaxyRepositoryClient, inspect.isfunction)
        if not name.startswith("_") and len(inspect.signature(method).parameters) > 1
    }
    assert ours - {"connect", "watch_deploy_events"} == set(METHODS)
    for name, wrong in METHODS.items():
        parameters = inspect.signature(getattr(GalaxyRepositoryClient, name)).parameters
        assert set(parameters) - {"self", "options", "fields"} <= {each for each, _ in wrong}


@pytest.mark.parametrize("options", [HierarchyOptions, BrowseOptions])
def test_two_places_to_start_at_are_refused(options: Callable[..., Any]) -> None:
    group = "root" if options is HierarchyOptions else "parent"
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        options(**{f"{group}_tag_name": "Area1", f"{group}_contained_path": "Area1"})
    assert in_words(
        caught.value, f"{group}_tag_name", f"{group}_contained_path", "give only one of them; nothing was sent"
    )


def test_fields_replace_those_of_the_options_and_unknown_ones_are_type_errors(galaxy: GalaxyRepositoryClient) -> None:
    options = HierarchyOptions(root_tag_name="Area1", max_depth=2)
    with pytest.raises(MxGatewayInvalidRequestError, match="both given"):
        galaxy.iter_hierarchy(options, root_gobject_id=1)
    galaxy.iter_hierarchy(options, root_tag_name=None, root_gobject_id=1)
    with pytest.raises(TypeError):
        galaxy.iter_hierarchy(options, depth=1)  # type: ignore[call-arg]


def test_options_keep_their_lists_from_changing() -> None:
    categories = [13]
    options = HierarchyOptions(category_ids=categories, template_chain_contains=iter(["$Tank"]))  # type: ignore[arg-type]
    categories.append(10)
    assert options.category_ids == (13,)
    assert options.template_chain_contains == ("$Tank",)
    assert hash(options) == hash(HierarchyOptions(category_ids=(13,), template_chain_contains=("$Tank",)))


@pytest.mark.parametrize(
    ("arm", "name"), [("gobject_id", 999), ("tag_name", "Nobody"), ("contained_path", "Area1/Nobody")]
)
async def test_an_unknown_root_or_parent_is_not_found(galaxy: GalaxyRepositoryClient, arm: str, name: Any) -> None:
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: galaxy.discover_hierarchy(**{f"root_{arm}": name}),
        lambda: galaxy.tree(**{f"root_{arm}": name}),
        lambda: anext(galaxy.iter_hierarchy(**{f"root_{arm}": name})),
        lambda: galaxy.browse(**{f"parent_{arm}": name}),
    ]
    for each in calls:
        with pytest.raises(MxGatewayNotFoundError) as caught:
            await each()
        assert in_words(caught.value, "NOT_FOUND", str(name), "check the name, or browse from the top level")
        assert caught.value.grpc_status is GrpcStatus.NOT_FOUND


async def test_what_only_the_gateway_can_refuse_is_its_own_refusal(galaxy: GalaxyRepositoryClient) -> None:
    for request in (proto.DiscoverHierarchyRequest(page_size=-1), proto.DiscoverHierarchyRequest(max_depth=-1)):
        with pytest.raises(MxGatewayInvalidRequestError) as caught:
            await galaxy.discover_hierarchy_raw(request)
        assert caught.value.grpc_status is GrpcStatus.INVALID_ARGUMENT
