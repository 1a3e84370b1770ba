"""The galaxy repository: the plant's objects, filtered and paged, from a cache that each deployment renews."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Any, Final

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.simulator.clock import Clock, timestamp
from mxgateway.simulator.galaxy.messages import ObjectWriter, PreparedReply
from mxgateway.simulator.plant.model import PlantObject
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.simulator.server.keys import SimulatedKey
from mxgateway.simulator.switches import Gate
from mxgateway.wire import decode, encode, which_one_of

_DEFAULT_PAGE: Final = 500
_LARGEST_PAGE: Final = 5000
# Deployments queued for a slow watcher; then a new one replaces the oldest, and the sequence shows the gap.
_WATCH_QUEUE: Final = 16

# Selections kept between two pages.
_REMEMBERED: Final = 16

_Filter = Callable[[PlantObject], bool]


class GalaxyRepository:
    """The repository's cache, and the queries on it.

    Args:
        plant: The plant.
        clock: The time source for deployments.
        gate: Watchers are notified of deployments while it is open.
        deployed_ns: When the galaxy was deployed, in nanoseconds since 1970; None if it never was.
        encoding: How messages are encoded.
    """

    def __init__(self, plant: Plant, clock: Clock, gate: Gate, deployed_ns: int | None, encoding: Encoding) -> None:
        self.plant = plant
        self._encoding = encoding
        self.gate = gate
        self.database_answers = True
        """Whether TestConnection reaches the database."""
        self._clock = clock
        self._loaded = asyncio.Event()
        self._loaded.set()
        self._sequence = 1
        self.deployed_ns = deployed_ns
        """When the galaxy was deployed, in nanoseconds since 1970; None if it never was."""
        self._observed_ns = clock.now_ns()
        self._watchers: set[asyncio.Queue[galaxy.DeployEvent]] = set()
        self._selections: dict[bytes, list[PlantObject]] = {}
        self._writer = ObjectWriter(self._encoding)

    # Controls for tests

    def deploy(self, plant: Plant) -> None:
        """Deploy the galaxy: page tokens become invalid, watchers are notified.

        Args:
            plant: The new galaxy.
        """
        self.plant = plant
        self._sequence += 1
        self.deployed_ns = self._observed_ns = self._clock.now_ns()
        self._selections.clear()
        self._writer = ObjectWriter(self._encoding)
        event = self.state()
        for watcher in self._watchers:
            if watcher.full():
                watcher.get_nowait()
            watcher.put_nowait(event)

    def undeploy(self) -> None:
        """Reset the galaxy to one that was never deployed."""
        self.deployed_ns = None

    def chill(self) -> None:
        """Empty the cache, as before its first load."""
        self._loaded.clear()

    def load(self) -> None:
        """Load the cache."""
        self._loaded.set()

    # Deployments

    def state(self) -> galaxy.DeployEvent:
        """Return the galaxy's state as of its last deployment."""
        event = galaxy.DeployEvent(
            sequence=self._sequence,
            observed_at=timestamp(self._observed_ns),
            time_of_last_deploy_present=self.deployed_ns is not None,
            object_count=len(self.plant.objects),
            attribute_count=self.plant.attribute_count,
        )
        if self.deployed_ns is not None:
            event.time_of_last_deploy = timestamp(self.deployed_ns)
        return event

    async def last_deploy_time(self) -> galaxy.GetLastDeployTimeReply:
        """Return when the galaxy was deployed; waits for the cache's first load."""
        await self._loaded.wait()
        if self.deployed_ns is None:
            return galaxy.GetLastDeployTimeReply()
        return galaxy.GetLastDeployTimeReply(present=True, time_of_last_deploy=timestamp(self.deployed_ns))

    def watch(self) -> asyncio.Queue[galaxy.DeployEvent]:
        """Return a queue that gets every deployment from now on, until `unwatch`."""
        watcher: asyncio.Queue[galaxy.DeployEvent] = asyncio.Queue(_WATCH_QUEUE)
        self._watchers.add(watcher)
        return watcher

    def unwatch(self, watcher: asyncio.Queue[galaxy.DeployEvent]) -> None:
        """Put nothing more into a queue."""
        self._watchers.discard(watcher)

    # Pages

    def discover(self, request: galaxy.DiscoverHierarchyRequest, key: SimulatedKey) -> PreparedReply:
        """Return one page of the objects below a root, a parent before its children.

        Raises:
            GRPCError: INVALID_ARGUMENT for a bad token, page size or depth; NOT_FOUND for an unknown root; UNAVAILABLE
                while the cache is cold.
        """
        self._require_loaded()
        if request.max_depth is not None and request.max_depth < 0:
            raise GRPCError(Status.INVALID_ARGUMENT, f"max_depth must not be negative, it is {request.max_depth}.")
        root = self._named(request, "root")
        roots = self.plant.children(0) if root is None else (root,)
        walk = (obj for start in roots for obj in self.plant.descendants(start, request.max_depth))
        page, token, total = self._page(request, key, walk)
        reply = galaxy.DiscoverHierarchyReply(next_page_token=token, total_object_count=total)
        return self._writer.page(reply, page, with_attributes=request.include_attributes is not False)

    def browse(self, request: galaxy.BrowseChildrenRequest, key: SimulatedKey) -> PreparedReply:
        """Return one page of the direct children of an object: areas first, then by display name without case.

        Raises:
            GRPCError: INVALID_ARGUMENT for a bad token or page size; NOT_FOUND for an unknown parent; UNAVAILABLE while
                the cache is cold.
        """
        self._require_loaded()
        parent = self._named(request, "parent")
        children = self.plant.children(parent.gobject_id if parent else 0)
        page, token, total = self._page(request, key, children)
        reply = galaxy.BrowseChildrenReply(
            next_page_token=token,
            total_child_count=total,
            child_has_children=[self._has_children(obj, key) for obj in page],
            cache_sequence=self._sequence,
        )
        return self._writer.page(reply, page, with_attributes=request.include_attributes is not False)

    def _has_children(self, obj: PlantObject, key: SimulatedKey) -> bool:
        return any(key.may_browse(self.plant, child) for child in self.plant.children(obj.gobject_id))

    def _require_loaded(self) -> None:
        if not self._loaded.is_set():
            raise GRPCError(Status.UNAVAILABLE, "The repository cache is not loaded yet.")

    def _named(self, request: Any, group: str) -> PlantObject | None:
        """Return the object that the request starts from; None when it names none."""
        arm = which_one_of(request, group)
        if not arm:
            return None
        name = getattr(request, arm)
        if arm == f"{group}_gobject_id":
            # A galaxy has no object 0: it means the top level.
            found = self.plant.object_by_id(name)
            if name == 0:
                return None
        elif arm == f"{group}_tag_name":
            found = self.plant.object_by_tag(name)
        else:
            found = self.plant.object_by_path(name)
        if found is None:
            raise GRPCError(Status.NOT_FOUND, f"The galaxy has no {group} '{name}'.")
        return found

    def _page(
        self, request: Any, key: SimulatedKey, objects: Iterable[PlantObject]
    ) -> tuple[list[PlantObject], str, int]:
        """Return the objects on the page, the next page's token and the number of objects on all pages."""
        if request.page_size < 0:
            raise GRPCError(Status.INVALID_ARGUMENT, f"page_size must not be negative, it is {request.page_size}.")
        size = min(request.page_size or _DEFAULT_PAGE, _LARGEST_PAGE)
        question = _digest(request, key)
        start = self._offset(request.page_token, question)
        selection = self._selections.get(question)
        if selection is None:
            is_wanted = _filter(request, key, self.plant)
            selection = [obj for obj in objects if is_wanted(obj)]
            if len(self._selections) >= _REMEMBERED:
                del self._selections[next(iter(self._selections))]
            self._selections[question] = selection
        end = start + size
        token = self._token(question, end) if end < len(selection) else ""
        return selection[start:end], token, len(selection)

    def _token(self, question: bytes, offset: int) -> str:
        return base64.urlsafe_b64encode(b"%d.%d.%s" % (self._sequence, offset, question)).decode()

    def _offset(self, token: str, question: bytes) -> int:
        if not token:
            return 0
        try:
            sequence, offset, asked = base64.b64decode(token.encode(), b"-_", validate=True).split(b".", 2)
            if (int(sequence), asked) == (self._sequence, question):
                return int(offset)
        except (binascii.Error, ValueError):
            pass
        raise GRPCError(Status.INVALID_ARGUMENT, "The page token is not valid here: start again at the first page.")


