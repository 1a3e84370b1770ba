"""The SimulatorControl service: every action of the registry, tags, scenarios, the status, the clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.control_protocol.generated.simulator_control import v1 as control
from mxgateway.control_protocol.values import from_value
from mxgateway.simulator.clock import FILETIME_STEP, NANOSECONDS, ManualClock
from mxgateway.simulator.control.describing import described_action, described_status, described_tag, reads_files
from mxgateway.simulator.controls import Controls
from mxgateway.simulator.files import DescriptionError
from mxgateway.simulator.scenarios.actions import ACTIONS, Action, Arguments, Outlook
from mxgateway.simulator.scenarios.kinds import LONGEST
from mxgateway.simulator.scenarios.play import Play, PlayedStep
from mxgateway.simulator.scenarios.scenario import Scenario
from mxgateway.simulator.server.calls import Call
from mxgateway.simulator.server.router import Method, Streaming, Unary, methods
from mxgateway.wire import has_field

STEP_LIMIT: Final = 10_000
"""Most steps of a scenario that wait for the caller of Play; one more stops the scenario."""
_SLICE: Final = 0.1
"""Seconds that a manual clock moves before the event loop gets a turn; what is due may start something there."""
_SLICES: Final = 10_000
"""Most slices of one move."""


class ControlledGateway(Protocol):
    """What the service needs of a gateway beside its `Controls`."""

    @property
    def endpoint(self) -> str:
        """``host:port``"""

    def play(self, scenario: Scenario, *, report: Callable[[PlayedStep], None] | None = None) -> Play:
        """Play a scenario."""

    async def stop(self) -> None:
        """Stop the gateway."""


class ControlService:
    """Answers the calls of the control.

    Args:
        gateway: The gateway.
        controls: The same gateway's controls.
    """

    def __init__(self, gateway: ControlledGateway, controls: Controls) -> None:
        self._gateway = gateway
        self._controls = controls
        self._background: set[asyncio.Task[None]] = set()
        self._stopping: asyncio.Task[None] | None = None

    def methods(self) -> dict[str, Method]:
        """Return the service's RPCs by their paths."""
        answers: Mapping[str, Unary | Streaming] = {
            "ListActions": self.list_actions,
            "Do": self.do,
            "SetTag": self.set_tag,
            "GetTag": self.get_tag,
            "Play": self.play,
            "GetStatus": self.get_status,
            "AdvanceClock": self.advance_clock,
            "Stop": self.stop,
        }
        return methods(control.SimulatorControlBase().__mapping__(), answers)

    async def close(self) -> None:
        """End what is still being done; a gateway that is being stopped is stopped first."""
        if self._stopping is not None:
            await asyncio.wait([self._stopping])
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def list_actions(self, call: Call, request: control.ListActionsRequest) -> control.ListActionsReply:
        """Describe every action."""
        return control.ListActionsReply(actions=[described_action(each) for each in ACTIONS.values()])

    async def do(self, call: Call, request: control.DoRequest) -> control.DoReply:
        """Do an action, and reply when it is done."""
        action = ACTIONS.get(request.action)
        if action is None:
            raise GRPCError(
                Status.INVALID_ARGUMENT, f"action: {request.action!r} is unknown; known are {', '.join(ACTIONS)}"
            )
        await self._do(action, {name: from_value(each) for name, each in request.arguments.items()})
        return control.DoReply()

    async def set_tag(self, call: Call, request: control.SetTagRequest) -> control.SetTagReply:
        """Set a tag's value, its quality, or both."""
        said: dict[str, Any] = {"tag": request.tag}
        if has_field(request, "value"):
            said["value"] = from_value(request.value)
        if request.quality is not None:
            said["quality"] = request.quality
        await self._do(ACTIONS["set_tag"], said)
        return control.SetTagReply()

    async def get_tag(self, call: Call, request: control.GetTagRequest) -> control.GetTagReply:
        """Return what a tag is now."""
        self._require_running()
        with _refused("tag: "):
            return described_tag(request.tag, self._controls.tag(request.tag))

    async def play(self, call: Call, request: control.PlayRequest) -> None:
        """Play a scenario, and report its steps."""
        name = request.name or "scenario.toml"
        with _refused():
            scenario = await asyncio.to_thread(Scenario.from_text, request.text, name=name, folder=request.folder)
        self._require_running()
        steps = _Steps()
        with _refused():
            play = steps.play = self._gateway.play(scenario, report=None if request.is_detached else steps.put)
        if request.is_detached:
            await call.start()
            return
        end = asyncio.ensure_future(steps.ended())
        try:
            await call.start()
            while (step := await steps.next()) is not None:
                await call.send_all([step])
        finally:
            play.stop()
            await end
        if steps.is_overflowing:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"the scenario was stopped: {STEP_LIMIT} of its steps waited for their reader, who is too slow",
            )
        if play.left:
            raise GRPCError(
                Status.UNAVAILABLE, f"the gateway was stopped: {play.left} of the scenario's steps were not begun"
            )

    async def get_status(self, call: Call, request: control.GetStatusRequest) -> control.GetStatusReply:
        """Return what the gateway has received, and who is connected."""
        return described_status(self._controls, self._gateway.endpoint)

    async def advance_clock(self, call: Call, request: control.AdvanceClockRequest) -> control.AdvanceClockReply:
        """Move a manual clock."""
        clock = self._controls.clock
        if not isinstance(clock, ManualClock):
            raise GRPCError(
                Status.FAILED_PRECONDITION,
                "the gateway's clock is the machine's own; one of simulate --manual-clock can be moved",
            )
        if not 0 <= request.seconds <= LONGEST:
            raise GRPCError(Status.INVALID_ARGUMENT, f"seconds: {request.seconds:g} is not from 0 to {LONGEST}")
        await _advance(clock, request.seconds)
        return control.AdvanceClockReply(now=clock.now())

    async def stop(self, call: Call, request: control.StopRequest) -> control.StopReply:
        """Stop the gateway; the reply is sent first."""
        self._stopping = self._keep(self._gateway.stop())
        return control.StopReply()

    async def _do(self, action: Action, said: Mapping[str, Any]) -> None:
        with _refused(f"{action.name}: "):
            if reads_files(action):
                arguments = await asyncio.to_thread(action.arguments, said)
            else:
                arguments = action.arguments(said)
            self._require_running()
            await self._judge(action, arguments)
            self._require_running()
            ending = action.start(self._controls, arguments)
            if ending is not None:
                # A caller that goes away must not leave a restart halfway.
                await asyncio.shield(self._keep(_ended(ending)))

    async def _judge(self, action: Action, arguments: Arguments) -> None:
        if action.judge is None:
            return
        controls = self._controls
        outlook = Outlook(controls.plant, controls.first_plant, controls.is_tls, controls.key_ids)
        if reads_files(action):
            await asyncio.to_thread(action.judge, outlook, arguments)
        else:
            action.judge(outlook, arguments)

    def _require_running(self) -> None:
        if not self._controls.is_running:
            raise GRPCError(Status.UNAVAILABLE, "the gateway is down: it restarts, or was stopped")

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have gone


