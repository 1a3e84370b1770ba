"""Judges what was read of a tag by what is expected of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import mxgateway
from mxgateway_cli.input.conditions import WantedQuality, Watcher, quality_suffices
from mxgateway_cli.input.typed_text import shown_value, tag_type
from mxgateway_cli.output.tags import cut
from mxgateway_cli.terminal.failures import CommandFailure
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway import TagValue
    from mxgateway_cli.verifying.expectations import Expectation

_WIDEST: Final = 200

Outcome = Literal["holds", "differs", "unread"]


class Verdict(NamedTuple):
    """What became of one row."""

    outcome: Outcome
    reason: str = ""
    """Why it does not hold."""
    read: TagValue | None = None
    """What was read; None if the tag was not read."""
    seconds: float = 0.0
    """When that was known, in seconds from the start of the command."""

    @property
    def holds(self) -> bool:
        """True if the tag is as expected."""
        return self.outcome == "holds"


def judge(expectation: Expectation, read: TagValue, seconds: float) -> Verdict:
    """Judge a tag that was read."""
    if not read.ok:
        return Verdict("unread", f"it cannot be read: {read.error}", read, seconds)
    try:
        reason = _difference(expectation, read)
    except CommandFailure as error:  # the condition does not fit the tag's type
        reason = error.message
    return Verdict("differs" if reason else "holds", reason, read, seconds)


def _difference(expectation: Expectation, read: TagValue) -> str:
    """Return in what a tag differs from what is expected; empty if in nothing."""
    condition = expectation.condition
    if not quality_suffices(read.quality, expectation.quality):
        return f"its quality is {_quality_found(read.quality, expectation.quality)}"
    found_type = tag_type(read.value, read.data_type)
    if Watcher(read.tag, condition, "any").holds(read.value, read.quality, found_type):
        return ""
    if condition.word == "good":
        return f"its quality is {mxgateway.status.explain_quality(read.quality)}, expected was good"
    if read.value is None:
        return f"it has no value, expected was {condition.described}"
    value = cut(value_text(shown_value(read.value, read.data_type)), _WIDEST)
    return f"its value is {value}, expected was {cut(condition.described, _WIDEST)}"


def _quality_found(found: int, expected: WantedQuality) -> str:
    words = mxgateway.status.explain_quality(found)
    if isinstance(expected, int):
        return f"{found} ({words}), expected was {expected} ({mxgateway.status.explain_quality(expected)})"
    return f"{words}, expected was {'good' if expected == 'good' else 'at least uncertain'}"
