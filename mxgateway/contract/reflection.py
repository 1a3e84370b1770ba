"""A gateway's own contract, asked of the gateway by gRPC server reflection.

The method is a stream in both directions, and a client may send one request, end its half, and read the answer: that is
what a server-streaming call does. So each question is a call of its own, and nothing further is needed of the
transport.
"""

from __future__ import annotations

import asyncio
import graphlib
from typing import Any, Final, TypeVar

from mxgateway.contract.facts import ContractError
from mxgateway.errors import GrpcStatus, MxGatewayError
from mxgateway.errors.logs import logger
from mxgateway.transport.calls.method import CallOptions, Method
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.channel import Channel
from mxgateway.wire import WireError, decode, encode, has_field
from mxgateway.wire.messages.betterproto_seam import betterproto
from mxgateway.wire.messages.message import Message, message_type

M = TypeVar("M", bound=Message)

log = logger("mxgateway.contract.reflection")

MOST_SERVICES: Final = 64
"""A gateway has two."""
MOST_FILES: Final = 256
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of all answers together; servers send the same imports again with each service."""
_LONGEST_NAME: Final = 512
_SHORTEST_BOUND: Final = 0.001
_SHOWN: Final = 80
"""Characters of a server's text that an error shows."""
_OF_THE_SERVER: Final = "grpc."
"""Services of gRPC itself, reflection among them."""
_MAY_BE_ABSENT: Final = "google/"
"""Whoever reads a set knows protobuf's own files, and what else lies there gives options only."""


class NoReflectionError(ContractError):
    """The server does not tell its contract."""


