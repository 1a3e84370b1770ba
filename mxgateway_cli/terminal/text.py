"""Text on its way out, made safe for a terminal: every text that this program writes passes here before it is cut to a width or encoded.

What the running command keeps secret is hidden in it (`mxgateway.Gate`). Tag values, diagnostics and names come from the plant. A control character in them could move the cursor, change the
window's title or turn the reading direction round, so none reaches a terminal: it is shown by its escape instead.
"""

from __future__ import annotations

import functools
import re
from datetime import datetime
from typing import Any, Final

import mxgateway

# C0, DEL and C1 controls, line and paragraph separators, bidirectional overrides and isolates, invisible marks,
# lone surrogates and the tag block. Zero-width joiners stay: ordinary scripts need them.
_CONTROLS: Final = (
    r"\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff"
)
_IN_TEXT: Final = rf"[\x00-\x1f{_CONTROLS}]"
# In JSON text a line feed is layout: inside strings the encoder has escaped it already.
_IN_JSON: Final = rf"[{_CONTROLS}]"


_gate = mxgateway.Gate()


def pass_through(gate: mxgateway.Gate) -> None:
    """Let every text from now on pass `gate`, which knows the secrets of the command that runs."""
    global _gate
    _gate = gate


def hidden(text: str) -> str:
    """Return `text` without secrets and otherwise as it is: for a text that is cut before it is cleaned."""
    return _gate.hide(text)


def clean(text: str) -> str:
    r"""Return `text` on one line without secrets, control characters shown as escapes such as ``\x1b``."""
    return _escaped(_gate.hide(text))


def shown(text: str) -> str:
    """Return a message to people: like `clean`, and cut, and without what has the shape of anybody's secret."""
    return _gate.line(text, clean=_escaped)


def _escaped(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_IN_TEXT, lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def json_text(document: Any, *, indent: int | None = None) -> str:
    """Return `document` as JSON: keys in their order, secrets hidden in its values, other scripts readable, control characters escaped."""
    import json

    separators = (",", ":") if indent is None else None
    encode = functools.partial(json.dumps, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    text = encode(document)
    if _gate.may_show(text):  # seldom, so the values are gone through only then
        text = encode(_gate.values(document))
    if text.isascii() and "\x7f" not in text:
        return text
    return re.sub(_IN_JSON, lambda match: json.dumps(match[0])[1:-1], text)


def value_text(value: Any) -> str:
    """Return a tag's value as people read it: what a JSON document would show, without its quotes around a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    return str(value)
