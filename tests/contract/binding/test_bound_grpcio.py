"""A client that is bound at run time does the main job at a server whose code protoc and grpcio made from the same contract: the same bytes."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from mxgateway import (
    GalaxyRepositoryClient,
    GatewayClient,
    MxGatewayContractError,
    MxGatewayProtocolError,
    Timestamp,
    from_mx_value,
    proto,
)
from mxgateway.contract import Contract
from tests.contract.permuted import permuted, write_protos
from tests.contract.protos import compiled
from tests.peers.grpcio_gateway import SERVICE, GrpcioGateway
from tests.peers.grpcio_sessions import serialize

SEEDS = (1, 2, 3, 4, 5)
GALAXY = "galaxy_repository.v1.GalaxyRepository"
DEPLOYED = {"seconds": 1_790_000_000, "nanos": 123_456_700}


def galaxy_of(contract: Any) -> Any:
    """Return a galaxy of three objects in google.protobuf's messages."""

    def test_connection(request: Any) -> Any:
        return {"ok": True}

    def get_last_deploy_time(request: Any) -> Any:
        return {"present": True, "time_of_last_deploy": DEPLOYED}

    def discover_hierarchy(request: Any) -> Any:
        first = int(request.page_token or 0)
        objects = [{"gobject_id": number, "tag_name": f"Tank{number}"} for number in (1, 2, 3)][first : first + 2]
        token = "2" if first == 0 else ""
        return {"objects": objects, "next_page_token": token, "total_object_count": 3}

    def handler(name: str, answer: Any) -> Any:
        rpc = contract.rpcs[name]

        async def unary(data: bytes, context: Any) -> bytes:
            request = rpc.request.FromString(data)
            assert serialize(request) == data
            return serialize(rpc.reply(**answer(request)))

        return grpc.unary_unary_rpc_method_handler(unary)

    answers = {
        "TestConnection": test_connection,
        "GetLastDeployTime": get_last_deploy_time,
        "DiscoverHierarchy": discover_hierarchy,
    }
    return grpc.method_handlers_generic_handler(
        GALAXY, {name: handler(name, answer) for name, answer in answers.items()}
    )


