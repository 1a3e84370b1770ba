"""The session in which the commands of `command_rows` are sent: its handles, users and values."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from mxgateway import Session, Timestamp, proto
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.wire.messages.betterproto_seam import Message

CLOCK: Final = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
NOW: Final = Timestamp.from_datetime(CLOCK)
NOON: Final = Timestamp.from_parts(1_704_110_400, 123_456_700)

TAG: Final = "TestChildObject.TestInt"
UNKNOWN_TAG: Final = "TestChildObject.Nothing"
SERVER: Final = 1
ITEM: Final = 2
"""Advised: TestInt, which holds 17."""
IDLE: Final = 3
"""Added and not advised: TestDouble."""
ARRAY: Final = 4
"""Advised: TestIntArray."""
NEXT: Final = 7
"""The next handle that is given out."""
NOBODY: Final = 99
"""A handle that was never given out."""
OPERATOR, SUPERVISOR = SimulatorOptions().users
OPERATOR_ID: Final = 5
SUPERVISOR_ID: Final = 6
ALARM: Final = "Galaxy!Area1.Tank01.Hi"
"""Active."""

E_INVALIDARG: Final = 0x80070057 - 2**32
OUT_OF_RANGE: Final = "Value does not fall within the expected range"

INTEGER_5: Final = proto.MxValue(data_type=proto.MxDataType.INTEGER, variant_type="VT_I4", int32_value=5)
INTEGER_17: Final = proto.MxValue(data_type=proto.MxDataType.INTEGER, variant_type="VT_I4", int32_value=17)
FLOAT_5: Final = proto.MxValue(data_type=proto.MxDataType.FLOAT, variant_type="VT_R4", float_value=5.0)
AT_NOON: Final = proto.MxValue(data_type=proto.MxDataType.TIME, variant_type="VT_DATE", timestamp_value=NOON)
STATUS_OK: Final = proto.MxStatusProxy(
    success=-1, category=proto.MxStatusCategory.OK, detected_by=proto.MxStatusSource.RESPONDING_LMX
)
STATUS_PENDING: Final = proto.MxStatusProxy(
    success=-1, category=proto.MxStatusCategory.PENDING, detected_by=proto.MxStatusSource.REQUESTING_LMX
)
STATUS_UNKNOWN_TAG: Final = proto.MxStatusProxy(
    category=proto.MxStatusCategory.CONFIGURATION_ERROR, detected_by=proto.MxStatusSource.REQUESTING_NMX,
    detail=1003, diagnostic_text="The reference is not known to the galaxy.",
)  # fmt: skip
ITEM_FIELDS: Final = {"server_handle": SERVER, "item_handle": ITEM}
USER_FIELDS: Final = {"current_user_id": OPERATOR_ID, "verifier_user_id": SUPERVISOR_ID}


@dataclass
class Prepared:
    """A session that rows are made for."""

    gateway: SimulatedGateway
    session: Session
    spare: Session
    """Another one, which knows no handle and no user."""


async def prepare(gateway: SimulatedGateway, session: Session, spare: Session) -> Prepared:
    """Have a registration with items and users, an event that waits, and an active alarm; and forget how it came about."""
    assert await session.register("tests") == SERVER
    for tag in (TAG, "TestChildObject.TestDouble", "TestChildObject.TestIntArray"):
        await session.add_item(SERVER, tag)
    await session.advise(SERVER, ITEM)
    assert len(await session.drain_events()) == 1
    await session.advise(SERVER, ARRAY)
    for user in (OPERATOR, SUPERVISOR):
        await session.authenticate_user(SERVER, user.name, user.password)
    gateway.alarms.raise_alarm(ALARM)
    gateway.received.clear()
    return Prepared(gateway, session, spare)


@dataclass(frozen=True)
class Asked:
    """One call of a session's method."""

    method: str
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)

    def of(self, session: Session, **more: Any) -> Awaitable[Any]:
        """Make the call."""
        call: Awaitable[Any] = getattr(session, self.method)(*self.arguments, **self.keywords, **more)
        return call

    def with_arguments(self, *arguments: Any, **keywords: Any) -> Asked:
        """Return the same call with other arguments."""
        return Asked(self.method, arguments, {**self.keywords, **keywords})


@dataclass(frozen=True)
class Row:
    """One kind of command."""

    asked: Asked
    """How it is asked for; `invoke` for what a session has no method of its own for."""
    payload: Message
    """What the gateway then receives."""
    result: Any
    """What the caller then gets; a function of `Prepared` where that depends on the run."""
    wrong: Asked
    """The same with an argument that is refused here."""
    refused: Asked | None = None
    """The same with arguments that MXAccess refuses; None where it refuses none."""
    partly: tuple[Asked, list[Any]] | None = None
    """Of a bulk: one with entries that fail, and its results."""
    bare: bool = False
    """True when success has no payload."""
    arm: str = ""
    """The arm of the reply, where it is not named like the command."""

    @property
    def by_invoke(self) -> bool:
        """True for the kinds that a session has no method for: they go through `invoke`, which judges no payload."""
        return self.asked.method == "invoke"
