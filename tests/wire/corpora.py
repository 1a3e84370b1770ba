"""Bytes to decode: messages of every shape, and what is left of them when they are damaged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

from hypothesis import given, seed, settings

from tests.wire.messages import google_messages
from tests.wire.profiles import bounded


@cache
def corpus(google: Any, count: int) -> list[bytes]:
    """Return encoded messages of google.protobuf's class, the same ones each time."""
    found: list[bytes] = []

    @seed(1)
    @settings(bounded(count))
    @given(google_messages(google))
    def collect(message: Any) -> None:
        found.append(message.SerializeToString(deterministic=True))

    collect()
    return found


def mutations(encodings: list[bytes], count: int, run: int = 0) -> Iterator[bytes]:
    """Yield encodings that are damaged, and two that are put together."""
    draw = random.Random(run)
    for _ in range(count):
        data = bytearray(draw.choice(encodings))
        if draw.random() < 0.3:
            data += draw.choice(encodings)
        for _ in range(draw.randrange(1, 4)):
            _mutate(draw, data)
        yield bytes(data)


def _mutate(draw: random.Random, data: bytearray) -> None:
    place = draw.randrange(len(data) + 1)
    other = draw.randrange(place, min(len(data), place + 9) + 1)
    match draw.randrange(6):
        case 0:
            data[place:place] = draw.randbytes(draw.randrange(1, 4))
        case 1:
            data[place:other] = draw.randbytes(other - place)
        case 2:
            del data[place:]
        case 3:
            del data[place:other]
        case 4:
            data[place:place] = data[place:other]
        case 5 if place < len(data):
            data[place] ^= 1 << draw.randrange(8)
