"""How much memory alarms take, counted in alarms of an ordinary size."""

from __future__ import annotations

from typing import Any, Final

from mxgateway.alarms.messages import ActiveAlarm, AlarmProviderStatus, AlarmTransition
from mxgateway.errors import GrpcStatus, MxGatewayLimitError
from mxgateway.values import UnconvertedValue

ORDINARY: Final = 1024
"""Characters of an alarm's texts and values that count as one alarm; a gateway's have some hundred."""
MOST_ALARMS: Final = 100_000
"""Alarms that a board holds unless told: several times those of a large plant, in some 100 MiB."""


def weight(told: ActiveAlarm | AlarmTransition | AlarmProviderStatus) -> int:
    """Return as how many alarms one counts: one, and another one for each 1,024 characters of its texts and values."""
    if isinstance(told, AlarmProviderStatus):
        return 1 + len(told.reason) // ORDINARY
    size = (
        len(told.reference) + len(told.source) + len(told.type_name) + len(told.operator) + len(told.comment) + len(told.category)
        + len(told.description) + _size(told.value) + _size(told.limit)
    )  # fmt: skip
    return 1 + size // ORDINARY


def _size(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, UnconvertedValue):
        return 2 * len(bytes(value.message))  # as what it was received as, and as what it is
    if isinstance(value, list | tuple):
        return sum(map(_size, value)) + 32 * len(value)
    return 32


def too_many(what: str, limit: int) -> MxGatewayLimitError:
    """Return the error for a gateway that tells more alarms than are kept."""
    return MxGatewayLimitError(
        f"the gateway tells {what} that count as more than {limit} alarms",
        hint="narrow the prefix, or allow more with max_alarms",
        phase="stream", grpc_status=GrpcStatus.RESOURCE_EXHAUSTED,
    )  # fmt: skip
