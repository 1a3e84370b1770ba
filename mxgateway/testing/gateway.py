"""`ThreadedGateway`: a simulated gateway in a thread of its own, for tests on any event loop and on none."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, ParamSpec, Self, TypeVar, cast, overload

from mxgateway.simulator import (
    Clock,
    History,
    Plant,
    ReceivedCall,
    Session,
    SimulatedGateway,
    SimulatedKey,
    SimulatorOptions,
)
from mxgateway.simulator.alarms.conditions import AlarmSystem
from mxgateway.simulator.galaxy.repository import GalaxyRepository
from mxgateway.testing.loop_thread import LoopThread, call_on_loop, on_loop
from mxgateway.wire import which_one_of

if TYPE_CHECKING:
    from mxgateway import GatewayClient

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M")

_SETTLING: Final = 2.0
"""Seconds that a client has for its last packets before what it left counts as a leak."""
_LOOK_AGAIN: Final = 0.005
"""Seconds between two looks at what is left."""


class _Switch(Generic[P, R]):
    """A method of `SimulatedGateway` that is called in any thread, runs on the gateway's loop and returns when done."""

    def __init__(self, method: Callable[Concatenate[SimulatedGateway, P], R | Coroutine[Any, Any, R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, gateway: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, gateway: ThreadedGateway, owner: type[Any]) -> Callable[P, R]: ...
    def __get__(self, gateway: ThreadedGateway | None, owner: type[Any]) -> Self | Callable[P, R]:
        if gateway is None:
            return self

        def switch(*args: P.args, **fields: P.kwargs) -> R:
            return cast(R, gateway._on_loop(lambda: self._method(gateway._gateway, *args, **fields)))

        return switch


class ThreadedGateway:
    """A simulated gateway that runs in a thread of its own inside its ``with`` block.

    It has the switches of `SimulatedGateway` under the same names. They may be called in any thread, also while an event
    loop runs there; each runs in the gateway's thread and returns when it is done. None of them is awaited.

    Args:
        host: The address to listen on.
        port: The port; 0 for a free one.
        api_keys: The accepted keys; by default one with every scope and a random secret.
        plant: The plant to serve; by default the small plant.
        options: Limits, times and versions.
        clock: The time source; a `ManualClock` is controlled by the test.
        gateway: A gateway that is not running, with settings of your own, instead of all that.
    """

    set_tag = _Switch(SimulatedGateway.set_tag)
    deploy = _Switch(SimulatedGateway.deploy)
    hold_deploy_events = _Switch(SimulatedGateway.hold_deploy_events)
    release_deploy_events = _Switch(SimulatedGateway.release_deploy_events)
    fail_next = _Switch(SimulatedGateway.fail_next)
    refuse_next = _Switch(SimulatedGateway.refuse_next)
    reply_override = _Switch(SimulatedGateway.reply_override)
    hold = _Switch(SimulatedGateway.hold)
    release = _Switch(SimulatedGateway.release)
    hold_commands = _Switch(SimulatedGateway.hold_commands)
    release_commands = _Switch(SimulatedGateway.release_commands)
    hold_write_completions = _Switch(SimulatedGateway.hold_write_completions)
    release_write_completions = _Switch(SimulatedGateway.release_write_completions)
    crash_worker = _Switch(SimulatedGateway.crash_worker)
    drop_connections = _Switch(SimulatedGateway.drop_connections)
    tag = _Switch(SimulatedGateway.tag)
    restart = _Switch(SimulatedGateway.restart)
    serve_forever = _Switch(SimulatedGateway.serve_forever)

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_keys: Sequence[SimulatedKey] | None = None,
        plant: Plant | None = None,
        options: SimulatorOptions | None = None,
        clock: Clock | None = None,
        gateway: SimulatedGateway | None = None,
    ) -> None:
        self._gateway = gateway or SimulatedGateway(
            host=host, port=port, api_keys=api_keys, plant=plant, options=options, clock=clock
        )
        self._thread = LoopThread("simulated gateway")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.stop()

    def start(self) -> None:
        """Start listening: at the beginning, or on the same port after `stop`.

        Raises:
            OSError: The address is not available, or the certificate cannot be read.
            RuntimeError: The gateway is running.
        """
        was_running = self._thread.is_running
        self._thread.start()
        try:
            self._thread.run(self._gateway.start)
        except BaseException:
            if not was_running:
                self._thread.stop()
            raise

    def stop(self) -> None:
        """End every session and connection and stop listening; no effect if the gateway is not running."""
        if self._thread.is_running:
            self._thread.run(self._gateway.stop)

    def connect(self, **fields: Any) -> _Connecting:
        """Return what `GatewayClient.connect` returns for this gateway, to be awaited or entered with ``async with``.

        Args:
            fields: Fields of `ClientOptions`, such as `endpoint` for a proxy in between.
        """
        from mxgateway import GatewayClient

        return GatewayClient.connect(
            **{"endpoint": self.endpoint, "api_key": self.api_key, "plaintext": True, **fields}
        )

    # Address, keys and records

    @property
    def host(self) -> str:
        """The address for clients on this machine."""
        return self._gateway.host

    @property
    def port(self) -> int:
        """The port; 0 before the first start if any port was requested."""
        return self._gateway.port

    @property
    def endpoint(self) -> str:
        """``host:port``"""
        return self._gateway.endpoint

    @property
    def api_key(self) -> str:
        """A key with every scope.

        Raises:
            LookupError: None of the gateway's keys has every scope.
        """
        return self._gateway.api_key

    @property
    def options(self) -> SimulatorOptions:
        """Limits, times and versions."""
        return self._gateway.options

    @property
    def received(self) -> list[ReceivedCall]:
        """The calls received so far, oldest first; limited by `SimulatorOptions`."""
        return self._thread.call(lambda: list(self._gateway.received))

    def requests(self, kind: type[M]) -> list[M]:
        """Return the received messages of a type, oldest first.

        Args:
            kind: The request of an RPC (`proto.OpenSessionRequest`), or a command (`proto.WriteCommand`).
        """
        found = []
        for call in self.received:
            request = call.request
            if hasattr(request, "command"):  # Invoke
                name, command = which_one_of(request.command, "payload")
                found += [command] if isinstance(command, kind) else []
            found += [request] if isinstance(request, kind) else []
        return found

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The sessions open now, by session id; their methods run in the gateway's thread."""
        sessions = self._thread.call(lambda: dict(self._gateway.sessions))
        return {session_id: on_loop(self._thread, session) for session_id, session in sessions.items()}

    @property
    def events_sent(self) -> int:
        """Events handed to streams since the first start; replayed events count again."""
        return self._thread.call(lambda: self._gateway.events_sent)

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return self._thread.call(lambda: self._gateway.connections)

    def keep_history(self) -> History:
        """Record from now on every item event and every executed write, across restarts."""
        return self._thread.call(self._gateway.keep_history)

    # Controls whose methods run in the gateway's thread

    @property
    def alarms(self) -> AlarmSystem:
        """The alarm system: raise, clear, acknowledge, fail over."""
        return on_loop(self._thread, self._thread.call(lambda: self._gateway.alarms))

    @property
    def galaxy(self) -> GalaxyRepository:
        """The galaxy repository: its cache and its database."""
        return on_loop(self._thread, self._thread.call(lambda: self._gateway.galaxy))

    @property
    def clock(self) -> Clock:
        """The time source."""
        return on_loop(self._thread, self._gateway.clock)

    def _on_loop(self, function: Callable[[], Any]) -> Any:
        return call_on_loop(self._thread, function)
