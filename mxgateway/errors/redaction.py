"""The one gate for text: what a peer sends and what is shown passes it before encoding, folding or cutting to a width.

A text is cut, freed of control characters, and searched for secrets: the client's own, escaped or not, and whatever
looks like a key, a token or a password in a URL. Everything here takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from mxgateway.errors.escapes import LONGEST_ESCAPE, layers, may_be_escaped

LONGEST_TEXT: Final = 4096
"""The most characters of a text that are shown; a gateway can send megabytes."""
SHORTEST_SECRET: Final = 8
"""The length from which a secret is replaced anywhere in a text; a shorter one looks like an ordinary word, and is
replaced only as a whole word."""
LONGEST_ESCAPED: Final = 16 * 1024
"""The most characters of a text, or of all texts of a message, that are searched for escapes: that costs a hundred
times as much as a plain search."""

REDACTED: Final = "***"
_MARGIN: Final = 256
"""Characters after the cut that are searched too: a secret may begin before the cut and end after it."""

_CLOSING: Final = "\"',;)]}>."
"""Characters that do not belong to a secret at its end; in the middle they do."""
_KEY_IN_TEXT: Final = re.compile(r"(?i)(?!mxgw_<key-id>_<secret>)(mxgw_[^_\s]*+_)((?:(?![,;]mxgw_)\S)++)")
_BEARER_IN_TEXT: Final = re.compile(r"(?i)\b(bearer\s++)(?!mxgw_)(\S++)")
_LABELLED_KEY: Final = re.compile(r"(?i)\b(api[-_ ]?key(?:\s?[:=]\s?|\s)[\"'])(?!mxgw_)(\S++)")
_WORD: Final = re.compile(r"\S++")


class Hidden(Protocol):
    """A secret like those of `credentials`: only `reveal` shows its text."""

    def reveal(self) -> str:
        """Return the text."""


def redact(text: str) -> str:
    """Replace the secret part of every API key and bearer token, and user and password in a URL, by ``***``."""
    lowered = text.lower() if not text.islower() else text
    if "mxgw_" in lowered:
        text = _KEY_IN_TEXT.sub(_without_tail, text)
    if "bearer" in lowered:
        text = _BEARER_IN_TEXT.sub(_without_tail, text)
    if "key" in lowered:
        text = _LABELLED_KEY.sub(_without_tail, text)
    if "://" in text and "@" in text:
        text = _WORD.sub(_without_user, text)
    return text


def one_line(text: str) -> str:
    """Fold white space and drop control characters, which a peer may have sent."""
    if not text.isprintable():
        text = "".join(char for char in text if char.isprintable() or char.isspace())
    return " ".join(text.split())


def _without_tail(match: re.Match[str]) -> str:
    begin, secret = match[1], match[2]
    kept = secret.rstrip(_CLOSING)
    return f"{begin}{REDACTED}{secret[len(kept) :]}" if kept else match[0]


def _without_user(match: re.Match[str]) -> str:
    scheme, slashes, rest = match[0].partition("://")
    user, at, place = rest.rpartition("@")
    if not at or not user or user.lstrip("[") == "user:password":  # the example in our own hints
        return match[0]
    return f"{scheme}{slashes}{REDACTED}{at}{place}"


class Gate:
    """Hides one client's secrets in texts; it knows no other client's secrets.

    Args:
        secrets: What to hide, for the lifetime of the gate.
        behind: A gate whose secrets are hidden as well.

    Raises:
        TypeError: One of them is not a `Secret` that holds a text.
    """

    __slots__ = ("_behind", "_finders", "_finds", "_margin", "_replacers", "_secrets")

    def __init__(self, secrets: Iterable[Hidden] = (), *, behind: Gate | None = None) -> None:
        self._behind = behind
        self._secrets: dict[Hidden, int] = {}
        """The secrets, each with the number of times it was added."""
        found = list(secrets)
        wrong = next(filter(None, map(_wrong_type, found)), "")
        del secrets
        if wrong:
            del found  # a traceback may show local variables
            raise TypeError(_REFUSAL.format(wrong))
        for secret in found:
            self._secrets[secret] = self._secrets.get(secret, 0) + 1
        self._rebuild()

    def __repr__(self) -> str:
        return f"<Gate of {len(self._secrets)} secrets>"

    def add(self, secret: Hidden) -> None:
        """Hide a secret from now on.

        Raises:
            TypeError: It is not a `Secret` that holds a text.
        """
        if wrong := _wrong_type(secret):
            del secret  # a traceback may show local variables
            raise TypeError(_REFUSAL.format(wrong))
        self._secrets[secret] = self._secrets.get(secret, 0) + 1
        if self._secrets[secret] == 1:
            self._rebuild()

    def forget(self, secret: Hidden) -> None:
        """Stop hiding a secret once it was forgotten as often as it was added."""
        left = self._secrets.pop(secret, 1) - 1
        if left:
            self._secrets[secret] = left
        else:
            self._rebuild()

    def _rebuild(self) -> None:
        """Make the functions that find the secrets: no repr or pickle shows what a function searches for."""
        forms = {form: str(secret) for secret in self._secrets for form in _forms(secret.reveal())}
        # A secret longer than the escape search cannot be found by it. A part of a secret may itself look like an
        # escape: in the unescaped text the secret is then found in its unescaped form.
        shorter = {form: shown for form, shown in forms.items() if len(form) <= LONGEST_ESCAPED}
        unescaped = {layer.text: shown for form, shown in shorter.items() for layer in layers(form)} | shorter
        self._replacers = tuple(_replacer(form, forms[form]) for form in sorted(forms, key=len, reverse=True))
        self._finders = tuple(_finder(form, shown) for form, shown in unescaped.items())
        self._finds = _finds_any(tuple(forms))
        longest = max(map(len, forms), default=0)
        self._margin = max(_MARGIN, longest, min(LONGEST_ESCAPE * longest, LONGEST_ESCAPED))

    @property
    def is_idle(self) -> bool:
        """True while there is no secret to hide."""
        return not self._secrets and (self._behind is None or self._behind.is_idle)

    def may_show(self, text: str) -> bool:
        """Return whether a text, or a text of which this is the JSON, may show a secret; nothing is changed."""
        if self._finds(text) or (self._behind is not None and self._behind.may_show(text)):
            return True
        if not self._finders or not may_be_escaped(text):
            return False
        if len(text) > LONGEST_ESCAPED:
            return True  # undecided: its parts may be short enough to check
        return any(True for layer in layers(text) for find in self._finders for _ in find(layer.text))

    def _reach(self) -> int:
        """Return how many characters after the cut a secret may end."""
        return max(self._margin, self._behind._reach() if self._behind is not None else 0)

    def hide(self, text: str) -> str:
        """Return `text` with the client's own secrets hidden, otherwise unchanged."""
        return self._hide(text, LONGEST_ESCAPED)

    def hide_in_many(self) -> Callable[[str], str]:
        """Return a function that works like `hide` for all texts of one message.

        The limit of characters that are searched for escapes applies to all of them together.
        """
        left = LONGEST_ESCAPED

        def hide(text: str) -> str:
            nonlocal left
            looked_at = min(left, len(text)) if may_be_escaped(text) else 0
            left -= looked_at
            return self._hide(text, looked_at)

        return hide

    def _hide(self, text: str, looked_at: int) -> str:
        for replaced in self._replacers:
            text = replaced(text)
        if looked_at and self._finders and may_be_escaped(text):
            text = self._hide_escaped(text[:looked_at]) + text[looked_at:]
        return text if self._behind is None else self._behind._hide(text, looked_at)

    def _hide_escaped(self, text: str) -> str:
        found = [
            (*layer.source(begin, end), shown)
            for layer in layers(text)
            for find in self._finders
            for begin, end, shown in find(layer.text)
        ]
        pieces: list[str] = []
        past = 0
        for begin, end, shown in sorted(found):
            if begin >= past:
                pieces += text[past:begin], shown
            past = max(past, end)
        return "".join(pieces) + text[past:]

    def line(self, text: str, *, clean: Callable[[str], str] = one_line) -> str:
        """Return `text` in a form that may be shown: cut, without control characters, with all secrets hidden.

        Args:
            text: The text to show.
            clean: Turns it into one line without control characters.
        """
        is_cut = len(text) > LONGEST_TEXT
        if is_cut:
            margin = self._reach()
            # Secrets that end after the cut are searched for as well; the last characters may then be part of a secret.
            text = redact(self.hide(text[: LONGEST_TEXT + margin]))[:-margin]
        # A secret has different forms before and after cleaning; hiding twice finds both.
        text = redact(self.hide(clean(self.hide(text))))
        return text[: LONGEST_TEXT - len(_CUT)] + _CUT if is_cut or len(text) > LONGEST_TEXT else text

    def values(self, document: Any) -> Any:
        """Return a document with the client's secrets hidden in its text values; keys and all else are unchanged."""
        if isinstance(document, str):
            return self.hide(document)
        if isinstance(document, Mapping):
            return {key: self.values(value) for key, value in document.items()}
        if isinstance(document, list | tuple):
            return [self.values(value) for value in document]
        return document


