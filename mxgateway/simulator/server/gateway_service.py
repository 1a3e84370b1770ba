"""The MxAccessGateway service."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any, Final

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.alarms.conditions import AlarmSystem
from mxgateway.simulator.clock import Timer
from mxgateway.simulator.mxaccess.apartment import Outcome
from mxgateway.simulator.mxaccess.commands import (
    HANDLERS,
    KNOWN,
    SESSION_STATE,
    WORKER_INFO,
    get_session_state,
    get_worker_info,
)
from mxgateway.simulator.mxaccess.events import in_batches
from mxgateway.simulator.mxaccess.session_parts import SessionRecord
from mxgateway.simulator.mxaccess.sessions import BACKEND_NAME, Session, SessionRegistry
from mxgateway.simulator.mxaccess.worker import Command
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.plant.live_tags import LivePlant
from mxgateway.simulator.server.calls import Call
from mxgateway.simulator.server.keys import scope_of_command
from mxgateway.simulator.server.router import Method, Streaming, Unary, methods
from mxgateway.simulator.switches import Switches
from mxgateway.wire import has_field, which_one_of

_OK: Final = mx.ProtocolStatusCode.OK


class GatewayService:
    """Sessions, commands, events and alarms.

    Args:
        plant: The live plant.
        alarms: The plant's alarms.
        sessions: The sessions.
        switches: The switches set by a test.
        options: Limits, times and versions.
    """

    def __init__(
        self,
        plant: LivePlant,
        alarms: AlarmSystem,
        sessions: SessionRegistry,
        switches: Switches,
        options: SimulatorOptions,
    ) -> None:
        self._clock = plant.clock
        self._alarms = alarms
        self._sessions = sessions
        self._switches = switches
        self._options = options
        self._background: set[asyncio.Task[Any]] = set()

    def methods(self) -> dict[str, Method]:
        """Return the service's RPCs by their paths."""
        answers: Mapping[str, Unary | Streaming] = {
            "OpenSession": self.open_session,
            "CloseSession": self.close_session,
            "Invoke": self.invoke,
            "StreamEvents": self.stream_events,
            "AcknowledgeAlarm": self.acknowledge_alarm,
            "StreamAlarms": self.stream_alarms,
            "QueryActiveAlarms": self.query_active_alarms,
        }
        return methods(mx.MxAccessGatewayBase().__mapping__(), answers, own_scope=frozenset({"Invoke"}))

    async def close(self) -> None:
        """End all tasks without a caller."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def open_session(self, call: Call, request: mx.OpenSessionRequest) -> mx.OpenSessionReply:
        """Start a session; the start continues if the caller stops waiting."""
        if request.requested_backend not in ("", BACKEND_NAME):
            raise GRPCError(Status.INVALID_ARGUMENT, f"The backend '{request.requested_backend}' is unknown.")
        command_timeout = request.command_timeout.total_seconds()
        if command_timeout < 0:
            raise GRPCError(Status.INVALID_ARGUMENT, "command_timeout must not be negative.")
        session = await self._detached(self._sessions.open(request.client_session_name, command_timeout))
        return mx.OpenSessionReply(
            session_id=session.session_id,
            backend_name=BACKEND_NAME,
            worker_process_id=session.worker.process_id,
            worker_protocol_version=self._options.worker_protocol_version,
            capabilities=list(self._options.capabilities),
            default_command_timeout=timedelta(seconds=session.command_timeout),
            protocol_status=mx.ProtocolStatus(code=_OK),
            gateway_protocol_version=self._options.gateway_protocol_version,
        )

    async def close_session(self, call: Call, request: mx.CloseSessionRequest) -> mx.CloseSessionReply:
        """End a session; an ended one stays ended."""
        session = self._sessions.find(request.session_id)
        session.close()
        return mx.CloseSessionReply(
            session_id=session.session_id, final_state=session.state, protocol_status=mx.ProtocolStatus(code=_OK)
        )

    async def invoke(self, call: Call, request: mx.MxCommandRequest) -> mx.MxCommandReply:
        """Run one command in the session's worker."""
        arm = str(request.command.kind.name or "").lower() if has_field(request, "command") else ""
        title = command_title(request.command.kind)
        call.names = ("Invoke", f"Invoke.{title}")
        call.key.require(scope_of_command(arm, is_known=arm in KNOWN))
        self._switches.count(call.names)
        self._switches.check(call.names)
        await self._switches.opened(call.names)
        if not has_field(request, "command"):
            raise GRPCError(Status.INVALID_ARGUMENT, "The request has no command.")
        session = self._sessions.find(request.session_id)
        session.touch()
        if arm not in KNOWN:
            text = f"Unsupported MXAccess command kind {title}"
            return _reply(request, Outcome(code=mx.ProtocolStatusCode.INVALID_REQUEST, message=text))
        if (payload := which_one_of(request.command, "payload")) != arm:
            raise GRPCError(Status.INVALID_ARGUMENT, f"The command {title} has the payload '{payload}'.")
        command = Command(arm, getattr(request.command, arm), call.key)
        return _reply(request, await self._run(session, command))

    async def stream_events(self, call: Call, request: mx.StreamEventsRequest) -> None:
        """Deliver a session's events until the session ends or the client disconnects."""
        session = self._sessions.ready(request.session_id)
        stream = session.attach_stream(request.after_worker_sequence)
        try:
            await call.start()
            for batch in in_batches(stream.first):
                await call.send(batch)
                await self._switches.paced(batch)
            while batch := await session.events.next_batch(stream, self._most_events):
                await call.send(batch)
                await self._switches.paced(batch)
        finally:
            session.detach_stream(stream)

    async def acknowledge_alarm(self, call: Call, request: mx.AcknowledgeAlarmRequest) -> mx.AcknowledgeAlarmReply:
        """Acknowledge an alarm by GUID or by ``Provider!Group.Tag``."""
        name = request.alarm_full_reference.strip()
        if not name:
            raise GRPCError(Status.INVALID_ARGUMENT, "alarm_full_reference is empty.")
        reply = mx.AcknowledgeAlarmReply(correlation_id=request.client_correlation_id)
        if not AlarmSystem.is_reference(name):
            text = f"'{name}' is neither a GUID nor Provider!Group.Tag"
            reply.protocol_status = mx.ProtocolStatus(code=mx.ProtocolStatusCode.INVALID_REQUEST, message=text)
            return reply
        reply.hresult = self._alarms.acknowledge(name, request.comment, request.operator_user)
        reply.protocol_status = mx.ProtocolStatus(code=_OK)
        if reply.hresult:
            reply.diagnostic_message = "The alarm provider did not acknowledge the alarm."
        return reply

    async def stream_alarms(self, call: Call, request: mx.StreamAlarmsRequest) -> None:
        """Deliver the active alarms and then every transition."""
        feed = self._alarms.open_feed(request.alarm_filter_prefix)
        try:
            await call.start()
            while True:
                await call.send_all(await feed.next_batch())
        finally:
            self._alarms.close_feed(feed)

    async def query_active_alarms(self, call: Call, request: mx.QueryActiveAlarmsRequest) -> None:
        """Deliver the active alarms."""
        snapshots = self._alarms.snapshots(request.alarm_filter_prefix)
        await call.start()
        if snapshots:
            await call.send_all(snapshots)

    async def _run(self, found: SessionRecord, command: Command) -> Outcome:
        """Run a command and wait for its outcome, at most for the session's command timeout."""
        if command.arm == SESSION_STATE:
            return get_session_state(found)
        session = self._sessions.ready(found.session_id)
        if command.arm == WORKER_INFO:
            return get_worker_info(session.worker)
        future = session.worker.submit(HANDLERS[command.arm], command)
        timer = self._expire(future, session.command_timeout)
        try:
            return await future
        finally:
            timer.cancel()

    def _expire(self, future: asyncio.Future[Outcome], seconds: float) -> Timer:
        def expire() -> None:
            if not future.done():
                text = f"The command did not end within {seconds:g} s; it may still run."
                future.set_exception(GRPCError(Status.DEADLINE_EXCEEDED, text))

        return self._clock.call_later(seconds, expire)

    def _most_events(self) -> int | None:
        return 1 if self._switches.pace.is_limited else None

    async def _detached(self, work: Coroutine[Any, Any, Session]) -> Session:
        """Wait for `work`, which continues if the caller stops waiting."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            # A remaining waiter gets the exception as well; without one it must not be logged.
            task.exception()


def _reply(request: mx.MxCommandRequest, outcome: Outcome) -> mx.MxCommandReply:
    payload = {outcome.arm: outcome.payload} if outcome.arm else {}
    return mx.MxCommandReply(
        session_id=request.session_id,
        correlation_id=request.client_correlation_id,
        kind=request.command.kind,
        protocol_status=mx.ProtocolStatus(code=outcome.code, message=outcome.message),
        hresult=outcome.hresult,
        statuses=outcome.statuses,
        diagnostic_message=outcome.diagnostic,
        **payload,
    )


def command_title(kind: mx.MxCommandKind) -> str:
    """Return a kind's name as in the gateway's messages, such as ``AddItem2``; the number of a nameless kind."""
    return "".join(part.title() for part in kind.name.split("_")) if kind.name else str(int(kind))
