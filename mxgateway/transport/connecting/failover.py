"""The endpoints of one channel, in the order of preference, and which of them is in use."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from typing import Final

from mxgateway.errors import CallSite, MxGatewayError, MxGatewayTimeoutError, map_fault
from mxgateway.errors.faults import ConnectFault, Phase
from mxgateway.errors.logs import logger
from mxgateway.errors.redaction import Gate
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.transport.connecting.connector import Connector
from mxgateway.transport.http2.connection import Connection
from mxgateway.transport.http2.request_headers import RequestHeaders
from mxgateway.transport.keys import Keys

log = logger("mxgateway.transport.channel")

AVOIDED_FOR: Final = 30.0
"""Seconds for which an endpoint that failed is tried after the others: a silent one costs the whole connect timeout."""


class Candidate:
    """One endpoint, with its own trust in certificates and its own ``:authority``.

    Args:
        endpoint: The address.
        options: How to connect.
        keys: The API key that calls send.
    """

    def __init__(self, endpoint: Endpoint, options: ClientOptions, keys: Keys) -> None:
        scheme = "http" if options.plaintext else "https"
        self.endpoint = endpoint
        self.request_headers = RequestHeaders(scheme, options.authority_of(endpoint), keys, options.metadata)
        self.connector = Connector(endpoint, options)
        self.failed_at = -math.inf


class Failover:
    """All endpoints of one channel.

    Args:
        endpoints: The addresses, the preferred one first.
        options: How to connect.
        keys: The API key that calls send, at whichever endpoint.
        gate: Hides secrets in the log.
    """

    def __init__(self, endpoints: Sequence[Endpoint], options: ClientOptions, keys: Keys, gate: Gate) -> None:
        self._gate = gate
        self._all = [Candidate(endpoint, options, keys) for endpoint in endpoints]
        self.current = self._all[0]
        """The endpoint in use, or the one that the last failure is about."""

    @property
    def several(self) -> bool:
        """True if there is more than one endpoint."""
        return len(self._all) > 1

    async def connect(self) -> Connection:
        """Return a connection to the first endpoint that can be reached.

        Raises:
            ConnectFault: There is none. The fault is one that may pass, if any endpoint has one.
        """
        if not self.several:
            return await self.current.connector.connect()
        failures: list[tuple[Candidate, Phase, BaseException]] = []
        for candidate in sorted(self._all, key=self._has_failed):  # those that failed a moment ago come last
            try:
                connection = await candidate.connector.connect()
            except ConnectFault as fault:
                level = logging.WARNING if candidate.failed_at == -math.inf else logging.DEBUG
                log.log(level, "%s cannot be used: %s", candidate.endpoint, self._gate.line(str(fault)))
                candidate.failed_at = time.monotonic()
                failures.append((candidate, fault.phase, fault.cause))
            else:
                candidate.failed_at = -math.inf
                self.current = candidate
                return connection
        self.current, phase, cause = next((each for each in failures if _passes(*each[1:])), failures[0])
        raise ConnectFault(phase, cause) from cause

    def avoid_current(self) -> bool:
        """Count the endpoint in use as failed, and return whether there is one that has not."""
        self.current.failed_at = time.monotonic()
        return any(not self._has_failed(candidate) for candidate in self._all)

    def _has_failed(self, candidate: Candidate) -> bool:
        return time.monotonic() - candidate.failed_at < AVOIDED_FOR


def _passes(phase: Phase, cause: BaseException) -> bool:
    return may_pass(map_fault(cause, CallSite(), phase=phase))


def may_pass(error: MxGatewayError) -> bool:
    """Return whether waiting may help. A timeout is one that may: a machine that boots answers nothing."""
    return error.retryable or isinstance(error, MxGatewayTimeoutError)
