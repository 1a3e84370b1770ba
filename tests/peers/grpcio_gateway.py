"""A small gateway on grpcio's C core with google.protobuf's messages: it shares only the contract with this project.

It supports sessions, register, add, advise, write and events: enough for a client's main job, and an independent check
of every byte. It speaks the shipped contract, or another one with the same names. Run as a program (``python -m
tests.peers.grpcio_gateway --port 0``), it prints its port and serves until it is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn

import grpc

from tests.peers.grpcio_sessions import (
    _COMMANDS,
    E_INVALIDARG,
    GatewaySession,
    prepared_events,
    protocol_status,
    serialize,
)
from tests.peers.network.certificates import ServerCertificate
from tests.peers.protobuf_messages import Contract, Rpc, shipped_contract

SERVICE: Final = "mxaccess_gateway.v1.MxAccessGateway"

_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_send_message_length", 16 * 1024 * 1024),
)

Context = Any  # grpc.aio.ServicerContext is generic in its stubs only


@dataclass
class Exchange:
    """One RPC as seen by the server."""

    method: str
    metadata: dict[str, str]
    request: bytes
    replies: list[bytes] = field(default_factory=list)
    """The bytes of every message sent back."""
    timeout: float | None = None
    """The remaining time of the client's deadline, in seconds."""
    binary_metadata: dict[str, bytes] = field(default_factory=dict)
    """The metadata whose names end in ``-bin``, decoded."""
    cancelled: bool = False
    """True once the server knows that the client cancelled the call or its deadline passed."""
    contract: Contract = field(default_factory=shipped_contract, repr=False)
    """The server's contract."""

    @property
    def parsed(self) -> Any:
        """The request as parsed by google.protobuf."""
        return self.contract.rpcs[self.method].request.FromString(self.request)

    @contextmanager
    def noting_cancellation(self) -> Iterator[None]:
        """Detect cancellation in the block that serves the call."""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled = True
            raise


Answer = Callable[[Exchange, Context], Awaitable[bytes | None]]
"""Gets a call first: may send metadata, wait, abort, or return the only reply's bytes; None: the gateway answers."""


