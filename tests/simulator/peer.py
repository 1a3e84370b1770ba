"""A gateway client that is not ours: grpcio's C core with google.protobuf messages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from tests.peers.protobuf_messages import shipped_contract

CONTRACT = shipped_contract()
E_INVALIDARG = -2147024809
E_PROVIDER_SECURITY = -2147220992

# Long enough for a slow machine; reached only when something is broken.
PATIENCE = 20


class Peer:
    """One channel to a gateway.

    Args:
        endpoint: host:port
        api_key: The key; None sends none.
        credentials: TLS credentials; None for plaintext.
        options: Channel arguments of the C core.
    """

    def __init__(
        self,
        endpoint: str,
        api_key: str | None,
        credentials: grpc.ChannelCredentials | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1), *options]
        if credentials is None:
            self.channel = grpc.aio.insecure_channel(endpoint, options=options)
        else:
            self.channel = grpc.aio.secure_channel(endpoint, credentials, options=options)
        self.metadata = () if api_key is None else (("authorization", f"Bearer {api_key}"),)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.channel.close()

    async def call(self, method: str, request: Any = None, **fields: Any) -> Any:
        """Call a unary method; `fields` make the request."""
        rpc = CONTRACT.rpcs[method]
        invoke = self.channel.unary_unary(
            rpc.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=rpc.reply.FromString,
        )
        return await invoke(request or rpc.request(**fields), metadata=self.metadata, timeout=PATIENCE)

    def stream(self, method: str, **fields: Any) -> Any:
        """Start a streaming method; read it with `take`."""
        rpc = CONTRACT.rpcs[method]
        invoke = self.channel.unary_stream(
            rpc.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=rpc.reply.FromString,
        )
        return invoke(rpc.request(**fields), metadata=self.metadata)

    async def fails(self, method: str, **fields: Any) -> grpc.aio.AioRpcError:
        """Call a unary method that must fail, and return the failure."""
        try:
            reply = await self.call(method, **fields)
        except grpc.aio.AioRpcError as error:
            return error
        raise AssertionError(f"{method} did not fail, it answered {reply}")

    async def invoke(self, session_id: str, arm: str, **fields: Any) -> Any:
        """Run one command and return its reply."""
        return await self.call("Invoke", **command(session_id, arm, **fields))

    async def invoke_fails(self, session_id: str, arm: str, **fields: Any) -> grpc.aio.AioRpcError:
        """Run one command whose call must fail, and return the failure."""
        return await self.fails("Invoke", **command(session_id, arm, **fields))

    async def open(self, **fields: Any) -> PeerSession:
        """Open a session."""
        return PeerSession(self, (await self.call("OpenSession", **fields)).session_id)


class PeerSession:
    """A session with one registration."""

    def __init__(self, peer: Peer, session_id: str) -> None:
        self.peer = peer
        self.session_id = session_id
        self.server = 0

    async def invoke(self, arm: str, **fields: Any) -> Any:
        """Run a command that must be answered with OK or as an MXAccess failure."""
        return await self.peer.invoke(self.session_id, arm, **fields)

    async def on_server(self, arm: str, **fields: Any) -> Any:
        """Run a command of the registration, which is made when there is none."""
        if not self.server:
            self.server = (await self.invoke("register", client_name="peer")).register.server_handle
        return await self.invoke(arm, server_handle=self.server, **fields)

    async def add(self, reference: str) -> int:
        """Add an item and return its handle."""
        item: int = (await self.on_server("add_item", item_definition=reference)).add_item.item_handle
        return item

    async def advise(self, reference: str) -> int:
        """Add an item, advise it and return its handle."""
        item = await self.add(reference)
        ok(await self.on_server("advise", item_handle=item))
        return item

    def events(self, after: int = 0) -> Any:
        """Start the event stream."""
        return self.peer.stream("StreamEvents", session_id=self.session_id, after_worker_sequence=after)

    async def attach(self, after: int = 0) -> Any:
        """Start the event stream and return it when the gateway has attached it."""
        stream = self.events(after)
        await asyncio.wait_for(stream.initial_metadata(), PATIENCE)
        return stream

    async def drain(self, limit: int = 0) -> list[Any]:
        """Take the queued events without a stream."""
        return list((await self.invoke("drain_events", max_events=limit)).drain_events.events)


def command(session_id: str, arm: str, **fields: Any) -> dict[str, Any]:
    """Return the fields of an MxCommandRequest."""
    return {"session_id": session_id, "command": {"kind": f"MX_COMMAND_KIND_{arm.upper()}", arm: fields}}


async def take(stream: Any, count: int) -> list[Any]:
    """Return the next messages of a stream."""
    messages: list[Any] = []
    for _ in range(count):
        message = await asyncio.wait_for(stream.read(), PATIENCE)
        assert message is not grpc.aio.EOF, (
            f"the stream ended with {await stream.code()} after {len(messages)} messages"
        )
        messages.append(message)
    return messages


async def ending(stream: Any) -> tuple[grpc.StatusCode, str]:
    """Read a stream to its end and return its status."""
    try:
        async with asyncio.timeout(PATIENCE):
            while await stream.read() is not grpc.aio.EOF:
                pass
            return await stream.code(), await stream.details()
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details()


async def cancelled(stream: Any) -> None:
    """Cancel a stream and wait for its end."""
    stream.cancel()
    try:
        await stream.read()
    except (asyncio.CancelledError, grpc.aio.AioRpcError):
        return


def ok(reply: Any) -> Any:
    """Return a reply that says OK."""
    assert reply.protocol_status.code == CONTRACT.number("PROTOCOL_STATUS_CODE_OK"), reply
    return reply


def refused(reply: Any) -> Any:
    """Return a reply that says that MXAccess refused."""
    assert reply.protocol_status.code == CONTRACT.number("PROTOCOL_STATUS_CODE_MXACCESS_FAILURE"), reply
    return reply


def integer(value: int) -> dict[str, Any]:
    """Return the fields of an integer MxValue."""
    return {"data_type": "MX_DATA_TYPE_INTEGER", "variant_type": "VT_I4", "int32_value": value}
