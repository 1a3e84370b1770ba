"""Thresholds for a monitoring system: Nagios ranges, and how a reading is judged against them."""

from __future__ import annotations

import enum
import math
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import mxgateway
from mxgateway_cli.help.numbers import DECIMAL
from mxgateway_cli.input.conditions import Quality, quality_suffices
from mxgateway_cli.input.typed_text import rounded, shown_value, unknown_tag
from mxgateway_cli.terminal.exit_codes import CommandFailure, TimedOut

if TYPE_CHECKING:
    from mxgateway import TagValue
    from mxgateway.proto import MxDataType

RANGE_HINT: Final = "10 (0 to 10 is OK), 10:, ~:10, 10:20, or @10:20 (10 to 20 is not OK)"
_RANGE: Final = re.compile(rf"(@)?(?:({DECIMAL}|~)?:)?({DECIMAL})?")


class State(enum.IntEnum):
    """The state of a tag; the numbers are the exit codes of Nagios plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


BY_SEVERITY: Final = (State.OK, State.UNKNOWN, State.WARNING, State.CRITICAL)
"""The states, most severe last."""


@dataclass(frozen=True, slots=True)
class Range:
    """A range of values that are OK, or with ``@`` of values that are not."""

    text: str
    low: float
    high: float
    inside: bool
    """Whether values inside the range alert, rather than those outside."""

    @classmethod
    def parse(cls, text: str) -> Range:
        """Parse a range: ``[@][start:][end]``.

        The start defaults to 0; ``~`` means no lower limit. Without an end there is no upper limit.

        Raises:
            ValueError: It is not a range; the message lists the allowed forms.
        """
        match = _RANGE.fullmatch(text.strip())
        if match is None or not (":" in text or match[3]):
            raise ValueError(f"{text!r} is not a range: use {RANGE_HINT}")
        low = -math.inf if match[2] == "~" else float(match[2] or 0)
        high = math.inf if match[3] is None else float(match[3])
        if low > high:
            raise ValueError(f"{text!r} starts above its end: use {RANGE_HINT}")
        return cls(text.strip(), low, high, match[1] is not None)

    def alerts(self, value: float) -> bool:
        """Return whether a value alerts; NaN always does."""
        return math.isnan(value) or (self.low <= value <= self.high) is self.inside

    def of_type(self, data_type: MxDataType) -> Range:
        """Return the range with limits as precise as values of a type are."""
        return replace(self, low=rounded(self.low, data_type), high=rounded(self.high, data_type))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The thresholds of a check."""

    warning: Range | None
    critical: Range | None
    max_age: float | None
    """Maximum age of a value in seconds."""
    quality: Quality
    """The lowest quality that is OK."""


class Reading(NamedTuple):
    """One tag that was read."""

    tag: TagValue
    age: float | None
    """Seconds since the source timestamp; None if there is none."""
    round_trip: float
    """Duration of a ping through the session's worker, in seconds."""

    @classmethod
    def of(cls, tag: TagValue, round_trip: float) -> Reading:
        """Return the reading of a tag that was read just now."""
        moment = tag.source_time
        age = None if moment is None or not tag.ok else time.time() - moment.timestamp()
        return cls(tag, age, round_trip)

    @property
    def number(self) -> float | None:
        """The value as a number, true as 1 and false as 0; None if it is not a number."""
        value = shown_value(self.tag.value, self.tag.data_type)
        return value if isinstance(value, int | float) else None


class Verdict(NamedTuple):
    """The result of a check."""

    state: State
    reasons: list[str]
    """Why it is not OK, most severe first."""


def judge(reading: Reading, limits: Limits) -> Verdict:
    """Judge a reading: the most severe state, with all reasons."""
    if not reading.tag.ok:
        state = State.UNKNOWN if unknown_tag(reading.tag.statuses) else State.CRITICAL
        return Verdict(state, [f"it cannot be read: {reading.tag.error}"])
    findings = [*_judge_quality(reading, limits), *_judge_age(reading, limits), *_judge_value(reading, limits)]
    findings.sort(key=lambda finding: -BY_SEVERITY.index(finding[0]))
    return Verdict(findings[0][0] if findings else State.OK, [reason for _, reason in findings])


def judge_failure(error: mxgateway.MxGatewayError | CommandFailure) -> Verdict:
    """Judge a failed check: the gateway has a problem (critical), or the check is misconfigured (unknown)."""
    setup = (
        CommandFailure,
        mxgateway.MxGatewayAuthenticationError,
        mxgateway.MxGatewayAuthorizationError,
        mxgateway.MxGatewayInvalidRequestError,
    )
    is_unknown = isinstance(error, setup) and not isinstance(error, TimedOut)
    return Verdict(State.UNKNOWN if is_unknown else State.CRITICAL, [error.message])


def _judge_quality(reading: Reading, limits: Limits) -> list[tuple[State, str]]:
    quality = reading.tag.quality
    if quality_suffices(quality, limits.quality):
        return []
    state = State.WARNING if mxgateway.status.quality_kind(quality) == "uncertain" else State.CRITICAL
    return [(state, f"its quality is {mxgateway.status.explain_quality(quality)}")]


def _judge_age(reading: Reading, limits: Limits) -> list[tuple[State, str]]:
    if limits.max_age is None:
        return []
    if reading.age is None:
        return [(State.UNKNOWN, "its age is unknown")]
    if reading.age > limits.max_age:
        return [(State.CRITICAL, f"it is {reading.age:.1f} s old, more than {limits.max_age:g} s")]
    return []


def _judge_value(reading: Reading, limits: Limits) -> list[tuple[State, str]]:
    if limits.warning is None and limits.critical is None:
        return []
    number = reading.number
    if number is None:
        return [(State.UNKNOWN, "its value is not a number, so no range applies")]
    for state, limit in ((State.CRITICAL, limits.critical), (State.WARNING, limits.warning)):
        if limit is not None and limit.of_type(reading.tag.data_type).alerts(number):
            place = "inside" if limit.inside else "outside"
            return [(state, f"its value is {place} {limit.text.removeprefix('@')}")]
    return []
