"""The entries of a bulk command, from its options or a file; all are checked before anything is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast

import click

import mxgateway
from mxgateway_cli.help.numbers import whole
from mxgateway_cli.input.named_tags import listed_values
from mxgateway_cli.input.row_checks import InvalidRow, Rejections, row_tag, size_limit
from mxgateway_cli.input.rows import BadRows, Row, RowFormat, opened_rows, row_format, row_place, source_name
from mxgateway_cli.input.typed_text import message_value, parse_moment

if TYPE_CHECKING:
    from datetime import datetime

    from mxgateway import MxValueOutput
    from mxgateway.proto import MxValue

Users = Literal["", "writer", "secured"]
"""The users that an entry names: none, the writer of a plain write, or the two users of a secured one."""

_T = TypeVar("_T")

_HANDLE_MAX: Final = 2**31 - 1
_RESULT_FIELDS: Final = frozenset(
    {
        "server_handle", "was_successful", "was_cached", "quality", "quality_text", "source_time", "source_timestamp",
        "statuses", "ok", "error", "error_message", "hresult", "data_type", "confirmed", "old_value", "old_data_type",
    }
)  # fmt: skip
"""Other fields in the results of bulk commands, which are ignored when results are used as input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The fields that a command needs of each entry."""

    by_handle: bool
    """True if entries are named by item handle, False for tags."""
    once: bool = False
    """True if an item may occur only once."""
    values: bool = False
    own_types: bool = False
    """True if a value without a type is converted to the type of its tag."""
    times: bool = False
    users: Users = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The command line's entries, and its defaults for the entries of a file."""

    sources: tuple[str, ...] = ()
    source_format: RowFormat | None = None
    tags: tuple[str, ...] | None = None
    item_handles: str | None = None
    values: str | None = None
    value_type: str | None = None
    timestamp: str | None = None
    user_id: int | None = None
    current_user_id: int | None = None
    verifier_user_id: int | None = None


@dataclass(slots=True)
class Entries:
    """Checked entries. The lists that the command does not need are empty."""

    tags: list[str] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    values: list[MxValue | str] = field(default_factory=list)
    """Messages; a text still has to be converted to the type of its tag."""
    times: list[datetime] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    verifiers: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tags) or len(self.handles)

    def value(self, index: int) -> MxValueOutput:
        """Return an entry's value as it is shown; None if it has none."""
        value = self.values[index] if self.values else None
        return value if value is None or isinstance(value, str) else message_value(value)

    def name(self, index: int) -> str:
        """Return an entry's name for a table."""
        return self.tags[index] if self.tags else f"item {self.handles[index]}"


async def read_entries(wanted: Wanted, given: Given) -> Entries:
    """Return the entries that a command line names.

    Raises:
        click.UsageError: Options are missing, or contradict each other.
        BadRows: An entry cannot be sent; the message lists up to ten.
    """
    sources = _sources(wanted, given)
    # A pipe may be slow, and a long file takes seconds: neither may block the event loop.
    return await asyncio.to_thread(_collect, sources, wanted, given)


class _Source(NamedTuple):
    """A file, or the command line."""

    opened: Any
    """A context manager that yields rows."""
    name: str = ""
    """The file's name for messages; empty for the command line."""
    form: RowFormat | None = None
    """The format of the file."""

    def place(self, number: int, other: _Source) -> str:
        """Return where a row is, for a message about a row of another source or the same one."""
        if other is not self:
            return row_place(self.name, self.form, number)
        return f"{'line' if self.form in ('csv', 'jsonl') else 'entry'} {number}"


def _collect(sources: Sequence[_Source], wanted: Wanted, given: Given) -> Entries:
    checker = _Checker(wanted, given)
    for source in sources:
        checker.take_all(source)
    return checker.entries


# --------------------------------------------------------------------------------------------------------------------
# From options to rows


