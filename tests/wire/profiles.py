"""How long the property tests search."""

from __future__ import annotations

import os
import random

from hypothesis import HealthCheck, settings

FUZZ_SECONDS = float(os.environ.get("MXGATEWAY_FUZZ_SECONDS", "0"))
"""How long the fuzz test runs beside its bounded part; `make fuzz` sets it."""


def bounded(examples: int) -> settings:
    """Settings for a property that is tried with a number of examples, on a machine of any speed."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return `data` with up to eight damages: bytes changed, taken out, put in, repeated, or the end cut off."""
    damaged = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        place = draw.randrange(len(damaged) + 1)
        piece = slice(place, place + draw.randint(1, 16))
        match draw.randrange(6):
            case 0:
                damaged[piece] = b""
            case 1:
                damaged[place:place] = draw.randbytes(draw.randint(1, 8))
            case 2:
                damaged[place:place] = damaged[piece] * draw.randint(1, 4)
            case 3 if place < len(damaged):
                damaged[place] = draw.randrange(256)
            case 4 if place < len(damaged):
                damaged[place] ^= 1 << draw.randrange(8)
            case 5 if draw.randrange(10) == 0:
                del damaged[place:]
    return bytes(damaged)
