"""Reads all tags of a verification and judges them; with a timeout as often as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import mxgateway
from mxgateway_cli.input.conditions import WantedQuality, Watcher, quality_suffices
from mxgateway_cli.input.typed_text import shown_value, tag_type
from mxgateway_cli.output.tags import cut
from mxgateway_cli.recovery.outages import Outages
from mxgateway_cli.running.waiting import Deadline
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode, TimedOut, describe
from mxgateway_cli.terminal.text import shown, value_text

if TYPE_CHECKING:
    from mxgateway import Session, TagValue
    from mxgateway_cli.declaring.command import Call
    from mxgateway_cli.verifying.expectations import Expectation

_NAME: Final = "mxgw-py verify"
_TAGS_PER_READ: Final = 10_000
"""Tags that are read, and then judged, at once: their values are in memory together."""
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 2.0
"""Seconds between two reads of the rows that do not hold yet."""

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


class Verification:
    """One verification.

    Args:
        call: The command's run.
        expectations: What is expected.
        timeout_ms: How long the gateway waits for a tag's first value.
    """

    def __init__(self, call: Call, expectations: Sequence[Expectation], timeout_ms: int) -> None:
        self.expectations = expectations
        self.session_id = ""
        self.rounds = 0
        """How often tags were read."""
        self._call = call
        self._timeout_ms = timeout_ms
        self.deadline = Deadline(call.timeout)
        self._outages = Outages(call.app)
        self._verdicts: dict[int, Verdict] = {}
        self._pending: list[int] = list(range(len(expectations)))

    @property
    def has_read(self) -> bool:
        """True if a row was read."""
        return bool(self._verdicts)

    async def run(self) -> None:
        """Read once, or with a timeout until all rows hold in one read.

        Raises:
            MxGatewayError: A call failed.
            CommandFailure: Rows do not hold.
        """
        if self._call.timeout is None:
            async with self._call.session(name=_NAME) as session:
                self.session_id = session.session_id
                failed = await self._read(session, self._pending)
            if failed:
                raise CommandFailure(self._summary(""), code=ExitCode.PARTLY_FAILED)
            return
        self._call.wait_for_gateway()
        async with self._call.client(), self.deadline.enforce(self._on_timeout):
            with self._outages.reported():
                await self._outages.through(self._attempt)

    def verdicts(self, failure: BaseException | None) -> list[Verdict]:
        """Return the verdict of every row; rows that were not read are so because of `failure`."""
        reason = "the command was interrupted"
        if isinstance(failure, mxgateway.MxGatewayError | CommandFailure):
            reason = shown(describe(failure).message)
        unread = Verdict("unread", f"it was not read: {reason}", seconds=self.deadline.elapsed_ms / 1000)
        return [self._verdicts.get(index, unread) for index in range(len(self.expectations))]

    async def _attempt(self) -> None:
        """Read in a new session until all rows hold."""
        try:
            async with self._outages.session(self._call, _NAME) as session:
                self.session_id = session.session_id
                await self._until_all_hold(session)
        except mxgateway.MxGatewayError:
            if self._pending:
                raise

    async def _until_all_hold(self, session: Session) -> None:
        everything = list(range(len(self.expectations)))
        pause = _FIRST_PAUSE
        while True:
            reading = self._pending
            failed = await self._read(session, reading)
            self._outages.back(mxgateway.Outcome.REBUILT)
            if failed:
                self._pending = failed
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            elif len(reading) == len(everything):
                self._pending = []
                return
            else:
                self._pending = everything  # they held one after another; now all in one read

    async def _read(self, session: Session, rows: Sequence[int]) -> list[int]:
        """Read and judge rows, and return those that do not hold."""
        by_tag: dict[str, list[int]] = {}
        for row in rows:
            by_tag.setdefault(self.expectations[row].tag, []).append(row)
        tags = list(by_tag)
        for begin in range(0, len(tags), _TAGS_PER_READ):
            part = tags[begin : begin + _TAGS_PER_READ]
            found = await session.read(part, timeout_ms=self._timeout_ms, correlation_id=self._call.correlation_id)
            seconds = self.deadline.elapsed_ms / 1000
            for tag, read in zip(part, found, strict=True):
                for row in by_tag[tag]:
                    self._verdicts[row] = _judge(self.expectations[row], read, seconds)
        self.rounds += 1
        return [row for row in rows if not self._verdicts[row].holds]

    def _on_timeout(self) -> TimedOut | None:
        if not self._pending:  # the session was being closed
            return None
        return self._outages.timed_out(self._summary(f" within {self.deadline.seconds:g} s"))

    def _summary(self, limit: str) -> str:
        total = len(self.expectations)
        bad = [
            (each, verdict)
            for row, each in enumerate(self.expectations)
            if (verdict := self._verdicts.get(row)) is None or not verdict.holds
        ]
        if not bad:
            return f"all {total} rows held one after another, but were not read together{limit}"
        expectation, verdict = bad[0]
        reason = verdict.reason if verdict is not None else "it was not read"
        place = f" ({expectation.place})" if expectation.place else ""
        return f"{len(bad)} of {total} rows do not hold{limit}, the first: {expectation.tag}{place}: {reason}"


def _judge(expectation: Expectation, read: TagValue, seconds: float) -> Verdict:
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