async def fetch_descriptor_set(channel: Channel, *, timeout: float) -> bytes:
    """Ask a gateway for the files that define its services, and for all that they import.

    Version v1 of reflection is tried first, then v1alpha.

    Args:
        channel: Where to ask.
        timeout: Bound of the whole inquiry in seconds.

    Returns:
        A serialized FileDescriptorSet, each file behind its imports. Files in `google/` that the server does not have are left out.

    Raises:
        NoReflectionError: The server has no reflection.
        ContractError: What it answers is no contract, or exceeds a limit.
        MxGatewayError: A call failed; the class tells how.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    for version in ("v1", "v1alpha"):
        inquiry = _Inquiry(channel, version, deadline)
        try:
            services = await inquiry.services()
        except MxGatewayError as error:
            if error.grpc_status is not GrpcStatus.UNIMPLEMENTED:
                raise
        else:
            return await inquiry.files_of(services)
    raise NoReflectionError(f"{channel.endpoint} does not tell its contract: the server has no gRPC reflection")


@message_type
class _Request(Message):
    file_by_filename: str = betterproto.string_field(3, group="message_request")
    file_containing_symbol: str = betterproto.string_field(4, group="message_request")
    list_services: str = betterproto.string_field(7, group="message_request")


@message_type
class _Files(Message):
    file_descriptor_proto: list[bytes] = betterproto.bytes_field(1)


@message_type
class _Services(Message):
    # As bytes: how many there are is looked at first.
    service: list[bytes] = betterproto.bytes_field(1)


@message_type
class _Refusal(Message):
    error_code: int = betterproto.int32_field(1)
    error_message: str = betterproto.string_field(2)


@message_type
class _Answer(Message):
    file_descriptor_response: _Files = betterproto.message_field(4, group="message_response")
    list_services_response: _Services = betterproto.message_field(6, group="message_response")
    error_response: _Refusal = betterproto.message_field(7, group="message_response")


@message_type
class _Named(Message):
    name: str = betterproto.string_field(1)


@message_type
class _File(Message):
    name: str = betterproto.string_field(1)
    package: str = betterproto.string_field(2)
    dependency: list[str] = betterproto.string_field(3)
    service: list[bytes] = betterproto.bytes_field(6)


@message_type
class _FileSet(Message):
    file: list[bytes] = betterproto.bytes_field(1)


class _Inquiry:
    """The questions to one server.

    Args:
        channel: Where to ask.
        version: Of the reflection service.
        deadline: When it has to be over, in the loop's time.
    """

    def __init__(self, channel: Channel, version: str, deadline: float) -> None:
        service = f"grpc.reflection.{version}.ServerReflection"
        self._method = Method(service, "ServerReflectionInfo", _Request, _Answer, repeatable=True)
        self._channel = channel
        self._deadline = deadline
        self._encoded: dict[str, bytes] = {}
        """The files so far, by name."""
        self._imports: dict[str, list[str]] = {}
        """What each of them imports."""
        self._left: list[str] = []
        """Imports that are still to be looked at."""
        self._defined: set[str] = set()
        """The services that the files define."""
        self._size = 0

    async def services(self) -> list[str]:
        """Return the names of the server's services, those of gRPC itself apart."""
        answer = await self._ask(list_services="*")
        listed = self._part(answer, "list_services_response").service
        if len(listed) > MOST_SERVICES:
            raise self._fault(f"it lists more than {MOST_SERVICES} services")
        names = [self._checked(self._decoded(_Named, each).name) for each in listed]
        return sorted({name for name in names if not name.startswith(_OF_THE_SERVER)})

    async def files_of(self, services: list[str]) -> bytes:
        """Return the files that define services, with their imports."""
        for service in services:
            if service not in self._defined:
                await self._fetch_service(service)
        if not self._encoded:
            raise self._fault("it does not tell the definition of any service")
        while self._left:
            name = self._left.pop()
            if name not in self._encoded:
                await self._fetch_import(name)
        return encode(_FileSet(file=[self._encoded[name] for name in self._in_order()]))

    async def _fetch_service(self, service: str) -> None:
        answer = await self._ask(file_containing_symbol=service)
        if _is_not_found(answer):
            log.warning("%s lists the service %s and does not tell its definition", self._channel.endpoint, service)
            return
        self._take(self._part(answer, "file_descriptor_response").file_descriptor_proto)
        if service not in self._defined:
            raise self._fault(f"it was asked for {service} and told something else")

    async def _fetch_import(self, name: str) -> None:
        answer = await self._ask(file_by_filename=name)
        if _is_not_found(answer) and name.startswith(_MAY_BE_ABSENT):
            return
        self._take(self._part(answer, "file_descriptor_response").file_descriptor_proto)
        if name not in self._encoded:
            raise self._fault(f"it was asked for the file {name} and told something else")

    async def _ask(self, **question: str) -> _Answer:
        """Return the only answer to a question."""
        bound = max(self._deadline - asyncio.get_running_loop().time(), _SHORTEST_BOUND)
        found = None
        async with ServerStream(self._channel, self._method, _Request(**question), CallOptions(timeout=bound)) as call:
            async for answer in call:
                if found is not None:
                    raise self._fault("it answers one question more than once")
                found = answer
        if found is None:
            raise self._fault("it ends a call without an answer")
        return found

    def _part(self, answer: _Answer, name: str) -> Any:
        """Return what was asked for, which an answer holds or does not."""
        if has_field(answer, name):
            return getattr(answer, name)
        if has_field(answer, "error_response"):
            refusal = answer.error_response
            raise self._fault(f"it answers with error {refusal.error_code}, {_shown(refusal.error_message)}")
        raise self._fault("its answer does not hold what was asked for")

    def _take(self, files: list[bytes]) -> None:
        """Keep files, each once."""
        for data in files:
            self._size += len(data)
            if self._size > MOST_BYTES:
                raise self._fault(f"its files have more than {MOST_BYTES} bytes")
            file = self._decoded(_File, data)
            name = self._checked(file.name)
            if self._encoded.setdefault(name, data) != data:
                raise self._fault(f"it has two files of the name {name}")
            if name not in self._imports:
                self._add(name, file)

    def _add(self, name: str, file: _File) -> None:
        if len(self._imports) == MOST_FILES or len(file.dependency) > MOST_FILES:
            raise self._fault(f"its contract has more than {MOST_FILES} files")
        if len(file.service) > MOST_SERVICES:
            raise self._fault(f"the file {name} defines more than {MOST_SERVICES} services")
        self._imports[name] = [self._checked(each) for each in file.dependency]
        self._left += self._imports[name]
        package = f"{file.package}." if file.package else ""
        self._defined |= {f"{package}{self._decoded(_Named, each).name}" for each in file.service}

    def _in_order(self) -> list[str]:
        """Return the names of the files, each behind its imports."""
        known = {name: [each for each in imports if each in self._encoded] for name, imports in self._imports.items()}
        try:
            return list(graphlib.TopologicalSorter(known).static_order())
        except graphlib.CycleError as error:
            raise self._fault(f"its files import each other in a circle, {error.args[1][0]} among them") from None

    def _decoded(self, message_class: type[M], data: bytes) -> M:
        try:
            return decode(message_class, data)
        except WireError as error:
            raise self._fault(f"what it tells is no descriptor: {error}") from error

    def _checked(self, name: str) -> str:
        """Return a name if it is one; it may go into logs and errors."""
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise self._fault(f"it uses the name {_shown(name)}")
        return name

    def _fault(self, what: str) -> ContractError:
        return ContractError(f"{self._channel.endpoint} does not tell its contract by gRPC reflection: {what}")


def _is_not_found(answer: _Answer) -> bool:
    return has_field(answer, "error_response") and answer.error_response.error_code == GrpcStatus.NOT_FOUND


def _shown(text: str) -> str:
    """Return what an error shows of a server's text: one line, and not too long."""
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
