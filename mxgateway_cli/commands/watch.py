"""The `watch` command: shows tags as they change."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext
from typing import TYPE_CHECKING, Final

import mxgateway
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, whole_timeout
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.input.named_tags import TAG_OPTIONS
from mxgateway_cli.input.tag_globs import MAX_TAGS, check_patterns, expand
from mxgateway_cli.operations.live_table import is_live, live_table
from mxgateway_cli.operations.watched_tags import WatchedTag, WatchedTags
from mxgateway_cli.output.tags import value_cell
from mxgateway_cli.recovery.following import follow
from mxgateway_cli.recovery.outages import Outages
from mxgateway_cli.running.waiting import Deadline, first_of
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode, describe
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway import Session
    from mxgateway.proto import MxEvent
    from mxgateway_cli.terminal.stdout import Output

_REFRESH_SECONDS: Final = 0.2
"""Time between two redraws: faster than people read, slow enough for a modem link."""
_LONG_SECONDS: Final = 3600
_WIDTHS: Final = ("<32", "<24", "<12", "<30", "<7", "<")
_HEADINGS: Final = ("tag", "value", "quality", "source time", "changes", "error")


@gateway_command(
    "watch",
    *TAG_OPTIONS,
    MAX_TAGS,
    vocabulary.count("updates"),
    vocabulary.duration(),
    CLIENT_NAME,
    examples=(
        "mxgw-py watch Tank01.Level TestMachine_001.Speed --count 2",
        "mxgw-py watch 'Tank*.Level' --duration 0.5",
        "mxgw-py watch --from tags.txt --count 1 --timeout 30 -o jsonl",
    ),
    timeout=whole_timeout(),
)
async def watch(
    call: Call, tags: list[str], max_tags: int, count: int | None, duration: float | None, client_name: str
) -> None:
    """Show tags as they change.

    On a terminal this is one table, redrawn in place; the last column shows the latest numbers as blocks, scaled from
    the lowest to the highest. Otherwise each update is one line, with --json or -o jsonl a JSON object. Stops after
    --count, --duration, --timeout (exit code 20 if updates are still missing), or on Ctrl-C. A lost connection and a
    restarted gateway are shown, and watching continues.
    """
    check_patterns(tags)
    deadline = Deadline(call.timeout)
    watching = _Watching(call, count, client_name)

    def on_timeout() -> Exception | None:
        return watching.outages.too_few(watching.count, count, "updates", deadline)

    async with call.client():
        async with deadline.enforce(on_timeout):
            watching.named = await watching.find(tags, max_tags)
        if not watching.named:  # the timeout expired during the look-up
            return
        async with deadline.enforce(on_timeout):
            await watching.run(duration)
    watching.check()


class _Watching:
    def __init__(self, call: Call, limit: int | None, client_name: str) -> None:
        self.named: list[str] = []
        self.tags = WatchedTags([], [])
        self._call = call
        self._limit = limit
        self._client_name = client_name
        self._is_live = is_live(call.app)
        self._ready = asyncio.Event()
        self._lines = None if self._is_live else _Lines(call.output)
        self.outages = Outages(call.app, call.output.json_line, self._show if self._is_live else None)

    @property
    def count(self) -> int:
        return self.tags.updates

    def _show(self, text: str) -> None:
        """Show below the table that the connection is lost, for as long as it is; the table counts what is lost."""
        cause = self.outages.cause
        if not self._ready.is_set():  # there is no table yet
            self._call.output.aside(text)
        self.tags.note = "" if cause is None else f"connection lost: {cause.message}"

    async def find(self, tags: list[str], limit: int) -> list[str]:
        """Return the tags to watch, with patterns replaced by the tags of the galaxy."""
        with self.outages.reported():
            return await self.outages.through(lambda: expand(self._call, tags, limit))

    async def _subscribe(self, session: Session) -> None:
        """Subscribe to the tags, at least to one, and warn about those that fail, once."""
        results = await session.subscribe_bulk(await session.register(self._client_name), self.named)
        before = {row.tag for row in self.tags.refused}
        self.tags.subscribed(self.named, results)
        refused = self.tags.refused
        for row in refused:
            if row.tag not in before:
                self._call.app.warn(f"{row.tag} cannot be subscribed to: {row.error}")
        if len(refused) == len(self.named):
            raise CommandFailure("no tag could be subscribed to", code=ExitCode.MXACCESS_REFUSED)
        if self._lines is not None:
            self._lines.start()
        self._ready.set()

    async def run(self, duration: float | None) -> None:
        """Show updates until the limit, the end of the stream, or the duration, which begins with the subscription."""
        with self.outages.reported():
            await first_of(self._follow(), self._beside(duration))

    async def _beside(self, duration: float | None) -> None:
        """Redraw the table, on a terminal, until the duration is over."""
        await self._ready.wait()
        with live_table(self.tags, self._call.app) if self._is_live else nullcontext() as table:
            async with Deadline(duration).enforce(lambda: None):
                while True:
                    if table is not None:
                        table.refresh()
                    await asyncio.sleep(_REFRESH_SECONDS if table is not None else _LONG_SECONDS)

    async def _follow(self) -> None:
        events = follow(self._call, self.outages, self._subscribe, name=self._client_name)
        try:
            async with aclosing(events):
                async for event in events:
                    self._take(event)
                    if self._limit is not None and self.count >= self._limit:
                        return
        except mxgateway.MxGatewayError as error:
            if self._lines is not None:
                self._lines.disconnect(error)
            raise

    def _take(self, event: MxEvent) -> None:
        gap = event.replay_gap
        if gap is not None:
            self.outages.gap("replay", gap.requested_after_sequence + 1, gap.oldest_available_sequence - 1)
        row = self.tags.take(event)
        if row is not None and self._lines is not None:
            self._lines.add(row, event)

    def check(self) -> None:
        """Raise if some tags could not be subscribed to."""
        refused = len(self.tags.refused)
        if refused:
            message = f"{refused} of {len(self.tags.rows)} tags could not be subscribed to"
            raise CommandFailure(message, code=ExitCode.PARTLY_FAILED)


class _Lines:
    """Writes one line per update; a failure of the stream is its own record."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._begun = False

    def start(self) -> None:
        """Write the headings of a table, once."""
        begun, self._begun = self._begun, True
        if not begun:
            self._output.headings(_HEADINGS, _WIDTHS)

    def add(self, row: WatchedTag, event: MxEvent) -> None:
        """Write an update."""
        time = value_text(row.source_time)
        cells = (row.tag, value_cell(row.value), row.quality_text, time, str(row.changes), row.error)
        self._output.record(row.record(event), cells, value=row.value_text)

    def disconnect(self, error: mxgateway.MxGatewayError) -> None:
        """Write a record that the stream failed."""
        if self._begun and self._output.form in ("json", "jsonl"):
            self._output.json_line({"disconnect": describe(error).to_json()})
