"""The memory that alarms take, counted in alarms of ordinary size."""

from __future__ import annotations

from typing import Any, Final

from mxgateway.alarms.messages import ActiveAlarm, AlarmProviderStatus, AlarmTransition
from mxgateway.errors import GrpcStatus, MxGatewayLimitError
from mxgateway.values import UnconvertedValue

ORDINARY: Final = 1024
"""Characters of an alarm's texts and values that count as one alarm; a gateway's alarms have a few hundred."""
MOST_ALARMS: Final = 100_000
"""Default limit of a board: several times the alarms of a large plant, in about 100 MiB."""


def weight(item: ActiveAlarm | AlarmTransition | AlarmProviderStatus) -> int:
    """Return how many alarms one counts as: 1, plus 1 for each 1,024 characters of its texts and values."""
    if isinstance(item, AlarmProviderStatus):
        return 1 + len(item.reason) // ORDINARY
    size = (
        len(item.reference) + len(item.source) + len(item.type_name) + len(item.operator) + len(item.comment) + len(item.category)
        + len(item.description) + _size(item.value) + _size(item.limit)
    )  # fmt: skip
    return 1 + size // ORDINARY


def _size(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, UnconvertedValue):
        return 2 * len(bytes(value.message))  # held twice: as received and as decoded
    if isinstance(value, list | tuple):
        return sum(map(_size, value)) + 32 * len(value)
    return 32


def too_many(what: str, limit: int) -> MxGatewayLimitError:
    """Return the error for a gateway that sends more alarms than the limit."""
    return MxGatewayLimitError(
        f"the gateway sent {what} that count as more than {limit} alarms",
        hint="narrow the prefix, or raise max_alarms",
        phase="stream", grpc_status=GrpcStatus.RESOURCE_EXHAUSTED,
    )  # fmt: skip
