"""The `record` command: records what a gateway sends, to be replayed by a simulated one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, SESSION_ID, whole_timeout
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.named_tags import TAG_FORM, tag_options
from mxgateway_cli.input.tag_globs import MAX_TAGS, PATTERN_HINT, check_patterns, expand
from mxgateway_cli.operations.recordings import RecordingFile, objects_of
from mxgateway_cli.recovery.following import follow, follow_alarms
from mxgateway_cli.recovery.outages import Outages
from mxgateway_cli.running.waiting import Deadline, first_of
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode
from mxgateway_cli.terminal.stdout import ClosedPipe
from mxgateway_cli.terminal.text import json_text

if TYPE_CHECKING:
    from mxgateway import Session
    from mxgateway.simulator import RecordingWriter

_LARGEST: Final = 512 * 1024 * 1024
"""Bytes of the largest recording that can be replayed."""
_SMALLEST: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is recorded."""

    tags: list[str]
    session_id: str | None
    count: int | None
    alarms: bool
    galaxy: bool
    redact_values: bool
    max_bytes: int
    client_name: str

    def check(self) -> None:
        """Reject a plan that cannot be carried out, before anything is sent."""
        check_patterns(self.tags)
        if self.session_id is not None and self.tags:
            raise click.UsageError("--session-id records the events of an open session: name no tags.")
        if self.session_id is None and not (self.tags or self.alarms):
            raise click.UsageError(
                "Name a TAG, a file with one tag per line with --from FILE, an open session with --session-id, or --alarms."
            )
        if self.galaxy and not self.tags:
            raise click.UsageError("--galaxy records the objects of tags: name a TAG.")


@gateway_command(
    "record",
    argument("file", "The new file; - is stdout.", metavar="FILE"),
    *tag_options(f"The tags: {TAG_FORM}; {PATTERN_HINT}", required=False),
    MAX_TAGS,
    SESSION_ID,
    option("--alarms", is_flag=True, help="Record the alarm feed too."),
    option("--galaxy", is_flag=True, help="Record the tags' objects and attributes too."),
    vocabulary.count("records", more="Events and alarm messages count."),
    vocabulary.duration(),
    option("--max-bytes", type=click.IntRange(_SMALLEST, _LARGEST), metavar="N", default=_LARGEST, show_default=True,
           help="Stop before the file is larger."),
    option("--redact-values", is_flag=True, help="Replace each value by an empty one of its type and length."),
    option("--force", is_flag=True, help="Replace an existing file."),
    CLIENT_NAME,
    examples=(
        "mxgw-py record tanks.jsonl 'Tank*.Level' --galaxy --duration 0.5",
        "mxgw-py record report.jsonl --session-id $SESSION --redact-values --count 1",
        "mxgw-py record - --from tags.txt --alarms --count 4",
    ),
    timeout=whole_timeout(),
)  # fmt: skip
async def record(call: Call, file: str, max_tags: int, duration: float | None, force: bool, **params: Any) -> None:
    """Record what a gateway sends, for a replay or a bug report.

    mxgw-py simulate --replay plays it. Records tags in a new session, or the raw events of the open session of
    --session-id, as JSON Lines: events with
    their times, gaps, lost connections and, with --alarms, alarms. The API key, session ids, the names and comments of
    operators, and the gateway's address are left out. Stops after --count, --duration, --max-bytes, --timeout (exit
    code 20 if something is still missing), or on Ctrl-C. A lost connection and a restarted gateway are survived.
    """
    plan = _Plan(**params)
    plan.check()
    deadline = Deadline(call.timeout)
    target = await asyncio.to_thread(RecordingFile, file, replace=force)
    job = _Job(call, target, plan)

    def on_timeout() -> Exception | None:
        job.reason = "timeout"
        return job.outages.too_few(job.count, plan.count, "events", deadline)

    async with job.ending(), call.client():
        async with deadline.enforce(on_timeout):
            await job.prepare(max_tags)
        async with deadline.enforce(on_timeout):
            await job.run(duration)
    if not target.is_stdout:
        job.report(file)
    job.check()


