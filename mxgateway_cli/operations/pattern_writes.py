"""Writes one value to all tags that match a pattern, if their number is as expected, or shows what would be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.declaring.command import Call
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.tag_globs import expanded_tags
from mxgateway_cli.input.typed_text import message_value, own_type, shown_value
from mxgateway_cli.output.tags import json_data_type, json_value, value_cell
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode
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
_WRITTEN: Final = ("tag", "outcome")
_SHOWN_ERRORS: Final = 10


async def write_pattern(
    call: Call,
    target: WriteTarget,
    new: NewValue,
    *,
    limit: int,
    tag_count: int | None,
    user_id: int,
    confirm: bool,
    dry_run: bool,
) -> None:
    """Write a value to all tags that match a pattern, or show what would be written.

    Nothing is written unless the number of tags is as given on the command line, and the value converts to each tag's
    type.

    Raises:
        CommandFailure: A condition is not met, or some writes failed.
    """
    pattern = target.tag or ""
    async with expanded_tags(call, [pattern], limit) as tags:
        if not dry_run or tag_count is not None:
            _check_count(pattern, len(tags), tag_count)
        async with target.session(call) as session:
            messages = await _Plan(call, session, pattern, new).messages(tags, shown=dry_run)
            if dry_run:
                return
            written = await session.write_tags(
                messages, confirm=confirm, user_id=user_id, correlation_id=call.correlation_id
            )  # fmt: skip
    _report(call, session.session_id, pattern, written)


def _check_count(pattern: str, found: int, expected: int | None) -> None:
    if found == expected:
        return
    suffix = "" if expected is None else f", not {expected}"
    raise CommandFailure(
        f"{pattern!r:.80} matches {tags_text(found)}{suffix}: nothing was written",
        code=ExitCode.USAGE,
        hint=f"--dry-run shows them; --tag-count {found} writes them",
    )


class _Plan:
    """The values to write by tag.

    Args:
        call: The command's run.
        session: The session that reads the tags.
        pattern: The pattern that the tags match.
        new: The value.
    """

    def __init__(self, call: Call, session: Session, pattern: str, new: NewValue) -> None:
        self._call = call
        self._session = session
        self._pattern = pattern
        self._new = new

    async def messages(self, tags: Sequence[str], *, shown: bool) -> dict[str, MxValue]:
        """Return the message for each tag, in the tag's own type unless the command line names one.

        Raises:
            CommandFailure: Some tags cannot be read, or the value does not fit their type.
        """
        if self._new.message is not None and not shown:
            return dict.fromkeys(tags, self._new.message)
        found = await self._session.read(tags, correlation_id=self._call.correlation_id)
        messages: dict[str, MxValue] = {}
        errors: list[str] = []
        for read in found:
            try:
                messages[read.tag] = self._message(read)
            except (CommandFailure, mxgateway.MxGatewayInvalidRequestError) as error:
                errors.append(error.message if read.tag in error.message else f"{read.tag}: {error.message}")
        if errors:
            more = f"; and {len(errors) - _SHOWN_ERRORS} more" if len(errors) > _SHOWN_ERRORS else ""
            raise CommandFailure(
                f"{len(errors)} of {tags_text(len(found))} cannot take the value: {'; '.join(errors[:_SHOWN_ERRORS])}{more}",
                code=ExitCode.USAGE,
                hint="nothing was written; use a narrower pattern",
            )
        if shown:
            self._show(found, messages)
        return messages

    def _message(self, read: TagValue) -> MxValue:
        if not read.ok:
            raise CommandFailure(f"{read.tag} cannot be read: {read.error}")
        return self._new.message if self._new.message is not None else own_type(read).message(self._new.text)

    def _show(self, found: Sequence[TagValue], messages: dict[str, MxValue]) -> None:
        """Show the planned writes."""
        output = self._call.output
        if output.form == "table":
            output.table(_PLANNED, [_planned_cells(read, messages[read.tag]) for read in found])
            count = tags_text(len(found))
            self._call.app.announce([f"{count} would be written; --tag-count {len(found)} writes them"])
            return
        results = [_planned_fields(read, messages[read.tag]) for read in found]
        head = {"operation": "write", "sessionId": self._session.session_id, "dryRun": True, "pattern": self._pattern}
        _write_all(self._call, head | {"tagCount": len(found)}, results, "newValue")


def _planned_cells(read: TagValue, message: MxValue) -> tuple[str, ...]:
    new = value_cell(message_value(message))
    quality = mxgateway.status.explain_quality(read.quality)
    return read.tag, value_cell(shown_value(read.value, read.data_type)), new, message.variant_type, quality


def _planned_fields(read: TagValue, message: MxValue) -> dict[str, Any]:
    return {
        "tag": read.tag,
        "oldValue": json_value(shown_value(read.value, read.data_type)),
        "oldDataType": json_data_type(read.data_type),
        "newValue": json_value(message_value(message)),
        "newDataType": json_data_type(message.data_type),
        "variantType": message.variant_type,
        "quality": read.quality,
        "qualityText": mxgateway.status.explain_quality(read.quality),
    }


def _report(call: Call, session_id: str, pattern: str, written: Sequence[TagWrite]) -> None:
    """Show the outcome for each tag.

    Raises:
        CommandFailure: Some writes failed.
    """
    failed = sum(not each.ok for each in written)
    if call.output.form == "table":
        call.output.table(_WRITTEN, [(each.tag, _outcome(each)) for each in written])
    else:
        head = {"operation": "write", "sessionId": session_id, "pattern": pattern, "tagCount": len(written)}
        _write_all(call, head | {"failedCount": failed}, [_written_fields(each) for each in written], "ok")
    if failed:
        raise CommandFailure(f"{failed} of {tags_text(len(written))} could not be written", code=ExitCode.PARTLY_FAILED)


def _outcome(write: TagWrite) -> str:
    if not write.ok:
        return write.error
    return "done" if write.confirmed else "accepted"


def _written_fields(write: TagWrite) -> dict[str, Any]:
    return {
        "tag": write.tag,
        "ok": write.ok,
        "confirmed": write.confirmed,
        "error": write.error,
        "hresult": write.hresult,
        "statuses": [mxgateway.to_json_dict(each) for each in write.statuses],
        "event": mxgateway.to_json_dict(write.event) if write.event is not None else None,
    }


def _write_all(call: Call, head: dict[str, Any], results: Sequence[dict[str, Any]], value: str) -> None:
    """Write results as one document, or each as a record."""
    if call.output.form == "json":
        document = head | {"results": results, "correlationId": call.correlation_id}
        call.output.document(document, value="tagCount")
        return
    for each in results:
        call.output.record(each, (), value=value_text(each[value]))


def tags_text(count: int) -> str:
    """Return ``1 tag`` or ``N tags``."""
    return "1 tag" if count == 1 else f"{count} tags"