def reflection_of(descriptor_set: bytes) -> Any:
    """Return grpcio-reflection for the services of a contract."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(descriptor_set).file:
        pool.Add(file)
    servicer = ReflectionServicer([SERVICE, GALAXY], pool=pool)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    path = "grpc.reflection.v1.ServerReflection"
    return grpc.method_handlers_generic_handler(path, {"ServerReflectionInfo": handler})


@asynccontextmanager
async def plant(seed: int, folder: Path, *, reflects: bool = False) -> AsyncIterator[GrpcioGateway]:
    """Serve a permuted contract; protoc reads it from .proto files."""
    contract = compiled(write_protos(permuted(seed), folder / "protos"), folder)
    services = [galaxy_of(contract), *([reflection_of(permuted(seed))] if reflects else [])]
    async with GrpcioGateway(contract=contract, services=services) as gateway:
        yield gateway


async def main_job(client: GatewayClient) -> None:
    async with client.open_session(client_session_name="bound", command_timeout=12.5) as session:
        assert session.gateway_protocol_version == 3
        assert session.capabilities == ("unary-acknowledge-alarm", "server-stream-active-alarms")
        server = await session.register("bound")
        item = await session.add_item(server, "TestChildObject.TestInt")
        async with session.stream_events() as events:
            await session.advise(server, item)
            first = await anext(events)
            await session.write(server, item, 123, user_id=9)
            received = [await anext(events) for _ in range(2)]
        await session.write_confirmed(server, item, 124, timeout=5)
        assert (await session.state()).state == proto.SessionState.READY
        await session.unadvise(server, item)
        await session.remove_item(server, item)
        await session.unregister(server)
    assert (from_mx_value(first.value), first.quality, first.worker_sequence) == (42, 192, 1)
    assert [event.family for event in received] == [
        proto.MxEventFamily.ON_DATA_CHANGE, proto.MxEventFamily.ON_WRITE_COMPLETE,
    ]  # fmt: skip
    assert from_mx_value(received[0].value) == 123


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_main_job_and_the_galaxy_by_a_contract_that_protoc_has_compiled(seed: int, tmp_path: Path) -> None:
    contract = Contract.load(permuted(seed))
    async with plant(seed, tmp_path) as gateway:
        async with GatewayClient.connect(gateway.endpoint, plaintext=True, contract=contract) as client:
            await main_job(client)
            assert await client.galaxy.test_connection()
        async with GalaxyRepositoryClient.connect(gateway.endpoint, plaintext=True, contract=contract) as galaxy:
            assert await galaxy.get_last_deploy_time() == Timestamp.from_parts(*DEPLOYED.values())
            found = await galaxy.discover_hierarchy(page_size=2)
            assert [(each.gobject_id, each.tag_name) for each in found] == [(1, "Tank1"), (2, "Tank2"), (3, "Tank3")]
        replies: dict[str, type[Any]] = {
            "OpenSession": proto.OpenSessionReply,
            "Invoke": proto.MxCommandReply,
            "StreamEvents": proto.MxEvent,
        }
        for exchange in gateway.exchanges:
            assert exchange.request == serialize(exchange.parsed), exchange.method
            for reply in exchange.replies if exchange.method in replies else ():
                assert contract.encode(contract.decode(replies[exchange.method], reply)) == reply, exchange.method


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_gateway_with_reflection_is_bound_to_by_itself(seed: int, tmp_path: Path) -> None:
    async with plant(seed, tmp_path, reflects=True) as gateway:
        async with GatewayClient.connect(gateway.endpoint, plaintext=True, contract="auto") as client:
            await main_job(client)
        async with GalaxyRepositoryClient.connect(gateway.endpoint, plaintext=True, contract="auto") as galaxy:
            assert await galaxy.test_connection()


async def test_a_gateway_that_denies_reflection_is_spoken_to_by_the_built_in_contract(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def deny(requests: Any, context: Any) -> AsyncIterator[bytes]:
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        yield b""

    handler = {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(deny)}
    services = [grpc.method_handlers_generic_handler("grpc.reflection.v1.ServerReflection", handler)]
    with caplog.at_level(logging.WARNING, "mxgateway"):
        async with (
            GrpcioGateway(services=services) as gateway,
            GatewayClient.connect(gateway.endpoint, plaintext=True, contract="auto") as client,
        ):
            await main_job(client)
    assert "using the built-in one: PERMISSION_DENIED" in caplog.text


async def test_a_contract_that_is_told_and_does_not_fit_is_an_error_and_no_other_one_is_spoken() -> None:
    files = FileDescriptorSet.FromString(permuted(1))
    (event,) = (each for file in files.file for each in file.message_type if each.name == "MxEvent")
    quality = next(each for each in event.field if each.name == "quality")
    quality.type = quality.TYPE_STRING
    async with GrpcioGateway(services=[reflection_of(files.SerializeToString())]) as gateway:
        with pytest.raises(MxGatewayContractError, match=r"MxEvent.quality is singular int32 here and singular string"):
            await GatewayClient.connect(gateway.endpoint, plaintext=True, contract="auto")
        assert not gateway.exchanges


async def test_without_reflection_the_built_in_contract_is_spoken_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mxgateway"):
        async with (
            GrpcioGateway() as gateway,
            GatewayClient.connect(gateway.endpoint, plaintext=True, contract="auto") as client,
        ):
            await main_job(client)
    assert [record.getMessage() for record in caplog.records] == [
        f"{gateway.endpoint} does not publish its contract, using the built-in one: "
        f"{gateway.endpoint} does not publish its contract: the server has no gRPC reflection"
    ]
    async with (
        plant(1, tmp_path) as gateway,
        GatewayClient.connect(gateway.endpoint, plaintext=True, contract="auto") as client,
    ):
        # Now and then a gateway of other numbers can read the request, and then it is the reply that cannot be read.
        unread = (MxGatewayContractError, MxGatewayProtocolError)
        with pytest.raises(unread, match="mxgw-py contract --from-gateway"):
            await client.open_session()