def _distinct(tags: list[str]) -> list[str]:
    """Return the tags, each once: a tag's events must not be in a recording twice."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(tag.strip().casefold().removesuffix("[]"), tag)
    return list(first.values())


class _Job:
    def __init__(self, call: Call, target: RecordingFile, plan: _Plan) -> None:
        # Its import takes a while: before anything is connected.
        from mxgateway.simulator import RecordingWriter

        self.named: list[str] = []
        self.reason = "failed"
        self.outages = Outages(call.app, on_record=partial(self._note, "events"))
        self._call = call
        self._target = target
        self._plan = plan
        self._writer: RecordingWriter | None = None
        self._new_writer = RecordingWriter
        self._names: dict[int, str] = {}
        self._refused: set[str] = set()
        self._ready = asyncio.Event()
        self._objects: list[Any] = []
        self._is_prepared = False

    @property
    def count(self) -> int:
        """Events and alarm messages recorded so far."""
        return 0 if self._writer is None else self._writer.events + self._writer.alarms

    @property
    def _has_events(self) -> bool:
        return bool(self.named) or self._plan.session_id is not None

    @asynccontextmanager
    async def ending(self) -> AsyncIterator[None]:
        """Write the footer and close the file at the end of the block, however it ends."""
        try:
            yield
        except asyncio.CancelledError:
            self.reason = "signal"
            raise
        except ClosedPipe:
            self._writer = None  # nobody reads a footer
            raise
        finally:
            try:
                if self._writer is not None:
                    self._writer.end(self.reason)
            finally:
                self._target.close()

    async def prepare(self, max_tags: int) -> None:
        """Find the tags that patterns stand for, and their objects."""
        with self.outages.reported():
            tags = _distinct(self._plan.tags)
            self.named = _distinct(await self.outages.through(lambda: expand(self._call, tags, max_tags)))
            if self._plan.galaxy:
                await self.outages.through(self._look_up)
        self._is_prepared = True

    async def run(self, duration: float | None) -> None:
        """Record until something ends it; the duration begins with the recording."""
        jobs: list[Coroutine[Any, Any, str]] = [self._last(duration)]
        if self._has_events:
            jobs.append(self._record_events())
        if self._plan.alarms:
            jobs.append(self._record_alarms())
        with self.outages.reported():
            self.reason = await first_of(*jobs)

    def report(self, file: str) -> None:
        """Write the command's result."""
        result = {"operation": "record", "file": file, "endReason": self.reason, "tags": len(self.named)}
        counts = {key: getattr(self._writer, key, 0) for key in ("events", "alarms", "gaps", "bytes")}
        self._call.output.document(result | counts, value="events")

    def check(self) -> None:
        """Raise if some tags could not be subscribed to."""
        if self._refused:
            message = f"{len(self._refused)} of {len(self.named)} tags could not be subscribed to"
            raise CommandFailure(message, code=ExitCode.PARTLY_FAILED)

    def _begin(self) -> RecordingWriter:
        """Return the writer; the first call writes the header."""
        if self._writer is None:
            plan = self._plan
            self._writer = self._new_writer(
                self._target.write,
                tool=f"mxgw-py {mxgateway.__version__}",
                source="tags" if plan.session_id is None else "session",
                alarms=plan.alarms,
                redact_values=plan.redact_values,
                max_bytes=plan.max_bytes,
                to_text=json_text,
            )
            for obj in self._objects:
                self._writer.galaxy_object(obj)
        return self._writer

    async def _look_up(self) -> None:
        async with self._call.client() as client:
            pages = client.galaxy.iter_hierarchy(correlation_id=self._call.correlation_id, on_redeploy="raise")
            async with pages:
                self._objects = await objects_of(self.named, pages)

    async def _last(self, duration: float | None) -> str:
        await self._ready.wait()
        if duration is None:
            await asyncio.get_running_loop().create_future()
        else:
            await asyncio.sleep(duration)
        return "duration"

    async def _record_events(self) -> str:
        events = follow(
            self._call, self.outages, self._subscribe, name=self._plan.client_name, session_id=self._plan.session_id
        )
        async with aclosing(events):
            async for event in events:
                self._begin().event(event, self._names.get(event.item_handle, ""))
                if (reason := self._end_reason()) is not None:
                    return reason
        return "ended"

    async def _record_alarms(self) -> str:
        if self._has_events:
            await self._ready.wait()  # the events first: they begin a replay
            outages = Outages(self._call.app, lambda _: None, lambda _: None, on_record=partial(self._note, "alarms"))
        else:
            outages = self.outages = Outages(self._call.app, on_record=partial(self._note, "alarms"))
        async with self._call.client() as client:
            messages = follow_alarms(client, outages, self._call.correlation_id)
            async with aclosing(messages):
                async for message in messages:
                    self._begin().alarm(message)
                    self._ready.set()
                    if (reason := self._end_reason()) is not None:
                        return reason
        return "ended"

    async def _subscribe(self, session: Session) -> None:
        """Begin, and subscribe to the tags of a session of the command's own: at least one of them."""
        writer = self._begin()
        writer.new_session()
        if not self.named:
            self._ready.set()
            return
        results = await session.subscribe_bulk(await session.register(self._plan.client_name), self.named)
        self._names = {}
        for tag, result in zip(self.named, results, strict=True):
            error = "" if result.was_successful else result.error_message or "it could not be subscribed to"
            writer.subscribed(tag, error)
            if not error:
                self._names[result.item_handle] = tag
            elif tag not in self._refused:
                self._call.app.warn(f"{tag} cannot be subscribed to: {error}")
        self._refused = set(self.named) - set(self._names.values())
        if not self._names:
            raise CommandFailure("no tag could be subscribed to", code=ExitCode.MXACCESS_REFUSED)
        self._ready.set()

    def _end_reason(self) -> str | None:
        if self._begin().is_full:
            return "size"
        return "count" if self._plan.count is not None and self.count >= self._plan.count else None

    def _note(self, feed: str, record: dict[str, Any]) -> None:
        if not self._is_prepared:  # the recording begins with the objects
            return
        writer = self._begin()
        if (gap := record.get("gap")) is not None:
            last = gap["lastLost"]
            writer.gap(gap["cause"], int(gap["firstLost"]), None if last is None else int(last))
        elif (changed := record.get("connection")) is not None:
            writer.connection(feed, changed["state"], changed["outcome"], changed["cause"])
