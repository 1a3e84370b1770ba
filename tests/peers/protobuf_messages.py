"""The contract in google.protobuf: message classes created at run time from the wheel's or another descriptor set.

Nothing here uses the project's own bindings, so it is an independent check of every byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message


@dataclass(frozen=True)
class Rpc:
    """One method of a service."""

    path: str
    request: type[Message]
    reply: type[Message]
    is_streaming: bool


class Contract:
    """Message classes, enum numbers and methods of a descriptor set.

    Args:
        descriptor_set: A serialized FileDescriptorSet with its imports.
    """

    def __init__(self, descriptor_set: bytes) -> None:
        files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set)
        self._pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self._pool.AddSerializedFile(file.SerializeToString())
        self._files = [self._pool.FindFileByName(file.name) for file in files.file]
        self._messages = dict(self._named_messages())
        self._numbers: dict[str, int] = {
            value.name: value.number
            for file in self._own_files()
            for enum in file.enum_types_by_name.values()
            for value in enum.values
        }
        self.rpcs = {rpc.path.rpartition("/")[2]: rpc for rpc in self._methods()}
        """The methods by name."""

    def __getattr__(self, name: str) -> type[Message]:
        try:
            return self._messages[name]
        except KeyError:
            raise AttributeError(name) from None

    def make(self, name: str, **fields: Any) -> Any:
        """Return a message of the contract; nested messages are dicts, and enum values can be given by name."""
        return self._messages[name](**fields)

    def number(self, value_name: str) -> int:
        """Return the number of an enum value by its full name, such as MX_COMMAND_KIND_REGISTER."""
        return self._numbers[value_name]

    def names(self, prefix: str) -> list[str]:
        """Return the enum values whose names begin with `prefix`."""
        return [name for name in self._numbers if name.startswith(prefix)]

    def _own_files(self) -> list[Any]:
        return [file for file in self._files if not file.package.startswith("google.")]

    def _named_messages(self) -> Iterator[tuple[str, type[Message]]]:
        for file in self._own_files():
            for name, descriptor in file.message_types_by_name.items():
                yield name, message_factory.GetMessageClass(descriptor)

    def _methods(self) -> Iterator[Rpc]:
        for file in self._own_files():
            for service in file.services_by_name.values():
                for method in service.methods:
                    yield Rpc(
                        f"/{service.full_name}/{method.name}",
                        message_factory.GetMessageClass(method.input_type),
                        message_factory.GetMessageClass(method.output_type),
                        method.server_streaming,
                    )


@cache
def shipped_contract() -> Contract:
    """Return the contract in the wheel."""
    return Contract(resources.files("mxgateway.generated").joinpath("contract.binpb").read_bytes())
