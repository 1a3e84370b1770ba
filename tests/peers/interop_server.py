"""A server on grpcio's C core that answers as a test tells it: the other side of gRPC's interop cases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import grpc

Context = Any  # grpc.aio.ServicerContext is generic in its stubs only
Unary = Callable[[bytes, Context], Awaitable[bytes]]
Streaming = Callable[[bytes, Context], AsyncIterator[bytes]]


class InteropServer(grpc.GenericRpcHandler):
    """A server on a free port of 127.0.0.1; requests and replies are bytes.

    Args:
        unary: What answers a unary method, by its path; what has no entry is not implemented.
        streaming: What answers a server-streaming method, by its path.
    """

    def __init__(self, *, unary: dict[str, Unary], streaming: dict[str, Streaming]) -> None:
        self._unary, self._streaming = unary, streaming
        self.metadata: list[dict[str, str | bytes]] = []
        """What came with each call, in order."""
        self._server = grpc.aio.server(handlers=[self], options=[("grpc.so_reuseport", 0)])
        self._port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._port}"

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of a call, None where there is none."""
        path = handler_call_details.method
        self.metadata.append({pair[0]: pair[1] for pair in handler_call_details.invocation_metadata})
        if path in self._unary:
            return grpc.unary_unary_rpc_method_handler(self._unary[path])
        if path in self._streaming:
            return grpc.unary_stream_rpc_method_handler(self._streaming[path])
        return None

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._server.stop(None)
