"""The kinds of values that actions take: how a file writes them, and what they become."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NewType

from grpclib.const import Status

from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.files import DescriptionError
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.server.gateway_service import command_title
from mxgateway.simulator.server.keys import Scope, SimulatedKey
from mxgateway.system.files import refusal_text

TagName = NewType("TagName", str)
"""The reference of a whole tag."""
AlarmName = NewType("AlarmName", str)
"""The full reference of an alarm."""
MethodName = NewType("MethodName", str)
"""An RPC, ``OpenSession``, or one kind of command, ``Invoke.Register``."""
SessionName = NewType("SessionName", str)
"""A client's name of its session, or a session id."""
File = NewType("File", str)
"""A file; a relative path starts at the folder of the scenario."""
Value = NewType("Value", object)
"""A tag's value."""
Count = NewType("Count", int)
"""A number above 0."""
Seconds = NewType("Seconds", float)
"""A number of seconds, 0 or more."""
Shift = NewType("Shift", float)
"""A number of seconds, ahead or back."""
Handle = NewType("Handle", int)
"""A server handle or an item handle."""
Rate = NewType("Rate", float)
"""A number per second, above 0."""
Sequence = NewType("Sequence", int)
"""A worker sequence number."""
Family = mx.MxEventFamily

LONGEST: Final = 1_000_000_000
"""Most seconds of any time: thirty years."""
ONCE: Final = Count(1)
AT_ONCE: Final = Seconds(0.0)

_FAMILIES: Final = {
    "data_change": Family.ON_DATA_CHANGE,
    "write_complete": Family.ON_WRITE_COMPLETE,
    "operation_complete": Family.OPERATION_COMPLETE,
    "buffered_data_change": Family.ON_BUFFERED_DATA_CHANGE,
    "alarm_transition": Family.ON_ALARM_TRANSITION,
}
_TYPES: Final = {each.name.lower(): each for each in DataType if each is not DataType.CUSTOM}
_FAILURES: Final = {status.name: status for status in Status if status is not Status.OK}

Read = Callable[[Any, str], Any]
"""Makes of a file's value what an action takes; the second argument is the folder of relative paths."""


@dataclass(frozen=True)
class Kind:
    """One kind of value."""

    schema: dict[str, Any]
    """The part of a JSON Schema that describes it."""
    read: Read = lambda said, folder: said
    """Makes of a file's value what an action takes."""


@cache
def method_names() -> tuple[str, ...]:
    """Return the name of every RPC and of every kind of command."""
    paths = (*mx.MxAccessGatewayBase().__mapping__(), *galaxy.GalaxyRepositoryBase().__mapping__())
    kinds = (kind for kind in mx.MxCommandKind if kind)
    return (*(path.rpartition("/")[2] for path in paths), *(f"Invoke.{command_title(kind)}" for kind in kinds))


def _choice(values: dict[str, Any]) -> Kind:
    return Kind({"enum": list(values)}, lambda said, folder: values[said])


def _list_of(kind: Kind) -> Kind:
    return Kind(
        {"type": "array", "items": kind.schema}, lambda said, folder: [kind.read(each, folder) for each in said]
    )


def _table_of(kind: Kind) -> Kind:
    return Kind(
        {"type": "object", "additionalProperties": kind.schema},
        lambda said, folder: {key: kind.read(each, folder) for key, each in said.items()},
    )


def _plant(said: str, folder: str) -> Plant:
    try:
        return Plant.load(_path(said, folder))
    except OSError as error:
        raise DescriptionError(f"{said}: {refusal_text(error)}") from None


def _path(said: str, folder: str) -> str:
    return os.path.join(folder, said)


_TEXT: Final = Kind({"type": "string"})
_NAME: Final = Kind({"type": "string", "minLength": 1})
_TYPE: Final = _choice(_TYPES)

KINDS: Final[dict[Any, Kind]] = {
    str: _TEXT,
    bool: Kind({"type": "boolean"}),
    int: Kind({"type": "integer"}),
    Count: Kind({"type": "integer", "minimum": 1, "maximum": 100_000}),
    Handle: Kind({"type": "integer", "minimum": 1, "maximum": 2**31 - 1}),
    Sequence: Kind({"type": "integer", "minimum": 0, "maximum": 2**64 - 1}),
    Seconds: Kind({"type": "number", "minimum": 0, "maximum": LONGEST}),
    Shift: Kind({"type": "number", "minimum": -LONGEST, "maximum": LONGEST}),
    Rate: Kind({"type": "number", "minimum": 0.001}),
    Value: Kind({}),
    TagName: _NAME,
    AlarmName: _NAME,
    SessionName: _NAME,
    MethodName: Kind({"enum": list(method_names())}),
    File: Kind(_NAME.schema, _path),
    Plant: Kind(_NAME.schema, _plant),
    SimulatedKey: Kind({**_NAME.schema, "writeOnly": True}, lambda said, folder: SimulatedKey.parse(said)),
    Status: _choice(_FAILURES),
    Family: _choice(_FAMILIES),
    list[str]: _list_of(_NAME),
    list[Scope]: _list_of(_choice({str(scope): scope for scope in Scope})),
    dict[str, str]: _table_of(_NAME),
    dict[str, DataType]: _table_of(_TYPE),
}
"""Each kind, by the annotation of a parameter."""
