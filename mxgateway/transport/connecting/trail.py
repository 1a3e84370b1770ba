"""What an attempt to connect has seen so far: the address, the phases with their times, the certificate."""

from __future__ import annotations

import asyncio

from mxgateway.errors import Phase
from mxgateway.transport.connecting.resolver import Address


class Trail:
    """The trail of one attempt, which begins now."""

    __slots__ = ("_begun", "_ended", "address", "certificate", "tls_version")

    def __init__(self, phase: Phase) -> None:
        self.address: Address | None = None
        self.certificate: bytes | None = None
        """The gateway's certificate (DER); None without TLS, or before the handshake is over."""
        self.tls_version = ""
        self._begun: list[tuple[Phase, float]] = [(phase, _now())]
        self._ended: float | None = None

    @property
    def phase(self) -> Phase:
        """The phase that began last."""
        return self._begun[-1][0]

    def enter(self, phase: Phase) -> None:
        """Begin a phase, which ends the one before it."""
        self._begun.append((phase, _now()))

    def end(self) -> None:
        """End the last phase."""
        self._ended = _now()

    def seconds(self) -> dict[Phase, float]:
        """Return how long each phase has taken, in order."""
        ends = [begun for _, begun in self._begun[1:]]
        ends.append(self._ended if self._ended is not None else _now())
        return {phase: end - begun for (phase, begun), end in zip(self._begun, ends, strict=True)}


def _now() -> float:
    return asyncio.get_running_loop().time()
