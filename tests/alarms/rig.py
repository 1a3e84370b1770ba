"""What the tests of alarms share: a quiet plant with alarms, what the gateway knows, and a consumer that replays what a board yields."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest

from mxgateway import (
    ActiveAlarm,
    AlarmBoard,
    AlarmChange,
    AlarmChangeKind,
    AlarmProviderStatus,
    ConnectionChange,
    GatewayClient,
    RecoveryOptions,
    SubscriptionState,
    proto,
)
from mxgateway.alarms.messages import read_snapshot
from mxgateway.simulator import (
    AlarmLimit,
    Attribute,
    Category,
    DataType,
    Plant,
    PlantObject,
    SimulatedGateway,
    Template,
)
from tests.client.support import requests

CONNECTING, CONNECTED, RECOVERING = (
    SubscriptionState.CONNECTING,
    SubscriptionState.CONNECTED,
    SubscriptionState.RECOVERING,
)
SUBTAG: Final = proto.AlarmProviderMode.SUBTAG

QUICK: Final = RecoveryOptions(initial_backoff=0.01, max_backoff=0.03, stable_after=0.2, rejected_backoff=0.03)
"""Pauses that a test can wait for."""

AREAS: Final = ("Area1", "Area2")
TANKS: Final = ("Tank1", "Tank2", "Tank3", "Tank4")
LIMITS: Final = (
    AlarmLimit(name="HiHi", limit=90.0, severity=900, description="Level very high"),
    AlarmLimit(name="Hi", limit=80.0, severity=500, description="Level high"),
    AlarmLimit(name="Lo", limit=20.0, above=False, severity=400, description="Level low"),
)
ALARMS: Final = tuple(
    f"Galaxy!{AREAS[index // 2]}.{tank}.{limit.name}" for index, tank in enumerate(TANKS) for limit in LIMITS
)
HIHI, HI, LO = ALARMS[:3]
"""The alarms of the first tank, in Area1."""
ELSEWHERE: Final = ALARMS[-1]
"""An alarm in Area2."""


def alarm_plant() -> Plant:
    """Return a plant of four tanks in two areas, whose levels change only when a test changes them."""
    area = Template("$Area", category=Category.AREA)
    level = Attribute(name="Level", data_type=DataType.FLOAT, value=50.0, alarms=LIMITS)
    tank = Template("$Tank", attributes=(level,))
    areas = [PlantObject(1 + index, name, area) for index, name in enumerate(AREAS)]
    tanks = [PlantObject(10 + index, name, tank, parent_id=1 + index // 2) for index, name in enumerate(TANKS)]
    return Plant([*areas, *tanks])


def truth(gateway: SimulatedGateway, prefix: str = "") -> dict[str, ActiveAlarm]:
    """Return the active alarms as the gateway knows them."""
    return {alarm.reference: alarm for alarm in map(read_snapshot, gateway.alarms.snapshots(prefix))}


def plain(alarms: dict[str, ActiveAlarm]) -> dict[str, ActiveAlarm]:
    """Return alarms with what every provider tells of them."""
    unknown: dict[str, Any] = dict.fromkeys(("type_name", "operator", "comment", "category", "description"), "")
    return {name: replace(alarm, **unknown, value=None, limit=None) for name, alarm in alarms.items()}


def is_right(board: AlarmBoard, gateway: SimulatedGateway, prefix: str = "") -> bool:
    """Tell whether a connected board has what the gateway has; while the provider is degraded it may know more."""
    known, told = dict(board.active), truth(gateway, prefix)
    if gateway.alarms.is_degraded:
        known, told = plain(known), plain(told)
    return board.state is SubscriptionState.CONNECTED and known == told


@dataclass
class Replay:
    """Takes what a board yields, and applies it to the set that the board began with."""

    board: AlarmBoard
    alarms: dict[str, ActiveAlarm] = field(default_factory=dict)
    changes: list[AlarmChange] = field(default_factory=list)
    connections: list[ConnectionChange] = field(default_factory=list)
    statuses: list[AlarmProviderStatus] = field(default_factory=list)
    error: BaseException | None = None
    ended: bool = False
    held: bool = False
    """True while nothing is taken."""

    def take(self, item: AlarmChange | AlarmProviderStatus | ConnectionChange) -> None:
        """Take one thing, and see that it follows from what came before."""
        if isinstance(item, ConnectionChange):
            self.connections.append(item)
        elif isinstance(item, AlarmProviderStatus):
            self.statuses.append(item)
        else:
            name = item.alarm.reference
            assert item.before == self.alarms.get(name), "a change does not begin where the last one has ended"
            assert item.alarm.is_active == (item.kind is not AlarmChangeKind.CLEARED)
            assert (item.kind is AlarmChangeKind.RAISED) == (item.before is None)
            self.changes.append(item)
            if item.alarm.is_active:
                self.alarms[name] = item.alarm
            else:
                del self.alarms[name]

    async def run(self) -> None:
        """Consume until the board ends."""
        try:
            async for item in self.board:
                self.take(item)
                while self.held:
                    await asyncio.sleep(0.001)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        self.ended = True

    @property
    def told(self) -> list[tuple[str, str]]:
        """Kind and reference of each change."""
        return [(change.kind.value, change.alarm.reference) for change in self.changes]

    @property
    def states(self) -> list[SubscriptionState]:
        """The states that the board has told."""
        return [change.state for change in self.connections]


@asynccontextmanager
async def replayed(board: AlarmBoard, **fields: Any) -> AsyncIterator[Replay]:
    """Begin a board and replay it in a task for the time of the block."""
    async with board:
        replay = Replay(board, dict(board.active), **fields)
        task = asyncio.create_task(replay.run())
        try:
            yield replay
        finally:
            task.cancel()
            await asyncio.wait([task])
        if replay.error is not None:
            raise replay.error


@dataclass(eq=False)
class ScriptedFeed:
    """What one StreamAlarms call is told instead of the truth; then nothing more."""

    messages: list[proto.AlarmFeedMessage]
    prefix: str = ""

    def put(self, message: proto.AlarmFeedMessage) -> None:
        """Take no notice."""

    async def next_batch(self) -> list[proto.AlarmFeedMessage]:
        """Return the messages, once."""
        batch, self.messages = self.messages, []
        if not batch:
            await asyncio.get_running_loop().create_future()
        return batch


def script(gateway: SimulatedGateway, patch: pytest.MonkeyPatch, *messages: proto.AlarmFeedMessage) -> None:
    """Let every feed from now on tell these messages and nothing else."""
    patch.setattr(gateway.alarms, "open_feed", lambda prefix: ScriptedFeed(list(messages)))


@asynccontextmanager
async def board_of(client: GatewayClient, **fields: Any) -> AsyncIterator[Replay]:
    async with replayed(client.alarm_board(**{"recovery": QUICK, **fields})) as replay:
        yield replay


def feeds(gateway: SimulatedGateway) -> int:
    return len(requests(gateway, "StreamAlarms"))
