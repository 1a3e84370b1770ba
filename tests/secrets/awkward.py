"""Secrets that are hard to hide, and where one can be seen all the same."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import pickle
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final
from urllib.parse import quote

PASSWORDS: Final = (
    # one to three characters, words of our own texts and of JSON among them
    "e", "0", "1", "x", ";", "'", '"', "\\", "{", "no", "is", "ok", "42", "\u00e9\u00e9", "null", "true", "key", "the", "-1", "NaN",
    # of any length, with what is folded, escaped or quoted on the way
    'hunter"2-password', "hunter'2-password", "hunter\\2-password", "back\\\\slash-pw", "two  blanks pw", "tab\tbetween-pw",
    "three   blanks   pw", "nbsp\u00a0between-pw", "thin\u2009space-pw", "line\u2028sep-pw", "ideo\u3000graphic", " leading-blank", "trailing-blank ",
    "zero\u200bwidth-pw", "soft\u00adhyphen-pw", "bidi\u202eoverride", "bell\x07inside-pw", "escape\x1b[31mred", "line\nfeed-pw", "carriage\rreturn",
    '{"password":"x"}', '["json","list"]', '"quoted-whole"', "'single-whole'", "\\u0041-escape", "%41-percent-%zz", "a+b=c&d-query", "<html>&amp;pw",
    "p\u00e4ssw\u00f6rd-\u20ac", "\u5bc6\u7801\u5bc6\u7801\u5bc6\u7801\u5bc6\u7801", "\U0001f512\U0001f511-emoji-pw", "combi\u0301ning-pw", "user:pass@host", "http://a:b@c/", "$(id)`id`$HOME",
    "*** stars ***", "mxgw_other_id_pw", "Bearer abcdefgh", "x" * 200, "words of a long pass phrase with blanks",
)  # fmt: skip
"""Passwords of users; sixty."""

KEYS: Final = (
    "mxgw_plant7_s3cr3tS3CR3T", "mxgw_plant7_ab,cdSECRET", "mxgw_plant7_ab;cdSECRET", "mxgw_plant7_ab)cdSECRET", "mxgw_plant7_ab]cdSECRET",
    "mxgw_plant7_ab}cdSECRET", "mxgw_plant7_ab'cdSECRET", 'mxgw_plant7_ab"cdSECRET', "mxgw_plant7_ab\\cdSECRET", "mxgw_plant7_ab%20SECRET", "mxgw__SECRETSECRET",
    "mxgw-plant7-SECRET", "plainSECRET", "MXGW_plant7_SECRET", "mxgw_pl'ant_SECRET", "{SECRETSECRET}", '"SECRETSECRET"', "SECRET://SECRET@", "SECRET,SECRET;SECRET",
    "mxgw_a_b",
)  # fmt: skip
"""API keys: printable ASCII without a blank, of eight characters or more."""

LOGGERS: Final = (
    "",
    "mxgateway",
    "hpack",
    "hpack.hpack",
    "hpack.table",
    "h2",
    "grpclib",
    "asyncio",
    "mxgateway.transport.calls",
)


def echo(secret: str) -> str:
    """Return what a gateway may say: a secret, so marked that a short one is known where it stands."""
    return f"refused <<{secret}>> again"


def forms(secret: str) -> set[str]:
    """Return the forms in which a text may show a secret between its marks."""
    marked = f"<<{secret}>>"
    printable = "".join(char for char in marked if char.isprintable() or char.isspace())
    found = {
        marked,
        " ".join(marked.split()),
        " ".join(printable.split()),
        json.dumps(marked)[1:-1],
        json.dumps(marked, ensure_ascii=False)[1:-1],
    }
    return found | {repr(marked)[1:-1], quote(marked, errors="replace"), marked.encode("unicode_escape").decode()}


def shown_in(text: str, secret: str) -> bool:
    """Tell whether a text shows a secret: a long one anywhere, a short one between its marks."""
    if any(form in text for form in forms(secret)):
        return True
    return len(secret) >= 8 and (secret in text or " ".join(secret.split()) in text)


def shown_in_document(document: Any, secret: str) -> bool:
    """Tell whether the texts of a JSON document show a secret; its keys are the program's own."""
    if isinstance(document, Mapping):
        return any(shown_in_document(value, secret) for value in document.values())
    if isinstance(document, list):
        return any(shown_in_document(value, secret) for value in document)
    return isinstance(document, str) and shown_in(document, secret)