class GrpcioGateway:
    """The gateway; a context manager that serves on a free port of 127.0.0.1.

    Args:
        port: The port; 0 for a free one.
        api_key: The only accepted key; None accepts everybody.
        certificate: The TLS certificate; None for plaintext.
        prepared: Serialized events that every event stream delivers instead of the session's own.
        recording: Record an `Exchange` for every call.
        options: Further channel arguments of the C core.
        contract: The server's contract; by default the shipped one.
        services: Handlers of further services.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        api_key: str | None = None,
        certificate: ServerCertificate | None = None,
        prepared: Sequence[bytes] = (),
        recording: bool = True,
        options: Sequence[tuple[str, int]] = (),
        contract: Contract | None = None,
        services: Sequence[Any] = (),
    ) -> None:
        self._services = services
        self.contract = contract or shipped_contract()
        self._wanted_port = port
        self._options = options
        self._api_key = api_key
        self._certificate = certificate
        self._prepared = prepared
        self._recording = recording
        self._server: Any = None
        self.port = 0
        self.sessions: dict[str, GatewaySession] = {}
        self.exchanges: list[Exchange] = []
        """Every call so far, in order of arrival."""
        self.answer: Answer | None = None
        """Set by a test to answer calls itself."""

    @property
    def endpoint(self) -> str:
        """The address, with ``localhost`` so that the name can be verified."""
        return f"localhost:{self.port}"

    async def __aenter__(self) -> GrpcioGateway:
        self._server = grpc.aio.server(options=[*_OPTIONS, *self._options])
        handlers = {name: self._handler(name, rpc) for name, rpc in self.contract.rpcs.items() if SERVICE in rpc.path}
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, handlers), *self._services]
        )
        address = f"127.0.0.1:{self._wanted_port}"
        if self._certificate is None:
            self.port = self._server.add_insecure_port(address)
        else:
            pair = (self._certificate.key_pem, self._certificate.certificate_pem)
            self.port = self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        await self._server.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._server.stop(None)

    async def wait(self) -> None:
        """Serve until the server is stopped."""
        await self._server.wait_for_termination()

    # -- RPCs

    def _handler(self, name: str, rpc: Rpc) -> Any:
        """Return a handler for bytes, which records requests and replies unchanged."""
        if name == "StreamEvents":
            return grpc.unary_stream_rpc_method_handler(self._stream_events)
        if rpc.is_streaming:
            return None
        serve: Callable[[Any, Context], Any] | None = {
            "OpenSession": self._open_session,
            "CloseSession": self._close_session,
            "Invoke": self._invoke,
        }.get(name)
        if serve is None:
            return None

        async def unary(data: bytes, context: Context) -> bytes:
            exchange = await self._admit(name, data, context)
            with exchange.noting_cancellation():
                reply = await self.answer(exchange, context) if self.answer else None
                if reply is None:
                    reply = serialize(await serve(exchange.parsed, context))
                exchange.replies.append(reply)
                return reply

        return grpc.unary_unary_rpc_method_handler(unary)

    async def _admit(self, name: str, data: bytes, context: Context) -> Exchange:
        pairs = list(context.invocation_metadata())
        metadata = {key: value for key, value in pairs if isinstance(value, str)}
        binary = {key: value for key, value in pairs if isinstance(value, bytes)}
        exchange = Exchange(
            name, metadata, data, timeout=context.time_remaining(), binary_metadata=binary, contract=self.contract
        )
        if self._recording:
            self.exchanges.append(exchange)
        if self._api_key is not None and metadata.get("authorization") != f"Bearer {self._api_key}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Missing or invalid API key.")
        return exchange

    async def _open_session(self, request: Any, context: Context) -> Any:
        session = GatewaySession(self.contract)
        self.sessions[session.session_id] = session
        reply: Any = self.contract.OpenSessionReply(
            session_id=session.session_id,
            backend_name="mxaccess-worker",
            worker_process_id=4711,
            worker_protocol_version=1,
            gateway_protocol_version=3,
            capabilities=["unary-acknowledge-alarm", "server-stream-active-alarms"],
            protocol_status=protocol_status("OK", contract=self.contract),
        )
        reply.default_command_timeout.FromSeconds(30)
        return reply

    async def _close_session(self, request: Any, context: Context) -> Any:
        session = await self._session(request.session_id, context)
        session.closed = True
        session.wake()
        return self.contract.CloseSessionReply(
            session_id=session.session_id,
            final_state=self.contract.number("SESSION_STATE_CLOSED"),
            protocol_status=protocol_status("OK", contract=self.contract),
        )

    async def _stream_events(self, data: bytes, context: Context) -> AsyncIterator[bytes]:
        exchange = await self._admit("StreamEvents", data, context)
        with exchange.noting_cancellation():
            reply = await self.answer(exchange, context) if self.answer else None
            for event in [reply] if reply is not None else self._prepared:
                yield event
            if reply is not None or self._prepared:
                return
            session = await self._session(exchange.parsed.session_id, context)
            if session.streaming:
                await context.abort(grpc.StatusCode.ALREADY_EXISTS, "The session already has an event subscriber.")
            session.streaming = True
            try:
                async for event in session.stream(exchange.parsed.after_worker_sequence):
                    exchange.replies.append(event)
                    yield event
            finally:
                session.streaming = False

    async def _session(self, session_id: str, context: Context) -> GatewaySession:
        session = self.sessions.get(session_id)
        if session is None:
            await _abort(context, grpc.StatusCode.NOT_FOUND, f"Session '{session_id}' was not found.")
        return session

    # -- commands

    async def _invoke(self, request: Any, context: Context) -> Any:
        session = await self._session(request.session_id, context)
        arm = request.command.WhichOneof("payload")
        reply: Any = self.contract.MxCommandReply(
            session_id=request.session_id,
            correlation_id=request.client_correlation_id,
            kind=request.command.kind,
            protocol_status=protocol_status("OK", contract=self.contract),
        )
        command = _COMMANDS.get(arm)
        if command is None:
            reply.protocol_status.CopyFrom(
                protocol_status("INVALID_REQUEST", f"Unsupported MXAccess command kind {arm}", self.contract)
            )
        elif not command(session, getattr(request.command, arm), reply):
            reply.protocol_status.CopyFrom(protocol_status("MXACCESS_FAILURE", contract=self.contract))
            reply.hresult = E_INVALIDARG
        return reply


async def _abort(context: Context, code: grpc.StatusCode, details: str) -> NoReturn:
    await context.abort(code, details)
    raise AssertionError("abort returned")


async def _main(options: argparse.Namespace) -> None:
    contract = Contract(options.contract.read_bytes()) if options.contract else shipped_contract()
    prepared = prepared_events(options.events, contract=contract)
    async with GrpcioGateway(port=options.port, prepared=prepared, recording=False, contract=contract) as gateway:
        print(gateway.port, flush=True)
        await gateway.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the contract with grpcio's C core.")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one and prints it")
    parser.add_argument("--events", type=int, default=0, help="events that every stream delivers before it ends")
    parser.add_argument("--contract", type=Path, help="FileDescriptorSet of the contract to speak, with its imports")
    try:
        asyncio.run(_main(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)
