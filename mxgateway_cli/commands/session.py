"""The session commands."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import SESSION_ID, Seconds
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.output.events import EventWriter
from mxgateway_cli.output.records import DOCUMENT_LIMIT


@gateway_command(
    "open-session",
    option("--client-name", metavar="NAME", default="mxgw-py", show_default=True,
           help="The session's name in the gateway's log."),
    option("--backend", metavar="NAME", default="", help="The gateway's backend.  [default: the gateway's own]"),
    option("--command-timeout", type=Seconds(), metavar="SECONDS",
           help="The gateway's timeout for one command.  [default: the gateway's own]"),
    examples=("mxgw-py open-session --json", 'SESSION=$(mxgw-py open-session -o value)'),
)  # fmt: skip
async def open_session(call: Call, client_name: str, backend: str, command_timeout: float | None) -> None:
    """Open a session and leave it open.

    Close it with close-session; the gateway closes it when its lease expires without use.
    """
    async with call.client() as client:
        reply = await client.open_session_raw(_request(call, client_name, backend, command_timeout))
    call.report(mxgateway.to_json_dict(reply), value="sessionId")


def _request(
    call: Call, client_name: str, backend: str, command_timeout: float | None
) -> mxgateway.proto.OpenSessionRequest:
    request = mxgateway.proto.OpenSessionRequest(
        requested_backend=backend, client_session_name=client_name, client_correlation_id=call.correlation_id
    )
    if command_timeout is not None:
        request.command_timeout = timedelta(seconds=command_timeout)
    return request


_OPEN_SESSION: Final = option("--session-id", metavar="ID", help="The session; optional only with --simulator.")


@gateway_command(
    "close-session",
    _OPEN_SESSION,
    examples=('mxgw-py close-session --session-id "$SESSION"', 'mxgw-py close-session --session-id "$SESSION" --json'),
)
async def close_session(call: Call, session_id: str | None) -> None:
    """Close a session.

    Closing a session that is already closed is not an error.
    """
    _check_open(call, session_id)
    async with call.client() as client:
        if session_id is None:
            session_id = (await client.open_session_raw(_request(call, "mxgw-py", "", None))).session_id
        reply = await client.close_session_raw(session_id, correlation_id=call.correlation_id)
    call.report(mxgateway.to_json_dict(reply), value="finalState")


def _check_open(call: Call, session_id: str | None) -> None:
    """Reject a command that makes no sense in a new session, unless the gateway is simulated and has no other."""
    if session_id is None and not call.settings.simulator:
        raise click.UsageError("Missing option '--session-id'.")


@gateway_command(
    "session-state",
    SESSION_ID,
    examples=(
        'mxgw-py session-state --session-id "$SESSION"',
        'mxgw-py session-state --session-id "$SESSION" -o value',
    ),
)
async def session_state(call: Call, session_id: str | None) -> None:
    """Show the state of a session."""
    async with call.session(session_id) as session:
        reply = await session.state(correlation_id=call.correlation_id)
    state = mxgateway.to_json_dict(reply).get("state")
    call.report({"sessionId": session.session_id, "state": state, "faultMessage": reply.fault_message}, value="state")


@gateway_command(
    "ping",
    SESSION_ID,
    examples=("mxgw-py ping", "mxgw-py ping --wait-for-gateway 60", 'mxgw-py ping --session-id "$SESSION" -o value'),
)
async def ping(call: Call, session_id: str | None) -> None:
    """Ping the session's worker."""
    async with call.session(session_id) as session:
        started = time.perf_counter()
        await session.ping(correlation_id=call.correlation_id)
        duration = round((time.perf_counter() - started) * 1000, 3)
    call.report({"sessionId": session.session_id, "durationMs": duration}, value="durationMs")


@gateway_command(
    "worker-info", SESSION_ID, examples=("mxgw-py worker-info", 'mxgw-py worker-info --session-id "$SESSION" --json')
)
async def worker_info(call: Call, session_id: str | None) -> None:
    """Show the session's worker and its pending commands and events."""
    async with call.session(session_id) as session:
        info = await session.worker_info(correlation_id=call.correlation_id)
    fields = {
        "sessionId": session.session_id,
        "workerProcessId": info.worker_process_id,
        "workerVersion": info.worker_version,
        "mxaccessVersion": info.mxaccess_version,
        "startedAt": mxgateway.to_json_dict(info).get("startedAt"),
        "pendingCommands": info.pending_commands,
        "pendingEvents": info.pending_events,
    }
    call.report(fields, value="workerProcessId")


@gateway_command(
    "shutdown-worker",
    _OPEN_SESSION,
    examples=(
        'mxgw-py shutdown-worker --session-id "$SESSION"',
        'mxgw-py shutdown-worker --session-id "$SESSION" --json',
    ),
)
async def shutdown_worker(call: Call, session_id: str | None) -> None:
    """Shut down the session's worker process.

    The session accepts no commands afterwards. The API key needs the scope admin.
    """
    _check_open(call, session_id)
    async with call.session(session_id) as session:
        await session.shutdown_worker(correlation_id=call.correlation_id)
    call.report({"sessionId": session.session_id}, value="sessionId")


@gateway_command(
    "drain-events",
    _OPEN_SESSION,
    vocabulary.count("events", "--max-events", least=0, most=2**32 - 1, default=0, more="0 drains all."),
    examples=(
        'mxgw-py drain-events --session-id "$SESSION"',
        'mxgw-py drain-events --session-id "$SESSION" --count 10 --json',
    ),
)  # fmt: skip
async def drain_events(call: Call, session_id: str | None, count: int) -> None:
    """Drain a session's event queue without a stream.

    stream-events no longer delivers the drained events.
    """
    _check_open(call, session_id)
    async with call.session(session_id) as session:
        events = await session.drain_events(count, correlation_id=call.correlation_id)
    writer = EventWriter(call.output, DOCUMENT_LIMIT, lambda *handles: call.app.names.get(session.session_id, *handles))
    writer.start()
    for event in events:
        writer.add(event)
    writer.finish(session.session_id, "drain-events", correlationId=call.correlation_id)
