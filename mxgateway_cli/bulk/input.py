"""What a bulk command is to do, entry by entry: from its options or from a file, checked to the last before anything is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

import click

import mxgateway
from mxgateway_cli.input.rows import (
    BadRows,
    Row,
    RowFormat,
    is_damaged,
    opened_rows,
    row_format,
    source_name,
    strict_json,
)

if TYPE_CHECKING:
    from datetime import datetime

    from mxgateway.proto import MxValue

Users = Literal["", "writer", "secured"]
"""Which users an entry names: none, the one of a plain write, or the two of a secured one."""

_T = TypeVar("_T")

_HANDLE_MAX: Final = 2**31 - 1
_SHOWN_DEFECTS: Final = 10
_FRAME_BYTES: Final = 2_048
"""More than what a request has besides one entry's tag or value."""
_RESULT_FIELDS: Final = frozenset(
    {"server_handle", "was_successful", "was_cached", "quality", "source_timestamp", "statuses", "error_message", "hresult"}
)  # fmt: skip
"""What the results of other bulk commands have besides what names and writes an entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a command needs of each entry."""

    by_handle: bool
    """True when entries are named by their item handles, False for tags."""
    once: bool = False
    """True when no item may stand twice."""
    values: bool = False
    times: bool = False
    users: Users = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says about all entries, or for those of a file that do not say otherwise."""

    source: str | None = None
    source_format: RowFormat | None = None
    items: str | None = None
    item_handles: str | None = None
    values: str | None = None
    value_type: str | None = None
    timestamp: str | None = None
    user_id: int | None = None
    current_user_id: int | None = None
    verifier_user_id: int | None = None


@dataclass(slots=True)
class Entries:
    """Checked entries. What the command does not want of them is empty."""

    tags: list[str] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    values: list[MxValue] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    verifiers: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tags) or len(self.handles)

    def name(self, index: int) -> str:
        """Return what a table calls an entry."""
        return self.tags[index] if self.tags else f"item {self.handles[index]}"


async def read_entries(wanted: Wanted, given: Given) -> Entries:
    """Return the entries that a command line names.

    Raises:
        click.UsageError: Options are missing, or contradict each other.
        BadRows: Something cannot be sent; the text names up to ten places.
    """
    rows, name = _rows(wanted, given)
    # A pipe can take its time, and a long file takes seconds: neither may hold up what the loop has to do.
    return await asyncio.to_thread(_collect, rows, name, wanted, given)


def _collect(opened: Any, name: str, wanted: Wanted, given: Given) -> Entries:
    checker = _Checker(wanted, given, name)
    with opened as rows:
        for row in rows:
            checker.take(row)
    return checker.entries()


# --------------------------------------------------------------------------------------------------------------------
# From options to rows


def _rows(wanted: Wanted, given: Given) -> tuple[Any, str]:
    """Return a context manager that gives rows, and what messages call the file; empty for options."""
    option, text = ("--item-handles", given.item_handles) if wanted.by_handle else ("--items", given.items)
    if given.source is not None:
        for name, beside in (
            ("--items", given.items),
            ("--item-handles", given.item_handles),
            ("--values", given.values),
        ):
            if beside is not None:
                raise click.UsageError(f"--from and {name} contradict each other: the file names the entries.")
        form = row_format(given.source, given.source_format)
        return opened_rows(given.source, form), source_name(given.source)
    if given.source_format is not None:
        raise click.UsageError("--format means nothing without --from.")
    if wanted.by_handle and given.items is not None:
        raise click.UsageError("--items goes without --session-id: an open session's items are named by their handles.")
    if text is None:
        raise click.UsageError(f"Name the entries: {option}, or a file with --from.")
    return _option_rows(wanted, given, option, text), ""


@contextmanager
def _option_rows(wanted: Wanted, given: Given, option: str, text: str) -> Iterator[Iterable[Row]]:
    names = _listed(option, text)
    columns = {"item_handle" if wanted.by_handle else "tag": names}
    if wanted.values:
        if given.values is None:
            raise click.UsageError("Missing option '--values'.")
        columns["value"] = _listed("--values", given.values)
        if len(columns["value"]) != len(names):
            raise BadRows(f"--values holds {len(columns['value'])} values for {len(names)} entries; give one for each")
    yield (Row(i, dict(zip(columns, row, strict=True))) for i, row in enumerate(zip(*columns.values(), strict=True), 1))


def _listed(option: str, text: str) -> list[Any]:
    """Return what stands between commas, as a line of CSV has it, or in a JSON array."""
    import csv

    if not text.strip():
        raise BadRows(f"{option} is empty; give one entry or more")
    try:
        if not text.lstrip().startswith("["):
            return next(csv.reader([text], strict=True))
        found = strict_json(text)
    except (csv.Error, ValueError) as error:
        raise BadRows(f"{option} is no list: {error}") from None
    if not found:
        raise BadRows(f"{option} is empty; give one entry or more")
    return cast("list[Any]", found)


# --------------------------------------------------------------------------------------------------------------------
# From rows to entries


class _Defect(Exception):
    """What is wrong with one row."""


class _Checker:
    """Takes rows one after another; keeps what they say, or up to ten of their defects.

    Args:
        wanted: What each entry needs.
        given: What holds for all entries.
        name: What messages call the file; empty for options.
    """

    def __init__(self, wanted: Wanted, given: Given, name: str) -> None:
        self._wanted = wanted
        self._given = given
        self._name = name
        self._entries = Entries()
        self._seen: dict[str | int, int] = {}
        self._rows = 0
        self._bad = 0
        self._defects: list[str] = []
        self._known = _known_fields(wanted)
        self._limit = mxgateway.ClientOptions().max_send_bytes - _FRAME_BYTES
        # One time for all is read once.
        self._time = _time(given.timestamp) if wanted.times and given.timestamp is not None else None

    def take(self, row: Row) -> None:
        """Take the next row."""
        self._rows += 1
        try:
            if row.defect:
                raise _Defect(row.defect)
            self._add(row)
        except _Defect as defect:
            self._refuse(row.number, str(defect))
        except mxgateway.MxGatewayInvalidRequestError as error:
            self._refuse(row.number, error.message)

    def entries(self) -> Entries:
        """Return the entries of all rows.

        Raises:
            BadRows: A row was wrong, or there was none.
        """
        if self._bad:
            more = f"; and {self._bad - len(self._defects)} more" if self._bad > len(self._defects) else ""
            what = f"{self._bad} of {self._rows} entries are wrong: " if self._bad > 1 else ""
            raise BadRows(f"{what}{'; '.join(self._defects)}{more}")
        if not self._rows:
            raise BadRows(f"{self._name or 'the command line'} holds no entries; give one or more")
        return self._entries

    def _refuse(self, number: int, text: str) -> None:
        self._bad += 1
        if len(self._defects) < _SHOWN_DEFECTS:
            place = f"{self._name}:{number}" if self._name else f"entry {number}"
            self._defects.append(f"{place}: {text}")

    def _add(self, row: Row) -> None:
        wanted, fields, entries = self._wanted, row.fields, self._entries
        if wanted.values:
            self._check_names(fields)
        item = _handle(fields) if wanted.by_handle else self._tag(fields)
        value = self._value(fields) if wanted.values else None
        moment = self._moment(fields) if wanted.times else None
        users = self._users(fields)
        if wanted.once and (first := self._seen.setdefault(item, row.number)) != row.number:
            raise _Defect(
                f"{item!r:.80} stands in {'line' if self._name else 'entry'} {first} already; give each item once"
            )
        cast("list[Any]", entries.handles if wanted.by_handle else entries.tags).append(item)
        if value is not None:
            entries.values.append(value)
        if moment is not None:
            entries.times.append(moment)
        if users:
            entries.users.append(users[0])
            entries.verifiers.append(users[-1])

    def _check_names(self, fields: dict[str, Any]) -> None:
        """Refuse what a write would leave out: a misspelt column, or one that another command takes."""
        for name in fields:
            if name not in self._known and name not in _RESULT_FIELDS:
                raise _Defect(
                    f"{name!r:.80} is nothing that the command takes; it takes {', '.join(sorted(self._known))}"
                )

    def _tag(self, fields: dict[str, Any]) -> str:
        tag = fields.get("tag")
        if not isinstance(tag, str):
            raise _Defect(f"tag is {tag!r:.80}, no text" if "tag" in fields else "it has no tag")
        tag = tag.strip()
        if not tag:
            raise _Defect("tag is empty")
        if "\0" in tag or is_damaged(tag):
            raise _Defect(f"tag is {tag!r:.80}; NUL characters and lone surrogates cannot be sent")
        if len(tag.encode()) > self._limit:
            raise _Defect(f"tag takes {len(tag.encode())} bytes, more than one message holds")
        return tag

    # -- what is written

    def _value(self, fields: dict[str, Any]) -> MxValue:
        if "value" not in fields:
            raise _Defect("it has no value")
        value = fields["value"]
        if isinstance(value, dict):
            return self._bounded(_message(value), self._limit)
        type_name = fields.get("type") or self._given.value_type
        if not isinstance(type_name, str):
            raise _Defect("it has no type; add a column, or --type for all")
        type_name = type_name.strip()
        text = _value_text(type_name, value)
        return self._bounded(mxgateway.parse_mx_value(type_name, text), len(text))

    def _bounded(self, message: MxValue, size: int) -> MxValue:
        """Refuse a value that no message holds. Its bytes are counted only where they could be too many: none takes eight times its text."""
        if size * 8 > self._limit and (count := len(bytes(message))) > self._limit:
            raise _Defect(f"value takes {count} bytes, more than one message holds")
        return message

    def _moment(self, fields: dict[str, Any]) -> datetime:
        text = fields.get("timestamp")
        if text is None or text == "":
            if self._time is None:
                raise _Defect("it has no timestamp; add a column, or --timestamp for all")
            return self._time
        if not isinstance(text, str):
            raise _Defect(f"timestamp is {text!r:.80}, no text")
        return _time(text)

    def _users(self, fields: dict[str, Any]) -> tuple[int, ...]:
        given = self._given
        if self._wanted.users == "writer":
            return (_integer("user_id", _or(fields.get("user_id"), _or(given.user_id, 0)), -(2**31)),)
        if self._wanted.users == "secured":
            current = _or(fields.get("current_user_id"), given.current_user_id)
            if current is None:
                raise _Defect("it has no current_user_id; add a column, or --current-user-id for all")
            verifier = _or(fields.get("verifier_user_id"), _or(given.verifier_user_id, current))
            return (_integer("current_user_id", current, 1), _integer("verifier_user_id", verifier, 1))
        return ()


def _known_fields(wanted: Wanted) -> frozenset[str]:
    names = {"tag", "item_handle", "type", "value"}
    if wanted.times:
        names.add("timestamp")
    names |= {"": set(), "writer": {"user_id"}, "secured": {"current_user_id", "verifier_user_id"}}[wanted.users]
    return frozenset(names)


def _or(field: _T | None, otherwise: _T) -> _T:
    """Return a field, or what holds for all where it is missing or empty."""
    return otherwise if field is None or field == "" else field


def _handle(fields: dict[str, Any]) -> int:
    if "item_handle" not in fields:
        raise _Defect("it has no item_handle")
    return _integer("item_handle", fields["item_handle"], 1)


def _integer(name: str, value: object, least: int) -> int:
    number = value
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) <= 40:
        number = int(value)
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= _HANDLE_MAX:
        raise _Defect(f"{name} is {value!r:.80}; give a whole number from {least} to {_HANDLE_MAX}")
    return number


def _time(text: str) -> datetime:
    return cast("datetime", mxgateway.parse_value("time", text, name="timestamp"))


def _message(value: dict[str, Any]) -> MxValue:
    """Return a value that read-bulk has written."""
    from mxgateway import proto

    if not value:
        raise _Defect("value is an empty object")
    if "\\u0000" in json.dumps(value):
        raise _Defect("value holds a NUL character, which cannot be sent")
    try:
        return mxgateway.from_json_dict(proto.MxValue, value)
    except ValueError as error:
        raise _Defect(f"value is no MxValue: {error}") from None


def _value_text(type_name: str, value: object) -> str:
    """Return the text of a value that JSON may have given a type of its own."""
    if isinstance(value, str):
        return value
    is_array = type_name.endswith("[]")
    if value is None:
        hint = "" if type_name == "null" else "write null only for the type null"
    elif isinstance(value, list):
        hint = "" if is_array else "only the types of arrays, such as int32[], have several elements"
    else:
        hint = "write an array" if is_array else "put it in quotes" if type_name == "string" else ""
    if hint:
        raise _Defect(f"value is {json.dumps(value):.80}, no {type_name:.20}; {hint}")
    return json.dumps(value)
