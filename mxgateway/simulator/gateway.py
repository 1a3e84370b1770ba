"""`SimulatedGateway`: an MXAccess Gateway in this process, on a real TCP port."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from mxgateway.simulator.clock import Clock, SystemClock
from mxgateway.simulator.controls import Controls
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.plant.catalog import small_plant
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.recording.player import Replay, Stage
from mxgateway.simulator.recording.reading import Recording
from mxgateway.simulator.run import Run
from mxgateway.simulator.scenarios.play import Play, PlayedStep
from mxgateway.simulator.scenarios.scenario import Scenario
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.simulator.server.keys import Scope, SimulatedKey
from mxgateway.simulator.server.listener import join_host_port, reachable_host, tls_context
from mxgateway.simulator.server.log_guard import hide_headers
from mxgateway.wire import Codec

Path = str | os.PathLike[str]


class ServedContract(Protocol):
    """The part of a contract that a gateway needs; `mxgateway.contract.Contract` is one."""

    @property
    def serving_codec(self) -> Codec:
        """Encodes replies and decodes requests by the contract; fields that it lacks are left out."""

    def lacks(self, path: str) -> bool:
        """Return whether it lacks the call of a ``:path``."""


class SimulatedGateway(Controls):
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
        replay: A recording to play, instead of a plant; the first reader of a tag begins it, or of the alarms without tags.

    Raises:
        ValueError: Both a certificate and an SSL context are given, or both a plant and a recording.
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
        replay: Replay | Recording | None = None,
    ) -> None:
        if certificate is not None and ssl_context is not None:
            raise ValueError("give a certificate or an ssl_context, not both")
        keys = api_keys if api_keys is not None else (SimulatedKey(),)
        if plant is not None and replay is not None:
            raise ValueError("give a plant or a replay, not both")
        options, clock = options or SimulatorOptions(), clock or SystemClock()
        self._stage = Stage(replay, clock, options.event_queue_limit)
        super().__init__(self._stage.plant or plant or small_plant(), keys, options, clock)
        self._host = host
        self._port = port
        self._certificate = certificate
        self._private_key = private_key
        self._ssl_context = ssl_context
        self._encoding = Encoding() if contract is None else Encoding(contract.serving_codec, contract.lacks)
        self._stopped = asyncio.Event()
        self._turn = asyncio.Lock()
        """Held while a run begins or ends: until it has ended, the port is taken."""
        self._restarting = asyncio.Lock()
        self._pause: asyncio.Future[None] | None = None
        self._plays: list[Play] = []
        self._deployed_ns: int | None = self.clock.now_ns()

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
        await self._begin()
        self._stopped.clear()

    async def stop(self) -> None:
        """End every session and connection and stop listening; no effect if the gateway is not running."""
        plays, self._plays = self._plays, []
        for play in plays:
            play.stop()
        await self._end()
        self._stopped.set()
        if self._pause is not None:
            self._pause.cancel()
        async with self._restarting:  # a restart sees that it has been stopped, and ends
            pass

    async def restart(self, *, deployed: bool = False, down: float = 0.0) -> None:
        """Stop, and start on the same port: every session is lost, and the galaxy's sequence starts again.

        Args:
            deployed: Whether the galaxy was deployed in between; otherwise the time of the last deployment stays.
            down: Seconds, on the gateway's clock, from the stop to the start.
        """
        self._stopped.clear()
        async with self._restarting:
            try:
                await self._end()
                if deployed:
                    self._deployed_ns = self.clock.now_ns()
                if down and not self._stopped.is_set():
                    await self._stay_down(down)
                if not self._stopped.is_set():  # it may have been stopped meanwhile
                    await self._begin()
                if self._stopped.is_set():
                    await self._end()
            except BaseException:
                self._stopped.set()
                raise

    def play(self, scenario: Scenario, *, report: Callable[[PlayedStep], None] | None = None) -> Play:
        """Play a scenario from now on; the gateway must run. Awaiting the play returns when its last step is done.

        Args:
            scenario: The scenario.
            report: Called with each step that is done.

        Raises:
            ValueError: The scenario does not fit the gateway; nothing was started.
            RuntimeError: The gateway is not running.
        """
        if self._run is None:
            raise RuntimeError("the simulated gateway is not running: enter it with `async with`")
        scenario.check(self)
        play = Play(self, scenario, report)
        self._plays = [*(each for each in self._plays if not each.done), play]
        return play

    async def replay(self, recording: Recording, *, speed: float = 1.0, loop: bool = False) -> None:
        """Deploy the plant of a recording, and play it from now on to its end.

        Args:
            recording: The recording.
            speed: How many times quicker than life; `math.inf` as quickly as its readers take it.
            loop: Begin again at the end, until the call is cancelled.

        Raises:
            ValueError: The speed is not above 0, or the recording's file has changed since it was loaded.
            OSError: The file cannot be read.
            RuntimeError: The gateway is not running.
        """
        replay = Replay(recording, speed, loop)
        self.deploy(recording.plant)
        await self._stage.play(replay, self._running)

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
    def is_tls(self) -> bool:
        """Whether the gateway serves TLS."""
        return self._certificate is not None or super().is_tls

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

    async def _stay_down(self, seconds: float) -> None:
        """Wait on the gateway's clock, until it is stopped."""
        pause = self._pause = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            await asyncio.wait([pause])
        finally:
            self._pause = None
            pause.cancel()

    async def _begin(self) -> None:
        async with self._turn:
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
            self._run = run
            self._stage.attach(run)
            self.switches.changed()

    async def _end(self) -> None:
        async with self._turn:
            run, self._run = self._run, None
            if run is not None:
                self._stage.detach()
                self._earlier_events += run.sessions.events_sent
                # The database outlives the gateway and knows when the galaxy was deployed.
                self._deployed_ns = run.galaxy.deployed_ns
                await run.stop()