def _sources(wanted: Wanted, given: Given) -> list[_Source]:
    """Return what names the entries: the files, or the options."""
    if given.sources:
        options = {"TAG": given.tags, "--item-handles": given.item_handles, "--values": given.values}
        for name, beside in options.items():
            if beside is not None:
                raise click.UsageError(f"--from and {name} contradict each other: the file names the entries.")
        forms = [row_format(file, given.source_format) for file in given.sources]
        both = zip(given.sources, forms, strict=True)
        return [_Source(opened_rows(file, form), source_name(file), form) for file, form in both]
    if given.source_format is not None:
        raise click.UsageError("--format requires --from.")
    if wanted.by_handle and given.tags is not None:
        raise click.UsageError("TAG cannot be used with --session-id: name an open session's items by --item-handles.")
    if (given.item_handles if wanted.by_handle else given.tags) is None:
        option = "--item-handles" if wanted.by_handle else "TAG"
        raise click.UsageError(f"Name the entries: {option}, or a file with --from.")
    return [_Source(_option_rows(wanted, given))]


@contextmanager
def _option_rows(wanted: Wanted, given: Given) -> Iterator[Iterable[Row]]:
    names = listed_values("--item-handles", given.item_handles or "") if wanted.by_handle else [*(given.tags or ())]
    columns = {"item_handle" if wanted.by_handle else "tag": names}
    if wanted.values:
        if given.values is None:
            raise click.UsageError("Missing option '--values'.")
        columns["value"] = listed_values("--values", given.values)
        if len(columns["value"]) != len(names):
            raise BadRows(f"--values has {len(columns['value'])} values for {len(names)} entries; give one per entry")
    yield (Row(i, dict(zip(columns, row, strict=True))) for i, row in enumerate(zip(*columns.values(), strict=True), 1))


# --------------------------------------------------------------------------------------------------------------------
# From rows to entries


class _Checker:
    """Checks rows one by one; collects their entries, and up to ten errors.

    Args:
        wanted: The fields that each entry needs.
        given: The options for all entries.
    """

    def __init__(self, wanted: Wanted, given: Given) -> None:
        self.entries = Entries()
        """The entries of the rows taken so far."""
        self._wanted = wanted
        self._given = given
        self._seen: dict[str | int, tuple[_Source, int]] = {}
        self._known = _known_fields(wanted)
        self._limit = size_limit()
        # A timestamp for all entries is parsed once.
        self._time = parse_moment(given.timestamp) if wanted.times and given.timestamp is not None else None

    def take_all(self, source: _Source) -> None:
        """Check all rows of a source; raise if one was invalid, or there was none."""
        with source.opened as rows:
            Rejections(source.name, source.form).use(rows, lambda row: self._add(row, source))

    def _add(self, row: Row, source: _Source) -> None:
        wanted, fields, entries = self._wanted, row.fields, self.entries
        if wanted.values:
            self._check_names(fields)
        item = _handle(fields) if wanted.by_handle else row_tag(fields, self._limit)
        value = self._value(fields) if wanted.values else None
        moment = self._moment(fields) if wanted.times else None
        users = self._users(fields)
        if wanted.once and (first := self._seen.setdefault(item, (source, row.number))) != (source, row.number):
            where = first[0].place(first[1], source)
            raise InvalidRow(f"{item!r:.80} is already in {where}; give each item once")
        cast("list[Any]", entries.handles if wanted.by_handle else entries.tags).append(item)
        if value is not None:
            entries.values.append(value)
        if moment is not None:
            entries.times.append(moment)
        if users:
            entries.users.append(users[0])
            entries.verifiers.append(users[-1])

    def _check_names(self, fields: dict[str, Any]) -> None:
        """Reject columns that a write would ignore: a misspelt one, or one of another command."""
        for name in fields:
            if name not in self._known and name not in _RESULT_FIELDS:
                raise InvalidRow(
                    f"{name!r:.80} is not a column of this command; its columns are {', '.join(sorted(self._known))}"
                )

    # -- values to write

    def _value(self, fields: dict[str, Any]) -> MxValue | str:
        if "value" not in fields:
            raise InvalidRow("value is missing")
        value = fields["value"]
        if isinstance(value, dict):
            return self._checked_size(_message(value), self._limit)
        type_name = fields.get("type") or self._given.value_type or None
        if type_name is None and self._wanted.own_types:
            return _untyped(value)
        if not isinstance(type_name, str):
            raise InvalidRow("type is missing; add a column, or --type for all")
        type_name = type_name.strip()
        text = _value_text(type_name, value)
        return self._checked_size(mxgateway.parse_mx_value(type_name, text), len(text))

    def _checked_size(self, message: MxValue, size: int) -> MxValue:
        """Reject a value above the message limit.

        A value takes less than eight bytes per character of its text, so only a long one is encoded to count them.
        """
        if size * 8 > self._limit and (count := len(bytes(message))) > self._limit:
            raise InvalidRow(f"value has {count} bytes, which exceeds the message limit")
        return message

    def _moment(self, fields: dict[str, Any]) -> datetime:
        text = fields.get("timestamp")
        if text is None or text == "":
            if self._time is None:
                raise InvalidRow("timestamp is missing; add a column, or --timestamp for all")
            return self._time
        if not isinstance(text, str):
            raise InvalidRow(f"timestamp is {text!r:.80}, not a string")
        return parse_moment(text)

    def _users(self, fields: dict[str, Any]) -> tuple[int, ...]:
        given = self._given
        if self._wanted.users == "writer":
            return (_integer("user_id", _or(fields.get("user_id"), _or(given.user_id, 0)), -(2**31)),)
        if self._wanted.users == "secured":
            current = _or(fields.get("current_user_id"), given.current_user_id)
            if current is None:
                raise InvalidRow("current_user_id is missing; add a column, or --current-user-id for all")
            verifier = _or(fields.get("verifier_user_id"), _or(given.verifier_user_id, current))
            return (_integer("current_user_id", current, 1), _integer("verifier_user_id", verifier, 1))
        return ()


