"""How long the property tests search."""

from __future__ import annotations

import os

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
