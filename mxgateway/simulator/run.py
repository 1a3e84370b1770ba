"""The parts of a simulated gateway between one start and the next stop."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence

from mxgateway.simulator.alarms.conditions import AlarmSystem
from mxgateway.simulator.clock import Clock
from mxgateway.simulator.galaxy.repository import GalaxyRepository
from mxgateway.simulator.mxaccess.sessions import SessionRegistry
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.plant.live_tags import LivePlant
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.server.calls import CallRecord
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.simulator.server.galaxy_service import GalaxyService
from mxgateway.simulator.server.gateway_service import GatewayService
from mxgateway.simulator.server.keys import Authenticator, SimulatedKey
from mxgateway.simulator.server.listener import Listener
from mxgateway.simulator.server.router import Router
from mxgateway.simulator.switches import Switches

Path = str | os.PathLike[str]


class Run:
    """Everything that lives from one start to the next stop."""

    def __init__(
        self,
        plant: Plant,
        clock: Clock,
        switches: Switches,
        options: SimulatorOptions,
        keys: Sequence[SimulatedKey],
        record: CallRecord,
        ssl_context: ssl.SSLContext | None,
        deployed_ns: int | None,
        encoding: Encoding,
    ) -> None:
        self.plant = LivePlant(plant, clock, encoding)
        self.alarms = AlarmSystem(self.plant, options.event_queue_limit)
        self.plant.start()
        self.galaxy = GalaxyRepository(plant, clock, switches.deploy_gate, deployed_ns, encoding)
        self.sessions = SessionRegistry(self.plant, self.alarms, switches, options)
        self._service = GatewayService(self.plant, self.alarms, self.sessions, switches, options)
        table = self._service.methods() | GalaxyService(self.galaxy).methods()
        self.authenticator = Authenticator(keys)
        router = Router(table, self.authenticator, switches, options.message_limit, record, encoding)
        self.listener = Listener(router.serve, options, ssl_context, switches.changed)

    async def stop(self) -> None:
        """Stop the connections, the sessions and the plant."""
        await self.listener.stop()
        await self._service.close()
        await self.sessions.close_all()
        self.plant.stop()
