"""The behaviours that a plant file can give to an attribute and that depend on time alone, as patterns."""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from mxgateway.simulator.mxaccess.statuses import BAD, GOOD, UNCERTAIN
from mxgateway.simulator.mxaccess.values import BOUND, NUMERIC, DataType
from mxgateway.simulator.plant.behaviours.patterns import Pattern, Reading

_LARGEST_FLOAT: Final = {DataType.FLOAT: 3.4028234e38}


def converter(data_type: DataType, *, is_array: bool = False) -> Callable[[Any], Any]:
    """Return what makes a number one of a type: rounded, and within its range; other values stay.

    What it returns raises a ValueError or an OverflowError for what is no number.
    """
    if is_array:
        return lambda value: value
    if data_type is DataType.BOOLEAN:
        return lambda value: value >= 0.5
    if data_type in BOUND:
        bound = BOUND[data_type]
        return lambda value: min(max(round(value), -bound), bound - 1)
    if data_type in NUMERIC:
        largest = _LARGEST_FLOAT.get(data_type, 1e308)
        return lambda value: min(max(float(value), -largest), largest)
    return lambda value: value


def wave(kind: str, low: float, high: float, ticks: float) -> Pattern:
    """Return a ramp, sine or square between two limits, one cycle in `ticks`; each tag has its own phase.

    A ramp rises from `low` and starts again.
    """
    shape: dict[str, Callable[[float], float]] = {
        "ramp": lambda part: part,
        "sine": lambda part: (1 + math.sin(2 * math.pi * part)) / 2,
        "square": lambda part: float(part < 0.5),
    }
    form = shape[kind]

    def value(tick: int, seed: int, time_ns: int) -> float:
        return low + (high - low) * form((tick / ticks + seed % 1000 / 1000) % 1)

    return value


def random_walk(low: float, high: float, step: float) -> Pattern:
    """Return a walk from the middle of two limits, by at most `step` each tick, that stays within the limits."""
    # Where each tag is: a walk goes on from there, and starts anew for an earlier tick.
    walks: dict[int, tuple[int, float, random.Random]] = {}

    def value(tick: int, seed: int, time_ns: int) -> float:
        at, place, rng = walks.get(seed) or (0, (low + high) / 2, random.Random(seed))
        if tick < at:
            at, place, rng = 0, (low + high) / 2, random.Random(seed)
        for _ in range(tick - at):
            place = min(max(place + rng.uniform(-step, step), low), high)
        walks[seed] = (tick, place, rng)
        return place

    return value


def replay(rows: Sequence[tuple[float, Any, int]], every: float) -> Pattern:
    """Return the recorded values, over and over; a cycle ends one interval after the last row.

    Args:
        rows: Seconds since the start, value and quality, by rising time.
        every: Seconds between two ticks.
    """
    times = [row[0] for row in rows]
    length = times[-1] + every

    def value(tick: int, seed: int, time_ns: int) -> Reading:
        row = rows[max(bisect.bisect_right(times, tick * every % length) - 1, 0)]
        return Reading(row[1], row[2])

    return value


def disturbed(
    pattern: Pattern, *, convert: Callable[[Any], Any], noise: float, seed: int | None, bad: float, uncertain: float
) -> Pattern:
    """Return a pattern with noise and faults of quality, in the type of its attribute.

    Args:
        pattern: The pattern without them.
        convert: Makes a value one of the attribute's type.
        noise: The largest deviation.
        seed: Instead of the tag's own seed.
        bad: Probability of bad quality.
        uncertain: Probability of uncertain quality.
    """

    def value(tick: int, own_seed: int, time_ns: int) -> Reading:
        used = own_seed if seed is None else seed
        found = pattern(tick, used, time_ns)
        native, quality = found if isinstance(found, Reading) else (found, GOOD)
        if noise or bad or uncertain:
            rng = random.Random(used * 1_000_003 + tick)
            deviation, chance = rng.uniform(-noise, noise), rng.random()
            native = native + deviation if noise else native
            if quality == GOOD:
                quality = BAD if chance < bad else UNCERTAIN if chance < bad + uncertain else GOOD
        return Reading(convert(native), quality)

    return value
