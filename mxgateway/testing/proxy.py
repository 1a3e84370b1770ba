"""`ThreadedFaultProxy`: the fault proxy in a thread of its own, for tests on any event loop and on none."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from mxgateway.testing.loop_thread import LoopThread, on_loop
from mxgateway.testing.network.fault_proxy import Direction, FaultProxy
from mxgateway.testing.network.sockets import PATIENCE

_PAUSE: Final = 0.002
"""Seconds between two looks at a condition."""


class ThreadedFaultProxy:
    """A `FaultProxy` that relays in a thread of its own inside its ``with`` block.

    Its switches may be called in any thread, also while an event loop runs there; none of them is awaited.

    Args:
        port: The target's port.
        host: The target's host.
        seed: The seed of the jitter.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1", seed: int = 0) -> None:
        self._thread = LoopThread("fault proxy")
        self._proxy = FaultProxy(port, host=host, seed=seed)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._thread.run(self._proxy.__aenter__)
        except BaseException:
            self._thread.stop()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._thread.run(lambda: self._proxy.__aexit__(None, None, None))
        finally:
            self._thread.stop()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._proxy.port

    @property
    def endpoint(self) -> str:
        """The proxy's address."""
        return self._proxy.endpoint

    @property
    def to_server(self) -> Direction:
        """The direction from the clients to the target."""
        return on_loop(self._thread, self._proxy.to_server)

    @property
    def to_client(self) -> Direction:
        """The direction from the target to the clients."""
        return on_loop(self._thread, self._proxy.to_client)

    @property
    def both(self) -> Direction:
        """Both directions at once."""
        return on_loop(self._thread, self._proxy.both)

    @property
    def accepted(self) -> int:
        """Number of accepted connections."""
        return self._proxy.accepted

    @property
    def connected(self) -> int:
        """Number of connections made to the target."""
        return self._proxy.connected

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._proxy.connections)

    def reset_all(self) -> None:
        """Reset every connection towards both ends."""
        self._thread.call(self._proxy.reset_all)

    def refuse(self) -> None:
        """Refuse new connections, like a host without a listener; existing ones stay open."""
        self._thread.run(self._proxy.refuse)

    def accept(self) -> None:
        """Accept connections again on the same port."""
        self._thread.run(self._proxy.accept)

    def until(self, condition: Callable[[], bool]) -> None:
        """Block this thread until `condition` is true. On an event loop, wait for what the client reports instead.

        Raises:
            TimeoutError: It is still false after ten seconds.
        """
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError("the condition did not become true")
            time.sleep(_PAUSE)
