"""Keeps names of a galaxy in the user's cache folder, a file for each gateway that only the user can read."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from typing import Any, Final, NamedTuple

from mxgateway.system.files import own_file
from mxgateway_cli.connecting.places import user_path

VERSION: Final = 1
MOST_ANSWERS: Final = 64
"""Answers that a file keeps; the oldest goes first."""
_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a file."""


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
        self._answers: dict[str, Answer] = {}
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._read()

    def get(self, key: str) -> Answer | None:
        """Return the answer to a query, if it is known."""
        return self._answers.get(key)

    def put(self, key: str, answer: Answer) -> None:
        """Keep the answer to a query."""
        self._answers.pop(key, None)
        self._answers[key] = answer
        while len(self._answers) > MOST_ANSWERS:
            del self._answers[next(iter(self._answers))]
        self._write()

    def fail(self, moment: float) -> None:
        """Keep when the gateway did not answer."""
        self.failed_at = moment
        self._write()

    def _read(self) -> None:
        if self._file is None:
            return
        with own_file(self._file) as place:
            document = json.loads(place.read(_LIMIT))
        if document["version"] == VERSION:
            self._answers = {key: _checked(fields) for key, fields in document["answers"].items()}
            self.failed_at = float(document["failedAt"])

    def _write(self) -> None:
        if self._file is None:
            return
        answers = {key: answer._asdict() for key, answer in self._answers.items()}
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
