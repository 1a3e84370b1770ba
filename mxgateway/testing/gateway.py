"""`ThreadedGateway`: a simulated gateway in a thread of its own, for tests on any event loop and on none."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypedDict, TypeVar, Unpack, cast, overload

from mxgateway import GatewayClient
from mxgateway.simulator import (
    Clock,
    ManualClock,
    Plant,
    ReceivedCall,
    Recording,
    Replay,
    Session,
    SimulatedGateway,
    SimulatedKey,
    SimulatorOptions,
)
from mxgateway.simulator.alarms.conditions import AlarmSystem
from mxgateway.simulator.galaxy.repository import GalaxyRepository
from mxgateway.simulator.gateway import ServedContract
from mxgateway.simulator.switches import failing
from mxgateway.testing.leaks import left_at
from mxgateway.testing.loop_thread import LoopThread, call_on_loop, on_loop
from mxgateway.transport.connecting.open_channel import ClientOptionFields, Opening
from mxgateway.wire import which_one_of

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M")


class GatewaySettings(TypedDict, total=False):
    """The arguments of `SimulatedGateway`."""

    host: str
    port: int
    api_keys: Sequence[SimulatedKey] | None
    plant: Plant | None
    options: SimulatorOptions | None
    clock: Clock | None
    certificate: str | os.PathLike[str] | None
    private_key: str | os.PathLike[str] | None
    ssl_context: ssl.SSLContext | None
    contract: ServedContract | None
    replay: Replay | Recording | None


class _Switch(Generic[P, R]):
    """A method of `SimulatedGateway` that is called in any thread, runs on the gateway's loop and returns when done."""

    def __init__(self, method: Callable[Concatenate[SimulatedGateway, P], R]) -> None:
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
            call = call_on_loop(gateway.thread, lambda: self._method(gateway.simulated, *args, **fields))
            return cast("R", call)

        switch.__doc__ = self.__doc__
        return switch


def _awaited(method: Callable[Concatenate[SimulatedGateway, P], Coroutine[Any, Any, R]]) -> _Switch[P, R]:
    return cast("_Switch[P, R]", _Switch(method))


