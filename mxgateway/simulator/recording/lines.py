"""From a line of a recording to its record, and back. Nothing of a line is ignored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeVar

from mxgateway.generated.galaxy_repository import v1 as galaxy
from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.recording.records import (
    FORMAT,
    VERSION,
    Record,
    RecordedAlarm,
    RecordedConnection,
    RecordedEvent,
    RecordedGap,
    RecordedObject,
    RecordedTag,
    RecordingFooter,
    RecordingHeader,
)
from mxgateway.wire import from_json_dict, to_json_dict

_UINT64: Final = 2**64
_WORDS: Final[dict[type, str]] = {str: "a text", bool: "true or false", int: "an integer", dict: "an object"}

T = TypeVar("T")


def to_line(record: Record) -> dict[str, Any]:
    """Return a record as the JSON object of its line."""
    match record:
        case RecordingHeader():
            return {
                "header": {
                    "format": FORMAT,
                    "version": VERSION,
                    "contract": record.contract,
                    "startedAt": record.started_at,
                    "tool": record.tool,
                    "source": record.source,
                    "alarms": record.alarms,
                    "redactedValues": record.redacted_values,
                }
            }
        case RecordedObject():
            return {"object": to_json_dict(record.object)}
        case RecordedTag():
            return {"at": record.at, "subscribed": {"tag": record.tag, "error": record.error}}
        case RecordedEvent():
            name = {"tag": record.tag} if record.tag else {}
            return {"at": record.at, **name, "event": to_json_dict(record.event)}
        case RecordedAlarm():
            return {"at": record.at, "alarm": to_json_dict(record.message)}
        case RecordedGap():
            last = None if record.last is None else str(record.last)
            return {
                "at": record.at,
                "gap": {"cause": record.cause, "firstLost": str(record.first), "lastLost": last},
            }
        case RecordedConnection():
            said = {"feed": record.feed, "state": record.state, "outcome": record.outcome, "cause": record.cause}
            return {"at": record.at, "connection": said}
        case RecordingFooter():
            counts = {"events": record.events, "alarms": record.alarms, "gaps": record.gaps}
            return {"at": record.at, "footer": {"reason": record.reason, **counts}}


def from_line(line: bytes) -> Record:
    """Return the record of a line.

    Raises:
        ValueError: The line is wrong; the text says why.
    """
    try:
        said = json.loads(line.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg}, at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(said, dict):
        raise ValueError("it is not a JSON object")
    kind = next((key for key in said if key in _READERS), None)
    if kind is None:
        raise ValueError(
            f"the key {_shown(next(iter(said), ''))} is no kind of record; known are {', '.join(_READERS)}"
        )
    return _READERS[kind](_Keys(said, ""))


class _Keys:
    """The keys of an object, each taken once."""

    def __init__(self, said: Mapping[str, Any], path: str) -> None:
        self._left = dict(said)
        self._path = path

    def take(self, key: str, kind: type[T]) -> T:
        """Return the value of a key that must be there."""
        if key not in self._left:
            raise ValueError(f"the key {self._path + key!r} is missing")
        value = self._left.pop(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f"{self._path}{key}: this must be {_WORDS[kind]}, not {_shown(value)}")
        return value

    def has(self, key: str) -> bool:
        """Return whether a key is there and not null; a null is taken."""
        if self._left.get(key) is None:
            self._left.pop(key, None)
        return key in self._left

    def optional(self, key: str, kind: type[T]) -> T | None:
        """Return the value of a key that may be missing or null."""
        return self.take(key, kind) if self.has(key) else None

    def inner(self, key: str) -> _Keys:
        """Return the keys of an object."""
        return _Keys(self.take(key, dict), f"{self._path}{key}.")

    def message(self, key: str, kind: type[T]) -> T:
        """Return a message in protobuf JSON."""
        try:
            return from_json_dict(kind, self.take(key, dict))
        except ValueError as error:
            raise ValueError(f"{self._path}{key}: {error}") from None

    def at(self) -> float:
        """Return the time of the record."""
        value = self._left.pop("at", None)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ValueError(f"at: this must be a number of seconds from 0, not {_shown(value)}")
        return float(value)

    def number(self, key: str) -> int:
        """Return a sequence number, which is a text as in protobuf JSON."""
        text = self.take(key, str)
        if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) < _UINT64):
            raise ValueError(f"{self._path}{key}: {_shown(text)} is no sequence number")
        return int(text)

    def count(self, key: str) -> int:
        """Return a count."""
        value = self.take(key, int)
        if value < 0:
            raise ValueError(f"{self._path}{key}: this must not be below 0")
        return value

    def end(self) -> None:
        """Refuse what is left."""
        for key in self._left:
            raise ValueError(f"the key {_shown(self._path + key)} is unknown")


def _header(line: _Keys) -> RecordingHeader:
    keys = line.inner("header")
    name, version = keys.take("format", str), keys.take("version", int)
    if name != FORMAT:
        raise ValueError(f"header.format: {_shown(name)} is not {FORMAT}")
    if version != VERSION:
        raise ValueError(f"header.version: the version {version} is unknown; this program reads version {VERSION}")
    source = keys.take("source", str)
    if source not in ("tags", "session"):
        raise ValueError(f"header.source: {_shown(source)} is neither tags nor session")
    header = RecordingHeader(
        contract=keys.take("contract", str),
        started_at=keys.take("startedAt", str),
        tool=keys.take("tool", str),
        source=source,
        alarms=keys.take("alarms", bool),
        redacted_values=keys.take("redactedValues", bool),
    )
    keys.end()
    line.end()
    return header


def _object(line: _Keys) -> RecordedObject:
    return _ended(line, RecordedObject(object=line.message("object", galaxy.GalaxyObject)))


def _subscribed(line: _Keys) -> RecordedTag:
    at, keys = line.at(), line.inner("subscribed")
    record = RecordedTag(at=at, tag=keys.take("tag", str), error=keys.take("error", str))
    keys.end()
    if not record.tag:
        raise ValueError("subscribed.tag: this must not be empty")
    return _ended(line, record)


def _event(line: _Keys) -> RecordedEvent:
    tag = line.optional("tag", str) or ""
    return _ended(line, RecordedEvent(at=line.at(), tag=tag, event=line.message("event", mx.MxEvent)))


def _alarm(line: _Keys) -> RecordedAlarm:
    return _ended(line, RecordedAlarm(at=line.at(), message=line.message("alarm", mx.AlarmFeedMessage)))


def _gap(line: _Keys) -> RecordedGap:
    at, keys = line.at(), line.inner("gap")
    cause, first = keys.take("cause", str), keys.number("firstLost")
    last = keys.number("lastLost") if keys.has("lastLost") else None
    keys.end()
    return _ended(line, RecordedGap(at=at, cause=cause, first=first, last=last))


def _connection(line: _Keys) -> RecordedConnection:
    at, keys = line.at(), line.inner("connection")
    record = RecordedConnection(
        at=at,
        feed=keys.take("feed", str),
        state=keys.take("state", str),
        outcome=keys.optional("outcome", str),
        cause=keys.optional("cause", dict),
    )
    keys.end()
    return _ended(line, record)


def _footer(line: _Keys) -> RecordingFooter:
    at, keys = line.at(), line.inner("footer")
    record = RecordingFooter(
        at=at,
        reason=keys.take("reason", str),
        events=keys.count("events"),
        alarms=keys.count("alarms"),
        gaps=keys.count("gaps"),
    )
    keys.end()
    return _ended(line, record)


_READERS: Final[dict[str, Callable[[_Keys], Record]]] = {
    "header": _header,
    "object": _object,
    "subscribed": _subscribed,
    "event": _event,
    "alarm": _alarm,
    "gap": _gap,
    "connection": _connection,
    "footer": _footer,
}


def _ended(line: _Keys, record: T) -> T:
    line.end()
    return record


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) < len(pairs):
        raise ValueError("a key is given twice")
    return said


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
