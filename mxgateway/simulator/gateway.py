"""`SimulatedGateway`: an MXAccess Gateway in this process, on a real TCP port."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from grpclib.const import Status

from mxgateway.simulator.alarms.conditions import AlarmSystem
from mxgateway.simulator.clock import Clock, SystemClock, nanoseconds
from mxgateway.simulator.galaxy.repository import GalaxyRepository
from mxgateway.simulator.history import History
from mxgateway.simulator.mxaccess.sessions import Session
from mxgateway.simulator.mxaccess.statuses import GOOD, OK
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.plant.catalog import small_plant
from mxgateway.simulator.plant.live_tags import Sample, Tag
from mxgateway.simulator.plant.model import PlantObject
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.run import Run
from mxgateway.simulator.server.calls import CallRecord, ReceivedCall
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.simulator.server.keys import Scope, SimulatedKey
from mxgateway.simulator.server.listener import join_host_port, reachable_host, tls_context
from mxgateway.simulator.server.log_guard import hide_headers
from mxgateway.simulator.switches import Replacement, Switches
from mxgateway.wire import Codec

Path = str | os.PathLike[str]


class ServedContract(Protocol):
    """The part of a contract that a gateway needs; `mxgateway.contract.Contract` is one."""

    @property
    def serving_codec(self) -> Codec:
        """Encodes replies and decodes requests by the contract; fields that it lacks are left out."""

    def lacks(self, path: str) -> bool:
        """Return whether it lacks the call of a ``:path``."""


class SimulatedGateway:
    """A simulated gateway. It serves MxAccessGateway and GalaxyRepository inside its ``async with`` block.

    Args:
        host: The address to listen on.
        port: The port; 0 for a free one.
        api_keys: The accepted keys; by default one with every scope and a random secret.
        plant: The plant to serve; by default the small plant.
        options: Limits, times and versions.
        clock: The time source; a `ManualClock` is controlled by the test.
        certificate: PEM file of a certificate, which enables TLS.
        private_key: PEM file of its key; None if it is in the certificate's file.
        ssl_context: A server-side SSL context, instead of a certificate.
        contract: The contract to speak (`mxgateway.contract.Contract`); None for the built-in one.

    Raises:
        ValueError: Both a certificate and an SSL context are given.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_keys: Sequence[SimulatedKey] | None = None,
        plant: Plant | None = None,
        options: SimulatorOptions | None = None,
        clock: Clock | None = None,
        certificate: Path | None = None,
        private_key: Path | None = None,
        ssl_context: ssl.SSLContext | None = None,
        contract: ServedContract | None = None,
    ) -> None:
        if certificate is not None and ssl_context is not None:
            raise ValueError("give a certificate or an ssl_context, not both")
        self.options = options or SimulatorOptions()
        self.clock = clock or SystemClock()
        self.switches = Switches()
        self._record = CallRecord(self.options.record_limit, self.options.record_bytes)
        self._host = host
        self._port = port
        self._keys = tuple(api_keys) if api_keys is not None else (SimulatedKey(),)
        self._plant = plant or small_plant()
        self._certificate = certificate
        self._private_key = private_key
        self._ssl_context = ssl_context
        self._encoding = Encoding() if contract is None else Encoding(contract.serving_codec, contract.lacks)
        self._stopped = asyncio.Event()
        self._earlier_events = 0
        self._deployed_ns: int | None = self.clock.now_ns()
        self._run: Run | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start listening.

        Raises:
            OSError: The address is not available, or the certificate cannot be read.
            RuntimeError: The gateway is running.
        """
        if self._run is not None:
            raise RuntimeError("the simulated gateway is already running")
        hide_headers()
        if self._certificate is not None and self._ssl_context is None:
            self._ssl_context = tls_context(self._certificate, self._private_key)
        run = Run(
            self._plant,
            self.clock,
            self.switches,
            self.options,
            self._keys,
            self._record,
            self._ssl_context,
            self._deployed_ns,
            self._encoding,
        )
        try:
            self._port = await run.listener.start(self._host, self._port)
        except BaseException:
            await run.stop()
            raise
        self._stopped.clear()
        self._run = run

    async def stop(self) -> None:
        """End every session and connection and stop listening; no effect if the gateway is not running."""
        run, self._run = self._run, None
        if run is not None:
            self._earlier_events += run.sessions.events_sent
            # The database outlives the gateway and knows when the galaxy was deployed.
            self._deployed_ns = run.galaxy.deployed_ns
            await run.stop()
            self._stopped.set()

    async def restart(self, *, deployed: bool = False) -> None:
        """Stop, and start on the same port: every session is lost, and the galaxy's sequence starts again.

        Args:
            deployed: Whether the galaxy was deployed in between; otherwise the time of the last deployment stays.
        """
        await self.stop()
        if deployed:
            self._deployed_ns = self.clock.now_ns()
        await self.start()

    async def serve_forever(self) -> None:
        """Return when the gateway is stopped. Cancelling only ends the wait."""
        if self._run is not None:
            await self._stopped.wait()

    # Address and keys

    @property
    def host(self) -> str:
        """The address for clients on this machine."""
        return reachable_host(self._host)

    @property
    def port(self) -> int:
        """The port; 0 before the first start if any port was requested."""
        return self._port

    @property
    def endpoint(self) -> str:
        """``host:port``"""
        return join_host_port(self.host, self.port)

    @property
    def api_key(self) -> str:
        """A key with every scope.

        Raises:
            LookupError: None of the gateway's keys has every scope.
        """
        for key in self._keys:
            if key.scopes >= frozenset(Scope):
                return key.reveal()
        raise LookupError("none of the simulated gateway's API keys has every scope")

    # Records

    @property
    def received(self) -> deque[ReceivedCall]:
        """The received calls, oldest first; limited by `SimulatorOptions`."""
        return self._record.calls

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The open sessions, by session id."""
        return self._running.sessions

    @property
    def events_sent(self) -> int:
        """Events handed to streams since the first start; replayed events count again."""
        return self._earlier_events + (self._run.sessions.events_sent if self._run is not None else 0)

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._running.listener.connections)

    def keep_history(self) -> History:
        """Record from now on every item event and every executed write, across restarts."""
        return self.switches.keep_history()

    # Controls for tests

    @property
    def alarms(self) -> AlarmSystem:
        """The alarm system: raise, clear, acknowledge, fail over."""
        return self._running.alarms

    @property
    def galaxy(self) -> GalaxyRepository:
        """The galaxy repository: its cache and its database."""
        return self._running.galaxy

    def tag(self, reference: str) -> Tag:
        """Return the live tag with a reference.

        Raises:
            LookupError: The plant has no such tag.
        """
        found = self._running.plant.find(reference)
        if found is None:
            raise LookupError(f"the plant has no tag {reference!r}")
        return found[0]

    def set_tag(self, reference: str, value: Any, *, quality: int = GOOD, source_time: Any = None) -> None:
        """Set a tag's value as its provider would.

        Args:
            reference: The reference of a whole tag.
            value: The native value: bool, int, float, str, bytes, a datetime or nanoseconds since 1970 for a time, a
                list for an array, None for no value.
            quality: The OPC DA quality; below 64 the tag has no value.
            source_time: A datetime with a time zone; None for the clock's time.

        Raises:
            LookupError: The plant has no such tag.
        """
        tag = self.tag(reference)
        time_ns = self.clock.now_ns() if source_time is None else nanoseconds(source_time)
        tag.override(Sample(tag.attribute.data_type, _native(value), quality, time_ns, OK))

    def deploy(
        self,
        plant: Plant | None = None,
        *,
        add: Iterable[PlantObject] = (),
        remove: Iterable[str] = (),
        rename: Mapping[str, str] | None = None,
    ) -> None:
        """Deploy the galaxy.

        Args:
            plant: The new plant; None keeps the current one.
            add: New objects.
            remove: Tag names of objects to remove together with their contents.
            rename: New tag names by old tag name.

        Raises:
            LookupError: There is no object with such a tag name.
            ValueError: Tag names or ids are not unique, or a parent is missing.
        """
        edited = (plant or self._plant).edited(add=add, remove=remove, rename=rename or {})
        if edited is not self._plant:
            self._plant = edited
            self._running.plant.deploy(edited)
            self._running.alarms.watch_plant()
        self._running.galaxy.deploy(edited)

    def hold_deploy_events(self) -> None:
        """Delay deployment events until `release_deploy_events`; a watcher's queue keeps about the last sixteen."""
        self.switches.deploy_gate.hold()

    def release_deploy_events(self) -> None:
        """Send the delayed deployment events that each watcher's queue still holds."""
        self.switches.deploy_gate.release()

    def fail_next(self, method: str, status: Status, message: str = "", *, times: int = 1) -> None:
        """Make the next calls of a method fail.

        Args:
            method: An RPC, ``OpenSession``, or one kind of command, ``Invoke.Register``.
            status: The gRPC status.
            message: The gRPC message.
            times: How many calls fail.
        """
        self.switches.fail_next(method, status, message, times)

    def refuse_next(self, method: str, *, times: int = 1, goaway: bool = False) -> None:
        """Refuse the next calls of a method in a way that tells the client that nothing was processed.

        Args:
            method: An RPC, ``OpenSession``, or one kind of command, ``Invoke.Write``.
            times: How many calls are refused.
            goaway: Use a GOAWAY with an older last stream instead of REFUSED_STREAM.
        """
        self.switches.refuse_next(method, times, goaway=goaway)

    def reply_override(self, method: str, replace: Replacement, *, times: int | None = 1) -> None:
        """Let a function replace the next replies of a unary method.

        Args:
            method: An RPC, ``OpenSession``, or one kind of command, ``Invoke.Register``.
            replace: Takes the reply and returns the one to send.
            times: How many replies to replace; None for all.
        """
        self.switches.override(method, replace, times)

    def hold(self, method: str) -> None:
        """Answer no call of a method until `release`; the calls arrive, and are listed in `received`.

        Args:
            method: An RPC, ``BrowseChildren``, or one kind of command, ``Invoke.Register``.
        """
        self.switches.gate(method).hold()

    def release(self, method: str) -> None:
        """Answer the calls of a method again, including the pending ones."""
        self.switches.gate(method).release()

    def hold_commands(self) -> None:
        """Keep workers from starting commands until `release_commands`."""
        self.switches.command_gate.hold()

    def release_commands(self) -> None:
        """Let the workers continue."""
        self.switches.command_gate.release()

    def hold_write_completions(self) -> None:
        """Complete no accepted write until `release_write_completions`."""
        self.switches.write_gate.hold()

    def release_write_completions(self) -> None:
        """Complete the delayed writes, in order."""
        self.switches.write_gate.release()
        for session in self.sessions.values():
            session.worker.release_writes()

    def crash_worker(self, session_id: str, reason: str = "the worker process exited unexpectedly") -> None:
        """Crash a session's worker: the session faults.

        Raises:
            KeyError: There is no such session.
        """
        self.sessions[session_id].fault(Status.UNAVAILABLE, reason)

    def drop_connections(self, *, politely: bool = False) -> None:
        """Close every connection; sessions stay open.

        Args:
            politely: Send GOAWAY first, instead of a reset.
        """
        self._running.listener.drop_connections(politely=politely)

    @property
    def _running(self) -> Run:
        if self._run is None:
            raise RuntimeError("the simulated gateway is not running: enter it with `async with`")
        return self._run


def _native(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_native(element) for element in value]
    return nanoseconds(value) if hasattr(value, "tzinfo") else value