_CUT: Final = " [cut]"
_REFUSAL: Final = "a gate hides a Secret that holds a str, not one of type {}"


def _wrong_type(secret: object) -> str:
    """Return the name of the type that cannot be hidden; empty for a valid secret."""
    if not callable(reveal := getattr(secret, "reveal", None)):
        return type(secret).__name__
    held = reveal()
    return "" if isinstance(held, str) else type(held).__name__


def _forms(secret: str) -> set[str]:
    """Return the unescaped forms in which a text may repeat a secret.

    As it is, folded, without white space, with quotes doubled, and its UTF-8 bytes read as Latin-1.
    """
    parts = secret.split("_", 2)
    found = {secret}
    if len(parts) == 3 and parts[0].lower() == "mxgw" and len(parts[2]) >= SHORTEST_SECRET:
        found.add(parts[2])  # the secret part of an API key
    for text in tuple(found):
        printable = text if text.isprintable() else "".join(filter(str.isprintable, text))
        found |= {
            one_line(text), "".join(text.split()), printable, text.replace(" ", "+"),
            text.replace('"', '""'), text.replace("'", "''"), text.encode(errors="surrogatepass").decode("latin-1"),
        }  # fmt: skip
    return found - {""}


def _finds_any(forms: tuple[str, ...]) -> Callable[[str], bool]:
    known = {*forms, *map(_in_json, forms)}
    return lambda text: any(form in text for form in known)


