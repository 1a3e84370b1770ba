"""The `wait` command: blocks until tags meet their conditions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click

from mxgateway_cli.connecting.shared_options import CLIENT_NAME, whole_timeout
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.conditions import ALLOWED, Condition, ConditionText, QualityText, WantedQuality
from mxgateway_cli.input.named_tags import many_tags
from mxgateway_cli.output.tags import value_cell
from mxgateway_cli.terminal.failures import TimedOut
from mxgateway_cli.terminal.text import value_text
from mxgateway_cli.verifying.expectations import ROWS, Shared, read_expectations
from mxgateway_cli.verifying.waiting import WaitedTag, Waiting

if TYPE_CHECKING:
    from mxgateway_cli.input.rows import RowFormat

_DEFAULT_SECONDS: Final = 30
_MOST_TAGS: Final = 10_000
"""Events that the gateway queues for a session: each tag has a first value, and all may be there before one is read."""
_HEADINGS: Final = ("tag", "until", "value", "quality", "source time", "outcome")
_WIDTHS: Final = ("<32", "<16", "<24", "<12", "<30", "<")


@gateway_command(
    "wait",
    *many_tags("The tags, Object.Attribute."),
    option("--until", "condition", type=ConditionText(), metavar="EXPR",
           help=f"The condition of each TAG, and of rows without one: {ALLOWED}."),
    option("--all/--any", "wants_all", default=True, show_default=True,
           help="Wait until each condition has come true, or until one has."),
    *ROWS,
    option("--quality", type=QualityText(), metavar="QUALITY",
           help="Ignore values of lower quality: good, uncertain or any; or of another one than this OPC quality.  "
                "[default: any; good for rows]"),
    CLIENT_NAME,
    examples=(
        "mxgw-py wait TestChildObject.TestInt --until '>= 0'",
        "mxgw-py wait Tank01.Level --until good --timeout 60",
        "mxgw-py wait TestMachine_001.TestChangingInt --until changes -o value",
    ),
    timeout=whole_timeout(_DEFAULT_SECONDS),
)  # fmt: skip
async def wait(
    call: Call,
    tags: tuple[str, ...],
    condition: Condition | None,
    wants_all: bool,
    sources: tuple[str, ...],
    source_format: RowFormat | None,
    quality: WantedQuality | None,
    client_name: str,
) -> None:
    """Wait until tags meet their conditions.

    The operand is parsed as the tag's own type: number, string, true or false, RFC 3339 time. Shows the value that met
    the condition; exit code 20 if the timeout expired, 22 if there is no such tag. The whole timeout is used: a gateway
    that is not up yet is waited for, a lost connection and a restarted gateway are survived.
    """
    shared = _shared(tags, condition, sources, source_format, quality)
    expectations = await asyncio.to_thread(read_expectations, tags, sources, source_format, shared)
    _check_number(len({each.tag for each in expectations}))
    report = _Report(call, is_one=not sources and len(tags) == 1)
    job = Waiting(call, expectations, wants_all=wants_all, client_name=client_name, on_held=report.held)
    try:
        await job.run()
    except TimedOut:
        report.missing(job)
        raise
    report.done(job)


def _shared(
    tags: tuple[str, ...],
    condition: Condition | None,
    sources: tuple[str, ...],
    source_format: RowFormat | None,
    quality: WantedQuality | None,
) -> Shared:
    """Return what the options say of all tags; refuse what is missing."""
    if not tags and not sources:
        raise click.UsageError("Name a TAG with --until, or a file of rows with --from FILE.")
    if tags and condition is None:
        raise click.UsageError("Missing option '--until': the condition of each TAG.")
    if source_format is not None and not sources:
        raise click.UsageError("--format requires --from.")
    return Shared(
        condition, None, "any" if quality is None else quality, "good" if quality is None else quality, allows_changes=True
    )  # fmt: skip


def _check_number(count: int) -> None:
    """Reject more tags than a session can be subscribed to while it reads their first values."""
    if count > _MOST_TAGS:
        raise click.UsageError(f"wait takes up to {_MOST_TAGS} tags, not {count}; verify --timeout reads any number.")


class _Report:
    """Writes the result.

    One tag is a document at the end. Of several, each is a record when its condition comes true; in the format ``json``
    they are one document at the end.
    """

    def __init__(self, call: Call, *, is_one: bool) -> None:
        self._call = call
        self._is_one = is_one
        self._begun = False

    def held(self, tag: WaitedTag) -> None:
        """Write a tag whose condition has come true."""
        if not self._is_one and self._call.output.form != "json":
            self._write(tag)

    def missing(self, job: Waiting) -> None:
        """Write the tags whose condition has not come true; of one tag the error says all."""
        if not self._is_one and self._call.output.form == "json":
            self._document(job, job.tags)
        elif not self._is_one:
            for tag in job.missing:
                self._write(tag)

    def done(self, job: Waiting) -> None:
        """Write the document of the tags whose condition has come true."""
        if self._is_one:
            [tag] = job.tags
            fields = {"sessionId": job.session_id, **tag.record(), "durationMs": job.elapsed_ms}
            self._call.report(fields, value="value")
        elif self._call.output.form == "json":
            self._document(job, job.held)

    def _document(self, job: Waiting, tags: list[WaitedTag]) -> None:
        fields = {
            "sessionId": job.session_id,
            "tagCount": len(job.tags),
            "heldCount": len(job.held),
            "durationMs": job.elapsed_ms,
            "results": [_record(tag) for tag in tags],
        }
        self._call.report(fields, value="heldCount")

    def _write(self, tag: WaitedTag) -> None:
        output = self._call.output
        if not self._begun:
            output.headings(_HEADINGS, _WIDTHS)
        self._begun = True
        fields = tag.record()
        value = tag.value
        outcome = "holds" if tag.held_after_ms is not None else "does not hold"
        cells = (tag.tag, tag.expectation.condition.described, value_cell(value), fields["qualityText"])
        moment = fields["sourceTime"] or ""
        output.record(_record(tag), (*cells, moment, outcome), value=value_text(value))


def _record(tag: WaitedTag) -> dict[str, Any]:
    return {**tag.record(), "durationMs": tag.held_after_ms, "place": tag.expectation.place}
