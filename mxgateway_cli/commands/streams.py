"""The `stream-events` command."""

from __future__ import annotations

from contextlib import aclosing

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import AFTER_WORKER_SEQUENCE, CLIENT_NAME, SESSION_ID, whole_timeout
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.output.events import EventWriter
from mxgateway_cli.running.waiting import Deadline
from mxgateway_cli.terminal.failures import TimedOut, describe


@gateway_command(
    "stream-events",
    SESSION_ID,
    option("--item", "items", metavar="TAG", multiple=True,
           help="Without --session-id: subscribe to this tag; may be repeated."),
    AFTER_WORKER_SEQUENCE,
    option("--max-events", type=click.IntRange(min=1), metavar="N", help="Stop after this many events."),
    CLIENT_NAME,
    timeout=whole_timeout(),
)  # fmt: skip
async def stream_events(
    call: Call,
    session_id: str | None,
    items: tuple[str, ...],
    after_worker_sequence: int,
    max_events: int | None,
    client_name: str,
) -> None:
    """Show a session's events as they arrive.

    Streams the open session of --session-id, or the tags of --item in a new session. Stops after --max-events, after
    --timeout (exit code 20 if events are still missing), or on Ctrl-C. With --json and --max-events up to 10,000 the
    result is one document, otherwise one JSON object per line.
    """
    if (session_id is None) == (not items):
        raise click.UsageError("Give either --session-id, or --item TAG for a new session.")
    if items and after_worker_sequence:
        raise click.UsageError("--after-worker-sequence resumes an open session: it requires --session-id.")
    deadline = Deadline(call.timeout)
    names: dict[tuple[int, int], str] = {}
    writer = EventWriter(call.output, max_events, names)

    def on_timeout() -> Exception | None:
        if max_events is None:
            return None
        return TimedOut(f"{writer.count} of {max_events} events arrived within {deadline.seconds:g} s")

    async with call.session(session_id, name=client_name) as session:
        try:
            async with deadline.enforce(on_timeout):
                await _advise(session, items, client_name, names)
                writer.start()
                await _follow(session, writer, after_worker_sequence)
        finally:
            writer.finish(session.session_id)
    if max_events is not None and not writer.is_complete:
        raise TimedOut(f"the stream ended after {writer.count} of {max_events} events")


async def _advise(
    session: mxgateway.Session, items: tuple[str, ...], client_name: str, names: dict[tuple[int, int], str]
) -> None:
    if not items:
        return
    server = await session.register(client_name)
    for tag in items:
        handle = await session.add_item(server, tag)
        names[server, handle] = tag
        await session.advise(server, handle)


async def _follow(session: mxgateway.Session, writer: EventWriter, after: int) -> None:
    async with aclosing(session.stream_events(after_worker_sequence=after)) as events:
        try:
            async for event in events:
                writer.add(event)
                if writer.is_complete:
                    return
        except mxgateway.MxGatewayError as error:
            writer.disconnect(describe(error))
            raise
