"""Describes a gateway's actions, its tags and what it has received, as messages."""

from __future__ import annotations

from typing import Any, Final

from mxgateway.control_protocol.generated.simulator_control.v1 import (
    Action,
    Clock,
    GetStatusReply,
    GetTagReply,
    Parameter,
    ParameterKind,
    Session,
)
from mxgateway.control_protocol.values import to_value
from mxgateway.simulator import clock as clocks
from mxgateway.simulator.controls import Controls
from mxgateway.simulator.mxaccess import sessions
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.live_tags import Tag
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.scenarios import registry
from mxgateway.simulator.scenarios.kinds import AlarmName, File, Handle, MethodName, SessionName, TagName
from mxgateway.simulator.server.keys import SimulatedKey

_KINDS: Final = {
    "boolean": ParameterKind.BOOLEAN,
    "integer": ParameterKind.INTEGER,
    "number": ParameterKind.NUMBER,
    "string": ParameterKind.TEXT,
    "array": ParameterKind.LIST,
    "object": ParameterKind.TABLE,
}
_MEANINGS: Final[dict[Any, str]] = {
    TagName: "the reference of a whole tag",
    AlarmName: "the full reference of an alarm",
    MethodName: "an RPC, OpenSession, or one kind of command, Invoke.Write",
    SessionName: "a client's name of its session, or a session id; without it every session",
    Handle: "a server handle or an item handle",
    File: "a PEM file",
    Plant: "a plant file",
    SimulatedKey: "a key, mxgw_<key-id>_<secret>",
}
"""What a parameter stands for, by its annotation."""


def described_action(action: registry.Action) -> Action:
    """Return what a client needs to know of an action."""
    return Action(
        name=action.name, summary=action.summary, parameters=[_described_parameter(each) for each in action.parameters]
    )


def reads_files(action: registry.Action) -> bool:
    """Return whether reading an action's arguments reads files."""
    return any(each.annotation in (File, Plant) for each in action.parameters)


def _described_parameter(parameter: registry.Parameter) -> Parameter:
    schema = parameter.kind.schema
    # A choice has no type of its own: each of the choices is a text.
    kind = ParameterKind.TEXT if "enum" in schema else _KINDS.get(schema.get("type", ""), ParameterKind.ANY)
    element = schema.get("items") or schema.get("additionalProperties") or schema
    return Parameter(
        name=parameter.name,
        kind=kind,
        is_required=parameter.is_required,
        meaning=_MEANINGS.get(parameter.annotation, ""),
        choices=list(element.get("enum", ())),
        minimum=_number(schema.get("minimum")),
        maximum=_number(schema.get("maximum")),
        is_secret=bool(schema.get("writeOnly")),
        is_file=parameter.annotation in (File, Plant),
    )


def _number(bound: float | None) -> float | None:
    return None if bound is None else float(bound)


def described_tag(name: str, tag: Tag) -> GetTagReply:
    """Return what a tag is now.

    Args:
        name: Its name as it was asked for.
        tag: The live tag.
    """
    sample = tag.sample
    reply = GetTagReply(
        tag=name,
        quality=sample.quality,
        source_time=clocks.timestamp(sample.time_ns),
        data_type=sample.data_type.name.lower(),
        is_array=tag.attribute.is_array,
    )
    if sample.native is not None:
        reply.value = to_value(_moments(sample.native) if sample.data_type is DataType.TIME else sample.native)
    return reply


def _moments(native: Any) -> Any:
    """Return the times for nanoseconds since 1970."""
    return [_moments(each) for each in native] if isinstance(native, list) else clocks.timestamp(native)


def described_status(gateway: Controls, endpoint: str) -> GetStatusReply:
    """Return what a gateway is doing.

    Args:
        gateway: The gateway; it may be down.
        endpoint: Its address.
    """
    is_running = gateway.is_running
    return GetStatusReply(
        endpoint=endpoint,
        is_running=is_running,
        sessions=[_described_session(each) for each in gateway.sessions.values()] if is_running else [],
        connections=gateway.connections if is_running else 0,
        calls=dict(gateway.switches.counts),
        events_sent=gateway.events_sent,
        clock=_described_clock(gateway.clock),
        unused=gateway.switches.unused,
    )


def _described_session(session: sessions.Session) -> Session:
    items = [item for server in session.worker.servers.values() for item in server.items.values()]
    return Session(
        session_id=session.session_id,
        name=session.name,
        state=session.state.name or "",
        has_stream=session.events.is_attached,
        registrations=len(session.worker.servers),
        items=len(items),
        advised_items=sum(item.is_advised for item in items),
    )


def _described_clock(clock: clocks.Clock) -> Clock:
    return Clock(
        now=clock.now(),
        is_manual=isinstance(clock, clocks.ManualClock),
        seconds_ahead=clock.ahead_ns / clocks.NANOSECONDS,
    )
