"""A small gateway on grpcio's C core with google.protobuf's messages: it shares only the contract with this project.

It supports sessions, register, add, advise, write and events: enough for a client's main job, and an independent check
of every byte. It speaks the shipped contract, or another one with the same names. Run as a program (``python -m
tests.peers.grpcio_gateway --port 0``), it prints its port and serves until it is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn

import grpc

from tests.peers.certificates import ServerCertificate
from tests.peers.protobuf_messages import Contract, Rpc, shipped_contract

E_INVALIDARG: Final = -2147024809
SERVICE: Final = "mxaccess_gateway.v1.MxAccessGateway"
GOOD_QUALITY: Final = 192

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


class GatewaySession:
    """The handles and events of one session.

    Args:
        contract: The server's contract.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.session_id = f"session-{secrets.token_hex(16)}"
        self.servers: set[int] = set()
        self.items: dict[int, tuple[int, str]] = {}
        self.events: list[bytes] = []
        self.changed = asyncio.Event()
        self.streaming = False
        self.closed = False
        self._next_handle = 1
        self._taken = 0

    def handle(self) -> int:
        """Return a new handle."""
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        return handle

    def raise_event(self, server: int, item: int, family: str, value: Any = None) -> None:
        """Append an event with the next worker sequence."""
        contract = self.contract
        event: Any = contract.MxEvent(
            family=contract.number(f"MX_EVENT_FAMILY_{family}"),
            session_id=self.session_id,
            server_handle=server,
            item_handle=item,
            quality=GOOD_QUALITY,
            worker_sequence=len(self.events) + 1,
            statuses=[ok_status(contract)],
        )
        if value is not None:
            event.value.CopyFrom(value)
        event.worker_timestamp.FromDatetime(datetime.now(UTC))
        arm = {"ON_DATA_CHANGE": "on_data_change", "ON_WRITE_COMPLETE": "on_write_complete"}[family]
        getattr(event, arm).SetInParent()
        self.events.append(serialize(event))
        self.wake()

    def wake(self) -> None:
        """Let the stream check for events."""
        self.changed.set()

    async def stream(self, after: int) -> AsyncIterator[bytes]:
        """Yield events after a sequence (0: after the last stream's) until the session is closed."""
        self._taken = after or self._taken
        while True:
            while self._taken < len(self.events):
                self._taken += 1
                yield self.events[self._taken - 1]
            if self.closed:
                return
            self.changed.clear()
            await self.changed.wait()


def serialize(message: Any) -> bytes:
    """Serialize a message deterministically with google.protobuf."""
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def ok_status(contract: Contract | None = None) -> Any:
    """Return MXAccess's native OK; here and below, in the shipped contract by default."""
    contract = contract or shipped_contract()
    return contract.MxStatusProxy(
        success=-1,
        category=contract.number("MX_STATUS_CATEGORY_OK"),
        detected_by=contract.number("MX_STATUS_SOURCE_RESPONDING_LMX"),
    )


def protocol_status(name: str, message: str = "", contract: Contract | None = None) -> Any:
    """Return a ProtocolStatus by its name without the prefix."""
    contract = contract or shipped_contract()
    return contract.ProtocolStatus(code=contract.number(f"PROTOCOL_STATUS_CODE_{name}"), message=message)


def prepared_events(count: int, session_id: str = "session-prepared", contract: Contract | None = None) -> list[bytes]:
    """Return serialized OnDataChange events with the worker sequences from 1, as a busy plant sends them."""
    contract = contract or shipped_contract()
    started = datetime(2026, 3, 1, 12, tzinfo=UTC)
    events = []
    for sequence in range(1, count + 1):
        event: Any = contract.MxEvent(
            family=contract.number("MX_EVENT_FAMILY_ON_DATA_CHANGE"),
            session_id=session_id,
            server_handle=1,
            item_handle=1 + sequence % 100,
            quality=GOOD_QUALITY,
            worker_sequence=sequence,
            statuses=[ok_status(contract)],
            value=int32_value(sequence % 2**31, contract),
        )
        at = started + timedelta(microseconds=100 * sequence)
        event.source_timestamp.FromDatetime(at)
        event.worker_timestamp.FromDatetime(at)
        event.gateway_receive_timestamp.FromDatetime(at)
        event.on_data_change.SetInParent()
        events.append(serialize(event))
    return events


def int32_value(number: int, contract: Contract | None = None) -> Any:
    """Return the MxValue of an INTEGER."""
    contract = contract or shipped_contract()
    return contract.MxValue(data_type=contract.number("MX_DATA_TYPE_INTEGER"), variant_type="VT_I4", int32_value=number)


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


def _register(session: GatewaySession, body: Any, reply: Any) -> bool:
    handle = session.handle()
    session.servers.add(handle)
    reply.register.server_handle = handle
    return True


def _unregister(session: GatewaySession, body: Any, reply: Any) -> bool:
    session.items = {item: known for item, known in session.items.items() if known[0] != body.server_handle}
    known = body.server_handle in session.servers
    session.servers.discard(body.server_handle)
    return known


def _add_item(session: GatewaySession, body: Any, reply: Any) -> bool:
    handle = session.handle()
    session.items[handle] = (body.server_handle, body.item_definition)
    arm = "add_item2" if body.DESCRIPTOR.name == "AddItem2Command" else "add_item"
    getattr(reply, arm).item_handle = handle
    return body.server_handle in session.servers


def _remove_item(session: GatewaySession, body: Any, reply: Any) -> bool:
    return session.items.pop(body.item_handle, None) is not None


def _advise(session: GatewaySession, body: Any, reply: Any) -> bool:
    if body.item_handle not in session.items:
        return False
    session.raise_event(body.server_handle, body.item_handle, "ON_DATA_CHANGE", int32_value(42, session.contract))
    return True


def _write(session: GatewaySession, body: Any, reply: Any) -> bool:
    if body.item_handle not in session.items:
        return False
    session.raise_event(body.server_handle, body.item_handle, "ON_DATA_CHANGE", body.value)
    session.raise_event(body.server_handle, body.item_handle, "ON_WRITE_COMPLETE")
    return True


def _unadvise(session: GatewaySession, body: Any, reply: Any) -> bool:
    return body.item_handle in session.items


def _ping(session: GatewaySession, body: Any, reply: Any) -> bool:
    return True


def _state(session: GatewaySession, body: Any, reply: Any) -> bool:
    name = "CLOSED" if session.closed else "READY"
    reply.session_state.state = session.contract.number(f"SESSION_STATE_{name}")
    return True


_COMMANDS: Final[dict[str, Callable[[GatewaySession, Any, Any], bool]]] = {
    "register": _register,
    "unregister": _unregister,
    "add_item": _add_item,
    "add_item2": _add_item,
    "remove_item": _remove_item,
    "advise": _advise,
    "advise_supervisory": _advise,
    "un_advise": _unadvise,
    "write": _write,
    "write2": _write,
    "ping": _ping,
    "get_session_state": _state,
}


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
