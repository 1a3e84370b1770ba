"""A session with as many items as a bulk call takes, and a bulk call of every kind on them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mxgateway import Session, proto
from mxgateway.simulator import SimulatedGateway
from tests.client.command_stage import NOON, OPERATOR
from tests.client.support import TAG

PART = 10
"""Entries of one call in most of these tests, where the library's own thousand would only take longer."""
COUNT = 25
TAGS = [TAG if i == 15 else f"Nowhere.Tag{i}" for i in range(2_500)]
EVERY = 4
"""Every so many entries, from the first one on, one fails."""


@dataclass
class Plant:
    """A session with an advised item for each of so many tags."""

    gateway: SimulatedGateway
    session: Session
    server: int
    items: list[int]
    user: int

    @property
    def some_blank(self) -> list[str]:
        """The tags, with some among them that are none."""
        return [" " if i % EVERY == 0 else tag for i, tag in enumerate(TAGS[: len(self.items)])]

    @property
    def some_unknown(self) -> list[int]:
        """The items, with handles among them that were never given out."""
        return [10**6 + i if i % EVERY == 0 else handle for i, handle in enumerate(self.items)]

    @property
    def values(self) -> list[int]:
        """A value for each."""
        return [number % 7 for number in range(len(self.items))]


async def built(gateway: SimulatedGateway, session: Session, count: int) -> Plant:
    server = await session.register("tests")
    user = await session.authenticate_user(server, OPERATOR.name, OPERATOR.password)
    items = [result.item_handle for result in await session.subscribe_bulk(server, TAGS[:count])]
    gateway.received.clear()
    return Plant(gateway, session, server, items, user)


BULKS: dict[str, Callable[[Plant], Awaitable[list[Any]]]] = {
    "ADD_ITEM_BULK": lambda p: p.session.add_item_bulk(p.server, p.some_blank),
    "SUBSCRIBE_BULK": lambda p: p.session.subscribe_bulk(p.server, iter(p.some_blank)),
    "READ_BULK": lambda p: p.session.read_bulk(p.server, p.some_blank, timeout_ms=50),
    "ADVISE_ITEM_BULK": lambda p: p.session.advise_item_bulk(p.server, p.some_unknown),
    "UN_ADVISE_ITEM_BULK": lambda p: p.session.unadvise_item_bulk(p.server, iter(p.some_unknown)),
    "REMOVE_ITEM_BULK": lambda p: p.session.remove_item_bulk(p.server, p.some_unknown),
    "UNSUBSCRIBE_BULK": lambda p: p.session.unsubscribe_bulk(p.server, p.some_unknown),
    "WRITE_BULK": lambda p: p.session.write_bulk(p.server, p.some_unknown, p.values, user_id=range(len(p.items))),
    "WRITE2_BULK": lambda p: p.session.write2_bulk(p.server, p.some_unknown, iter(p.values), [NOON] * len(p.items)),
    "WRITE_SECURED_BULK": lambda p: p.session.write_secured_bulk(
        p.server, p.some_unknown, p.values, current_user_id=p.user
    ),
    "WRITE_SECURED2_BULK": lambda p: p.session.write_secured2_bulk(
        p.server, p.some_unknown, p.values, NOON, current_user_id=[p.user] * len(p.items), verifier_user_id=p.user
    ),
}


def entries(request: proto.MxCommandRequest) -> list[Any]:
    """Return the entries of one call: tags, handles, or writes."""
    body = getattr(request.command, str(request.command.kind.name).lower())
    for name in ("tag_addresses", "item_handles", "entries"):
        if hasattr(body, name):
            return list(getattr(body, name))
    raise AssertionError("no bulk")
