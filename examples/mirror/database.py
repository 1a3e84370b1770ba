"""The mirror's table of tags, in SQLite."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from mxgateway import ConnectionChange, Gap, TagUpdate

T = TypeVar("T")
Update = TagUpdate | Gap | ConnectionChange

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS tags (tag TEXT PRIMARY KEY, value TEXT, quality INTEGER, source_time TEXT, error TEXT);
CREATE TABLE IF NOT EXISTS losses (first INTEGER, last INTEGER, cause TEXT, count INTEGER);
CREATE TABLE IF NOT EXISTS connection (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), state TEXT, cause TEXT);
"""


class Database:
    """A file with the current values. SQLite blocks, so every call runs in the one thread that this object owns.

    Args:
        path: The file; made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")

    async def __aenter__(self) -> Self:
        self._connection = await self._run(self._open)
        return self

    async def __aexit__(self, *exc: object) -> None:
        # The thread takes one call after the other: one that a cancelled task has begun ends before this.
        await self._run(self._connection.close)
        self._thread.shutdown()

    async def keep_only(self, tags: Iterable[str]) -> None:
        """Remove the tags that are not mirrored any more."""
        kept = json.dumps(list(tags))
        await self._run(
            lambda: self._write("DELETE FROM tags WHERE tag NOT IN (SELECT value FROM json_each(?))", [(kept,)])
        )

    async def store(self, updates: list[Update]) -> None:
        """Store updates in one transaction: values, what was lost, and the state of the connection."""
        await self._run(lambda: self._store(updates))

    async def _run(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30)
        connection.executescript(SCHEMA)
        return connection

    def _write(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        with self._connection:
            self._connection.executemany(statement, rows)

    def _store(self, updates: list[Update]) -> None:
        with self._connection:
            for update in updates:
                match update:
                    case TagUpdate():
                        statement = "INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?, ?)"
                        row = _row_of(update)
                    case Gap():
                        statement = "INSERT INTO losses VALUES (?, ?, ?, ?)"
                        row = update.first_lost, update.last_lost, update.cause.value, update.count
                    case ConnectionChange():
                        statement = "INSERT OR REPLACE INTO connection VALUES (1, ?, ?)"
                        row = update.state.value, str(update.cause or "")
                self._connection.execute(statement, row)


def _row_of(update: TagUpdate) -> tuple[object, ...]:
    time = None if update.source_time is None else update.source_time.isoformat()
    return update.tag, json.dumps(update.value, default=str), update.quality, time, update.error
