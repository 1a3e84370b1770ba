"""The sessions of the small gateway on grpcio: what each command does to one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.peers.protobuf_messages import Contract, shipped_contract

E_INVALIDARG: Final = -2147024809
GOOD_QUALITY: Final = 192


class GatewaySession:
    """The handles and events of one session.

    Args:
        contract: The server's contract.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.session_id = f"session-{secrets.token_hex(16)}"
        self.servers: set[int] = set()
        self.items: dict[int, tuple[int, str]] = {}
        self.events: list[bytes] = []
        self.changed = asyncio.Event()
        self.streaming = False
        self.closed = False
        self._next_handle = 1
        self._taken = 0

    def handle(self) -> int:
        """Return a new handle."""
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        return handle

    def raise_event(self, server: int, item: int, family: str, value: Any = None) -> None:
        """Append an event with the next worker sequence."""
        contract = self.contract
        event: Any = contract.MxEvent(
            family=contract.number(f"MX_EVENT_FAMILY_{family}"),
            session_id=self.session_id,
            server_handle=server,
            item_handle=item,
            quality=GOOD_QUALITY,
            worker_sequence=len(self.events) + 1,
            statuses=[ok_status(contract)],
        )
        if value is not None:
            event.value.CopyFrom(value)
        event.worker_timestamp.FromDatetime(datetime.now(UTC))
        arm = {"ON_DATA_CHANGE": "on_data_change", "ON_WRITE_COMPLETE": "on_write_complete"}[family]
        getattr(event, arm).SetInParent()
        self.events.append(serialize(event))
        self.wake()

    def wake(self) -> None:
        """Let the stream check for events."""
        self.changed.set()

    async def stream(self, after: int) -> AsyncIterator[bytes]:
        """Yield events after a sequence (0: after the last stream's) until the session is closed."""
        self._taken = after or self._taken
        while True:
            while self._taken < len(self.events):
                self._taken += 1
                yield self.events[self._taken - 1]
            if self.closed:
                return
            self.changed.clear()
            await self.changed.wait()


def serialize(message: Any) -> bytes:
    """Serialize a message deterministically with google.protobuf."""
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def ok_status(contract: Contract | None = None) -> Any:
    """Return MXAccess's native OK; here and below, in the shipped contract by default."""
    contract = contract or shipped_contract()
    return contract.MxStatusProxy(
        success=-1,
        category=contract.number("MX_STATUS_CATEGORY_OK"),
        detected_by=contract.number("MX_STATUS_SOURCE_RESPONDING_LMX"),
    )


def protocol_status(name: str, message: str = "", contract: Contract | None = None) -> Any:
    """Return a ProtocolStatus by its name without the prefix."""
    contract = contract or shipped_contract()
    return contract.ProtocolStatus(code=contract.number(f"PROTOCOL_STATUS_CODE_{name}"), message=message)


def prepared_events(count: int, session_id: str = "session-prepared", contract: Contract | None = None) -> list[bytes]:
    """Return serialized OnDataChange events with the worker sequences from 1, as a busy plant sends them."""
    contract = contract or shipped_contract()
    started = datetime(2026, 3, 1, 12, tzinfo=UTC)
    events = []
    for sequence in range(1, count + 1):
        event: Any = contract.MxEvent(
            family=contract.number("MX_EVENT_FAMILY_ON_DATA_CHANGE"),
            session_id=session_id,
            server_handle=1,
            item_handle=1 + sequence % 100,
            quality=GOOD_QUALITY,
            worker_sequence=sequence,
            statuses=[ok_status(contract)],
            value=int32_value(sequence % 2**31, contract),
        )
        at = started + timedelta(microseconds=100 * sequence)
        event.source_timestamp.FromDatetime(at)
        event.worker_timestamp.FromDatetime(at)
        event.gateway_receive_timestamp.FromDatetime(at)
        event.on_data_change.SetInParent()
        events.append(serialize(event))
    return events


def int32_value(number: int, contract: Contract | None = None) -> Any:
    """Return the MxValue of an INTEGER."""
    contract = contract or shipped_contract()
    return contract.MxValue(data_type=contract.number("MX_DATA_TYPE_INTEGER"), variant_type="VT_I4", int32_value=number)


def _register(session: GatewaySession, body: Any, reply: Any) -> bool:
    handle = session.handle()
    session.servers.add(handle)
    reply.register.server_handle = handle
    return True


def _unregister(session: GatewaySession, body: Any, reply: Any) -> bool:
    session.items = {item: known for item, known in session.items.items() if known[0] != body.server_handle}
    known = body.server_handle in session.servers
    session.servers.discard(body.server_handle)
    return known


def _add_item(session: GatewaySession, body: Any, reply: Any) -> bool:
    handle = session.handle()
    session.items[handle] = (body.server_handle, body.item_definition)
    arm = "add_item2" if body.DESCRIPTOR.name == "AddItem2Command" else "add_item"
    getattr(reply, arm).item_handle = handle
    return body.server_handle in session.servers


def _remove_item(session: GatewaySession, body: Any, reply: Any) -> bool:
    return session.items.pop(body.item_handle, None) is not None


def _advise(session: GatewaySession, body: Any, reply: Any) -> bool:
    if body.item_handle not in session.items:
        return False
    session.raise_event(body.server_handle, body.item_handle, "ON_DATA_CHANGE", int32_value(42, session.contract))
    return True


def _write(session: GatewaySession, body: Any, reply: Any) -> bool:
    if body.item_handle not in session.items:
        return False
    session.raise_event(body.server_handle, body.item_handle, "ON_DATA_CHANGE", body.value)
    session.raise_event(body.server_handle, body.item_handle, "ON_WRITE_COMPLETE")
    return True


def _unadvise(session: GatewaySession, body: Any, reply: Any) -> bool:
    return body.item_handle in session.items


def _ping(session: GatewaySession, body: Any, reply: Any) -> bool:
    return True


def _state(session: GatewaySession, body: Any, reply: Any) -> bool:
    name = "CLOSED" if session.closed else "READY"
    reply.session_state.state = session.contract.number(f"SESSION_STATE_{name}")
    return True


_COMMANDS: Final[dict[str, Callable[[GatewaySession, Any, Any], bool]]] = {
    "register": _register,
    "unregister": _unregister,
    "add_item": _add_item,
    "add_item2": _add_item,
    "remove_item": _remove_item,
    "advise": _advise,
    "advise_supervisory": _advise,
    "un_advise": _unadvise,
    "write": _write,
    "write2": _write,
    "ping": _ping,
    "get_session_state": _state,
}
