"""The contract with its numbers permuted within each message, among tags of one length: messages of the same size in another order."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from mxgateway.contract import own_descriptor_set

SEED: Final = 1
ONE_BYTE: Final = 15
"""The largest number whose tag has one byte."""


def shuffled(seed: int = SEED) -> bytes:
    """Return the contract as a FileDescriptorSet; the same seed gives the same one."""
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
        for few in (True, False):  # numbers whose tags have one byte, and the others
            fields = [field for field in message.field if (field.number <= ONE_BYTE) == few]
            numbers = chance.sample([field.number for field in fields], len(fields))
            for field, number in zip(fields, numbers, strict=True):
                field.number = number
    for nested in message.nested_type:
        _shuffle(nested, chance)