class _Steps:
    """The steps of a scenario on their way to the caller."""

    play: Play

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[PlayedStep | None] = asyncio.Queue()
        self.is_overflowing = False

    def put(self, step: PlayedStep) -> None:
        """Add a step; too many stop the scenario."""
        if self._waiting.qsize() < STEP_LIMIT:
            self._waiting.put_nowait(step)
        else:
            self.is_overflowing = True
            asyncio.get_running_loop().call_soon(self.play.stop)  # never from within the step that is reported

    async def ended(self) -> None:
        """Wait for the end of the scenario, and put it behind its steps."""
        with suppress(RuntimeError):  # steps have failed, and said so
            await self.play
        self._waiting.put_nowait(None)

    async def next(self) -> control.PlayedStep | None:
        """Return the next step; None at the end."""
        step = await self._waiting.get()
        if step is None:
            return None
        return control.PlayedStep(seconds=step.seconds, place=step.place, action=step.action, failure=step.failure)


async def _ended(ending: Awaitable[None]) -> None:
    await ending


async def _advance(clock: ManualClock, seconds: float) -> None:
    """Move a clock in slices, and let the event loop run in between."""
    total = round(seconds * NANOSECONDS / FILETIME_STEP)
    slices = min(max(math.ceil(seconds / _SLICE), 1), _SLICES)
    for number in range(slices):
        steps = total * (number + 1) // slices - total * number // slices
        clock.advance(steps * FILETIME_STEP / NANOSECONDS)
        await asyncio.sleep(0)


@contextmanager
def _refused(place: str = "") -> Iterator[None]:
    """Turn what is wrong with a request into a status with a sentence.

    Args:
        place: What the sentence begins with.

    Raises:
        GRPCError: INVALID_ARGUMENT, NOT_FOUND or FAILED_PRECONDITION.
    """
    try:
        yield
    except DescriptionError as error:
        raise GRPCError(Status.INVALID_ARGUMENT, f"{place}{error}") from None
    except LookupError as error:
        raise GRPCError(Status.NOT_FOUND, place + _sentence(error)) from None
    except ValueError as error:
        raise GRPCError(Status.INVALID_ARGUMENT, place + _sentence(error)) from None
    except (OSError, RuntimeError) as error:
        raise GRPCError(Status.FAILED_PRECONDITION, place + _sentence(error)) from None


def _sentence(error: Exception) -> str:
    """Return what an error says; a scenario speaks of the time of its step, and here that is now."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error.args[0] if error.args else error).removesuffix(" then")
