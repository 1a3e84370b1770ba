"""When two values are the same: the one rule wherever it is decided whether something has changed."""

from __future__ import annotations

import math
from typing import Any


def same_value(one: Any, other: Any) -> bool:
    """Return whether two values are equal, with NaN equal to NaN, inside lists and mappings as well.

    Otherwise NaN would be a change each time it is read, and a message with NaN would not equal its copy.
    """
    if one is other:
        return True
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    return bool(one == other)