# -- ways out of an error


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything that it comes from."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]


def frames(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames of an error's traceback that are the library's."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == "mxgateway":
            yield frame


def ways_out(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield every text that can be made of an error, with what it is."""
    for each in chain(error):
        name = type(each).__name__
        yield f"str of {name}", str(each)
        yield f"repr of {name}", repr(each)
        yield f"args of {name}", repr(each.args)
        yield f"fields of {name}", repr(vars(each))
        yield f"notes of {name}", repr(getattr(each, "__notes__", ()))
        yield f"pickle of {name}", _pickled(each)
        for frame in frames(each):
            for variable, value in frame.f_locals.items():
                yield f"{variable} of {frame.f_code.co_qualname}", repr(value)
                yield f"fields of {variable} of {frame.f_code.co_qualname}", repr(getattr(value, "__dict__", ""))
    yield "the traceback", "".join(traceback.format_exception(error))
    # Reporters print the variables of every frame: none of ours may raise meanwhile.
    traceback.TracebackException.from_exception(error, capture_locals=True)


@contextmanager
def raising_frames(package: str) -> Iterator[list[tuple[str, str]]]:
    """Yield a list to which every variable is added of each frame of a package through which an error passes, whoever catches it."""
    found: list[tuple[str, str]] = []

    def enters(frame: FrameType, event: str, argument: Any) -> Any:
        if not str(frame.f_globals.get("__name__", "")).startswith(package):
            return None
        frame.f_trace_lines = False
        return passes

    def passes(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "exception" and not issubclass(argument[0], StopIteration | StopAsyncIteration | GeneratorExit):
            for name, value in frame.f_locals.items():
                with suppress(Exception):  # a half-made object
                    place = f"{name} of {frame.f_code.co_qualname}"
                    found.append((place, repr(value) + repr(getattr(value, "__dict__", "") if name != "self" else "")))
        return passes

    before = sys.gettrace()
    sys.settrace(enters)
    try:
        yield found
    finally:
        sys.settrace(before)


def _pickled(thing: object) -> str:
    try:
        data = pickle.dumps(thing)
    except Exception as refusal:  # noqa: BLE001 - what is not pickled does not leave this way
        return repr(refusal)
    return data.decode("utf-8", "replace") + repr(data)


def ways_out_of_object(thing: Any) -> Iterator[tuple[str, str]]:
    """Yield every text that can be made of an object."""
    name = type(thing).__name__
    yield f"repr of {name}", repr(thing)
    yield f"str of {name}", str(thing)
    yield f"format of {name}", f"{thing}"
    yield f"pickle of {name}", _pickled(thing)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        yield f"asdict of {name}", repr(dataclasses.asdict(thing))
        yield f"astuple of {name}", repr(dataclasses.astuple(thing))
        yield f"json of {name}", json.dumps(dataclasses.asdict(thing), default=str)


class Everything(logging.Handler):
    """Keeps what every logger says at DEBUG, with its arguments and its traceback."""

    def __init__(self, *, asyncio_debug: bool = False) -> None:
        super().__init__(level=1)
        self._debug = asyncio_debug
        self.lines: list[str] = []
        self._before: list[tuple[logging.Logger, int]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        told = "".join(traceback.format_exception(record.exc_info[1])) if record.exc_info and record.exc_info[1] else ""
        self.lines.append(f"{record.name}: {record.getMessage()} {record.args!r} {told}")

    def __enter__(self) -> Everything:
        for name in LOGGERS:
            logger = logging.getLogger(name)
            self._before.append((logger, logger.level))
            logger.setLevel(1)
        logging.getLogger().addHandler(self)
        if self._debug:
            asyncio.get_running_loop().set_debug(True)
            asyncio.get_running_loop().slow_callback_duration = 0.0
        return self

    def __exit__(self, *exc_info: object) -> None:
        logging.getLogger().removeHandler(self)
        for logger, level in self._before:
            logger.setLevel(level)

    @property
    def text(self) -> str:
        """Everything that was said by the library and what it stands on."""
        return "\n".join(line for line in self.lines if not re.match(r"mxgateway\.simulator|tests", line))
