"""What a test or a scenario does to a simulated gateway while it runs, and what it can see of it."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grpclib.const import Status

from mxgateway.simulator.alarms.conditions import AlarmSystem
from mxgateway.simulator.clock import Clock, nanoseconds
from mxgateway.simulator.galaxy.repository import GalaxyRepository
from mxgateway.simulator.history import History
from mxgateway.simulator.mxaccess.sessions import Session
from mxgateway.simulator.mxaccess.statuses import GOOD, OK
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.plant.live_tags import Sample, Tag, native_value
from mxgateway.simulator.plant.model import PlantObject
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.run import Run
from mxgateway.simulator.server.calls import CallRecord, ReceivedCall
from mxgateway.simulator.server.keys import SimulatedKey
from mxgateway.simulator.switches import Pace, Replacement, Switches


class Controls(ABC):
    """The controls of one gateway.

    Args:
        plant: The plant to serve.
        keys: The accepted keys.
        options: Limits, times and versions.
        clock: The time source.
    """

    def __init__(self, plant: Plant, keys: Sequence[SimulatedKey], options: SimulatorOptions, clock: Clock) -> None:
        self.options = options
        self.clock = clock
        self.switches = Switches(clock)
        self._record = CallRecord(options.record_limit, options.record_bytes)
        self._keys = tuple(keys)
        self.first_plant = plant
        """The plant of the first start."""
        self._plant = plant
        self._ssl_context: ssl.SSLContext | None = None
        self._earlier_events = 0
        self._run: Run | None = None

    @abstractmethod
    async def restart(self, *, deployed: bool = False, down: float = 0.0) -> None:
        """Stop, and start on the same port: every session is lost, and the galaxy's sequence starts again.

        Args:
            deployed: Whether the galaxy was deployed in between; otherwise the time of the last deployment stays.
            down: Seconds, on the gateway's clock, from the stop to the start.
        """

    @property
    def plant(self) -> Plant:
        """The plant as it is deployed now."""
        return self._plant

    @property
    def is_running(self) -> bool:
        """Whether the gateway listens; not before its start, nor while it restarts."""
        return self._run is not None

    @property
    def key_ids(self) -> set[str]:
        """The public parts of the accepted keys."""
        return {key.key_id for key in self._keys}

    def accepts(self, key: SimulatedKey) -> bool:
        """Return whether a key is one of the accepted ones."""
        return any(each.reveal() == key.reveal() for each in self._keys)

    @property
    def is_tls(self) -> bool:
        """Whether the gateway serves TLS."""
        return self._ssl_context is not None

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

    @property
    def subscribers(self) -> int:
        """The number of sessions whose event stream is attached."""
        return sum(session.events.is_attached for session in self.sessions.values())

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
            ValueError: The value is not of the tag's type.
        """
        tag, native = self.tag(reference), native_value(value)
        tag.attribute.check(native)
        time_ns = self.clock.now_ns() if source_time is None else nanoseconds(source_time)
        tag.override(Sample(tag.attribute.data_type, native, quality, time_ns, OK))

    def deploy(
        self,
        plant: Plant | None = None,
        *,
        add: Iterable[PlantObject] = (),
        remove: Iterable[str] = (),
        rename: Mapping[str, str] | None = None,
        retype: Mapping[str, DataType] | None = None,
    ) -> None:
        """Deploy the galaxy.

        An item whose tag is gone reports a bad quality and refuses writes; one whose tag is there again continues.

        Args:
            plant: The new plant; None keeps the current one.
            add: New objects.
            remove: Objects, by tag name, to remove together with their contents, and tags to remove.
            rename: New tag names by old tag name, and new tags by old tag of the same object.
            retype: New types of tags, which then have the default value of their type.

        Raises:
            LookupError: There is no such object or tag.
            ValueError: Names or ids are not unique, or a parent is missing.
        """
        edited = (plant or self._plant).edited(add=add, remove=remove, rename=rename, retype=retype)
        if edited is not self._plant:
            self._plant = edited
            self._running.plant.deploy(edited)
            self._running.alarms.watch_plant()
            self._running.plant.start()
            self._running.sessions.rebind_items()
        self._running.galaxy.deploy(edited)
        self.switches.changed()

    def hold_deploy_events(self) -> None:
        """Delay deployment events until `release_deploy_events`; a watcher's queue keeps about the last sixteen."""
        self.switches.deploy_gate.hold()

    def release_deploy_events(self) -> None:
        """Send the delayed deployment events that each watcher's queue still holds."""
        self.switches.deploy_gate.release()

    def fail_next(self, method: str, status: Status | int, message: str = "", *, times: int = 1) -> None:
        """Make the next calls of a method fail.

        Args:
            method: An RPC, ``OpenSession``, or one kind of command, ``Invoke.Register``.
            status: The gRPC status: grpclib's, `mxgateway.GrpcStatus`, or its number.
            message: The gRPC message.
            times: How many calls fail.
        """
        self.switches.fail_next(method, Status(status), message, times)

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

    # The network

    def delay_replies(self, seconds: float) -> None:
        """Answer every call later.

        Args:
            seconds: How much later; 0 for no delay.
        """
        self.switches.delay = seconds

    def slow_streams(self, *, events_per_second: float | None = None, bytes_per_second: float | None = None) -> None:
        """Limit how fast the events of each session are sent; without arguments there is no limit."""
        self.switches.pace = Pace(events_per_second, bytes_per_second)

    def black_hole(self, *, on: bool = True) -> None:
        """Receive and send nothing on any connection, old or new, without closing it.

        Args:
            on: False ends it; what was held back is sent then.
        """
        self._running.listener.hold_bytes(on=on)

    async def refuse_connections(self) -> None:
        """Refuse new connections, as a machine does on whose port nobody listens; open ones stay."""
        await self._running.listener.refuse()

    async def accept_connections(self) -> None:
        """Accept connections again.

        Raises:
            OSError: The port was taken meanwhile.
        """
        await self._running.listener.accept_again()

    def go_away(self) -> None:
        """Send GOAWAY on every connection, as at the end of a connection's age: its calls go on, and new ones do not."""
        self._running.listener.go_away()

    def serve_certificate(self, context: ssl.SSLContext) -> None:
        """Present another certificate to connections that begin from now on.

        Args:
            context: The server side of TLS.

        Raises:
            LookupError: The gateway does not serve TLS.
        """
        if self._ssl_context is None:
            raise LookupError("the gateway does not serve TLS")
        self._ssl_context = self._running.listener.ssl_context = context

    # Keys

    def add_key(self, key: SimulatedKey) -> None:
        """Accept another key from now on."""
        self._set_keys((*self._keys, key))

    def revoke_key(self, key_id: str | None = None) -> None:
        """Accept a key no longer; streams that it has opened go on.

        Args:
            key_id: The public part of the key; None for every key.

        Raises:
            LookupError: There is no such key.
        """
        kept = tuple(key for key in self._keys if key_id is not None and key.key_id != key_id)
        if len(kept) == len(self._keys):
            raise LookupError(f"the gateway has no key {key_id!r}")
        self._set_keys(kept)

    def _set_keys(self, keys: tuple[SimulatedKey, ...]) -> None:
        self._keys = keys
        if self._run is not None:
            self._run.authenticator.keys = keys

    @property
    def _running(self) -> Run:
        if self._run is None:
            raise RuntimeError("the simulated gateway is not running: enter it with `async with`")
        return self._run
