"""Writes the results of a bulk command, each as it arrives or all in one document, and reports failed entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import mxgateway
from mxgateway_cli.input.typed_text import message_value, written_type
from mxgateway_cli.output.tags import json_data_type, tag_record
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode
from mxgateway_cli.terminal.stdout import ClosedPipe, Output, discard_stdout
from mxgateway_cli.terminal.text import json_text, value_text

if TYPE_CHECKING:
    from mxgateway import MxValueOutput
    from mxgateway.proto import BulkReadResult, BulkWriteResult, SubscribeResult
    from mxgateway_cli.bulk.input import Entries
    from mxgateway_cli.declaring.command import Call
    from mxgateway_cli.input.target import Place

_WIDEST: Final = 60
"""Longer values are truncated in a table; the other formats show them in full."""
_RESULTS_PER_WRITE: Final = 1_000
"""A document is written in chunks of this many results."""


class ResultKind(NamedTuple):
    """How a command's kind of results is written."""

    columns: dict[str, str]
    """The headings of a table and their widths, without the entry's name."""
    cells: Callable[[Any], tuple[str, ...]]
    """Returns a result's table row, without the entry's name."""
    value: Callable[[Any], str]
    """Returns the text for the format ``value``."""
    record: Callable[[str | None, MxValueOutput, Any, str], dict[str, Any]]
    """Returns a result's JSON object for a tag, the value to write and the error."""
    changes: bool = True
    """Whether the command changes anything; if so, it continues after the reader of stdout has gone."""


class PartlyFailed(CommandFailure):
    """Some or all entries of a bulk command failed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=ExitCode.PARTLY_FAILED, hint="each result says why its entry failed")


class BulkReport:
    """Writes the results of one bulk command, in the order of its entries.

    Args:
        call: The command's run.
        entries: Its entries.
        kind: The kind of its results.
    """

    def __init__(self, call: Call, entries: Entries, kind: ResultKind) -> None:
        self._call = call
        self._output: Output = call.output
        self._entries = entries
        self._kind = kind
        self._place: Place | None = None
        self._answered = self._failed = self._in_doubt = 0
        self._first_failure = ""
        self._unread = False
        self._texts: list[str] = []

    def start(self, place: Place) -> None:
        """Set the session and server handle of the results."""
        self._place = place

    def sending(self, part: range) -> None:
        """Note the entries that are being sent: they may be carried out even if no reply arrives."""
        self._in_doubt = len(part)

    def add(self, results: Sequence[Any]) -> None:
        """Write the results of the next entries."""
        self._in_doubt = 0
        for result in results:
            if not self._answered and self._output.form == "table":
                self._write(self._head_table, {"item": "<30"} | self._kind.columns)
            self._add(result)

    def fail(self, error: mxgateway.MxGatewayError) -> None:
        """Write the results that arrived before a call failed, and extend its error to cover all entries."""
        partial = error.partial
        self.add(partial.results if partial is not None else ())
        self._in_doubt = len(partial.in_doubt) if partial is not None else 0
        begin, total = self._answered, len(self._entries)
        in_doubt = range(begin, begin + self._in_doubt)
        # The error reports only the number of results, so they are not held here.
        replace_partial(error, mxgateway.PartialBulk((None,) * begin, in_doubt, range(in_doubt.stop, total)))

    def finish(self) -> None:
        """Write the document, if the format is ``json`` and there are results."""
        if self._output.form != "json" or not self._texts or self._place is None:
            return
        self._write(self._output.text, self._head(self._place))
        for begin in range(0, len(self._texts), _RESULTS_PER_WRITE):
            texts = self._texts[begin : begin + _RESULTS_PER_WRITE]
            more = begin + len(texts) < len(self._texts)
            self._write(self._output.text, "    " + ",\n    ".join(texts) + ("," if more else ""))
        self._write(self._output.text, "  ]\n}")

    def check(self) -> None:
        """Raise if entries failed, after all calls were answered.

        Raises:
            PartlyFailed: Some or all entries failed.
            ClosedPipe: No entry failed, but the reader of stdout has gone.
        """
        if self._failed:
            count = f"{self._failed} of {len(self._entries)} entries failed"
            raise PartlyFailed(f"{count}, the first: {self._first_failure}")
        if self._unread:
            raise ClosedPipe

    def _head_table(self, columns: dict[str, str]) -> None:
        self._output.headings([*columns], [*columns.values()], ends=True)

    # -- one result

    def _add(self, result: Any) -> None:
        index, name = self._answered, self._entries.name(self._answered)
        self._answered += 1
        self._note_name(index, result)
        if not result.was_successful:
            self._failed += 1
            self._first_failure = self._first_failure or f"{name}: {failure_text(result)}"
        if self._output.form == "json":
            self._texts.append(json_text(self._record(index, result), indent=2).replace("\n", "\n    "))
        elif self._output.form == "jsonl":
            self._write(self._output.text, json_text(self._record(index, result)))
        elif self._output.form == "value":
            self._write(lambda text: self._output.record({}, (), value=text), self._kind.value(result))
        else:
            self._write(self._output.row, (name, *self._kind.cells(result)))

    def _note_name(self, index: int, result: Any) -> None:
        if self._place is not None and self._entries.tags and result.was_successful and result.item_handle:
            names, session_id = self._call.app.names, self._place.session.session_id
            names.add(session_id, result.server_handle, result.item_handle, self._entries.tags[index])

    def _record(self, index: int, result: Any) -> dict[str, Any]:
        entries = self._entries
        error = "" if result.was_successful else failure_text(result)
        if self._place is not None and not entries.tags:
            item = self._place.session.session_id, result.server_handle, entries.handles[index]
            tag = self._call.app.names.get(*item) or getattr(result, "tag_address", "") or None
        else:
            tag = entries.tags[index]
        return self._kind.record(tag, entries.value(index), result, error)

    def _head(self, place: Place) -> str:
        """Return the document's text up to its results, which are kept as text: objects would take far more memory."""
        head = {
            "operation": self._call.operation,
            "sessionId": place.session.session_id,
            "serverHandle": place.server_handle,
            "correlationId": self._call.correlation_id,
            "entries": len(self._entries),
            "successful": self._answered - self._failed,
            "failed": self._failed,
            "inDoubt": self._in_doubt,
            "notSent": len(self._entries) - self._answered - self._in_doubt,
        }
        return json_text(head, indent=2).removesuffix("\n}") + ',\n  "results": ['

    def _write(self, write: Callable[[Any], None], what: Any) -> None:
        try:
            write(what)
        except ClosedPipe:
            if not self._kind.changes:
                raise
            # A half-done change is worse than results that nobody reads.
            self._unread = True
            discard_stdout()


