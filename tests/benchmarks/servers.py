"""Servers on grpcio that stream events and answer unary calls, in separate processes, until stdin ends.

grpcio's own Python servers send about 15,000 to 25,000 messages a second, less than the compared clients can handle, so
they would measure themselves. `core` is the same C core without grpcio's Python server: it makes the calls that the
server would make, sequentially in one thread, with prepared bytes. The C core sends, frames and flushes each message
separately, as ASP.NET's server does. `coalesced` differs in one point: it tells the C core that more messages follow,
so that it packs them into large frames. `aio` is the faster of grpcio's own servers. With an interval, messages are
paced, and after each stream a line of JSON reports how many were late.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import grpc
from grpc._cython import cygrpc

from tests.benchmarks import samples
from tests.benchmarks.pace import Pace

SERVICE: Final = "mxaccess_gateway.v1.MxAccessGateway"
DISCOVER_HIERARCHY: Final = b"/galaxy_repository.v1.GalaxyRepository/DiscoverHierarchy"
OPTIONS: Final = (("grpc.so_reuseport", 0),)
KINDS: Final = ("core", "coalesced", "aio", "bulk", "galaxy")

Operations = tuple[Any, ...]
Call = Generator[Operations | None, Any, None]
Handler = Callable[[], Call]


class CoreServer:
    """grpcio's C core, driven directly.

    A call is a generator of operations that is resumed when they complete. One that yields None waits for `release`.

    Args:
        handlers: Handlers by method path.
    """

    def __init__(self, handlers: dict[bytes, Handler]) -> None:
        self._handlers = handlers
        self._held: list[tuple[Any, Call]] = []
        self._queue: Any = cygrpc.CompletionQueue()
        self._server: Any = cygrpc.Server(OPTIONS, False)
        self._server.register_completion_queue(self._queue)
        self.port: int = self._server.add_http2_port(b"127.0.0.1:0")
        self._server.start()

    def handle(self, path: bytes, handler: Handler) -> None:
        """Set the handler of a method."""
        self._handlers[path] = handler

    def serve(self) -> None:
        """Serve forever."""
        self._await_call()
        while True:
            event = self._queue.poll()
            if event.tag is None:
                self._await_call()
                handler = self._handlers.get(event.call_details.method, _unimplemented)
                self._go_on(event.call, handler(), None)
            else:
                call, generator = event.tag
                self._go_on(call, generator, event)

    def release(self) -> None:
        """Resume the waiting calls."""
        held, self._held = self._held, []
        for call, generator in held:
            self._go_on(call, generator, None)

    def _await_call(self) -> None:
        self._server.request_call(self._queue, self._queue, None)

    def _go_on(self, call: Any, generator: Call, event: Any) -> None:
        try:
            operations = generator.send(event)
        except StopIteration:
            return
        if operations is None:
            self._held.append((call, generator))
        else:
            call.start_server_batch(operations, (call, generator))


def _status(code: int = 0) -> Any:
    return cygrpc.SendStatusFromServerOperation(None, code, b"", 0)


def _unimplemented() -> Call:
    yield cygrpc.SendInitialMetadataOperation(None, 0), _status(grpc.StatusCode.UNIMPLEMENTED.value[0])


def _answer(reply: bytes) -> Handler:
    def handle() -> Call:
        yield (cygrpc.ReceiveMessageOperation(0),)
        yield cygrpc.SendInitialMetadataOperation(None, 0), cygrpc.SendMessageOperation(reply, 0), _status()

    return handle


def _answer_command() -> Call:
    """Answer Register, or a bulk in which every entry succeeded."""
    received = yield (cygrpc.ReceiveMessageOperation(0),)
    request = samples.contract.MxCommandRequest.FromString(received.batch_operations[0].message())
    arm = request.command.WhichOneof("payload")
    body = getattr(request.command, arm)
    entries: Any = getattr(body, "entries", None) or getattr(body, "tag_addresses", ())
    yield (
        cygrpc.SendInitialMetadataOperation(None, 0),
        cygrpc.SendMessageOperation(_command_reply(arm, len(entries)), 0),
        _status(),
    )


@cache
def _command_reply(arm: str, entries: int) -> bytes:
    return samples.register_reply() if arm == "register" else samples.bulk_reply(arm, entries)


def _stream(messages: Callable[[], Iterable[bytes]], flags: int) -> Handler:
    def handle() -> Call:
        yield cygrpc.ReceiveMessageOperation(0), cygrpc.SendInitialMetadataOperation(None, 0)
        operation = cygrpc.SendMessageOperation
        for message in messages():
            sent = yield (operation(message, flags),)
            if not sent.success:
                return
        yield (_status(),)

    return handle


def _commands(subscribed: Callable[[], None]) -> Handler:
    """Answer the commands of a subscription; `subscribed` is called after the reply to SubscribeBulk."""

    def handle() -> Call:
        received = yield (cygrpc.ReceiveMessageOperation(0),)
        reply, subscribes = samples.command_reply(received.batch_operations[0].message())
        yield cygrpc.SendInitialMetadataOperation(None, 0), cygrpc.SendMessageOperation(reply, 0), _status()
        if subscribes:
            subscribed()

    return handle


def _held_stream(messages: Callable[[], Iterable[bytes]], flags: int) -> Handler:
    """Stream after tags have been subscribed, and stay open until the client disconnects."""

    def handle() -> Call:
        yield cygrpc.ReceiveMessageOperation(0), cygrpc.SendInitialMetadataOperation(None, 0)
        yield None
        operation = cygrpc.SendMessageOperation
        for message in messages():
            sent = yield (operation(message, flags),)
            if not sent.success:
                return
        yield (cygrpc.ReceiveCloseOnServerOperation(0),)

    return handle


def run_core(messages: Callable[[], Iterable[bytes]], flags: int, *, subscribed: bool) -> None:
    """Serve with the C core alone; `subscribed` streams start when tags are subscribed, and stay open."""
    server = CoreServer(
        {
            f"/{SERVICE}/OpenSession".encode(): _answer(samples.open_session_reply()),
            f"/{SERVICE}/CloseSession".encode(): _answer(samples.close_session_reply()),
            f"/{SERVICE}/Invoke".encode(): _answer(samples.add_item_reply()),
            f"/{SERVICE}/StreamEvents".encode(): _stream(messages, flags),
        }
    )
    if subscribed:
        server.handle(f"/{SERVICE}/Invoke".encode(), _commands(lambda: server.release()))
        server.handle(f"/{SERVICE}/StreamEvents".encode(), _held_stream(messages, flags))
    print(server.port, flush=True)
    server.serve()


def run_bulk() -> None:
    """Serve bulks with the C core alone."""
    server = CoreServer(
        {
            f"/{SERVICE}/OpenSession".encode(): _answer(samples.open_session_reply()),
            f"/{SERVICE}/CloseSession".encode(): _answer(samples.close_session_reply()),
            f"/{SERVICE}/Invoke".encode(): _answer_command,
        }
    )
    print(server.port, flush=True)
    server.serve()


def run_galaxy(objects: int, attributes: int) -> None:
    """Serve the pages of a galaxy with the C core alone, from objects encoded in advance."""
    made = [samples.page_objects(number, 1, attributes) for number in range(objects)]

    def answer() -> Call:
        received = yield (cygrpc.ReceiveMessageOperation(0),)
        request = samples.contract.DiscoverHierarchyRequest.FromString(received.batch_operations[0].message())
        first = int(request.page_token or 0)
        end = first + request.page_size
        reply = b"".join(made[first:end]) + samples.page_end(str(end) if end < objects else "", objects)
        yield cygrpc.SendInitialMetadataOperation(None, 0), cygrpc.SendMessageOperation(reply, 0), _status()

    server = CoreServer({DISCOVER_HIERARCHY: answer})
    print(server.port, flush=True)
    server.serve()


async def run_aio(messages: Callable[[], Iterable[bytes]]) -> None:
    """Serve with `grpc.aio`'s server."""

    async def stream(request: bytes, context: Any) -> None:
        for message in messages():
            await context.write(message)

    handlers = {"StreamEvents": grpc.unary_stream_rpc_method_handler(stream)}
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def _paced(messages: Iterable[bytes], interval: float) -> Iterable[bytes]:
    """Yield messages on a schedule and print how many were late; the server does nothing else in between."""
    pace = Pace(interval)
    yield from pace.of(messages)
    print(json.dumps({"late": pace.late, "sent": pace.sent}), flush=True)


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Run one server and print its port."""
    parser = argparse.ArgumentParser(description="Serve streams of events and unary calls with grpcio.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--events", type=int, default=0, help="events of every stream")
    parser.add_argument("--objects", type=int, default=0, help="objects of the galaxy")
    parser.add_argument("--attributes", type=int, default=0, help="attributes of each object")
    parser.add_argument(
        "--fresh", action="store_true", help="make every event when it is sent, for streams too long to be kept"
    )
    parser.add_argument(
        "--tags", type=int, help="let streams begin when tags are subscribed to: events of so many items"
    )
    parser.add_argument("--contract", type=Path, help="FileDescriptorSet of the contract that events are sent by")
    parser.add_argument("--interval", type=float, help="seconds from one event to the next; at once unless told")
    options = parser.parse_args()
    threading.Thread(target=_end_with_stdin, daemon=True).start()

    def fresh() -> Iterable[bytes]:
        made = islice(samples.events(options.tags or samples.ITEMS), options.events)
        return made if options.contract is None else samples.by_contract(options.contract, made)

    kept = [] if options.fresh else list(fresh())
    made = fresh if options.fresh else lambda: kept

    def messages() -> Iterable[bytes]:
        return made() if options.interval is None else _paced(made(), options.interval)

    if options.kind == "bulk":
        run_bulk()
    elif options.kind == "galaxy":
        run_galaxy(options.objects, options.attributes)
    elif options.kind == "aio":
        asyncio.run(run_aio(messages))
    else:
        flags = cygrpc.WriteFlag.buffer_hint if options.kind == "coalesced" else 0
        run_core(messages, flags, subscribed=options.tags is not None)


if __name__ == "__main__":
    main()
