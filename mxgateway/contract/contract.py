"""A gateway's contract: loading, comparing, encoding and decoding."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from mxgateway.contract.binding import Binding, enums_of, messages_of
from mxgateway.contract.comparing import Difference, PackageSummary, differences, own_descriptor_set, summaries
from mxgateway.contract.descriptor_set import SIZE_LIMIT, ContractError, PackageFacts, packages_of
from mxgateway.contract.extra_fields import Extras
from mxgateway.contract.proto_files.folder import descriptor_set_of
from mxgateway.contract.reflection import fetch_descriptor_set
from mxgateway.errors import MxGatewayAuthorizationError, MxGatewayContractError
from mxgateway.errors.logs import logger
from mxgateway.options import ClientOptions
from mxgateway.system.files import export, read_input, refusal_text
from mxgateway.transport.channel import Channel
from mxgateway.transport.connecting.open_channel import ClientOptionFields, Given, connected_channel
from mxgateway.wire import BUILTIN, Codec
from mxgateway.wire.messages.names import message_names
from mxgateway.wire.schema import instance_dict

M = TypeVar("M")

log = logger("mxgateway.contract")


class Contract:
    """The messages, fields, enum values and calls of a gateway, with their numbers. Immutable.

    A client bound to a contract (`ClientOptions.contract`) uses its numbers; names in the Python API do not change.

    Args:
        descriptor_set: A serialized FileDescriptorSet, as written by ``protoc --descriptor_set_out``, with or without
            imports.
        name: The contract's name in errors.

    Raises:
        MxGatewayContractError: It is not a FileDescriptorSet, or contradicts itself.
    """

    def __init__(self, descriptor_set: bytes, name: str = "the contract") -> None:
        self._data = bytes(descriptor_set)
        self._packages = packages_of(self._data, name)

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes) -> Self:
        """Load the contract from a FileDescriptorSet.

        Args:
            source: Its bytes, or the file (``.protoset``, ``.binpb``) that contains them.

        Raises:
            MxGatewayContractError: The file cannot be read, or is not a FileDescriptorSet.
        """
        if isinstance(source, bytes):
            return cls(source)
        name = repr(os.fspath(source))
        try:
            return cls(read_input(source, SIZE_LIMIT), name)
        except OSError as error:
            raise ContractError(f"{name} cannot be read: {refusal_text(error)}") from None

    @classmethod
    def from_protos(cls, folder: str | os.PathLike[str]) -> Self:
        """Load the contract from a folder of ``.proto`` files, in pure Python.

        Raises:
            MxGatewayContractError: A file cannot be read or is invalid; the error names file and line.
        """
        return cls(descriptor_set_of(Path(folder)))

    @classmethod
    async def fetch(cls, endpoint: str | Sequence[str], options: ClientOptions | None = None, **fields: Any) -> Self:
        """Fetch a gateway's contract by gRPC server reflection, over a separate connection.

        Args:
            endpoint: The gateway's address.
            options: Connection options.
            fields: Fields of `ClientOptions`, instead of `options` or overriding it.

        Raises:
            MxGatewayContractError: The gateway has no reflection, or its answer is not a contract.
            MxGatewayError: The call failed.
        """
        channel = await connected_channel(Given(endpoint, options, cast(ClientOptionFields, fields)))
        try:
            return cls(await fetch_descriptor_set(channel, timeout=channel.options.connect_timeout))
        finally:
            await channel.aclose()

    @classmethod
    def builtin(cls) -> Self:
        """Return the contract from which this package was generated."""
        return cls(own_descriptor_set())

    @property
    def descriptor_set(self) -> bytes:
        """The contract as a serialized FileDescriptorSet."""
        return self._data

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the contract's content in hex; independent of comments, order and the division into files."""
        return hashlib.sha256("\n".join(sorted(_statements(self._packages))).encode()).hexdigest()

    @property
    def packages(self) -> list[PackageSummary]:
        """The size of each package, except protobuf's own."""
        return summaries(self._packages)

    def compare(self, other: Contract) -> list[Difference]:
        """Return another contract's differences, breaking ones first; see `mxgateway.contract.compare`."""
        return differences(self._packages, other._packages)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the contract to a file that `load` can read.

        Raises:
            MxGatewayContractError: The file cannot be written.
        """
        try:
            export(path, self._data)
        except OSError as error:
            raise ContractError(f"{os.fspath(path)!r} cannot be written: {refusal_text(error)}") from None

    # -- use by a client

    @cached_property
    def codec(self) -> Codec:
        """Encodes and decodes this package's messages by this contract.

        Raises:
            MxGatewayContractError: Some fields have incompatible types; all of them are named.
        """
        ours = _own_packages()
        if ours == self._packages:
            return BUILTIN
        return Codec.of(Binding(ours, self._packages).schema_of)

    @cached_property
    def serving_codec(self) -> Codec:
        """The codec for a gateway: omits what the contract lacks."""
        return Codec.of(Binding(_own_packages(), self._packages, leaves_out=True).schema_of)

    def lacks(self, path: str) -> bool:
        """Return whether the contract lacks the call with a ``:path``, or defines it differently."""
        name = path.removeprefix("/")
        package = name.rpartition(".")[0]
        theirs = self._packages.get(package, PackageFacts()).methods.get(name)
        ours = _own_packages().get(package, PackageFacts()).methods.get(name)
        return ours is not None and theirs != ours

    def encode(self, message: Any) -> bytes:
        """Encode a message by this contract.

        Raises:
            WireError: A value does not fit its field, or the contract lacks the field.
        """
        return self.codec.encode(message)

    def decode(self, message_type: type[M], data: bytes) -> M:
        """Decode a message by this contract.

        Raises:
            WireError: The bytes are not a valid message of this type.
        """
        return self.codec.decode(message_type, data)

    def extra(self, message: Any) -> dict[str, Any]:
        """Return the fields of a decoded message that only this contract has, by the contract's field names."""
        data = instance_dict(message).get("_unknown_fields", b"")
        return self._extras.read(message_names(type(message)).full_name, data)

    @cached_property
    def _extras(self) -> Extras:
        return Extras(messages_of(self._packages), enums_of(self._packages))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Contract) and self._packages == other._packages

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<Contract {self.fingerprint[:16]}>"


async def speak_own_contract(channel: Channel) -> None:
    """Bind the channel to the contract from the gateway's reflection; without reflection, use the built-in one."""
    try:
        contract = Contract(await fetch_descriptor_set(channel, timeout=channel.options.connect_timeout))
    except (MxGatewayContractError, MxGatewayAuthorizationError) as error:
        log.warning("%s does not publish its contract, using the built-in one: %s", channel.endpoint, error)
    else:
        channel.speak(contract)


@cache
def _own_packages() -> Mapping[str, PackageFacts]:
    return packages_of(own_descriptor_set(), "the client's own contract")


def _statements(packages: Mapping[str, PackageFacts]) -> Iterator[str]:
    """Yield the contract's content, one fact per line."""
    for package in packages.values():
        for message in package.messages.values():
            yield f"message {message.name} {message.is_map_entry}"
            for field in message.fields.values():
                yield f"field {message.name} {field!r}"
        for enum in package.enums.values():
            yield f"enum {enum.name}"
            yield from (f"value {enum.name} {name} {number}" for name, number in enum.numbers.items())
        for method in package.methods.values():
            yield f"method {method!r}"