def _known_fields(wanted: Wanted) -> frozenset[str]:
    names = {"tag", "item_handle", "type", "value"}
    if wanted.times:
        names.add("timestamp")
    names |= {"": set(), "writer": {"user_id"}, "secured": {"current_user_id", "verifier_user_id"}}[wanted.users]
    return frozenset(names)


def _or(field: _T | None, default: _T) -> _T:
    """Return a field, or the default if it is missing or empty."""
    return default if field is None or field == "" else field


def _handle(fields: dict[str, Any]) -> int:
    if "item_handle" not in fields:
        raise InvalidRow("item_handle is missing")
    return _integer("item_handle", fields["item_handle"], 1)


def _integer(name: str, value: object, least: int) -> int:
    number = whole(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= _HANDLE_MAX:
        raise InvalidRow(f"{name} is {value!r:.80}; give a whole number from {least} to {_HANDLE_MAX}")
    return number


def _message(value: dict[str, Any]) -> MxValue:
    """Return a value in the form that read-bulk writes."""
    from mxgateway import proto

    if not value:
        raise InvalidRow("value is an empty object")
    if "\\u0000" in json.dumps(value):
        raise InvalidRow("value contains a NUL character, which cannot be sent")
    try:
        return mxgateway.from_json_dict(proto.MxValue, value)
    except ValueError as error:
        raise InvalidRow(f"value is not an MxValue: {error}") from None


def _untyped(value: object) -> str:
    """Return a field's value as text that is converted to the type of its tag."""
    if value is None:
        raise InvalidRow("value is null, which is only for the type null")
    return value if isinstance(value, str) else json.dumps(value)


def _value_text(type_name: str, value: object) -> str:
    """Return a field's value as text; JSON may have parsed it to a number, a list or another type."""
    if isinstance(value, str):
        return value
    is_array = type_name.endswith("[]")
    if value is None:
        hint = "" if type_name == "null" else "null is only for the type null"
    elif isinstance(value, list):
        hint = "" if is_array else "a list is only for array types, such as int32[]"
    else:
        hint = "give an array" if is_array else "put it in quotes" if type_name == "string" else ""
    if hint:
        raise InvalidRow(f"value is {json.dumps(value):.80}, not of type {type_name:.20}; {hint}")
    return json.dumps(value)
