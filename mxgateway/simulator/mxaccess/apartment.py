"""A worker's single-threaded apartment: it runs commands one after another, even if nobody waits for the answer."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.mxaccess import statuses
from mxgateway.simulator.mxaccess.statuses import MxAccessFailure
from mxgateway.simulator.server.keys import AccessDenied
from mxgateway.simulator.switches import Gate

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """The outcome of a command."""

    arm: str = ""
    """The field of the reply's payload; empty for a reply without payload."""
    payload: Any = None
    """The message in that field."""
    code: mx.ProtocolStatusCode = mx.ProtocolStatusCode.OK
    message: str = ""
    hresult: int = statuses.S_OK
    statuses: list[mx.MxStatusProxy] = field(default_factory=list)
    diagnostic: str = ""

    @classmethod
    def of_failure(cls, failure: MxAccessFailure) -> Outcome:
        """Return the outcome of a command that MXAccess rejected."""
        return cls(
            code=mx.ProtocolStatusCode.MXACCESS_FAILURE,
            message="MXAccess refused the command.",
            hresult=failure.hresult,
            statuses=failure.statuses,
            diagnostic=failure.diagnostic,
        )


Call = Callable[[], "Outcome | Awaitable[Outcome]"]


class Apartment:
    """Runs commands one after another in a task of its own.

    Args:
        name: The name of the task.
        gate: Commands start only while it is open.
        limit: Most pending commands.
    """

    def __init__(self, name: str, gate: Gate, limit: int) -> None:
        self._name = name
        self._gate = gate
        self._limit = limit
        self._waiting: deque[tuple[Call, asyncio.Future[Outcome]]] = deque()
        self._running: asyncio.Future[Outcome] | None = None
        self._wakeup = asyncio.Event()
        self._own_gate = Gate()
        self.task = asyncio.get_running_loop().create_task(self._run(), name=f"apartment of {name}")
        """The task that runs the commands."""

    def __len__(self) -> int:
        return len(self._waiting) + (self._running is not None)

    def submit(self, call: Call) -> asyncio.Future[Outcome]:
        """Queue a command and return a future for its outcome. Cancelling the future does not stop the command.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED if too many commands are pending.
        """
        if len(self) >= self._limit:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, f"{self._name} has {self._limit} pending commands, the limit.")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        self._wakeup.set()
        return future

    def answer(self, outcome: Outcome) -> None:
        """Answer the running command before it ends."""
        if self._running is not None and not self._running.done():
            self._running.set_result(outcome)

    def hang(self) -> None:
        """Start no command any more."""
        self._own_gate.hold()

    def stop(self, reason: GRPCError) -> None:
        """Stop: commands without an answer fail with `reason`, and the task ends soon."""
        if self._running is not None:
            _fail(self._running, reason)
        for _, future in self._waiting:
            _fail(future, reason)
        self._waiting.clear()
        self.task.cancel()

    async def _run(self) -> None:
        while True:
            while not self._waiting:
                self._wakeup.clear()
                await self._wakeup.wait()
            call, self._running = self._waiting.popleft()
            try:
                await self._gate.opened()
                await self._own_gate.opened()
                await _execute(call, self._running)
            finally:
                self._running = None


async def _execute(call: Call, future: asyncio.Future[Outcome]) -> None:
    try:
        answer = call()
        outcome = answer if isinstance(answer, Outcome) else await answer
        if not future.done():
            future.set_result(outcome)
    except MxAccessFailure as failure:
        if not future.done():
            future.set_result(Outcome.of_failure(failure))
    except AccessDenied as denied:
        _fail(future, GRPCError(Status.PERMISSION_DENIED, str(denied)))
    except GRPCError as error:
        _fail(future, error)
    except Exception:
        _logger.exception("the simulated worker failed")
        _fail(future, GRPCError(Status.INTERNAL, "The worker failed."))


def _fail(future: asyncio.Future[Outcome], error: GRPCError) -> None:
    if not future.done():
        future.set_exception(error)
