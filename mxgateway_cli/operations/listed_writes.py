"""Writes values to several tags, those of a pattern or of a list, or shows what would be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

import mxgateway
from mxgateway_cli.declaring.command import Call
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.tag_globs import expanded_tags
from mxgateway_cli.input.typed_text import message_value, own_type, readable
from mxgateway_cli.output.events import event_record
from mxgateway_cli.output.tags import json_data_type, json_value, value_cell
from mxgateway_cli.output.writes import old_cell, old_value
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway import Session, TagValue, TagWrite
    from mxgateway.proto import MxValue
    from mxgateway_cli.input.write_target import NewValue, WriteTarget

TAG_COUNT: Final = option(
    "--tag-count", type=click.IntRange(1), metavar="N",
    help="With a pattern: how many tags it must match; --dry-run shows the number. Without it a pattern writes nothing.",
)  # fmt: skip
_PLANNED: Final = ("tag", "old value", "new value", "type", "quality")
_WRITTEN: Final = ("tag", "old value", "new value", "outcome")
_SHOWN_ERRORS: Final = 10


@dataclass(frozen=True, slots=True)
class WriteMode:
    """How values are written."""

    user_id: int
    confirm: bool
    dry_run: bool


async def write_pattern(
    call: Call, target: WriteTarget, new: NewValue, mode: WriteMode, *, limit: int, tag_count: int | None
) -> None:
    """Write a value to all tags that match a pattern, or show what would be written.

    Nothing is written unless the number of tags is as given on the command line, and the value converts to each tag's
    type.

    Raises:
        CommandFailure: A condition is not met, or some writes failed.
    """
    pattern = target.tag or ""
    async with expanded_tags(call, [pattern], limit) as tags:
        if not mode.dry_run or tag_count is not None:
            _check_count(pattern, len(tags), tag_count)
        value = new.text if new.message is None else new.message
        await write_values(call, target, dict.fromkeys(tags, value), mode, pattern=pattern)


def _check_count(pattern: str, found: int, expected: int | None) -> None:
    if found == expected:
        return
    suffix = "" if expected is None else f", not {expected}"
    raise CommandFailure(
        f"{pattern!r:.80} matches {tags_text(found)}{suffix}: nothing was written",
        code=ExitCode.USAGE,
        hint=f"--dry-run shows them; --tag-count {found} writes them",
    )


async def write_values(
    call: Call, target: WriteTarget, values: Mapping[str, MxValue | str], mode: WriteMode, *, pattern: str = ""
) -> None:
    """Write a value to each tag, or show what would be written.

    Args:
        call: The command's run.
        target: The session.
        values: The value of each tag; a text is converted to the tag's own type.
        mode: How they are written.
        pattern: The pattern that the tags match; empty if they were listed.

    Raises:
        CommandFailure: A value does not fit its tag, so that nothing was written, or some writes failed.
    """
    async with target.session(call) as session:
        head: dict[str, Any] = {"sessionId": session.session_id}
        head |= {"dryRun": True} if mode.dry_run else {}
        head |= {"pattern": pattern} if pattern else {}
        planned = await _planned(session, values, call.correlation_id, all_read=mode.dry_run)
        if mode.dry_run:
            _show(call, head, planned, counted=bool(pattern))
            return
        messages = {write.tag: write.message for write in planned}
        written = await session.write_tags(
            messages, confirm=mode.confirm, user_id=mode.user_id, correlation_id=call.correlation_id
        )
    _report(call, head, planned, written)


class PlannedWrite(NamedTuple):
    """A write that can be sent."""

    tag: str
    message: MxValue
    old: TagValue | None
    """The tag before; None if it is unknown."""

    @property
    def fields(self) -> dict[str, Any]:
        """The first fields of its record."""
        new = json_value(message_value(self.message))
        return {"tag": self.tag, "oldValue": json_value(old_value(self.old)), "value": new}

    @property
    def cells(self) -> tuple[str, str, str]:
        """The first cells of its row."""
        return self.tag, old_cell(self.old), value_cell(message_value(self.message))


async def typed_messages(session: Session, values: Mapping[str, MxValue | str], correlation_id: str) -> list[MxValue]:
    """Return the message for each tag; a text is converted to the tag's own type, for which the tag is read.

    Raises:
        CommandFailure: Some tags cannot be read, or their value does not fit; the message lists up to ten.
    """
    texts = {tag: value for tag, value in values.items() if isinstance(value, str)}
    planned = await _planned(session, texts, correlation_id, all_read=True) if texts else []
    found = {write.tag: write.message for write in planned}
    return [found[tag] if isinstance(value, str) else value for tag, value in values.items()]


async def _planned(
    session: Session, values: Mapping[str, MxValue | str], correlation_id: str, *, all_read: bool
) -> list[PlannedWrite]:
    """Read the tags, and return their writes.

    Args:
        session: The session that reads them.
        values: The value of each tag.
        correlation_id: For the gateway's log.
        all_read: Whether each tag must be read, also one whose value has a type.

    Raises:
        CommandFailure: Some tags cannot be read, or their value does not fit.
    """
    if all_read or any(isinstance(value, str) for value in values.values()):
        found = {read.tag: read for read in await session.read(list(values), correlation_id=correlation_id)}
    else:
        found = await readable(session, list(values))
    planned: list[PlannedWrite] = []
    errors: list[str] = []
    for tag, value in values.items():
        try:
            planned.append(_plan(tag, value, found.get(tag), must_read=all_read))
        except (CommandFailure, mxgateway.MxGatewayInvalidRequestError) as error:
            errors.append(error.message if tag in error.message else f"{tag}: {error.message}")
    if errors:
        more = f"; and {len(errors) - _SHOWN_ERRORS} more" if len(errors) > _SHOWN_ERRORS else ""
        raise CommandFailure(
            f"{len(errors)} of {tags_text(len(values))} cannot take the value: {'; '.join(errors[:_SHOWN_ERRORS])}{more}",
            code=ExitCode.USAGE,
            hint="nothing was written; leave out these tags",
        )
    return planned


def _plan(tag: str, value: MxValue | str, read: TagValue | None, *, must_read: bool) -> PlannedWrite:
    if read is not None and read.ok:
        return PlannedWrite(tag, own_type(read).message(value) if isinstance(value, str) else value, read)
    if must_read or isinstance(value, str):
        raise CommandFailure(f"{tag} cannot be read: {read.error if read is not None else 'no reason given'}")
    return PlannedWrite(tag, value, None)


def _show(call: Call, head: dict[str, Any], planned: Sequence[PlannedWrite], *, counted: bool) -> None:
    """Show the planned writes."""
    if call.output.form == "table":
        call.output.table(_PLANNED, [_planned_cells(write) for write in planned])
        count = tags_text(len(planned))
        more = f"; --tag-count {len(planned)} writes them" if counted else ""
        call.app.announce([f"{count} would be written{more}"])
        return
    _write_all(call, head | {"tagCount": len(planned)}, [_planned_fields(write) for write in planned], "value")


def _planned_cells(write: PlannedWrite) -> tuple[str, ...]:
    quality = mxgateway.status.explain_quality(write.old.quality) if write.old is not None else ""
    return *write.cells, write.message.variant_type, quality


def _planned_fields(write: PlannedWrite) -> dict[str, Any]:
    old = write.old
    return {
        **write.fields,
        "oldDataType": json_data_type(old.data_type) if old is not None else None,
        "dataType": json_data_type(write.message.data_type),
        "variantType": write.message.variant_type,
        "quality": old.quality if old is not None else None,
        "qualityText": mxgateway.status.explain_quality(old.quality) if old is not None else "",
    }


def _report(call: Call, head: dict[str, Any], planned: Sequence[PlannedWrite], written: Sequence[TagWrite]) -> None:
    """Show the outcome for each tag, and raise if some writes failed."""
    failed = sum(not each.ok for each in written)
    both = list(zip(planned, written, strict=True))
    if call.output.form == "table":
        call.output.table(_WRITTEN, [(*plan.cells, _outcome(done)) for plan, done in both])
    else:
        results = [plan.fields | _outcome_fields(done) for plan, done in both]
        _write_all(call, head | {"tagCount": len(written), "failedCount": failed}, results, "ok")
    if failed:
        raise CommandFailure(f"{failed} of {tags_text(len(written))} could not be written", code=ExitCode.PARTLY_FAILED)


def _outcome(write: TagWrite) -> str:
    if not write.ok:
        return write.error
    return "confirmed" if write.confirmed else "accepted"


def _outcome_fields(write: TagWrite) -> dict[str, Any]:
    return {
        "ok": write.ok,
        "error": write.error,
        "confirmed": write.ok and write.confirmed,
        "hresult": write.hresult,
        "statuses": [mxgateway.to_json_dict(each) for each in write.statuses],
        "event": event_record(write.event, write.tag) if write.event is not None else None,
    }


def _write_all(call: Call, head: dict[str, Any], results: Sequence[dict[str, Any]], value: str) -> None:
    """Write results as one document, or each as a record."""
    if call.output.form == "json":
        call.report(head | {"results": results}, value="tagCount")
        return
    for each in results:
        call.output.record(each, (), value=value_text(each[value]))


def tags_text(count: int) -> str:
    """Return ``1 tag`` or ``N tags``."""
    return "1 tag" if count == 1 else f"{count} tags"
