"""The client of a simulated gateway's control: what a test does to a gateway that runs as a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mxgateway.control_protocol.generated.simulator_control import v1 as messages
from mxgateway.control_protocol.generated.simulator_control.v1 import (
    Action,
    Clock,
    GetStatusReply,
    Parameter,
    ParameterKind,
    PlayedStep,
    Session,
    Value,
)
from mxgateway.control_protocol.values import from_value, to_value
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options.credentials import ApiKey, Secret, SecretText
from mxgateway.transport.blocks import ChannelClient
from mxgateway.transport.calls.method import CallOptions, Method, Reply, Request
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.connecting.open_channel import ClientOptionFields, Given, Opening, connected_channel
from mxgateway.wire import Timestamp, has_field

__all__ = [
    "Action",
    "Clock",
    "ControlClient",
    "ControlledTag",
    "GetStatusReply",
    "Parameter",
    "ParameterKind",
    "PlayedStep",
    "Session",
    "control_proto",
]

_SERVICE: Final = "simulator_control.v1.SimulatorControl"
_LIST_ACTIONS: Final = Method(
    _SERVICE, "ListActions", messages.ListActionsRequest, messages.ListActionsReply, repeatable=True
)
_DO: Final = Method(_SERVICE, "Do", messages.DoRequest, messages.DoReply)
_SET_TAG: Final = Method(_SERVICE, "SetTag", messages.SetTagRequest, messages.SetTagReply)
_GET_TAG: Final = Method(_SERVICE, "GetTag", messages.GetTagRequest, messages.GetTagReply, repeatable=True)
_PLAY: Final = Method(_SERVICE, "Play", messages.PlayRequest, PlayedStep)
_GET_STATUS: Final = Method(_SERVICE, "GetStatus", messages.GetStatusRequest, GetStatusReply, repeatable=True)
_ADVANCE_CLOCK: Final = Method(_SERVICE, "AdvanceClock", messages.AdvanceClockRequest, messages.AdvanceClockReply)
_STOP: Final = Method(_SERVICE, "Stop", messages.StopRequest, messages.StopReply)


def control_proto() -> str:
    """Return the text of the control's .proto file, from which any language makes its client. Blocks."""
    from importlib.resources import files

    return files("mxgateway.control_protocol").joinpath("simulator_control.proto").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class ControlledTag:
    """What a tag is now, as its provider has it."""

    tag: str
    """Its name as it was asked for."""
    value: Any
    """Its value: bool, int, float, str, bytes, a `Timestamp`, or a list of one of them; None for no value."""
    quality: int
    """Its OPC DA quality."""
    source_time: Timestamp
    """The time of its value."""
    data_type: str
    """Its type, as a plant file writes it: ``integer``, ``double``, ``string``."""
    is_array: bool
    """Whether its value is a list."""