class ThreadedGateway:
    """A simulated gateway that runs in a thread of its own inside its ``with`` block.

    It has the switches of `SimulatedGateway` under the same names. They may be called in any thread, also while an
    event loop runs there; each runs in the gateway's thread and returns when it is done. None of them is awaited.

    Args:
        settings: The arguments of `SimulatedGateway`.

    Raises:
        ValueError: Both a certificate and an SSL context are given.
    """

    set_tag = _Switch(SimulatedGateway.set_tag)
    tag = _Switch(SimulatedGateway.tag)
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
    refuse_connections = _awaited(SimulatedGateway.refuse_connections)
    accept_connections = _awaited(SimulatedGateway.accept_connections)
    delay_replies = _Switch(SimulatedGateway.delay_replies)
    slow_streams = _Switch(SimulatedGateway.slow_streams)
    black_hole = _Switch(SimulatedGateway.black_hole)
    go_away = _Switch(SimulatedGateway.go_away)
    serve_certificate = _Switch(SimulatedGateway.serve_certificate)
    add_key = _Switch(SimulatedGateway.add_key)
    revoke_key = _Switch(SimulatedGateway.revoke_key)
    accepts = _Switch(SimulatedGateway.accepts)
    play = _Switch(SimulatedGateway.play)
    keep_history = _Switch(SimulatedGateway.keep_history)
    restart = _awaited(SimulatedGateway.restart)
    serve_forever = _awaited(SimulatedGateway.serve_forever)

    def __init__(self, **settings: Unpack[GatewaySettings]) -> None:
        self.simulated = SimulatedGateway(**settings)
        """The gateway itself, to be used in its `thread` only."""
        self.thread = LoopThread("simulated gateway")
        """Its event loop: `thread.call(function)` calls a function there and returns its result."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self.thread.stop()

    def start(self) -> None:
        """Start listening: at the beginning, or on the same port after `stop`.

        Raises:
            OSError: The address is not available, or the certificate cannot be read.
            RuntimeError: The gateway is running.
        """
        was_running = self.thread.is_running
        self.thread.start()
        try:
            self.thread.run(self.simulated.start)
        except BaseException:
            if not was_running:
                self.thread.stop()
            raise

    def stop(self) -> None:
        """End every session and connection and stop listening; no effect if the gateway is not running."""
        if self.thread.is_running:
            self.thread.run(self.simulated.stop)

    def connect(self, endpoint: str | None = None, **fields: Unpack[ClientOptionFields]) -> Opening[GatewayClient]:
        """Connect a client: ``await`` the result, or use it with ``async with``, on any event loop.

        Args:
            endpoint: Another address, such as that of a proxy; None for the gateway's own.
            fields: Fields of `ClientOptions`; by default in plaintext with a key that has every scope.
        """
        fields.setdefault("plaintext", "tls" not in fields)
        if "api_key" not in fields:
            fields["api_key"] = self.api_key
        return GatewayClient.connect(endpoint or self.endpoint, **fields)

    def replay(self, recording: Recording, *, speed: float = 1.0, loop: bool = False) -> Future[None]:
        """Deploy the plant of a recording, and play it from now on.

        ``result()`` waits for its end, ``cancel()`` ends it.

        Args:
            recording: The recording.
            speed: How many times quicker than life; `math.inf` as quickly as its readers take it.
            loop: Begin again at the end.

        Raises:
            RuntimeError: The gateway is not running. The result has the other errors of `SimulatedGateway.replay`.
        """
        return self.thread.submit(lambda: self.simulated.replay(recording, speed=speed, loop=loop))

    # Address and keys

    @property
    def host(self) -> str:
        """The address for clients on this machine."""
        return self.simulated.host

    @property
    def port(self) -> int:
        """The port; 0 before the first start if any port was requested."""
        return self.simulated.port

    @property
    def endpoint(self) -> str:
        """``host:port``"""
        return self.simulated.endpoint

    @property
    def api_key(self) -> str:
        """A key with every scope.

        Raises:
            LookupError: None of the gateway's keys has every scope.
        """
        return self.simulated.api_key

    @property
    def options(self) -> SimulatorOptions:
        """Limits, times and versions."""
        return self.simulated.options

    @property
    def plant(self) -> Plant:
        """The plant that is served."""
        return self.simulated.plant

    @property
    def is_running(self) -> bool:
        """Whether the gateway listens; not before its start, nor while it restarts."""
        return self.simulated.is_running

    @property
    def key_ids(self) -> set[str]:
        """The public parts of the accepted keys."""
        return self.thread.call(lambda: self.simulated.key_ids)

    @property
    def is_tls(self) -> bool:
        """Whether the gateway serves TLS."""
        return self.simulated.is_tls

    # Records

    @property
    def received(self) -> list[ReceivedCall]:
        """The calls received so far, oldest first; limited by `SimulatorOptions`."""
        return self.thread.call(lambda: list(self.simulated.received))

    def requests(self, kind: type[M]) -> list[M]:
        """Return the received messages of a type, oldest first.

        Args:
            kind: The request of an RPC, such as `proto.OpenSessionRequest`, or a command, such as `proto.WriteCommand`.
        """
        found: list[M] = []
        for call in self.received:
            request = call.request
            if isinstance(request, kind):
                found.append(request)
            elif hasattr(request, "command") and (name := which_one_of(request.command, "payload")):
                command = getattr(request.command, name)
                found += [command] if isinstance(command, kind) else []
        return found

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The sessions that are open now, by session id; their methods run in the gateway's thread."""
        sessions = self.thread.call(lambda: dict(self.simulated.sessions))
        return {session_id: on_loop(self.thread, session) for session_id, session in sessions.items()}

    @property
    def events_sent(self) -> int:
        """Events handed to streams since the first start; replayed events count again."""
        return self.thread.call(lambda: self.simulated.events_sent)

    @property
    def subscribers(self) -> int:
        """The number of sessions whose event stream is attached."""
        return self.thread.call(lambda: self.simulated.subscribers)

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return self.thread.call(lambda: self.simulated.connections)

    def left(self) -> list[str]:
        """Return what clients have left behind, a line for each: open sessions, connections and their open calls.

        A client has two seconds for its last packets.
        """
        return left_at(self.thread, self.simulated)

    # Scripted replies

    def script(self, method: str, *replies: Any) -> None:
        """Let the next calls of a unary method have these replies, one each, after the gateway has done what they ask.

        Args:
            method: An RPC, ``OpenSession``, or one kind of command, ``Invoke.Register``.
            replies: For each call a message to send instead, a function that changes the reply, or a `GrpcStatus` with
                which the call fails.
        """
        for reply in replies:
            self.reply_override(method, _replacement(reply))

    @property
    def unused(self) -> list[str]:
        """The scripted replies and failures that no call has taken, a line for each method."""
        return self.thread.call(lambda: self.simulated.switches.unused)

    # Controls whose methods run in the gateway's thread

    @property
    def alarms(self) -> AlarmSystem:
        """The alarm system: raise, clear, acknowledge, fail over."""
        return on_loop(self.thread, self.thread.call(lambda: self.simulated.alarms))

    @property
    def galaxy(self) -> GalaxyRepository:
        """The galaxy repository: its cache and its database."""
        return on_loop(self.thread, self.thread.call(lambda: self.simulated.galaxy))

    @property
    def clock(self) -> Clock:
        """The time source."""
        return on_loop(self.thread, self.simulated.clock)

    def advance(self, seconds: float) -> None:
        """Move the gateway's time; the fixture `mx_clock` moves that of the client as well.

        Raises:
            TypeError: The gateway's clock is no `ManualClock`.
        """
        clock = self.simulated.clock
        if not isinstance(clock, ManualClock):
            raise TypeError("this gateway follows the machine's clock: give it clock=ManualClock()")
        self.thread.call(lambda: clock.advance(seconds))


def _replacement(reply: Any) -> Callable[[Any], Any]:
    """Return the function that makes a scripted reply out of the gateway's own."""
    if isinstance(reply, int):
        return failing(reply, "scripted by the test")
    if isinstance(reply, type) or not callable(reply):
        return lambda _: reply
    return cast("Callable[[Any], Any]", reply)
