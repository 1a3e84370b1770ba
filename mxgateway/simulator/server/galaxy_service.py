"""The GalaxyRepository service."""

from __future__ import annotations

from collections.abc import Mapping

from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.simulator.galaxy.messages import PreparedReply
from mxgateway.simulator.galaxy.repository import GalaxyRepository
from mxgateway.simulator.server.calls import Call
from mxgateway.simulator.server.router import Method, Streaming, Unary, methods
from mxgateway.wire import has_field


class GalaxyService:
    """Browsing of the galaxy.

    Args:
        repository: The galaxy repository.
    """

    def __init__(self, repository: GalaxyRepository) -> None:
        self._repository = repository

    def methods(self) -> dict[str, Method]:
        """Return the service's RPCs by their paths."""
        answers: Mapping[str, Unary | Streaming] = {
            "TestConnection": self.test_connection,
            "GetLastDeployTime": self.get_last_deploy_time,
            "DiscoverHierarchy": self.discover_hierarchy,
            "BrowseChildren": self.browse_children,
            "WatchDeployEvents": self.watch_deploy_events,
        }
        return methods(galaxy.GalaxyRepositoryBase().__mapping__(), answers)

    async def test_connection(self, call: Call, request: galaxy.TestConnectionRequest) -> galaxy.TestConnectionReply:
        """Return whether the database answers."""
        return galaxy.TestConnectionReply(ok=self._repository.database_answers)

    async def get_last_deploy_time(
        self, call: Call, request: galaxy.GetLastDeployTimeRequest
    ) -> galaxy.GetLastDeployTimeReply:
        """Return when the galaxy was deployed."""
        return await self._repository.last_deploy_time()

    async def discover_hierarchy(self, call: Call, request: galaxy.DiscoverHierarchyRequest) -> PreparedReply:
        """Return one page of a hierarchy."""
        return self._repository.discover(request, call.key)

    async def browse_children(self, call: Call, request: galaxy.BrowseChildrenRequest) -> PreparedReply:
        """Return one page of an object's children."""
        return self._repository.browse(request, call.key)

    async def watch_deploy_events(self, call: Call, request: galaxy.WatchDeployEventsRequest) -> None:
        """Deliver the current deployment, unless the client knows it, and then every new one."""
        watcher = self._repository.watch()
        # Registered together with the watch: a deployment in between would be reported twice.
        state = self._repository.state()
        try:
            await call.start()
            knows = has_field(request, "last_seen_deploy_time") and state.time_of_last_deploy_present
            if not knows or request.last_seen_deploy_time != state.time_of_last_deploy:
                await call.send_all([state])
            while True:
                event = await watcher.get()
                await self._repository.gate.opened()
                await call.send_all([event])
        finally:
            self._repository.unwatch(watcher)
