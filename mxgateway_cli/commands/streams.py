"""The `stream-events` command."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import AFTER_WORKER_SEQUENCE, CLIENT_NAME, SESSION_ID, whole_timeout
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.named_tags import tag_options
from mxgateway_cli.output.events import EventWriter
from mxgateway_cli.recovery.following import follow
from mxgateway_cli.recovery.outages import Outages
from mxgateway_cli.running.waiting import Deadline
from mxgateway_cli.terminal import capabilities
from mxgateway_cli.terminal.exit_codes import TimedOut, describe

if TYPE_CHECKING:
    from mxgateway.proto import MxEvent


@gateway_command(
    "stream-events",
    *tag_options("Without --session-id: subscribe to these tags in a new session.", required=False),
    SESSION_ID,
    AFTER_WORKER_SEQUENCE,
    vocabulary.count("events", "--max-events"),
    vocabulary.duration(),
    option("--resume/--no-resume", default=None,
           help="Continue after a lost connection.  [default: on a terminal]"),
    CLIENT_NAME,
    examples=(
        "mxgw-py stream-events Tank01.Level --count 1",
        'mxgw-py stream-events --session-id "$SESSION" --count 1 --json',
        "mxgw-py stream-events Tank01.Level --resume --count 1 -o jsonl",
    ),
    timeout=whole_timeout(),
)  # fmt: skip
async def stream_events(
    call: Call,
    session_id: str | None,
    tags: list[str],
    after_worker_sequence: int,
    count: int | None,
    duration: float | None,
    resume: bool | None,
    client_name: str,
) -> None:
    """Show a session's events as they arrive.

    Streams the open session of --session-id, or tags in a new session. Stops after --count, --duration, --timeout (exit
    code 20 if events are still missing), or on Ctrl-C. With --json and --count up to 10,000 the result is one document,
    otherwise one JSON object per line. With --resume a lost connection and lost events are records of their own, and the
    stream continues; tags also in a new session after the gateway's restart.
    """
    if (session_id is None) == (not tags):
        raise click.UsageError("Give either --session-id, or TAG for a new session.")
    if tags and after_worker_sequence:
        raise click.UsageError("--after-worker-sequence resumes an open session: it requires --session-id.")
    deadline = Deadline(call.timeout)
    job = _Job(call, tags, client_name, count)
    if resume is None:
        resume = capabilities.is_terminal(sys.stdout)
    async with call.client():
        over = Deadline(duration)
        try:
            async with (
                deadline.enforce(lambda: job.outages.too_few(job.writer.count, count, "events", deadline)),
                over.enforce(lambda: None),
            ):
                await (job.resume if resume else job.run)(session_id, after_worker_sequence)
        finally:
            job.writer.finish(job.session_id)
    if count is not None and not job.writer.is_complete and not over.is_over:
        raise TimedOut(f"the stream ended after {job.writer.count} of {count} events")


class _Job:
    def __init__(self, call: Call, tags: list[str], client_name: str, limit: int | None) -> None:
        self.session_id = ""
        self._call = call
        self._tags = tags
        self._client_name = client_name
        self.writer = EventWriter(call.output, limit, lambda *handles: call.app.names.get(self.session_id, *handles))
        self.outages = Outages(call.app, self.writer.note)

    async def run(self, session_id: str | None, after: int) -> None:
        """Show events until enough have arrived or the stream ends."""
        async with self._call.session(session_id, name=self._client_name) as session:
            await self._begin(session)
            async with session.stream_events(after_worker_sequence=after) as events:
                await self._show(events)

    async def resume(self, session_id: str | None, after: int) -> None:
        """Show events until enough have arrived, through lost connections."""
        events = follow(
            self._call, self.outages, self._begin, name=self._client_name, session_id=session_id, after=after
        )
        with self.outages.reported():
            async with aclosing(events):
                await self._show(events)

    async def _begin(self, session: mxgateway.Session) -> None:
        """Subscribe to the tags of a new session."""
        self.session_id = session.session_id
        self.writer.new_session()
        if self._tags:
            server = await session.register(self._client_name)
            for tag in self._tags:
                handle = await session.add_item(server, tag)
                self._call.app.names.add(session.session_id, server, handle, tag)
                await session.advise(server, handle)
        self.writer.start()

    async def _show(self, events: AsyncIterable[MxEvent]) -> None:
        try:
            async for event in events:
                self.writer.add(event)
                if self.writer.is_complete:
                    return
        except mxgateway.MxGatewayError as error:
            self.writer.disconnect(describe(error))
            raise
