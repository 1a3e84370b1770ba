"""Routes a request to its method: authentication, deadline, the record of calls, and the status of a failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from grpclib import GRPCError
from grpclib.const import Handler, Status
from grpclib.protocol import Stream

from mxgateway.simulator.hidden_text import HiddenText
from mxgateway.simulator.server.calls import Call, CallRecord
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.simulator.server.http2 import STREAM_GONE, ReceivedHeaders
from mxgateway.simulator.server.keys import Authenticator, Scope, scope_of_method
from mxgateway.simulator.switches import CallRefused, Switches

_logger = logging.getLogger(__name__)

Unary = Callable[[Call, Any], Awaitable[Any]]
"""Answers a unary call with its reply."""
Streaming = Callable[[Call, Any], Awaitable[None]]
"""Answers a streaming call: sends the messages itself, and returns at the end."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC."""

    answer: Unary | Streaming
    request_type: type[Any]
    is_streaming: bool
    checks_scope: bool
    """Whether the scope is checked before `answer`; Invoke's scope depends on the command."""


def methods(
    mapping: Mapping[str, Handler], answers: Mapping[str, Unary | Streaming], *, own_scope: frozenset[str] = frozenset()
) -> dict[str, Method]:
    """Return the RPCs of one service by path.

    Args:
        mapping: The generated service base's entry for each path.
        answers: The function that answers each RPC, by its name.
        own_scope: RPCs that check their scope themselves.
    """
    found = {}
    for path, handler in mapping.items():
        name = path.rpartition("/")[2]
        if name in answers:
            is_streaming = handler.cardinality.server_streaming
            found[path] = Method(answers[name], handler.request_type, is_streaming, name not in own_scope)
    return found


class Router:
    """Answers requests.

    Args:
        table: The RPCs by path.
        authenticator: Finds the key of a call.
        switches: The switches set by a test.
        message_limit: Largest message in bytes, each way.
        record: Records each call.
        encoding: How messages are encoded.
    """

    def __init__(
        self,
        table: Mapping[str, Method],
        authenticator: Authenticator,
        switches: Switches,
        message_limit: int,
        record: CallRecord,
        encoding: Encoding,
    ) -> None:
        self._encoding = encoding
        self._table = table
        self._authenticator = authenticator
        self._switches = switches
        self._message_limit = message_limit
        self._record = record

    async def serve(self, stream: Stream, headers: ReceivedHeaders, peer: str) -> None:
        """Answer one request."""
        call = Call(stream, headers, peer, self._message_limit, self._record, self._encoding)
        try:
            if (http_status := call.http_refusal()) is not None:
                await call.refuse(http_status)
                return
            self._record.calls.append(call.received)
            try:
                await self._answer_in_time(call)
            except GRPCError as error:
                await call.finish(error.status, error.message)
            except CallRefused as refusal:
                call.refuse_unprocessed(goaway=refusal.goaway)
        except STREAM_GONE:
            _logger.debug("%r: the client has gone", call.received)
        except Exception:
            _logger.exception("%r failed", call.received)
            await self._report_crash(call)

    async def _answer_in_time(self, call: Call) -> None:
        try:
            async with asyncio.timeout(call.timeout()) as deadline:
                await self._answer(call)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise GRPCError(Status.DEADLINE_EXCEEDED, "Deadline exceeded.") from None

    async def _answer(self, call: Call) -> None:
        call.key = self._authenticator.authenticate(HiddenText(call.received.header("authorization") or ""))
        method = self._table.get(call.received.path)
        if method is None or self._encoding.lacks(call.received.path):
            call.key.require(Scope.ADMIN)
            raise GRPCError(Status.UNIMPLEMENTED, f"The gateway has no method {call.received.path}.")
        request = await call.receive(method.request_type)
        if method.checks_scope:
            call.key.require(scope_of_method(call.received.method))
            self._switches.count(call.names)
            self._switches.check(call.names)
            await self._switches.opened(call.names)
        if method.is_streaming:
            await self._switches.late()
            await method.answer(call, request)
            await call.finish()
        else:
            reply = await method.answer(call, request)
            await self._switches.late()
            await call.reply(self._switches.replaced(call.names, reply))

    @staticmethod
    async def _report_crash(call: Call) -> None:
        with suppress(STREAM_GONE):
            await call.finish(Status.UNKNOWN, "The simulated gateway failed; see its log.")
