"""The rules for outages, the same for every command that watches or waits.

- A fault that may pass is survived: the command reports it, tries again with pauses, and reports that it is back. This
  holds at any moment after the first connection: while tags are looked up, a session is opened, an item is added.
- The first connection is one attempt, or with ``--wait-for-gateway`` and the ``--timeout`` of a command that waits as
  many as that time allows.
- A fault that lasts ends the command at once with its own exit code: a refused key, a refused certificate, what MXAccess
  refuses, wrong usage. Until the command has had what it asks for, so does every fault that no outage causes, such as a
  gateway without this call, or with as many sessions as it may have.
- A command that reads once (``check`` and ``verify`` without ``--timeout``, ``stream-events --no-resume``) makes one
  attempt, as ``read`` does.
- ``--count``, ``--duration`` and ``--timeout`` go on during an outage. A deadline that passes in one ends the command
  as it does otherwise; the failure says that the connection was lost, and why.
- A signal or a closed pipe ends the command as it does otherwise; nothing more is written.
- JSON has a record for each loss, return and gap, a table a dim line. Where stdout has room for the result only
  (``-o value``, and commands with one result), stderr has a warning.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import mxgateway
from mxgateway_cli.output.records import gap_record, gap_text
from mxgateway_cli.terminal.exit_codes import TimedOut, describe

if TYPE_CHECKING:
    from mxgateway import Session
    from mxgateway_cli.declaring.command import Call
    from mxgateway_cli.running.app import App
    from mxgateway_cli.running.waiting import Deadline

_T = TypeVar("_T")

PAUSES: Final = mxgateway.RecoveryOptions(max_backoff=5.0)
"""Pauses between attempts: somebody waits for this command, and a timeout of half a minute must see a return."""

_LASTING: Final = (
    mxgateway.MxGatewayAuthenticationError,
    mxgateway.MxGatewayAuthorizationError,
    mxgateway.MxAccessError,
    mxgateway.MxGatewayInvalidRequestError,
    mxgateway.MxGatewayLimitError,
    mxgateway.MxGatewayContractError,
)
_OF_A_SESSION: Final = (mxgateway.MxGatewaySessionError, mxgateway.MxGatewayWorkerError)


def lasts(error: mxgateway.MxGatewayError) -> bool:
    """Return whether waiting cannot mend a fault."""
    in_vain = not error.retryable and not isinstance(error, mxgateway.MxGatewayTimeoutError)
    return isinstance(error, _LASTING) or (error.phase == "connect" and in_vain)


def is_outage(error: mxgateway.MxGatewayError) -> bool:
    """Return whether a fault is the loss of a connection, a gateway, a worker or a session."""
    if error.grpc_status is mxgateway.GrpcStatus.RESOURCE_EXHAUSTED:
        return False
    return error.retryable or isinstance(error, (*_OF_A_SESSION, mxgateway.MxGatewayTimeoutError))


class Outages:
    """Reports the outages of one command, and paces its attempts.

    Args:
        app: The invocation.
        write_record: Writes one JSON record; None if stdout has room for the result only.
        write_line: Writes one line for people; None writes it dim to stdout.
        on_record: Is given each JSON record as well, whatever the form of the output.
    """

    def __init__(
        self,
        app: App,
        write_record: Callable[[dict[str, Any]], None] | None = None,
        write_line: Callable[[str], None] | None = None,
        on_record: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.cause: mxgateway.MxGatewayError | None = None
        """Why the connection is lost; None while it is there."""
        self._app = app
        self._write_record = write_record
        self._write_line = write_line or app.output.aside
        self._on_record = on_record
        self._bound = PAUSES.initial_backoff
        self._has_succeeded = False

    async def through(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Return the result of the first attempt that no outage ends.

        Raises:
            MxGatewayError: A fault that lasts.
        """
        while True:
            try:
                result = await attempt()
            except mxgateway.MxGatewayError as error:
                self.lost(error)
            else:
                self._end(mxgateway.Outcome.REBUILT)
                return result
            await self.pause()

    @asynccontextmanager
    async def session(self, call: Call, name: str, session_id: str | None = None) -> AsyncIterator[Session]:
        """Yield a session, and report a fault of the block before the session is closed, which may fail as well.

        Args:
            call: The command's run.
            name: The name of a new session.
            session_id: An open session; None opens a new one.
        """
        async with call.session(session_id, name=name) as session:
            try:
                yield session
            except mxgateway.MxGatewayError as error:
                self.lost(error)
                raise

    def lost(self, error: mxgateway.MxGatewayError) -> None:
        """Report the beginning of an outage.

        Raises:
            MxGatewayError: The same error, if it lasts.
        """
        if lasts(error) or not (self._has_succeeded or is_outage(error)):
            raise error
        begins, self.cause = self.cause is None, error.with_traceback(None)
        if begins:
            failure = describe(error)
            self._note(_connection("recovering", None, failure.to_json()), f"connection lost: {failure.message}")

    def back(self, outcome: mxgateway.Outcome) -> None:
        """Report that the command has what it asks for, and the end of an outage if there is one."""
        self._has_succeeded = True
        self._end(outcome)

    def _end(self, outcome: mxgateway.Outcome) -> None:
        if self.cause is not None:
            self.cause, self._bound = None, PAUSES.initial_backoff
            session = "a new session" if outcome is mxgateway.Outcome.REBUILT else "the same session"
            self._note(_connection("connected", outcome.value, None), f"connected again, {session}")

    def changed(self, fault: mxgateway.MxGatewayError | None) -> None:
        """Report what happens to a stream that is resumed in its session."""
        if fault is not None:
            self.lost(fault)
        else:
            self.back(mxgateway.Outcome.CONTINUOUS)

    def gap(self, cause: str, first: int, last: int | None) -> None:
        """Report lost events; without `last` nobody knows how many."""
        self._note(gap_record(cause, first, last), gap_text(cause, first, last))

    async def pause(self) -> None:
        """Wait until the next attempt may begin."""
        bound, self._bound = self._bound, min(2 * self._bound, PAUSES.max_backoff)
        await asyncio.sleep(random.uniform(0, bound))

    def timed_out(self, text: str) -> TimedOut:
        """Return the failure of a deadline, with the outage that it passed in."""
        if self.cause is None:
            return TimedOut(text)
        return TimedOut(f"{text}; the connection was lost: {self.cause.message}", hint=self.cause.hint)

    def too_few(self, found: int, wanted: int | None, what: str, deadline: Deadline) -> TimedOut | None:
        """Return the failure of a deadline that passed before enough had arrived; None if any number is enough.

        Args:
            found: How many have arrived.
            wanted: How many were to arrive; None sets no number.
            what: What is counted.
            deadline: The deadline.
        """
        if wanted is None:
            return None
        return self.timed_out(f"{found} of {wanted} {what} arrived within {deadline.seconds:g} s")

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Keep off stderr what this class reports while the block runs; ``--verbose`` shows it.

        These are the library's warnings about recovery, and those about a session that cannot be closed in an outage.
        """
        if self._app.verbose:
            yield
            return
        recovery, session = logging.getLogger("mxgateway.recovery"), logging.getLogger("mxgateway.session")
        before = recovery.level
        recovery.setLevel(logging.ERROR)
        session.addFilter(self._is_news)
        try:
            yield
        finally:
            recovery.setLevel(before)
            session.removeFilter(self._is_news)

    def _is_news(self, _: logging.LogRecord) -> bool:
        return self.cause is None

    def _note(self, record: dict[str, Any], text: str) -> None:
        if self._on_record is not None:
            self._on_record(record)
        form = self._app.output.form
        if self._write_record is None or form == "value":
            self._app.warn(text)
        elif form == "table":
            self._write_line(text)
        else:
            self._write_record(record)


def _connection(state: str, outcome: str | None, cause: dict[str, Any] | None) -> dict[str, Any]:
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"connection": {"state": state, "outcome": outcome, "time": time, "cause": cause}}
