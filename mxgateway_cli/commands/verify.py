"""The commands `verify` and `wait`: they compare tags with what is expected of them, or wait for it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import click

import mxgateway
from mxgateway_cli.commands.values import READ_TIMEOUT
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, whole_timeout
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.parsed import NewFile
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.conditions import ALLOWED, Condition, ConditionText, QualityText, WantedQuality
from mxgateway_cli.input.named_tags import many_tags
from mxgateway_cli.input.tolerances import Tolerance
from mxgateway_cli.output.tags import value_cell
from mxgateway_cli.terminal.exit_codes import CommandFailure, TimedOut
from mxgateway_cli.terminal.stdout import ClosedPipe, discard_stdout
from mxgateway_cli.terminal.text import value_text
from mxgateway_cli.verifying.expectations import ROWS, Expectation, Named, Shared, read_expectations
from mxgateway_cli.verifying.report import write_rows
from mxgateway_cli.verifying.verification import Verdict, Verification
from mxgateway_cli.verifying.waiting import WaitedTag, Waiting


@gateway_command(
    "verify",
    *many_tags("The tags, Object.Attribute, of which --expect is expected."),
    option("--expect", may_be_empty=True, metavar="EXPR",
           help="What is expected of each TAG, and in rows without it: a value, '!= 5', '> 3.2', '10..20', or good."),
    *ROWS,
    option("--tolerance", metavar="N|N%", help="How far a value may be off, where rows do not say it: 0.5, or 2% of the expected value."),
    option("--quality", type=QualityText(), default="good", show_default=True, metavar="QUALITY",
           help="The lowest quality, where rows do not say it: good, uncertain or any; or exactly this OPC quality."),
    option("--failed", is_flag=True, help="Show only the rows that do not hold."),
    option("--junit", type=NewFile(), metavar="FILE",
           help="Write the result as JUnit XML as well, also if the gateway cannot be reached."),
    READ_TIMEOUT,
    examples=(
        "mxgw-py verify TestChildObject.TestInt --expect 17",
        "mxgw-py verify --from expected.csv --timeout 60 --junit verify.xml",
        "mxgw-py verify --from expected.csv --failed --json",
    ),
    timeout=whole_timeout(),
)  # fmt: skip
async def verify(
    call: Call,
    expect: str | None,
    tolerance: str | None,
    quality: WantedQuality,
    failed: bool,
    junit: str | None,
    timeout_ms: int,
    **names: Any,
) -> None:
    """Compare tags with what is expected of them.

    For example after a deployment: exit code 0 if all rows hold, 21 if some do not. Without --timeout the tags are read
    once. With it the rows that do not hold yet are read again until all hold in one read; exit code 20 if the timeout
    expired. The whole timeout is used: a gateway that is not up yet is waited for, a lost connection and a restarted
    gateway are survived.
    """
    named = Named(**names)
    named.check("--expect", expect, "Say with --expect what is expected of each TAG.")
    expectations = await asyncio.to_thread(read_expectations, named, _shared(expect, tolerance, quality))
    job = Verification(call, expectations, timeout_ms)
    try:
        await job.run()
    except (mxgateway.MxGatewayError, CommandFailure) as error:
        await _report(call, job, error, junit, only_failed=failed)
        raise
    except asyncio.CancelledError:
        if junit is not None:
            await asyncio.to_thread(_write_junit, junit, job, None)
        raise
    await _report(call, job, None, junit, only_failed=failed)


def _shared(expect: str | None, tolerance: str | None, quality: WantedQuality) -> Shared:
    """Return what the options say of all rows; refuse what is contradictory or no condition."""
    try:
        condition = Condition.expected(expect) if expect is not None else None
        allowed = Tolerance.parse(tolerance) if tolerance is not None else None
        if condition is not None and allowed is not None:
            condition.within(allowed)
    except ValueError as error:
        subject = "--expect " if expect is not None and not expect.strip() else ""
        raise click.UsageError(f"{subject}{error}.") from None
    if condition is not None and condition.word == "changes":
        raise click.UsageError("--expect changes: wait waits for a change, verify only reads.")
    return Shared(condition, allowed, quality, quality)


async def _report(
    call: Call, job: Verification, failure: Exception | None, junit: str | None, *, only_failed: bool
) -> None:
    """Write the file, then the result; that the file cannot be written is told if nothing else has failed."""
    unwritten: CommandFailure | None = None
    if junit is not None:
        try:
            await asyncio.to_thread(_write_junit, junit, job, failure)
        except CommandFailure as error:
            unwritten = error
    try:
        if job.has_read:
            _write(call, job, failure, only_failed=only_failed)
    except ClosedPipe:
        if failure is None and unwritten is None:
            raise
        discard_stdout()  # that rows do not hold counts for more than that nobody reads them
    if unwritten is not None:
        if failure is None:
            raise unwritten
        call.app.warn(unwritten.message)


def _write(call: Call, job: Verification, failure: Exception | None, *, only_failed: bool) -> None:
    head = {"sessionId": job.session_id, "rounds": job.rounds, "durationMs": job.deadline.elapsed_ms}
    write_rows(call, _rows(job, failure), head, only_failed=only_failed)


def _write_junit(path: str, job: Verification, failure: Exception | None) -> None:
    from mxgateway_cli.verifying.junit import write_junit

    write_junit(path, _rows(job, failure), job.deadline.elapsed_ms / 1000)


def _rows(job: Verification, failure: Exception | None) -> list[tuple[Expectation, Verdict]]:
    return list(zip(job.expectations, job.verdicts(failure), strict=True))


# --------------------------------------------------------------------------------------------------------------------
# wait

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
    condition: Condition | None,
    wants_all: bool,
    quality: WantedQuality | None,
    client_name: str,
    **names: Any,
) -> None:
    """Wait until tags meet their conditions.

    The operand is parsed as the tag's own type: number, string, true or false, RFC 3339 time. Shows the value that met
    the condition; exit code 20 if the timeout expired, 22 if there is no such tag. The whole timeout is used: a gateway
    that is not up yet is waited for, a lost connection and a restarted gateway are survived.
    """
    named = Named(**names)
    named.check("--until", condition, "Missing option '--until': the condition of each TAG.")
    lowest = ("any", "good") if quality is None else (quality, quality)
    shared = Shared(condition, None, *lowest, allows_changes=True)
    expectations = await asyncio.to_thread(read_expectations, named, shared)
    # It is subscribed to them all while it reads their first values.
    if (count := len({each.tag for each in expectations})) > _MOST_TAGS:
        raise click.UsageError(f"wait takes up to {_MOST_TAGS} tags, not {count}; verify --timeout reads any number.")
    report = _WaitReport(call, is_one=not named.sources and len(named.tags) == 1)
    job = Waiting(call, expectations, wants_all=wants_all, client_name=client_name, on_held=report.held)
    try:
        await job.run()
    except TimedOut:
        report.missing(job)
        raise
    report.done(job)


class _WaitReport:
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
            fields = {"sessionId": job.session_id, **tag.record(), "durationMs": job.deadline.elapsed_ms}
            self._call.report(fields, value="value")
        elif self._call.output.form == "json":
            self._document(job, job.held)

    def _document(self, job: Waiting, tags: list[WaitedTag]) -> None:
        fields = {
            "sessionId": job.session_id,
            "tagCount": len(job.tags),
            "heldCount": len(job.held),
            "durationMs": job.deadline.elapsed_ms,
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
