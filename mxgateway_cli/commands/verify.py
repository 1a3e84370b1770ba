"""The `verify` command: compares tags with what is expected of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

import mxgateway
from mxgateway_cli.commands.values import READ_TIMEOUT
from mxgateway_cli.connecting.shared_options import whole_timeout
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.parsed import NewFile
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.conditions import Condition, QualityText, WantedQuality
from mxgateway_cli.input.named_tags import many_tags
from mxgateway_cli.input.tolerances import Tolerance
from mxgateway_cli.terminal.failures import CommandFailure
from mxgateway_cli.terminal.stdout import ClosedPipe, discard_stdout
from mxgateway_cli.verifying.expectations import Expectation, Shared, read_expectations
from mxgateway_cli.verifying.options import ROWS
from mxgateway_cli.verifying.report import write_rows
from mxgateway_cli.verifying.verification import Verification

if TYPE_CHECKING:
    from mxgateway_cli.input.rows import RowFormat
    from mxgateway_cli.verifying.judging import Verdict


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
    tags: tuple[str, ...],
    expect: str | None,
    sources: tuple[str, ...],
    source_format: RowFormat | None,
    tolerance: str | None,
    quality: WantedQuality,
    failed: bool,
    junit: str | None,
    timeout_ms: int,
) -> None:
    """Compare tags with what is expected of them.

    For example after a deployment: exit code 0 if all rows hold, 21 if some do not. Without --timeout the tags are read
    once. With it the rows that do not hold yet are read again until all hold in one read; exit code 20 if the timeout
    expired. The whole timeout is used: a gateway that is not up yet is waited for, a lost connection and a restarted
    gateway are survived.
    """
    shared = _shared(tags, expect, sources, source_format, tolerance, quality)
    expectations = await asyncio.to_thread(read_expectations, tags, sources, source_format, shared)
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


def _shared(
    tags: tuple[str, ...],
    expect: str | None,
    sources: tuple[str, ...],
    source_format: RowFormat | None,
    tolerance: str | None,
    quality: WantedQuality,
) -> Shared:
    """Return what the options say of all rows.

    Raises:
        click.UsageError: Something is missing, contradictory or no condition.
    """
    if not tags and not sources:
        raise click.UsageError("Name a TAG with --expect, or a file of rows with --from FILE.")
    if tags and expect is None:
        raise click.UsageError("Say with --expect what is expected of each TAG.")
    if source_format is not None and not sources:
        raise click.UsageError("--format requires --from.")
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
    """Write the file, then the result.

    Raises:
        CommandFailure: The file cannot be written, and nothing else has failed.
    """
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
    head: dict[str, Any] = {
        "operation": "verify",
        "sessionId": job.session_id,
        "rounds": job.rounds,
        "durationMs": job.elapsed_ms,
        "correlationId": call.correlation_id,
    }
    write_rows(call.output, _rows(job, failure), head, only_failed=only_failed)


def _write_junit(path: str, job: Verification, failure: Exception | None) -> None:
    from mxgateway_cli.verifying.junit import write_junit

    write_junit(path, _rows(job, failure), job.elapsed_ms / 1000)


def _rows(job: Verification, failure: Exception | None) -> list[tuple[Expectation, Verdict]]:
    return list(zip(job.expectations, job.verdicts(failure), strict=True))
