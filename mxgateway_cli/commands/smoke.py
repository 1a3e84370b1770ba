"""The `smoke` command: one session from open to close."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, whole_timeout
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.input.typed_text import event_type, message_value
from mxgateway_cli.input.write_target import tag_and_value
from mxgateway_cli.output.events import event_record
from mxgateway_cli.output.tags import event_error, event_time, json_value, tag_record
from mxgateway_cli.running.waiting import Deadline, cleanup
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode, TimedOut

if TYPE_CHECKING:
    from mxgateway.proto import MxEvent, MxValue

_CLEANUP_SECONDS: Final = 5.0
_DEFAULT_SECONDS: Final = 30
_DEFAULT_TAG: Final = "TestChildObject.TestInt"


@gateway_command(
    "smoke",
    *tag_and_value(
        f"The tag to use.  [default: {_DEFAULT_TAG}]", "Also write this value, and wait for its OnWriteComplete."
    ),
    vocabulary.count("events", "--max-events", default=1, most=10_000, more="The event of a write counts as well."),
    CLIENT_NAME,
    examples=(
        "mxgw-py smoke --simulator",
        "mxgw-py smoke TestMachine_001.TestChangingInt --count 2",
        "mxgw-py smoke TestChildObject.TestInt 5 --json",
    ),
    timeout=whole_timeout(_DEFAULT_SECONDS),
)  # fmt: skip
async def smoke(
    call: Call, tag: str | None, count: int, value_type: str | None, value: str | None, client_name: str
) -> None:
    """Run one session from open to close, and report each step.

    Opens a session, registers, adds and advises the tag, waits for its events and, with VALUE, writes it and waits for
    the write's completion; then cleans up and closes the session, even if a step failed. Shows the tag's value before,
    its last one, and the written one. Exit code 22 if MXAccess reports a failure of the tag or of the write.
    """
    if value is None and value_type is not None:
        raise click.UsageError("--type requires VALUE.")
    message = mxgateway.parse_mx_value(value_type, value) if value_type is not None and value is not None else None
    job = _Job(call.timeout, tag or _DEFAULT_TAG, count, value, message)
    async with call.client() as client, job.deadline.enforce(job.on_timeout):
        await job.run(client, client_name)
    call.output.document(job.report(), value="eventCount")
    job.check()


@dataclass
class _Job:
    timeout: float | None
    tag: str
    count: int
    text: str | None
    """What is to be written; None writes nothing."""
    value: MxValue | None
    """Its message; None until the tag's own type is known."""
    session_id: str = ""
    server_handle: int = 0
    item_handle: int = 0
    protocol_status: str | None = None
    close_status: str | None = None
    completion: MxEvent | None = None
    events: list[MxEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadline = Deadline(self.timeout)

    async def run(self, client: mxgateway.GatewayClient, client_name: str) -> None:
        """Run all steps, then undo them in reverse order."""
        async with AsyncExitStack() as steps:
            session = await client.open_session(client_session_name=client_name)
            self.session_id = session.session_id
            await steps.enter_async_context(cleanup(lambda: self._close(session)))
            server = self.server_handle = await session.register(client_name)
            await steps.enter_async_context(cleanup(lambda: session.unregister(server, timeout=_CLEANUP_SECONDS)))
            item = self.item_handle = await session.add_item(server, self.tag)
            removing = cleanup(lambda: session.remove_item(server, item, timeout=_CLEANUP_SECONDS))
            await steps.enter_async_context(removing)
            events = await steps.enter_async_context(session.stream_events())
            await self._advise(session)
            await steps.enter_async_context(cleanup(lambda: session.unadvise(server, item, timeout=_CLEANUP_SECONDS)))
            await self._collect(session, events)

    async def _advise(self, session: mxgateway.Session) -> None:
        command = mxgateway.proto.MxCommand(
            kind=mxgateway.proto.MxCommandKind.ADVISE,
            advise=mxgateway.proto.AdviseCommand(server_handle=self.server_handle, item_handle=self.item_handle),
        )
        reply = await session.invoke(command)
        self.protocol_status = mxgateway.to_json_dict(reply.protocol_status).get("code")

    async def _collect(self, session: mxgateway.Session, events: mxgateway.EventStream) -> None:
        async for event in events:
            self.events.append(event)
            if self._is(event, mxgateway.proto.MxEventFamily.ON_WRITE_COMPLETE):
                self.completion = event
            if len(self.events) == self.count and self.text is not None:
                self.value = self.value or self._typed(self.text)
                await session.write(self.server_handle, self.item_handle, self.value)
            if self._is_complete:
                return
        raise TimedOut(f"the stream ended: {self._count()}")

    @property
    def _changes(self) -> list[MxEvent]:
        return [each for each in self.events if self._is(each, mxgateway.proto.MxEventFamily.ON_DATA_CHANGE)]

    def _typed(self, text: str) -> MxValue:
        """Return the message for a text in the tag's own type, which its last value shows."""
        found = event_type(self._changes[-1]) if self._changes else None
        if found is None or not found.name:
            raise CommandFailure(
                f"{self.tag} has no value that shows its type", code=ExitCode.USAGE, hint="give --type"
            )
        return found.message(text)

    def _is(self, event: MxEvent, family: mxgateway.proto.MxEventFamily) -> bool:
        return event.family == family and event.item_handle == self.item_handle

    @property
    def _is_complete(self) -> bool:
        return len(self.events) >= self.count and (self.text is None or self.completion is not None)

    async def _close(self, session: mxgateway.Session) -> None:
        reply = await session.close(timeout=_CLEANUP_SECONDS)
        self.close_status = mxgateway.to_json_dict(reply).get("finalState")

    def on_timeout(self) -> Exception | None:
        """Return the failure if the timeout expired before everything had arrived."""
        if self._is_complete and self.close_status is not None:
            return None
        seconds = f"{self.timeout:g} s" if self.timeout is not None else "the timeout"
        return TimedOut(f"{self._count()} within {seconds}", hint="check the tag's name, or increase --timeout")

    def _count(self) -> str:
        text = f"{len(self.events)} of {self.count} events of {self.tag} arrived"
        return f"{text}, but not the write's completion" if self.text is not None and not self.completion else text

    def report(self) -> dict[str, Any]:
        """Return the result."""
        records = [event_record(event, self._name(event)) for event in self.events]
        last: dict[str, Any] = records[-1] if records else {}
        return {
            "language": "python",
            "operation": "smoke",
            "sessionId": self.session_id,
            "serverHandle": self.server_handle,
            "itemHandle": self.item_handle,
            "eventCount": len(records),
            "events": records,
            "eventFamily": last.get("family"),
            "workerSequence": last.get("workerSequence"),
            "protocolStatus": self.protocol_status,
            "hresult": last.get("hresult"),
            "statuses": last.get("statuses", []),
            "closeStatus": self.close_status,
            "durationMs": self.deadline.elapsed_ms,
            **self._values(),
        }

    def _name(self, event: MxEvent) -> str | None:
        return self.tag if event.item_handle == self.item_handle else None

    def _values(self) -> dict[str, Any]:
        """Return the tag's record, its value before and the written one."""
        error = "".join(map(event_error, self.events[-1:]))
        if not self._changes:
            return tag_record(self.tag, error=error)
        first, last = self._changes[0], self._changes[-1]
        return {
            **tag_record(self.tag, message_value(last.value), last.quality, event_time(last), error=error),
            "oldValue": json_value(message_value(first.value)),
            "writtenValue": json_value(message_value(self.value)) if self.value is not None else None,
        }

    def check(self) -> None:
        """Raise if the last event carries a failure of MXAccess although all steps succeeded."""
        failures = mxgateway.status.failures(self.events[-1].statuses)
        if failures:
            reasons = ", ".join(map(mxgateway.status.explain_status, failures))
            what = "the write" if self.completion is self.events[-1] else "the tag"
            text = f"MXAccess reports a failure of {what} {self.tag}: {reasons}"
            raise CommandFailure(text, code=ExitCode.MXACCESS_REFUSED)
