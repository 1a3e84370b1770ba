"""The commands that open, close and question sessions."""

from __future__ import annotations

import time
from datetime import timedelta

import click

import mxgateway
from mxgateway_cli.command import Call, gateway_command
from mxgateway_cli.options import SESSION_ID, Seconds
from mxgateway_cli.sections import option


@gateway_command(
    "open-session",
    option("--client-name", metavar="NAME", default="mxgw-py", show_default=True,
           help="What the session is called in the gateway's log."),
    option("--backend", metavar="NAME", default="", help="The gateway's backend.  [default: the gateway's own]"),
    option("--command-timeout", type=Seconds(), metavar="SECONDS",
           help="How long the gateway lets one command take.  [default: the gateway's own]"),
)  # fmt: skip
async def open_session(call: Call, client_name: str, backend: str, command_timeout: float | None) -> None:
    """Open a session and leave it open.

    Close it with close-session; the gateway closes it by itself when nobody has used it for its lease time.
    """
    async with call.client() as client:
        reply = await client.open_session_raw(_request(call, client_name, backend, command_timeout))
    if reply.gateway_protocol_version != mxgateway.PROTOCOL_VERSION:
        call.app.warn(
            f"the gateway speaks protocol {reply.gateway_protocol_version}, this client was made for "
            f"{mxgateway.PROTOCOL_VERSION}; compare the contracts with mxgw-py contract"
        )
    call.output.document(
        {"operation": "open-session", **mxgateway.to_json_dict(reply), "correlationId": call.correlation_id},
        value="sessionId",
    )


def _request(
    call: Call, client_name: str, backend: str, command_timeout: float | None
) -> mxgateway.proto.OpenSessionRequest:
    request = mxgateway.proto.OpenSessionRequest(
        requested_backend=backend, client_session_name=client_name, client_correlation_id=call.correlation_id
    )
    if command_timeout is not None:
        request.command_timeout = timedelta(seconds=command_timeout)
    return request


@gateway_command(
    "close-session", option("--session-id", metavar="ID", help="The session; only --simulator can do without.")
)
async def close_session(call: Call, session_id: str | None) -> None:
    """Close a session.

    A session that is closed already is no error.
    """
    if session_id is None and not call.settings.simulator:
        raise click.UsageError("Missing option '--session-id'.")
    async with call.client() as client:
        if session_id is None:
            session_id = (await client.open_session_raw(_request(call, "mxgw-py", "", None))).session_id
        reply = await client.close_session_raw(session_id, correlation_id=call.correlation_id)
    call.output.document(
        {"operation": "close-session", **mxgateway.to_json_dict(reply), "correlationId": call.correlation_id},
        value="finalState",
    )


@gateway_command("session-state", SESSION_ID)
async def session_state(call: Call, session_id: str | None) -> None:
    """Show the state of a session."""
    async with call.session(session_id) as session:
        reply = await session.state(correlation_id=call.correlation_id)
    call.output.document(
        {
            "operation": "session-state",
            "sessionId": session.session_id,
            "state": mxgateway.to_json_dict(reply).get("state"),
            "faultMessage": reply.fault_message,
            "correlationId": call.correlation_id,
        },
        value="state",
    )


@gateway_command("ping", SESSION_ID)
async def ping(call: Call, session_id: str | None) -> None:
    """Send a ping through the session's worker."""
    async with call.session(session_id) as session:
        started = time.perf_counter()
        await session.ping(correlation_id=call.correlation_id)
        duration = time.perf_counter() - started
    call.output.document(
        {
            "operation": "ping",
            "sessionId": session.session_id,
            "durationMs": round(duration * 1000, 3),
            "correlationId": call.correlation_id,
        },
        value="durationMs",
    )