def _digest(request: Any, key: SimulatedKey) -> bytes:
    """Return what a token is bound to besides the deployment: the query without its page, and the caller."""
    question = decode(type(request), encode(request))
    question.page_token, question.page_size = "", 0
    asked = b"\0".join([type(request).__name__.encode(), key.key_id.encode(), encode(question)])
    return hashlib.sha256(asked).hexdigest()[:32].encode()


def _filter(request: Any, key: SimulatedKey, plant: Plant) -> _Filter:
    """Return the predicate for a request: filters are ANDed, several values of one filter are ORed."""
    tests: list[_Filter] = []
    if key.browse_subtrees:
        tests.append(lambda obj: key.may_browse(plant, obj))
    if request.category_ids:
        categories = frozenset(request.category_ids)
        tests.append(lambda obj: obj.template.category in categories)
    if request.template_chain_contains:
        parts = [part.casefold() for part in request.template_chain_contains]
        tests.append(lambda obj: any(part in name.casefold() for part in parts for name in obj.template.chain))
    if request.tag_name_glob:
        pattern = _glob(request.tag_name_glob)
        tests.append(lambda obj: pattern.match(obj.tag_name) is not None)
    if request.alarm_bearing_only:
        tests.append(lambda obj: obj.template.has_alarms)
    if request.historized_only:
        tests.append(lambda obj: obj.template.is_historized)
    return lambda obj: all(test(obj) for test in tests)


def _glob(text: str) -> re.Pattern[str]:
    # The repository's globs know only * and ?: a bracket is literal.
    return re.compile(translate(text.replace("[", "[[]")), re.IGNORECASE)
