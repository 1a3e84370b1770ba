"""The `check` command: checks tags for a monitoring system."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Final

import click
from click.exceptions import Exit

import mxgateway
from mxgateway_cli.commands.values import READ_TIMEOUT
from mxgateway_cli.connecting.shared_options import Seconds, whole_timeout
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.conditions import QUALITIES
from mxgateway_cli.input.named_tags import one_tag
from mxgateway_cli.input.tag_globs import MAX_TAGS, PATTERN_HINT, expanded_tags, is_glob
from mxgateway_cli.input.thresholds import (
    BY_SEVERITY,
    RANGE_HINT,
    Limits,
    Range,
    Reading,
    State,
    Verdict,
    judge,
    judge_failure,
)
from mxgateway_cli.output.check import check_record, check_summary, nagios_line, nagios_summary, prometheus_text
from mxgateway_cli.recovery.outages import Outages
from mxgateway_cli.running.app import App
from mxgateway_cli.running.waiting import Deadline
from mxgateway_cli.terminal.exit_codes import CommandFailure
from mxgateway_cli.terminal.stdout import OutputFormat

_Results = list[tuple[Verdict, Reading]]

_FORMATS: Final = ("nagios", "prometheus", "json")


def _report_usage_as_unknown(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Report usage errors to Nagios as UNKNOWN: exit code 2 would mean that the tag is critical."""

    @functools.wraps(callback)
    def wrapper(*arguments: Any, **params: Any) -> Any:
        try:
            return callback(*arguments, **params)
        except click.UsageError as error:
            app = click.get_current_context().find_object(App)
            if app is None or _form(params["form"], app.output.form) != "nagios":
                raise
            app.output.text(mxgateway.redact(nagios_line(params["tag"], Verdict(State.UNKNOWN, [error.message]))))
            raise Exit(State.UNKNOWN) from None

    return wrapper


@gateway_command(
    "check",
    *one_tag(f"The tag, Object.Attribute; {PATTERN_HINT}", required=True),
    MAX_TAGS,
    option("--format", "form", type=click.Choice(_FORMATS),
           help="Format of the result.  [default: nagios; json with --json]"),
    option("--warning", metavar="RANGE", help=f"Range of OK values; a value outside is a warning: {RANGE_HINT}."),
    option("--critical", metavar="RANGE", help="The same range for critical values."),
    option("--max-age", type=Seconds(), metavar="SECONDS", help="An older value is critical."),
    option("--quality", type=click.Choice(QUALITIES), default="good", show_default=True,
           help="The lowest quality that is OK; below it, uncertain is a warning and bad is critical."),
    READ_TIMEOUT,
    _report_usage_as_unknown,
    examples=(
        "mxgw-py check TestChildObject.TestInt --warning 0:50 --critical 0:100",
        "mxgw-py check 'TestMachine_*.Speed' --critical 0:5000 --timeout 10",
        "mxgw-py check Tank01.Level --format prometheus",
    ),
    timeout=whole_timeout(),
)  # fmt: skip
async def check(
    call: Call,
    tag: str,
    max_tags: int,
    form: str | None,
    warning: str | None,
    critical: str | None,
    timeout_ms: int,
    **limit: Any,
) -> None:
    """Check a tag for a monitoring system.

    --format nagios writes one line with performance data; its exit codes are 0 OK, 1 warning, 2 critical, 3 unknown.
    --format prometheus writes metrics. --format json writes one object; exit code 1 if the tag is not OK. With a
    pattern the most severe state counts. With --timeout it waits that long for a gateway that is not up or is lost.
    """
    written = _form(form, call.output.form)
    limits = Limits(warning=_range("--warning", warning), critical=_range("--critical", critical), **limit)
    try:
        readings = await _read_in_time(call, tag, max_tags, timeout_ms)
    except (mxgateway.MxGatewayError, CommandFailure) as error:
        _write_failure(call, tag, written, error)
        raise
    results = [(judge(reading, limits), reading) for reading in readings]
    if written == "nagios":
        call.output.text(mxgateway.redact(_nagios(tag, results, limits)))
        raise Exit(max((verdict.state for verdict, _ in results), key=BY_SEVERITY.index))
    if written == "prometheus":
        call.output.text(prometheus_text([(reading.tag.tag, verdict, reading) for verdict, reading in results]))
        return
    _write_document(call, tag, results)


async def _read_in_time(call: Call, tag: str, max_tags: int, timeout_ms: int) -> list[Reading]:
    """Read the tags; within ``--timeout`` as often as it takes, without it once."""
    if call.timeout is None:
        return await _read(call, tag, max_tags, timeout_ms)
    call.wait_for_gateway()
    deadline, outages = Deadline(call.timeout), Outages(call.app)
    async with (
        call.client(),
        deadline.enforce(lambda: outages.timed_out(f"{tag} was not read within {deadline.seconds:g} s")),
    ):
        with outages.reported():
            return await outages.through(lambda: _read(call, tag, max_tags, timeout_ms, outages))
    raise AssertionError("a deadline that passes raises")


async def _read(call: Call, tag: str, max_tags: int, timeout_ms: int, outages: Outages | None = None) -> list[Reading]:
    name = "mxgw-py check"
    opened = call.session(name=name) if outages is None else outages.session(call, name)
    async with expanded_tags(call, [tag], max_tags) as tags, opened as session:
        began = time.perf_counter()
        await session.ping()  # a read would include the wait for the tag's first value
        round_trip = time.perf_counter() - began
        found = await session.read(tags, timeout_ms=timeout_ms, correlation_id=call.correlation_id)
        return [Reading.of(read, round_trip) for read in found]


def _nagios(tag: str, results: _Results, limits: Limits) -> str:
    if is_glob(tag):
        return nagios_summary(tag, [(reading.tag.tag, verdict, reading) for verdict, reading in results], limits)
    [(verdict, reading)] = results
    return nagios_line(tag, verdict, reading, limits)


def _write_document(call: Call, tag: str, results: _Results) -> None:
    """Write the JSON object, and raise if a tag is not OK."""
    if call.output.form == "table":
        call.output.form = "json"
    if not is_glob(tag):
        call.report(check_record(*results[0]), value="status")
    elif call.output.form != "jsonl":
        call.report(check_summary(tag, results), value="status")
    else:
        for verdict, reading in results:
            call.output.record(check_record(verdict, reading), (), value=verdict.state.name)
    bad = [(verdict, reading) for verdict, reading in results if verdict.state is not State.OK]
    if bad:
        verdict, reading = bad[0]
        words = f"{reading.tag.tag} is {verdict.state.name.lower()}: {'; '.join(verdict.reasons)}"
        raise CommandFailure(f"{len(bad)} of {len(results)} tags are not OK; {words}" if is_glob(tag) else words)


def _write_failure(call: Call, tag: str, form: str, error: mxgateway.MxGatewayError | CommandFailure) -> None:
    verdict = judge_failure(error)
    if form == "nagios":
        call.app.trace(error)
        call.output.text(mxgateway.redact(nagios_line(tag, verdict)))
        raise Exit(verdict.state) from None
    if form == "prometheus":
        call.output.text(prometheus_text([(tag, verdict, None)]))


def _form(requested: str | None, output: OutputFormat) -> str:
    """Return the format to write."""
    if requested is None:
        return "nagios" if output == "table" else "json"
    if requested != "json" and output != "table":
        raise click.UsageError(f"--format {requested} and -o {output} contradict each other.")
    return requested


def _range(name: str, text: str | None) -> Range | None:
    try:
        return Range.parse(text) if text is not None else None
    except ValueError as error:
        raise click.UsageError(f"{name} {error}.") from None
