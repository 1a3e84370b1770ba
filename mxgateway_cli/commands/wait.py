"""The `wait` command: blocks until a tag meets a condition."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, whole_timeout
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.conditions import ALLOWED, QUALITIES, Condition, ConditionText, Quality, Watcher
from mxgateway_cli.input.tag_globs import is_glob
from mxgateway_cli.input.typed_text import event_type, message_value, unknown_tag
from mxgateway_cli.output.tags import cut, event_error, event_time, json_data_type, json_time, json_value
from mxgateway_cli.recovery.following import follow
from mxgateway_cli.recovery.outages import Outages
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode, TimedOut
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway import Session
    from mxgateway.proto import MxEvent
    from mxgateway_cli.running.waiting import Deadline

_DEFAULT_SECONDS: Final = 30
_WIDEST: Final = 80


@gateway_command(
    "wait",
    argument("tag", "The tag, Object.Attribute.", metavar="TAG"),
    option("--until", "condition", type=ConditionText(), required=True, metavar="EXPR", help=f"The condition: {ALLOWED}."),
    option("--quality", type=click.Choice(QUALITIES), default="any", show_default=True,
           help="Ignore values of lower quality."),
    CLIENT_NAME,
    timeout=whole_timeout(_DEFAULT_SECONDS),
)  # fmt: skip
async def wait(call: Call, tag: str, condition: Condition, quality: Quality, client_name: str) -> None:
    """Wait until a tag meets a condition.

    The operand is parsed as the tag's own type: number, string, true or false, RFC 3339 time. Shows the value that met
    the condition; exit code 20 if the timeout expired, 22 if there is no such tag. The whole timeout is used: a gateway
    that is not up yet is waited for, a lost connection and a restarted gateway are survived.
    """
    from mxgateway_cli.running.waiting import Deadline

    if is_glob(tag):
        raise click.UsageError(f"wait takes one tag, and {tag!r:.80} is a pattern.")
    job = _Job(tag, condition, quality, Deadline(call.timeout), Outages(call.app))
    call.wait_for_gateway()
    async with call.client(), job.deadline.enforce(job.on_timeout):
        with job.outages.reported():
            event = await job.run(call, client_name)
    call.output.document(job.report(event) | {"correlationId": call.correlation_id}, value="value")


class _Job:
    def __init__(self, tag: str, condition: Condition, quality: Quality, deadline: Deadline, outages: Outages) -> None:
        self.deadline = deadline
        self.outages = outages
        self._session_id = ""
        self._item = 0
        self._tag = tag
        self._condition = condition
        self._watcher = Watcher(tag, condition, quality)
        self._count = 0
        self._last: MxEvent | None = None

    async def run(self, call: Call, client_name: str) -> MxEvent:
        """Return the event that meets the condition.

        Raises:
            CommandFailure: There is no such tag, or the condition does not fit it.
        """

        async def begin(session: Session) -> None:
            self._session_id = session.session_id
            server = await session.register(client_name)
            self._item = await session.add_item(server, self._tag)
            await session.advise(server, self._item)

        async with aclosing(follow(call, self.outages, begin, name=client_name, from_the_start=True)) as events:
            async for event in events:
                if event.item_handle == self._item and self._meets_condition(event):
                    return event
        raise TimedOut(self._outcome("before the stream ended"))

    def _meets_condition(self, event: MxEvent) -> bool:
        if event.family != mxgateway.proto.MxEventFamily.ON_DATA_CHANGE:
            return False
        if unknown_tag(event.statuses):
            raise CommandFailure(
                f"MXAccess does not know the tag {self._tag}: {event_error(event)}",
                code=ExitCode.MXACCESS_REFUSED,
                hint="check its name, and that the object is deployed",
            )
        self._count += 1
        self._last = event
        value = mxgateway.from_mx_value(event.value)
        return self._watcher.holds(value, event.quality, event_type(event))

    def on_timeout(self) -> Exception:
        """Return the failure of an expired timeout."""
        return self.outages.timed_out(self._outcome(f"within {self.deadline.seconds:g} s"))

    def _outcome(self, limit: str) -> str:
        expected = f"{self._tag} did not meet {self._condition.text!r} {limit}"
        if self._last is None:
            return f"{expected}: no value arrived"
        quality = mxgateway.status.explain_quality(self._last.quality)
        value = message_value(self._last.value)
        if value is None:
            return f"{expected}: it had no value ({quality})"
        return f"{expected}: its last value was {cut(value_text(value), _WIDEST)} ({quality})"

    def report(self, event: MxEvent) -> dict[str, Any]:
        """Return the result."""
        value = message_value(event.value)
        return {
            "operation": "wait",
            "sessionId": self._session_id,
            "tag": self._tag,
            "until": self._condition.text,
            "value": json_value(value),
            "dataType": json_data_type(event_type(event).data_type),
            "quality": event.quality,
            "qualityText": mxgateway.status.explain_quality(event.quality),
            "sourceTimestamp": json_time(event_time(event)),
            "valueCount": self._count,
            "durationMs": self.deadline.elapsed_ms,
        }
