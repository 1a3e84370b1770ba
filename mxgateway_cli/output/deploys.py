"""Writes deployments of the galaxy: one line each, or one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mxgateway
from mxgateway_cli.output.records import RecordWriter
from mxgateway_cli.output.tags import json_time

if TYPE_CHECKING:
    from mxgateway import DeployGap
    from mxgateway.proto import DeployEvent


class DeployWriter(RecordWriter):
    """Writes the deployments of one stream, and gaps between them."""

    headings = ("sequence", "deployed", "observed", "objects", "attributes", "note")
    widths = ("<8", "<30", "<30", "<8", "<10", "<")

    def add(self, event: DeployEvent) -> None:
        """Write one deployment."""
        self.count += 1
        deployed = deploy_time(event)
        cells = (
            str(event.sequence),
            deployed or "never",
            json_time(event.observed_at) or "",
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

    def finish(self, **tail: Any) -> None:
        """Write the document, if deployments were collected for one and any arrived."""
        self._begun = bool(self._records)
        head = {"operation": "galaxy-watch", "eventCount": self.count, **tail}
        self._write_document(head, "events", value="eventCount")


def gap_text(gap: DeployGap) -> str:
    """Return a gap in words."""
    if gap.last_missed is None:
        return f"deployments from {gap.first_missed} on may be missing ({gap.cause.value})"
    if gap.first_missed == gap.last_missed:
        return f"deployment {gap.first_missed} was missed ({gap.cause.value})"
    return f"deployments {gap.first_missed} to {gap.last_missed} were missed ({gap.cause.value})"


def deploy_time(event: DeployEvent) -> str | None:
    """Return when the galaxy was deployed, as RFC 3339 with full precision; None if it never was."""
    return json_time(event.time_of_last_deploy) if event.time_of_last_deploy_present else None
