"""Looks up names in the galaxy, first in the user's cache folder: a file for each gateway that only the user can read."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple

import mxgateway
from mxgateway.system.files import own_file, read_input
from mxgateway_cli.connecting.connection import connected
from mxgateway_cli.connecting.environment import user_path
from mxgateway_cli.running import runner
from mxgateway_cli.running.settings import ConnectionSettings

SECONDS: Final = 1.0
"""How long a gateway is asked."""
MOST_WORDS: Final = 1_000
"""Names of one answer: more than anybody reads."""
LONGEST_WORD: Final = 1_000
"""Characters of a name; a longer one is left out."""
FRESH_SECONDS: Final = 300.0
"""How long an answer is used without asking again."""
USABLE_SECONDS: Final = 86_400.0
"""How long an answer is used when the gateway cannot be asked."""
RETRY_SECONDS: Final = 10.0
"""How long a gateway that did not answer is not asked again."""
_KNOWN_LIMIT: Final = 4 * 1024 * 1024
VERSION: Final = 1
MOST_ANSWERS: Final = 64
"""Answers that a file keeps; the oldest goes first."""
_FILE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a file."""


class Query(NamedTuple):
    """The objects whose names begin with a text, or the attributes of the object with this name."""

    kind: str
    text: str

    @property
    def key(self) -> str:
        """The query in the cache."""
        return f"{self.kind}:{self.text.casefold()}"


class Lookup:
    """Looks up names in the galaxy of one gateway."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = replace(settings, wait=0.0)
        self._cache = Cache(_identity(settings))

    def words(self, query: Query) -> list[str]:
        """Return the answer to a query: from the cache if it is fresh, else from the gateway."""
        now = time.time()
        if (fresh := self._fresh(query, now)) is not None:
            return fresh
        if not 0 <= now - self._cache.failed_at < RETRY_SECONDS and self._is_trusted():
            mxgateway.GatewayClient  # noqa: B018 - loaded before the time runs
            with suppress(Exception):
                answer = runner.run(lambda: self._answer(query))
                self._cache.put(query.key, answer)
                return answer.words
            self._cache.fail(now)
        known = self._cache.answers.get(query.key)
        return known.words if known is not None and 0 <= now - known.time < USABLE_SECONDS else []

    def _fresh(self, query: Query, now: float) -> list[str] | None:
        """Return a fresh answer to the query, or to a shorter one that includes it."""
        longest = len(query.text)
        for end in range(longest, -1, -1) if query.kind == "objects" else (longest,):
            text = query.text[:end]
            answer = self._cache.answers.get(Query(query.kind, text).key)
            if answer is None or not 0 <= now - answer.time < FRESH_SECONDS:
                continue
            if text == query.text or answer.is_whole:
                return answer.words
        return None

    async def _answer(self, query: Query) -> Answer:
        words: list[str] = []
        async with asyncio.timeout(SECONDS):
            async for word in self._found(query):
                if word.isprintable() and len(word) <= LONGEST_WORD and mxgateway.redact(word) == word:
                    words.append(word)
                if len(words) == MOST_WORDS:
                    break
        return Answer(words, time=time.time(), is_whole=len(words) < MOST_WORDS)

    async def _found(self, query: Query) -> AsyncIterator[str]:
        is_object = query.kind == "objects"
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(connected(self._settings))
            options = mxgateway.HierarchyOptions(
                tag_name_glob=f"{query.text}*" if is_object else query.text, include_attributes=not is_object
            )
            pages = client.galaxy.iter_hierarchy(options, page_size=MOST_WORDS if is_object else 1)
            async for obj in await stack.enter_async_context(pages):
                if is_object:
                    yield obj.tag_name
                for attribute in obj.attributes:
                    yield attribute.full_tag_reference

    def _is_trusted(self) -> bool:
        """Return whether connecting trusts no certificate for the first time."""
        tls = self._settings.tls
        if tls is None or tls.pin or tls.ca_file or tls.require_certificate_validation:
            return True
        if tls.known_gateways is None:
            return False
        with suppress(OSError, UnicodeDecodeError):
            lines = read_input(tls.known_gateways, _KNOWN_LIMIT).decode().splitlines()
            known = {line.split()[0].casefold() for line in lines if line.strip()}
            return all(str(each).casefold() in known for each in _endpoints(self._settings))
        return False


def _endpoints(settings: ConnectionSettings) -> list[mxgateway.Endpoint]:
    return [*mxgateway.Endpoint.parse_all(settings.endpoint)] if not settings.simulator else []


def _identity(settings: ConnectionSettings) -> str:
    """Return what tells the galaxies of two connections apart; no part of it is a secret."""
    parts = [*map(str, _endpoints(settings)), settings.authority or "", "plaintext" if settings.plaintext else "tls"]
    return "\n".join(["simulator"] if settings.simulator else parts)


class Answer(NamedTuple):
    """The names that answer one query."""

    words: list[str]
    time: float
    """When the gateway answered, in seconds since 1970."""
    is_whole: bool
    """Whether it has all the names."""


class Cache:
    """The names that are known of one gateway's galaxy. What cannot be read or written is left out.

    Args:
        identity: Tells the gateways apart; it is hashed, and no part of it may be a secret.
    """

    def __init__(self, identity: str) -> None:
        folder = cache_folder()
        digest = hashlib.sha256(identity.encode()).hexdigest()
        self._file = os.path.join(folder, f"tags-{digest[:32]}.json") if folder is not None else None
        self.failed_at = 0.0
        """When the gateway did not answer for the last time, in seconds since 1970."""
        self.answers: dict[str, Answer] = {}
        """The known answers, by the keys of their queries."""
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._read()

    def put(self, key: str, answer: Answer) -> None:
        """Keep the answer to a query."""
        self.answers.pop(key, None)
        self.answers[key] = answer
        while len(self.answers) > MOST_ANSWERS:
            del self.answers[next(iter(self.answers))]
        self._write()

    def fail(self, moment: float) -> None:
        """Keep when the gateway did not answer."""
        self.failed_at = moment
        self._write()

    def _read(self) -> None:
        if self._file is None:
            return
        with own_file(self._file) as place:
            document = json.loads(place.read(_FILE_LIMIT))
        if document["version"] == VERSION:
            self.answers = {key: _checked(fields) for key, fields in document["answers"].items()}
            self.failed_at = float(document["failedAt"])

    def _write(self) -> None:
        if self._file is None:
            return
        answers = {key: answer._asdict() for key, answer in self.answers.items()}
        document = {"version": VERSION, "failedAt": self.failed_at, "answers": answers}
        with suppress(OSError), own_file(self._file, make=True) as place:
            place.replace(json.dumps(document).encode())


def cache_folder() -> str | None:
    """Return the folder for what can be fetched again; None if there is no home directory."""
    return user_path("cache", *(["cache"] if sys.platform == "win32" else []))


def _checked(fields: dict[str, Any]) -> Answer:
    """Return an answer that was read.

    Raises:
        TypeError: It is not one.
    """
    answer = Answer(**fields)
    if not all(isinstance(word, str) and word.isprintable() for word in answer.words):
        raise TypeError("a name is not text")
    return answer._replace(time=float(answer.time))