def replace_partial(error: mxgateway.MxGatewayError, partial: mxgateway.PartialBulk) -> None:
    """Replace what an error reports about its entries."""
    if error.partial is not None:
        error.message = error.message.removesuffix(f"; {error.partial}")
    error.add_partial(partial)


def failure_text(result: SubscribeResult | BulkReadResult | BulkWriteResult) -> str:
    """Return why an entry failed, in words."""
    hresult = getattr(result, "hresult", None)
    reasons = [mxgateway.status.explain_hresult(hresult)] if hresult else []
    reasons += map(mxgateway.status.explain_status, mxgateway.status.failures(getattr(result, "statuses", ())))
    message = result.error_message
    if message and not any(message.casefold().rstrip(".") in reason.casefold() for reason in reasons):
        reasons.insert(0, message)
    return ", ".join(reasons) or "no reason given"


def _outcome(result: Any, success: str = "ok") -> str:
    return success if result.was_successful else failure_text(result)


def _success(result: BulkWriteResult) -> str:
    return "true" if result.was_successful else "false"


def _subscription_cells(result: SubscribeResult) -> tuple[str, ...]:
    return (str(result.item_handle or ""), _outcome(result))


def _read_cells(result: BulkReadResult) -> tuple[str, ...]:
    value = _value(result)
    return (
        value if len(value) <= _WIDEST else f"{value[: _WIDEST - 1]}…",
        str(result.quality) if result.was_successful else "",
        str(mxgateway.to_json_dict(result).get("sourceTimestamp", "")),
        _outcome(result, "ok, cached" if result.was_cached else "ok"),
    )


def _value(result: BulkReadResult) -> str:
    return value_text(message_value(result.value))


def _subscription_record(tag: str | None, _value: MxValueOutput, result: SubscribeResult, error: str) -> dict[str, Any]:
    return {**tag_record(tag, error=error), "serverHandle": result.server_handle, "itemHandle": result.item_handle}


def _read_record(tag: str | None, _value: MxValueOutput, result: BulkReadResult, error: str) -> dict[str, Any]:
    value, message = message_value(result.value), result.value
    moment = result.source_timestamp  # an unset one is the epoch as a plain datetime
    time = moment if isinstance(moment, mxgateway.Timestamp) else None
    data_type = message.array_value.element_data_type if isinstance(value, list) else message.data_type
    return {
        **tag_record(tag, value, result.quality, time, error=error),
        "type": written_type(result.value),
        "dataType": json_data_type(data_type),
        "serverHandle": result.server_handle,
        "itemHandle": result.item_handle,
        "wasCached": result.was_cached,
        "statuses": [mxgateway.to_json_dict(each) for each in result.statuses],
    }


def _confirmed_record(tag: str | None, value: MxValueOutput, result: BulkWriteResult, error: str) -> dict[str, Any]:
    return {**tag_record(tag, value, error=error), "confirmed": result.was_successful, **_outcome_fields(result)}


def _write_record(tag: str | None, value: MxValueOutput, result: BulkWriteResult, error: str) -> dict[str, Any]:
    handles = {"serverHandle": result.server_handle, "itemHandle": result.item_handle}
    return {**tag_record(tag, value, error=error), **handles, **_outcome_fields(result)}


def _outcome_fields(result: BulkWriteResult) -> dict[str, Any]:
    return {"hresult": result.hresult, "statuses": [mxgateway.to_json_dict(each) for each in result.statuses]}


SUBSCRIPTIONS: Final = ResultKind(
    {"handle": ">8", "outcome": "<"}, _subscription_cells, lambda result: str(result.item_handle), _subscription_record
)
READS: Final = ResultKind(
    {"value": "<24", "quality": ">7", "source time": "<30", "outcome": "<"}, _read_cells, _value, _read_record, changes=False
)  # fmt: skip
CONFIRMED_WRITES: Final = ResultKind(
    {"outcome": "<"}, lambda result: (_outcome(result, "confirmed"),), _success, _confirmed_record
)
WRITES: Final = ResultKind({"outcome": "<"}, lambda result: (_outcome(result),), _success, _write_record)
