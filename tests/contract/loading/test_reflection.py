"""A gateway with gRPC reflection tells its whole contract; what a server tells is bounded, and a server without it is told from one that fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from mxgateway.contract import ContractError, DifferenceKind, compare, own_descriptor_set, reflection
from mxgateway.contract.reflection import NoReflectionError, fetch_descriptor_set
from mxgateway.errors import (
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewayProtocolError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
)
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.simulator import SimulatedGateway
from mxgateway.transport.channel import Channel
from tests.peers.http2.http2_peer import Http2Peer
from tests.peers.http2.http2_server import Http2Server
from tests.rows import each_row

SERVICES = ("galaxy_repository.v1.GalaxyRepository", "mxaccess_gateway.v1.MxAccessGateway")
ALPHA, V1 = (f"grpc.reflection.{version}.ServerReflection" for version in ("v1alpha", "v1"))
STATUS_UNIMPLEMENTED, STATUS_PERMISSION_DENIED, STATUS_INTERNAL = 12, 7, 13
Request: TypeAlias = reflection_pb2.ServerReflectionRequest
Response: TypeAlias = reflection_pb2.ServerReflectionResponse


@asynccontextmanager
async def channel_to(endpoint: str, **options: Any) -> AsyncIterator[Channel]:
    channel = Channel([Endpoint.parse(endpoint)], ClientOptions(plaintext=True, connect_timeout=5, **options))
    try:
        yield channel
    finally:
        await channel.aclose()


# --------------------------------------------------------------------------------------------------------------------
# grpcio's server with grpcio-reflection


def contract_pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(own_descriptor_set()).file:
        pool.Add(file)
    return pool


@asynccontextmanager
async def grpcio_server(
    paths: Sequence[str], services: Sequence[str], pool: DescriptorPool | None = None
) -> AsyncIterator[str]:
    """Run grpcio's reflection under the given service names; give the endpoint."""
    servicer = ReflectionServicer(services, pool=pool or contract_pool())
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=Request.FromString,
        response_serializer=Response.SerializeToString,
    )
    server = grpc.aio.server()
    for path in paths:
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(path, {"ServerReflectionInfo": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.parametrize("paths", [[V1, ALPHA], [V1], [ALPHA]], ids=["both", "v1", "v1alpha"])
async def test_grpcio_tells_the_whole_contract(paths: list[str]) -> None:
    async with grpcio_server(paths, [*SERVICES, *paths]) as endpoint, channel_to(endpoint) as channel:
        found = await fetch_descriptor_set(channel, timeout=10)
    assert all(difference.kind is DifferenceKind.ABSENT_PACKAGE for difference in compare(own_descriptor_set(), found))
    pool = DescriptorPool()  # takes a file behind its imports only
    for file in FileDescriptorSet.FromString(found).file:
        pool.Add(file)
    assert all(pool.FindServiceByName(name) for name in SERVICES)
    own = {file.name: file for file in FileDescriptorSet.FromString(own_descriptor_set()).file}
    for file in FileDescriptorSet.FromString(found).file:
        assert file == own[file.name]


async def test_a_service_that_the_server_lists_and_cannot_define_is_left_out_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    services = ["plant.v1.Handwritten", *SERVICES]
    async with grpcio_server([ALPHA], services) as endpoint, channel_to(endpoint) as channel:
        with caplog.at_level(logging.WARNING, "mxgateway"):
            found = await fetch_descriptor_set(channel, timeout=10)
    assert not any(difference.is_breaking for difference in compare(own_descriptor_set(), found))
    assert [record.getMessage() for record in caplog.records] == [
        f"{endpoint} lists the service plant.v1.Handwritten but does not define it"
    ]


async def test_a_server_whose_services_have_no_definition_has_no_contract() -> None:
    async with grpcio_server([V1], ["plant.v1.Handwritten"]) as endpoint, channel_to(endpoint) as channel:
        with pytest.raises(ContractError, match="it defines none of its services"):
            await fetch_descriptor_set(channel, timeout=10)


async def test_grpcio_without_reflection_is_told_from_a_failure() -> None:
    async with grpcio_server([], []) as endpoint, channel_to(endpoint) as channel:
        with pytest.raises(
            NoReflectionError, match=f"^{endpoint} does not publish its contract: the server has no gRPC reflection$"
        ):
            await fetch_descriptor_set(channel, timeout=10)


async def test_the_simulated_gateway_has_no_reflection() -> None:
    async with SimulatedGateway() as gateway, channel_to(gateway.endpoint, api_key=gateway.api_key) as channel:
        with pytest.raises(NoReflectionError):
            await fetch_descriptor_set(channel, timeout=10)


async def test_a_server_that_is_not_there_is_a_transport_error() -> None:
    async with channel_to("127.0.0.1:1", retry=None) as channel:
        with pytest.raises(MxGatewayTransportError):
            await fetch_descriptor_set(channel, timeout=10)


# --------------------------------------------------------------------------------------------------------------------
# A server that says what it likes

Play = Callable[[Request], Iterable[Response | bytes]]


@asynccontextmanager
async def peer(play: Play | None = None, *, status: int = 0) -> AsyncIterator[tuple[Channel, list[Request]]]:
    """Give a channel to a server that answers by `play`, and the requests that it sees."""
    seen: list[Request] = []

    async def script(peer: Http2Peer) -> None:
        while True:
            request = await peer.request()
            seen.append(Request.FromString(request.message))
            answers = [] if play is None else play(seen[-1])
            raw = [answer if isinstance(answer, bytes) else answer.SerializeToString() for answer in answers]
            await peer.reply(request, *raw, status=status)

    async with Http2Server(script) as server, channel_to(server.endpoint) as channel:
        yield channel, seen


def lists(*names: str) -> Response:
    answer = Response()
    answer.list_services_response.SetInParent()
    for name in names:
        answer.list_services_response.service.add(name=name)
    return answer


def tells(*files: FileDescriptorProto | bytes) -> Response:
    answer = Response()
    answer.file_descriptor_response.SetInParent()
    for file in files:
        data = file if isinstance(file, bytes) else file.SerializeToString()
        answer.file_descriptor_response.file_descriptor_proto.append(data)
    return answer


def refuses(code: int, message: str = "") -> Response:
    answer = Response()
    answer.error_response.error_code, answer.error_response.error_message = code, message
    return answer


def file(name: str, *imports: str, service: str = "", padding: int = 0) -> FileDescriptorProto:
    made = FileDescriptorProto(name=name, package="p", dependency=imports)
    if service:
        made.service.add(name=service)
    if padding:
        made.message_type.add(name="M" * padding)
    return made


def server(
    files: dict[str, Response], symbol: Response, listed: Response | None = None
) -> Callable[[Request], Iterable[Response]]:
    """Answer with a service p.S, with what its symbol is answered with, and with files by name."""

    def play(request: Request) -> Iterable[Response]:
        kind = request.WhichOneof("message_request")
        if kind == "list_services":
            return [listed or lists("p.S")]
        if kind == "file_containing_symbol":
            return [symbol]
        return [files.get(request.file_by_filename) or refuses(5, "not found")]

    return play


async def test_imports_that_a_server_does_not_send_along_are_asked_for_once_each() -> None:
    main = file("main.proto", "a.proto", "b.proto", "google/protobuf/empty.proto", service="S")
    files = {
        "a.proto": tells(file("a.proto", "c.proto")),
        "b.proto": tells(file("b.proto", "c.proto")),
        "c.proto": tells(file("c.proto")),
    }
    async with peer(server(files, tells(main))) as (channel, seen):
        found = FileDescriptorSet.FromString(await fetch_descriptor_set(channel, timeout=10))
    names = [each.name for each in found.file]
    assert sorted(names) == ["a.proto", "b.proto", "c.proto", "main.proto"]
    assert names[0] == "c.proto"
    assert names[-1] == "main.proto"
    asked = [request.file_by_filename for request in seen if request.file_by_filename]
    assert sorted(asked) == ["a.proto", "b.proto", "c.proto", "google/protobuf/empty.proto"]


async def test_files_that_came_along_are_not_asked_for() -> None:
    both = tells(file("main.proto", "a.proto", service="S"), file("a.proto"))
    async with peer(server({}, both, lists("p.S", "p.S", "grpc.health.v1.Health"))) as (channel, seen):
        await fetch_descriptor_set(channel, timeout=10)
    assert [request.WhichOneof("message_request") for request in seen] == ["list_services", "file_containing_symbol"]


HUGE = 9 * 1024 * 1024
HOSTILE: dict[str, tuple[Play, str]] = {
    "no answer": (lambda request: [], "it ended a call without an answer"),
    "two answers": (lambda request: [lists("p.S")] * 2, "it sent several answers to one query"),
    "another answer": (lambda request: [tells()], "its answer does not contain what was requested"),
    "an empty answer": (lambda request: [b""], "its answer does not contain what was requested"),
    "a refusal": (lambda request: [refuses(13, "no\nway")], r"it answered with error 13, 'no\\nway'"),
    "a long refusal": (lambda request: [refuses(13, "x" * 10**6)], "it answered with error 13, 'x{80}...'"),
    "many services": (lambda request: [lists(*map(str, range(100_000)))], "it lists more than 64 services"),
    "a service with a line end": (lambda request: [lists("p.S\nINFO all is well")], r"it uses the invalid name 'p.S\\nINFO all is well'"),
    "a service without a name": (lambda request: [lists("")], "it uses the invalid name ''"),
    "a long name": (lambda request: [lists("s" * 10**6)], "it uses the invalid name 's{80}...'"),
    "no services": (lambda request: [lists()], "it defines none of its services"),
    "the wrong file": (server({}, tells(file("a.proto", service="T"))), "it answered something else when asked for p.S"),
    "no file": (server({}, tells()), "it answered something else when asked for p.S"),
    "no descriptor": (server({}, tells(b"\xff\xff")), "its answer is not a descriptor"),
    "a service of garbage": (server({}, tells(b"\x0a\x01a\x32\x02\xff\xff")), "its answer is not a descriptor"),
    "a file without a name": (server({}, tells(file("", service="S"))), "it uses the invalid name ''"),
    "a file with a line end": (server({}, tells(file("a\r\n.proto", service="S"))), r"it uses the invalid name 'a\\r\\n.proto'"),
    "an import with a line end": (server({}, tells(file("a.proto", "b\x1b[2J", service="S"))), r"it uses the invalid name 'b\\x1b\[2J'"),
    "an import that is not there": (server({}, tells(file("a.proto", "b.proto", service="S"))), "it answered with error 5, 'not found'"),
    "another import": (
        server({"b.proto": tells(file("c.proto"))}, tells(file("a.proto", "b.proto", service="S"))),
        r"it answered something else when asked for the file b\.proto",
    ),
    "two files of a name": (server({}, tells(file("a.proto", service="S"), file("a.proto", service="T"))), r"it has two files named a\.proto"),
    "a circle": (
        server({"b.proto": tells(file("b.proto", "a.proto"))}, tells(file("a.proto", "b.proto", service="S"))),
        r"its files have a circular import of [ab]\.proto",
    ),
    "a file that imports itself": (
        server({}, tells(file("a.proto", "a.proto", service="S"))), r"its files have a circular import of a\.proto",
    ),
    "many imports": (server({}, tells(file("a.proto", *map(str, range(10_000)), service="S"))), "its contract has more than 256 files"),
    "many files": (server({}, tells(*(file(f"{number}.proto") for number in range(1000)))), "its contract has more than 256 files"),
    "many services in a file": (
        server({}, tells(FileDescriptorProto(name="a", service=[ServiceDescriptorProto(name=str(number)) for number in range(65)]))), "the file a defines more than 64 services",
    ),
    "huge files": (
        server({"b.proto": tells(file("b.proto", padding=HUGE))}, tells(file("a.proto", "b.proto", service="S", padding=HUGE))),
        f"its files exceed {reflection.MOST_BYTES} bytes",
    ),
}  # fmt: skip


@each_row("case", HOSTILE)
async def test_a_hostile_answer_is_a_contract_error_on_one_line(case: str) -> None:
    play, reason = HOSTILE[case]
    async with peer(play) as (channel, _):
        start = f"^{channel.endpoint} does not publish its contract by gRPC reflection: "
        with pytest.raises(ContractError, match=start + reason) as caught:
            await fetch_descriptor_set(channel, timeout=20)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


async def test_endless_imports_come_to_an_end() -> None:
    def play(request: Request) -> Iterable[Response]:
        if request.WhichOneof("message_request") == "list_services":
            return [lists("p.S")]
        number = int(request.file_by_filename.partition(".")[0] or 0)
        return [tells(file(f"{number}.proto", f"{number + 1}.proto", service="" if number else "S"))]

    async with peer(play) as (channel, seen):
        with pytest.raises(ContractError, match="its contract has more than 256 files"):
            await fetch_descriptor_set(channel, timeout=30)
    assert len(seen) == 2 + reflection.MOST_FILES


async def test_a_message_that_is_no_answer_is_a_protocol_error() -> None:
    async with peer(lambda request: [b"\xff\xff"]) as (channel, _):
        with pytest.raises(MxGatewayProtocolError):
            await fetch_descriptor_set(channel, timeout=10)


@pytest.mark.parametrize(
    ("status", "error"), [(STATUS_PERMISSION_DENIED, MxGatewayAuthorizationError), (STATUS_INTERNAL, MxGatewayError)]
)
async def test_a_refused_call_is_the_error_that_any_call_gets(status: int, error: type[MxGatewayError]) -> None:
    async with peer(status=status) as (channel, seen):
        with pytest.raises(error):
            await fetch_descriptor_set(channel, timeout=10)
    assert len(seen) == 1


async def test_a_server_that_knows_neither_version_is_asked_for_both() -> None:
    async with peer(status=STATUS_UNIMPLEMENTED) as (channel, seen):
        with pytest.raises(NoReflectionError):
            await fetch_descriptor_set(channel, timeout=10)
    assert [request.list_services for request in seen] == ["*", "*"]


async def test_the_bound_counts_for_all_questions_together() -> None:
    started = asyncio.Event()

    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), lists("p.S").SerializeToString())
        started.set()
        await peer.request()
        await asyncio.Event().wait()

    async with Http2Server(script) as silent, channel_to(silent.endpoint) as channel:
        with pytest.raises(MxGatewayTimeoutError) as caught:
            await fetch_descriptor_set(channel, timeout=0.3)
    assert started.is_set()
    assert "session" not in str(caught.value)


async def test_a_cancelled_inquiry_leaves_the_channel_usable() -> None:
    answered = server({}, tells(file("main.proto", service="S")))
    first = True

    async def script(peer: Http2Peer) -> None:
        nonlocal first
        while True:
            request = await peer.request()
            if first:
                first = False
                continue
            await peer.reply(
                request, *(each.SerializeToString() for each in answered(Request.FromString(request.message)))
            )

    async with Http2Server(script) as slow, channel_to(slow.endpoint) as channel:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await fetch_descriptor_set(channel, timeout=10)
        assert await fetch_descriptor_set(channel, timeout=10)