class ControlClient(ChannelClient):
    """The control of one simulated gateway. Make one with `connect`; leaving its ``async with`` block disconnects.

    Every method takes `timeout`, in seconds, and raises `MxGatewayError`: MxGatewayAuthenticationError for a wrong key,
    MxGatewayInvalidRequestError for a wrong argument or what the gateway cannot do, MxGatewayNotFoundError for a tag, an
    alarm or a session that it has not, MxGatewayTransportError if it is gone or restarts.
    """

    @staticmethod
    def connect(
        endpoint: str, key: ApiKey | str, *, timeout: float | None = None, wait: float | None = 0.0
    ) -> Opening[ControlClient]:
        """Connect to a control: ``await`` the result, or use it with ``async with``.

        Args:
            endpoint: ``host:port`` of the control, not of the gateway.
            key: The control's key.
            timeout: Seconds for connecting and for each call that has no timeout of its own; None for 10 and 30.
            wait: Seconds to go on trying while nothing listens there; None without end.

        Raises:
            MxGatewayInvalidRequestError: The endpoint or the key cannot be used; nothing was sent.
            MxGatewayTransportError: No connection was established.
        """
        fields: ClientOptionFields = {"api_key": key, "plaintext": True, "wait": wait}
        if timeout is not None:
            fields |= {"connect_timeout": timeout, "call_timeout": timeout}
        given = Given(endpoint, None, fields)

        async def open_it() -> ControlClient:
            return ControlClient(await connected_channel(given))

        return Opening(open_it)

    def __repr__(self) -> str:
        return f"<ControlClient of {self.endpoint}>"

    async def actions(self, *, timeout: float | None = None) -> list[Action]:
        """Return every action with its parameters."""
        reply = await self._call(_LIST_ACTIONS, messages.ListActionsRequest(), timeout)
        return reply.actions

    async def do(
        self, action: str, arguments: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> None:
        """Do an action, and return when it is done. It goes on if the caller stops waiting.

        Args:
            action: Its name, ``crash_worker``.
            arguments: Its arguments by name: bool, int, float, str, a datetime, a list or a dict of these; a `Secret`
                for a key, which then no text of this client shows.
            timeout: Seconds to wait.
        """
        secrets = [each for each in (arguments or {}).values() if isinstance(each, Secret)]
        request = messages.DoRequest(
            action=action, arguments={name: _sent(name, each) for name, each in (arguments or {}).items()}
        )
        with self._channel.hiding(secrets):
            await unary(self._channel, _DO, request, CallOptions(timeout=timeout, secret=bool(secrets)))

    async def set_tag(
        self, tag: str, value: Any = None, *, quality: int | None = None, timeout: float | None = None
    ) -> None:
        """Set a tag's value, its quality, or both, as its provider would.

        Args:
            tag: The reference of a whole tag.
            value: The new value; None keeps the present one.
            quality: The OPC DA quality; None is good. Below 64 a tag has no value.
            timeout: Seconds to wait.
        """
        request = messages.SetTagRequest(tag=tag, quality=quality)
        if value is not None:
            request.value = _sent("value", value)
        await self._call(_SET_TAG, request, timeout)

    async def get_tag(self, tag: str, *, timeout: float | None = None) -> ControlledTag:
        """Return what a tag is now.

        Args:
            tag: The reference of a whole tag.
            timeout: Seconds to wait.
        """
        reply = await self._call(_GET_TAG, messages.GetTagRequest(tag=tag), timeout)
        value = from_value(reply.value) if has_field(reply, "value") else None
        time = Timestamp.from_datetime(reply.source_time)
        return ControlledTag(reply.tag, value, reply.quality, time, reply.data_type, reply.is_array)

    def play(
        self, text: str, *, name: str = "scenario.toml", folder: str = "", timeout: float | None = None
    ) -> ServerStream[messages.PlayRequest, PlayedStep]:
        """Return the steps of a scenario as they are done: an async iterator and context manager.

        The first read begins the scenario. It is stopped when the iterator is closed before its end.

        Args:
            text: The text of a scenario file.
            name: Its name in errors; the text is JSON if it ends with ``.json``.
            folder: The folder on the gateway's machine at which the paths in it start; empty is the gateway's own.
            timeout: Seconds for the whole scenario.
        """
        request = messages.PlayRequest(text=text, name=name, folder=folder)
        return ServerStream(self._channel, _PLAY, request, CallOptions(timeout=timeout))

    async def begin(
        self, text: str, *, name: str = "scenario.toml", folder: str = "", timeout: float | None = None
    ) -> None:
        """Begin a scenario, which plays on until its end or the gateway's; the parameters are those of `play`."""
        request = messages.PlayRequest(text=text, name=name, folder=folder, is_detached=True)
        async with ServerStream(self._channel, _PLAY, request, CallOptions(timeout=timeout)) as steps:
            async for _ in steps:
                pass

    async def status(self, *, timeout: float | None = None) -> GetStatusReply:
        """Return what the gateway has received, and who is connected."""
        return await self._call(_GET_STATUS, messages.GetStatusRequest(), timeout)

    async def advance_clock(self, seconds: float, *, timeout: float | None = None) -> Timestamp:
        """Move a manual clock, and return its time when everything that was due has happened.

        Args:
            seconds: How far, 0 or more; 0 does what is due now.
            timeout: Seconds to wait.
        """
        request = messages.AdvanceClockRequest(seconds=seconds)
        reply = await self._call(_ADVANCE_CLOCK, request, timeout)
        return Timestamp.from_datetime(reply.now)

    async def stop(self, *, timeout: float | None = None) -> None:
        """Stop the gateway; a process of ``mxgw-py simulate`` then ends."""
        await self._call(_STOP, messages.StopRequest(), timeout)

    async def _call(self, method: Method[Request, Reply], request: Request, timeout: float | None) -> Reply:
        return await unary(self._channel, method, request, CallOptions(timeout=timeout))


def _sent(name: str, native: Any) -> Value:
    if isinstance(native, Secret):
        return Value(string_value=SecretText(native.reveal()))
    try:
        return to_value(native)
    except (TypeError, ValueError) as error:
        raise MxGatewayInvalidRequestError(f"{name}: {error}", hint="nothing was sent", phase="request") from None
