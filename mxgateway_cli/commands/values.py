"""The commands that read and write values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import SESSION_ID, USER_ID
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.declaring.vocabulary import TABLE, from_file
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.named_tags import TAG_OPTIONS
from mxgateway_cli.input.rows import ROW_FORMAT
from mxgateway_cli.input.tag_globs import MAX_TAGS, expanded_tags
from mxgateway_cli.input.typed_text import message_value, own_type, read_one, shown_value
from mxgateway_cli.input.write_target import WRITES, NewValue, WriteTarget
from mxgateway_cli.operations.listed_writes import TAG_COUNT, WriteMode, write_pattern, write_values
from mxgateway_cli.operations.write_completions import CONFIRM
from mxgateway_cli.output.events import event_record
from mxgateway_cli.output.tags import json_data_type, json_value, tag_fields, value_cell
from mxgateway_cli.output.writes import item_before, report_write, show_change
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode, refusal_hint
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway import Session, TagValue
    from mxgateway_cli.input.rows import RowFormat

READ_TIMEOUT: Final = option(
    "--timeout-ms", type=click.IntRange(0, 2**31 - 1), metavar="MS", default=0, show_default=True,
    help="How long the gateway waits for a tag's first value; 0 uses the worker's default.",
)  # fmt: skip
_HEADINGS: Final = ("tag", "value", "quality", "source time", "error")


@gateway_command(
    "read",
    *TAG_OPTIONS,
    MAX_TAGS,
    SESSION_ID,
    READ_TIMEOUT,
    examples=(
        "mxgw-py read Tank01.Level TestMachine_001.Speed",
        "mxgw-py read 'Tank*.Level' --json",
        "mxgw-py read --from tags.txt -o jsonl",
    ),
)
async def read(call: Call, tags: list[str], max_tags: int, session_id: str | None, timeout_ms: int) -> None:
    """Read tags.

    Each tag has its own outcome: one failed read does not affect the others. Exit code 21 if some could not be read.
    """
    async with expanded_tags(call, tags, max_tags) as named, call.session(session_id) as session:
        found = await session.read(named, timeout_ms=timeout_ms, correlation_id=call.correlation_id)
    failed = sum(not each.ok for each in found)
    _write_read(call, session.session_id, found, failed)
    if failed:
        hint = refusal_hint(status for each in found if not each.ok for status in each.statuses)
        raise CommandFailure(f"{failed} of {len(found)} tags could not be read", code=ExitCode.PARTLY_FAILED, hint=hint)


def _write_read(call: Call, session_id: str, found: list[TagValue], failed: int) -> None:
    if call.output.form == "json":
        fields = {
            "sessionId": session_id,
            "tagCount": len(found),
            "failedCount": failed,
            "results": [tag_fields(each) for each in found],
        }
        call.report(fields, value="failedCount")
    elif call.output.form == "table":
        call.output.table(_HEADINGS, [_cells(each) for each in found])
    else:
        for each in found:
            call.output.record(tag_fields(each), (), value=value_text(shown_value(each.value, each.data_type)))


def _cells(read: TagValue) -> tuple[str, ...]:
    time = value_text(read.source_time)
    quality = mxgateway.status.explain_quality(read.quality) if read.ok else ""
    return read.tag, value_cell(shown_value(read.value, read.data_type)), quality, time, read.error


@gateway_command(
    "write",
    *WRITES,
    USER_ID,
    CONFIRM,
    option(
        "--dry-run", is_flag=True, help="Read the tag, convert the value and show what would be written; write nothing."
    ),
    TAG_COUNT,
    MAX_TAGS,
    from_file("sources", f"{TABLE}; columns tag, value, type"),
    ROW_FORMAT,
    examples=(
        "mxgw-py write TestMachine_001.SpeedSetpoint 1200 --confirm",
        "mxgw-py write 'TestMachine_*.SpeedSetpoint' 900 --tag-count 6",
        "mxgw-py write --from setpoints.csv --dry-run",
    ),
)
async def write(
    call: Call,
    value_type: str | None,
    value: str | None,
    user_id: int,
    confirm: bool,
    dry_run: bool,
    tag_count: int | None,
    max_tags: int,
    sources: tuple[str, ...],
    source_format: RowFormat | None,
    **params: Any,
) -> None:
    """Write a value to an item.

    Shows its old and its new value. Without --type the value is parsed as the tag's own type. Without --confirm the
    result means that MXAccess has accepted the write. With it the result contains the OnWriteComplete event; exit code
    22 if the write fails. A pattern such as 'Tank*.Setpoint' writes all matching tags, but only if their number equals
    --tag-count. --from FILE writes a list of tags, each with its own value; exit code 21 if some writes fail.
    """
    mode = WriteMode(user_id, confirm, dry_run)
    target = WriteTarget.take(params, patterns=True, is_list=bool(sources))
    if tag_count is not None and not target.is_pattern:
        raise click.UsageError("--tag-count requires a pattern.")
    if not sources and source_format is not None:
        raise click.UsageError("--format requires --from.")
    if sources:
        if value is not None:
            raise click.UsageError("--from and VALUE contradict each other: the file has the values.")
        from mxgateway_cli.bulk.input import Given, Wanted, read_entries

        wanted = Wanted(by_handle=False, once=True, values=True, own_types=True)
        given = Given(sources=sources, source_format=source_format, value_type=value_type)
        entries = await read_entries(wanted, given)
        await write_values(call, target, dict(zip(entries.tags, entries.values, strict=True)), mode)
        return
    target.check_readable(value_type, reads="--dry-run" if dry_run else "")
    new = NewValue.parse(target, value_type, value)
    if target.is_pattern:
        await write_pattern(call, target, new, mode, limit=max_tags, tag_count=tag_count)
        return
    await _write_one(call, target, new, mode)


async def _write_one(call: Call, target: WriteTarget, new: NewValue, mode: WriteMode) -> None:
    async with target.session(call) as session:
        if mode.dry_run:
            await _show_write(call, session, target.tag or "", new)
            return
        message, read = await new.for_tag(session, target.tag)
        async with target.place(call, session) as place:
            old = read or await item_before(place, target.tag)
            write = session.write_confirmed if mode.confirm else session.write
            event = await write(
                place.server_handle,
                place.item_handle,
                message,
                user_id=mode.user_id,
                correlation_id=call.correlation_id,
            )
    done = event_record(event, target.tag) if event is not None else None
    report_write(call, place, message, old, {"confirmed": mode.confirm, "event": done}, value="confirmed")


async def _show_write(call: Call, session: Session, tag: str, new: NewValue) -> None:
    """Show the planned write."""
    read = await read_one(session, tag)
    message = new.message if new.message is not None else own_type(read).message(new.text, name=f"the value of {tag}")
    if call.output.form == "table":
        show_change(call.output, tag, read, message_value(message), "not written")
        return
    shown = value_text if call.output.form == "value" else json_value
    fields = {
        "sessionId": session.session_id,
        "dryRun": True,
        "tag": tag,
        "oldValue": shown(shown_value(read.value, read.data_type)),
        "oldDataType": json_data_type(read.data_type),
        "value": shown(message_value(message)),
        "dataType": json_data_type(message.data_type),
        "variantType": message.variant_type,
        "quality": read.quality,
        "qualityText": mxgateway.status.explain_quality(read.quality),
    }
    call.report(fields, value="value")
