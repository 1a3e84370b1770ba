"""The `watch` command: shows tags as they change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, Seconds, whole_timeout
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.tag_globs import MAX_TAGS, check_patterns, expand
from mxgateway_cli.input.tag_lists import TAG_OPTIONS
from mxgateway_cli.operations.live_table import LiveTable, is_live
from mxgateway_cli.operations.watched_tags import WatchedTag, WatchedTags
from mxgateway_cli.output.tags import pad, value_cell
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode, TimedOut, describe
from mxgateway_cli.terminal.text import clean, value_text

if TYPE_CHECKING:
    from mxgateway import EventStream, Session
    from mxgateway.proto import MxEvent
    from mxgateway_cli.terminal.stdout import Output

_REFRESH_SECONDS: Final = 0.2
"""Time between two redraws: faster than people read, slow enough for a modem link."""
_WIDTHS: Final = (32, 24, 12, 30, 7, 0)
_HEADINGS: Final = ("tag", "value", "quality", "source time", "changes", "error")


@gateway_command(
    "watch",
    *TAG_OPTIONS,
    MAX_TAGS,
    option("--count", type=click.IntRange(min=1), metavar="N", help="Stop after this many updates."),
    option("--duration", type=Seconds(), metavar="SECONDS", help="Stop after this time."),
    CLIENT_NAME,
    timeout=whole_timeout(),
)
async def watch(
    call: Call, tags: list[str], max_tags: int, count: int | None, duration: float | None, client_name: str
) -> None:
    """Show tags as they change.

    On a terminal this is one table, redrawn in place; the last column shows the latest numbers as blocks, scaled from
    the lowest to the highest. Otherwise each update is one line, with --json or -o jsonl a JSON object. Stops after
    --count, --duration, --timeout (exit code 20 if updates are still missing), or on Ctrl-C.
    """
    from mxgateway_cli.running.waiting import Deadline

    check_patterns(tags)
    deadline = Deadline(call.timeout)
    watching = _Watching(call, count)

    def on_timeout() -> Exception | None:
        text = f"{watching.count} of {count} updates arrived within {deadline.seconds:g} s"
        return TimedOut(text) if count is not None else None

    async with call.client():
        named: list[str] = []
        async with deadline.enforce(on_timeout):
            named = await expand(call, tags, max_tags)
        if not named:  # the timeout expired during the look-up
            return
        async with (
            call.session(name=client_name) as session,
            deadline.enforce(on_timeout),
            session.stream_events() as events,
        ):
            await watching.subscribe(session, named, client_name)
            async with Deadline(duration).enforce(lambda: None):
                await watching.run(events)
    watching.check()


class _Watching:
    def __init__(self, call: Call, limit: int | None) -> None:
        self.tags = WatchedTags([], [])
        self._call = call
        self._limit = limit

    @property
    def count(self) -> int:
        return self.tags.updates

    async def subscribe(self, session: Session, tags: list[str], client_name: str) -> None:
        """Subscribe to the tags, and warn about those that fail.

        Raises:
            CommandFailure: No tag could be subscribed to.
        """
        results = await session.subscribe_bulk(await session.register(client_name), tags)
        self.tags = WatchedTags(tags, results)
        refused = self.tags.refused
        for row in refused:
            self._call.app.warn(f"{row.tag} cannot be subscribed to: {row.error}")
        if len(refused) == len(tags):
            raise CommandFailure("no tag could be subscribed to", code=ExitCode.MXACCESS_REFUSED)

    async def run(self, events: EventStream) -> None:
        """Show updates until the limit is reached or the stream ends."""
        if not is_live(self._call.app):
            await self._follow(events, _Lines(self._call.output))
            return
        import asyncio

        with LiveTable(self.tags, self._call.app.colour, sys.stdout) as table:
            tasks = {asyncio.ensure_future(self._follow(events, None)), asyncio.ensure_future(_redraw(table))}
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in ended:
                task.result()

    async def _follow(self, events: EventStream, lines: _Lines | None) -> None:
        try:
            async for event in events:
                row = self.tags.take(event)
                if lines is not None:
                    lines.add(row, event)
                if self._limit is not None and self.count >= self._limit:
                    return
        except mxgateway.MxGatewayError as error:
            if lines is not None:
                lines.disconnect(error)
            raise

    def check(self) -> None:
        """Raise if some tags could not be watched.

        Raises:
            CommandFailure: Some tags could not be subscribed to.
        """
        refused = len(self.tags.refused)
        if refused:
            message = f"{refused} of {len(self.tags.rows)} tags could not be subscribed to"
            raise CommandFailure(message, code=ExitCode.PARTLY_FAILED)


async def _redraw(table: LiveTable) -> None:
    import asyncio

    while True:
        table.refresh()
        await asyncio.sleep(_REFRESH_SECONDS)


class _Lines:
    """Writes one line per update; gaps and a failure of the stream are their own records."""

    def __init__(self, output: Output) -> None:
        self._output = output
        if output.form == "table":
            output.row(_columns(_HEADINGS))

    def add(self, row: WatchedTag | None, event: MxEvent) -> None:
        """Write the update or gap that an event reports."""
        gap = event.replay_gap
        if gap is not None:
            first, last = gap.requested_after_sequence + 1, gap.oldest_available_sequence - 1
            self._note(
                {"gap": {"cause": "replay", "firstLost": str(first), "lastLost": str(last)}},
                f"events {first} to {last} lost",
            )
        elif row is not None:
            time = value_text(row.source_time)
            cells = (row.tag, value_cell(row.value), row.quality_text, time, str(row.changes), row.error)
            self._output.record(row.record(event), _columns(cells), value=row.value_text)

    def disconnect(self, error: mxgateway.MxGatewayError) -> None:
        """Write a record that the stream failed."""
        if self._output.form in ("json", "jsonl"):
            self._note({"disconnect": describe(error).to_json()}, "")

    def _note(self, record: dict[str, Any], text: str) -> None:
        if self._output.form != "value":
            self._output.record(record, _columns(("", text, "", "", "", "")), value="")


def _columns(cells: tuple[str, ...]) -> list[str]:
    return [pad(clean(cell), width) for cell, width in zip(cells, _WIDTHS, strict=True)]
