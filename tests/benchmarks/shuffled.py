"""The contract with field numbers permuted among tags of equal length: messages of the same size, in another order."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from mxgateway.contract import own_descriptor_set

SEED: Final = 1
ONE_BYTE: Final = 15
"""The largest field number with a one-byte tag."""


def shuffled(seed: int = SEED) -> bytes:
    """Return the contract as a FileDescriptorSet, determined by the seed."""
    chance = Random(seed)
    files = FileDescriptorSet.FromString(own_descriptor_set())
    for file in files.file:
        if file.package != "google.protobuf":
            for message in file.message_type:
                _shuffle(message, chance)
    return files.SerializeToString()


def _shuffle(message: Any, chance: Random) -> None:
    message.ClearField("reserved_range")
    if not message.options.map_entry:
        for few in (True, False):  # numbers with one-byte tags, and the others
            fields = [field for field in message.field if (field.number <= ONE_BYTE) == few]
            numbers = chance.sample([field.number for field in fields], len(fields))
            for field, number in zip(fields, numbers, strict=True):
                field.number = number
    for nested in message.nested_type:
        _shuffle(nested, chance)