def _in_json(form: str) -> str:
    """Return how a secret stands in JSON text."""
    if form.isprintable() and '"' not in form and "\\" not in form:
        return form
    import json

    return json.dumps(form, ensure_ascii=False)[1:-1]


_Finder = Callable[[str], Iterator[tuple[int, int, str]]]
"""Yields where a secret begins and ends in a text, and what is shown instead."""


def _finder(form: str, shown: str) -> _Finder:
    if len(form) < SHORTEST_SECRET:
        pattern = _pattern(form)
        return lambda text: ((*match.span(), shown) for match in pattern.finditer(text))

    def find(text: str) -> Iterator[tuple[int, int, str]]:
        begin = text.find(form)
        while begin >= 0:
            yield begin, begin + len(form), shown
            begin = text.find(form, begin + len(form))

    return find


def _pattern(form: str) -> re.Pattern[str]:
    """Return a pattern that finds a short secret as a whole word, or white space as a whole text."""
    return re.compile(rf"(?<!\w){re.escape(form)}(?!\w)" if form.strip() else rf"\A{re.escape(form)}\Z")


def _replacer(form: str, shown: str) -> Callable[[str], str]:
    """Return a function that replaces a secret: a long one anywhere, a short one as a whole word."""
    if len(form) >= SHORTEST_SECRET:
        return lambda text: text.replace(form, shown)
    pattern = _pattern(form)
    return lambda text: pattern.sub(lambda _: shown, text) if form in text else text


OPEN_GATE: Final = Gate()
"""The gate for texts of no client: it knows no secrets, but recognizes what looks like one."""
