"""Makes text safe for a terminal; all output of this program passes here before it is truncated or encoded.

The secrets of the running command are redacted (`mxgateway.Gate`). Tag values, diagnostics and names come from the
plant. A control character in them could move the cursor, change the window title or reverse the reading direction, so
it is written as an escape.
"""

from __future__ import annotations

import functools
import re
from datetime import datetime
from typing import Any, Final

import mxgateway

# C0, DEL and C1 controls, line and paragraph separators, bidirectional overrides and isolates, invisible marks,
# lone surrogates and the tag block. Zero-width joiners are kept: ordinary scripts need them.
_CONTROLS: Final = (
    r"\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff"
)
_IN_TEXT: Final = rf"[\x00-\x1f{_CONTROLS}]"
# In JSON text a line feed is layout: inside strings the encoder has already escaped it.
_IN_JSON: Final = rf"[{_CONTROLS}]"


_gate = mxgateway.Gate()


def pass_through(gate: mxgateway.Gate) -> None:
    """Redact all text from now on with `gate`, which holds the secrets of the running command."""
    global _gate
    _gate = gate


def hide_from_now_on(secret: mxgateway.Secret) -> None:
    """Redact a secret that became known while the command runs."""
    _gate.add(secret)


def hidden(text: str) -> str:
    """Return `text` with secrets redacted and nothing else changed: for text that is truncated before it is cleaned."""
    return _gate.hide(text)


def clean(text: str) -> str:
    r"""Return `text` as one line: secrets redacted, control characters as escapes such as ``\x1b``."""
    return _escaped(_gate.hide(text))


def shown(text: str) -> str:
    """Return a message for people: like `clean`, but truncated, and anything that looks like a secret is redacted."""
    return _gate.line(text, clean=_escaped)


def _escaped(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_IN_TEXT, lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def json_text(document: Any, *, indent: int | None = None) -> str:
    """Return `document` as JSON.

    The order of keys is kept, secrets in values are redacted, non-ASCII text stays readable, control characters are
    escaped.
    """
    import json

    separators = (",", ":") if indent is None else None
    encode = functools.partial(json.dumps, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    text = encode(document)
    if _gate.may_show(text):  # rare, so only then are the values walked
        text = encode(_gate.values(document))
    if text.isascii() and "\x7f" not in text:
        return text
    return re.sub(_IN_JSON, lambda match: json.dumps(match[0])[1:-1], text)


def value_text(value: Any) -> str:
    """Return a tag's value for people: as in JSON, but strings without quotes."""
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
