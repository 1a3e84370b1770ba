"""The session's methods that question its worker process, and end it."""

from __future__ import annotations

from mxgateway import proto
from mxgateway.calling import replies
from mxgateway.calling.arguments import check_uint32
from mxgateway.commands.core import SessionCore


class WorkerCommands(SessionCore):
    """The worker process behind the session."""

    async def ping(self, *, timeout: float | None = None, correlation_id: str = "") -> None:
        """Ask the worker for a sign of life; extends the session's lease."""
        await self._send(proto.PingCommand(), timeout, correlation_id)

    async def state(self, *, timeout: float | None = None, correlation_id: str = "") -> proto.SessionStateReply:
        """Return the session's state and, when it is faulted, the gateway's reason."""
        found: proto.SessionStateReply = await self._ask(
            proto.GetSessionStateCommand(), replies.payload, timeout, correlation_id
        )
        return found

    async def worker_info(self, *, timeout: float | None = None, correlation_id: str = "") -> proto.WorkerInfoReply:
        """Return the worker's process id, its versions, when it started, and how many commands and events wait in it."""
        found: proto.WorkerInfoReply = await self._ask(
            proto.GetWorkerInfoCommand(), replies.payload, timeout, correlation_id
        )
        return found

    async def drain_events(
        self, max_events: int = 0, *, timeout: float | None = None, correlation_id: str = ""
    ) -> list[proto.MxEvent]:
        """Take events out of the session's queue, without a stream.

        What is drained does not come through an event stream any more; write confirmations see it all the same.

        Args:
            max_events: How many at most; 0 takes all there are.
            timeout: Bound in seconds.
            correlation_id: For the gateway's log.
        """
        command = proto.DrainEventsCommand(max_events=check_uint32("max_events", max_events))
        found: proto.DrainEventsReply = await self._ask(command, replies.payload, timeout, correlation_id)
        return found.events

    async def shutdown_worker(self, *, timeout: float | None = None, correlation_id: str = "") -> None:
        """End the worker process; the session takes no command afterwards and wants to be closed. Needs the scope admin."""
        await self._send(proto.ShutdownWorkerCommand(), timeout, correlation_id)
