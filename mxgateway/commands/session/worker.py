"""The session's methods that query its worker process, and shut it down."""

from __future__ import annotations

from mxgateway import proto
from mxgateway.calling import replies
from mxgateway.calling.argument_checks import check_uint32
from mxgateway.commands.core import SessionCore


class WorkerCommands(SessionCore):
    """The worker process behind the session."""

    async def ping(self, *, timeout: float | None = None, correlation_id: str = "") -> None:
        """Ping the worker; this extends the session's lease."""
        await self._send(proto.PingCommand(), timeout, correlation_id)

    async def state(self, *, timeout: float | None = None, correlation_id: str = "") -> proto.SessionStateReply:
        """Return the session's state and, if it is faulted, the gateway's reason."""
        return await self._ask(proto.GetSessionStateCommand(), replies.payload, timeout, correlation_id)

    async def worker_info(self, *, timeout: float | None = None, correlation_id: str = "") -> proto.WorkerInfoReply:
        """Return the worker's process id, versions, start time, and numbers of pending commands and events."""
        return await self._ask(proto.GetWorkerInfoCommand(), replies.payload, timeout, correlation_id)

    async def drain_events(
        self, max_events: int = 0, *, timeout: float | None = None, correlation_id: str = ""
    ) -> list[proto.MxEvent]:
        """Take events out of the session's queue, without a stream.

        An event stream does not deliver drained events any more; confirmed writes still see them.

        Args:
            max_events: The maximum number of events; 0 takes all.
        """
        command = proto.DrainEventsCommand(max_events=check_uint32("max_events", max_events))
        found: proto.DrainEventsReply = await self._ask(command, replies.payload, timeout, correlation_id)
        return found.events

    async def shutdown_worker(self, *, timeout: float | None = None, correlation_id: str = "") -> None:
        """Shut down the worker process; the session then accepts no commands and should be closed.

        Needs the scope admin.
        """
        await self._send(proto.ShutdownWorkerCommand(), timeout, correlation_id)
