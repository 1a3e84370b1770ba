"""Writes deployments of the galaxy: one line each, or one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.output.events import DOCUMENT_LIMIT
from mxgateway_cli.output.tags import json_time
from mxgateway_cli.terminal.failures import Failure
from mxgateway_cli.terminal.stdout import Output

if TYPE_CHECKING:
    from mxgateway import DeployGap
    from mxgateway.proto import DeployEvent

_HEADINGS: Final = ("sequence", "deployed", "observed", "objects", "attributes", "note")
_WIDTHS: Final = ("<8", "<30", "<30", "<8", "<10", "<")


class DeployWriter:
    """Writes the deployments of one stream; gaps and a failure of the stream are their own records.

    Args:
        output: The output to write to.
        limit: Number of deployments requested; None means all.
    """

    def __init__(self, output: Output, limit: int | None) -> None:
        self.count = 0
        self._output = output
        self._limit = limit
        self._records: list[dict[str, Any]] = []
        self._as_document = output.form == "json" and limit is not None and limit <= DOCUMENT_LIMIT

    @property
    def is_complete(self) -> bool:
        """Whether all requested deployments have arrived."""
        return self._limit is not None and self.count >= self._limit

    def start(self) -> None:
        """Write the headings of a table."""
        self._output.headings(_HEADINGS, _WIDTHS)

    def add(self, event: DeployEvent) -> None:
        """Write one deployment."""
        self.count += 1
        deployed = deploy_time(event)
        cells = (
            str(event.sequence),
            deployed or "never",
            json_time(_moment(event.observed_at)) or "",
            str(event.object_count),
            str(event.attribute_count),
            "",
        )
        self._write(mxgateway.to_json_dict(event), cells, deployed or "")

    def gap(self, gap: DeployGap) -> None:
        """Write a record that deployments were missed."""
        last = None if gap.last_missed is None else str(gap.last_missed)
        record = {"gap": {"cause": gap.cause.value, "firstMissed": str(gap.first_missed), "lastMissed": last}}
        if self._output.form != "value":
            self._write(record, ("", "gap", "", "", "", gap_text(gap)), "")

    def disconnect(self, failure: Failure) -> None:
        """Write a record that the stream failed; if no deployment arrived, write nothing."""
        if self.count and self._output.form in ("json", "jsonl"):
            self._write({"disconnect": failure.to_json()}, _HEADINGS, "")

    def finish(self, **tail: Any) -> None:
        """Write the document, if deployments were collected for one and any arrived."""
        if self._as_document and self._records:
            head = {"operation": "galaxy-watch", "eventCount": self.count, **tail}
            self._output.document(head | {"events": self._records}, value="eventCount")

    def _write(self, record: dict[str, Any], cells: tuple[str, ...], value: str) -> None:
        if self._as_document:
            self._records.append(record)
        else:
            self._output.record(record, cells, value=value)


def gap_text(gap: DeployGap) -> str:
    """Return a gap in words."""
    if gap.last_missed is None:
        return f"deployments from {gap.first_missed} on may be missing ({gap.cause.value})"
    if gap.first_missed == gap.last_missed:
        return f"deployment {gap.first_missed} was missed ({gap.cause.value})"
    return f"deployments {gap.first_missed} to {gap.last_missed} were missed ({gap.cause.value})"


def deploy_time(event: DeployEvent) -> str | None:
    """Return when the galaxy was deployed, as RFC 3339 with full precision; None if it never was."""
    return json_time(_moment(event.time_of_last_deploy)) if event.time_of_last_deploy_present else None


def _moment(moment: Any) -> mxgateway.Timestamp | None:
    """Return a time if it was sent; an unset one is the epoch as a plain datetime."""
    return moment if isinstance(moment, mxgateway.Timestamp) else None
