"""Fetches a gateway's contract by gRPC server reflection.

The method streams both ways, but a client may send one request, close its side, and read the answer, like a
server-streaming call. So each query is a call of its own, and the transport needs nothing more.
"""

from __future__ import annotations

import asyncio
import graphlib
from typing import Any, Final, TypeVar

from mxgateway.contract.descriptor_set import ContractError
from mxgateway.contract.proto_files.tokens import shown
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
"""Most services; a gateway has two."""
MOST_FILES: Final = 256
MOST_BYTES: Final = 16 * 1024 * 1024
"""Most bytes of all answers together; servers repeat imports for each service."""
_LONGEST_NAME: Final = 512
_SHORTEST_BOUND: Final = 0.001
_SHOWN: Final = 80
"""Characters of a server's text shown in an error."""
_OF_THE_SERVER: Final = "grpc."
"""gRPC's own services, including reflection."""
_MAY_BE_ABSENT: Final = "google/"
"""Readers of a set know protobuf's own files; the others in this folder only define options."""


class NoReflectionError(ContractError):
    """The server does not publish its contract."""


async def fetch_descriptor_set(channel: Channel, *, timeout: float) -> bytes:
    """Fetch the files that define a gateway's services, with all their imports.

    Reflection v1 is tried first, then v1alpha.

    Args:
        channel: The channel to call on.
        timeout: Seconds for all calls together.

    Returns:
        A serialized FileDescriptorSet, each file after its imports. Files in `google/` that the server lacks are left
        out.

    Raises:
        NoReflectionError: The server has no reflection.
        ContractError: The answer is not a contract, or exceeds a limit.
        MxGatewayError: A call failed; the class says how.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    for version in ("v1", "v1alpha"):
        queries = _Queries(channel, version, deadline)
        try:
            services = await queries.services()
        except MxGatewayError as error:
            if error.grpc_status is not GrpcStatus.UNIMPLEMENTED:
                raise
        else:
            return await queries.files_of(services)
    raise NoReflectionError(f"{channel.endpoint} does not publish its contract: the server has no gRPC reflection")


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
    # As bytes, because their number is checked first.
    service: list[bytes] = betterproto.bytes_field(1)


@message_type
class _ErrorResponse(Message):
    error_code: int = betterproto.int32_field(1)
    error_message: str = betterproto.string_field(2)


@message_type
class _Response(Message):
    file_descriptor_response: _Files = betterproto.message_field(4, group="message_response")
    list_services_response: _Services = betterproto.message_field(6, group="message_response")
    error_response: _ErrorResponse = betterproto.message_field(7, group="message_response")


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


class _Queries:
    """The queries to one version of a server's reflection service, until a deadline in the loop's time."""

    def __init__(self, channel: Channel, version: str, deadline: float) -> None:
        service = f"grpc.reflection.{version}.ServerReflection"
        self._method = Method(service, "ServerReflectionInfo", _Request, _Response, repeatable=True)
        self._channel = channel
        self._deadline = deadline
        self._encoded: dict[str, bytes] = {}
        """The files received so far, by name."""
        self._imports: dict[str, list[str]] = {}
        """The imports of each of them."""
        self._left: list[str] = []
        """Imports still to fetch."""
        self._defined: set[str] = set()
        """The services defined by the files."""
        self._size = 0

    async def services(self) -> list[str]:
        """Return the names of the server's services, except gRPC's own."""
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
            raise self._fault("it defines none of its services")
        while self._left:
            name = self._left.pop()
            if name not in self._encoded:
                await self._fetch_import(name)
        return encode(_FileSet(file=[self._encoded[name] for name in self._in_order()]))

    async def _fetch_service(self, service: str) -> None:
        answer = await self._ask(file_containing_symbol=service)
        if _is_not_found(answer):
            log.warning("%s lists the service %s but does not define it", self._channel.endpoint, service)
            return
        self._take(self._part(answer, "file_descriptor_response").file_descriptor_proto)
        if service not in self._defined:
            raise self._fault(f"it answered something else when asked for {service}")

    async def _fetch_import(self, name: str) -> None:
        answer = await self._ask(file_by_filename=name)
        if _is_not_found(answer) and name.startswith(_MAY_BE_ABSENT):
            return
        self._take(self._part(answer, "file_descriptor_response").file_descriptor_proto)
        if name not in self._encoded:
            raise self._fault(f"it answered something else when asked for the file {name}")

    async def _ask(self, **question: str) -> _Response:
        """Return the only answer to a query."""
        bound = max(self._deadline - asyncio.get_running_loop().time(), _SHORTEST_BOUND)
        found = None
        async with ServerStream(self._channel, self._method, _Request(**question), CallOptions(timeout=bound)) as call:
            async for answer in call:
                if found is not None:
                    raise self._fault("it sent several answers to one query")
                found = answer
        if found is None:
            raise self._fault("it ended a call without an answer")
        return found

    def _part(self, answer: _Response, name: str) -> Any:
        """Return the requested part of an answer."""
        if has_field(answer, name):
            return getattr(answer, name)
        if has_field(answer, "error_response"):
            refusal = answer.error_response
            raise self._fault(f"it answered with error {refusal.error_code}, {shown(refusal.error_message, _SHOWN)}")
        raise self._fault("its answer does not contain what was requested")

    def _take(self, files: list[bytes]) -> None:
        """Store files, each once."""
        for data in files:
            self._size += len(data)
            if self._size > MOST_BYTES:
                raise self._fault(f"its files exceed {MOST_BYTES} bytes")
            file = self._decoded(_File, data)
            name = self._checked(file.name)
            if self._encoded.setdefault(name, data) != data:
                raise self._fault(f"it has two files named {name}")
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
        """Return the names of the files, each after its imports."""
        known = {name: [each for each in imports if each in self._encoded] for name, imports in self._imports.items()}
        try:
            return list(graphlib.TopologicalSorter(known).static_order())
        except graphlib.CycleError as error:
            raise self._fault(f"its files have a circular import of {error.args[1][0]}") from None

    def _decoded(self, message_class: type[M], data: bytes) -> M:
        try:
            return decode(message_class, data)
        except WireError as error:
            raise self._fault(f"its answer is not a descriptor: {error}") from error

    def _checked(self, name: str) -> str:
        """Return a name if it is valid; it may go into logs and errors."""
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise self._fault(f"it uses the invalid name {shown(name, _SHOWN)}")
        return name

    def _fault(self, what: str) -> ContractError:
        return ContractError(f"{self._channel.endpoint} does not publish its contract by gRPC reflection: {what}")


def _is_not_found(answer: _Response) -> bool:
    return has_field(answer, "error_response") and answer.error_response.error_code == GrpcStatus.NOT_FOUND
