"""The one gate for text: what a peer said, and what goes out, passes here before it is encoded, folded or cut to a width.

A text is cut, freed of control characters, and searched for secrets: those of the client that has asked, in the forms in which a text repeats them, and whatever
has the shape of anybody's key, token or password in a URL. Every pattern here takes time in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

LONGEST_TEXT: Final = 4096
"""Characters of a text that are shown; a gateway can send megabytes."""
SHORTEST_SECRET: Final = 8
"""Characters from which on a secret is replaced wherever it stands; a shorter one is a word like others, and is replaced where it is a whole word."""

REDACTED: Final = "***"
_MARGIN: Final = 256
"""Characters beyond the cut that are looked at all the same: what begins before it may be a secret that ends behind it."""

_CLOSING: Final = "\"',;)]}>."
"""What stands behind a secret rather than in it; in the middle of one it belongs to it."""
_KEY_IN_TEXT: Final = re.compile(r"(?i)(?!mxgw_<key-id>_<secret>)(mxgw_[^_\s]*+_)((?:(?![,;]mxgw_)\S)++)")
_BEARER_IN_TEXT: Final = re.compile(r"(?i)\b(bearer\s++)(?!mxgw_)(\S++)")
_LABELLED_KEY: Final = re.compile(r"(?i)\b(api[-_ ]?key(?:\s?[:=]\s?|\s)[\"'])(?!mxgw_)(\S++)")
_WORD: Final = re.compile(r"\S++")


class Hidden(Protocol):
    """A secret as `credentials` has it: its text is asked for, its str shows nothing."""

    def reveal(self) -> str:
        """Return the text."""


def redact(text: str) -> str:
    """Return `text` with the secret part of every API key and bearer token, and user and password in a URL, replaced by ``***``."""
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
    """Fold white space and drop control characters: the text may come from the peer."""
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
    if not at or not user or user.lstrip("[") == "user:password":  # as our own hints have it
        return match[0]
    return f"{scheme}{slashes}{REDACTED}{at}{place}"


class Gate:
    """What one client's texts pass; it knows that client's secrets and no other's.

    Args:
        secrets: What is hidden, for as long as the gate lasts.
        behind: A gate whose secrets are hidden as well.

    Raises:
        TypeError: One of them is no `Secret` with a text.
    """

    __slots__ = ("_behind", "_finds", "_kept", "_margin", "_replacers")

    def __init__(self, secrets: Iterable[Hidden] = (), *, behind: Gate | None = None) -> None:
        self._behind = behind
        self._kept: dict[Hidden, int] = {}
        """The secrets, each with how often it was added."""
        self._replacers: tuple[Callable[[str], str], ...] = ()
        """Functions, so that no repr and no pickle shows what they look for."""
        self._finds: Callable[[str], bool] = _finds_nothing
        self._margin = _MARGIN
        found = list(secrets)
        wrong = next(filter(None, map(_wrong_type, found)), "")
        del secrets
        if wrong:
            del found  # a traceback may show local variables
            raise TypeError(_REFUSAL.format(wrong))
        for secret in found:
            self.add(secret)

    def __repr__(self) -> str:
        return f"<Gate of {len(self._kept)} secrets>"

    def add(self, secret: Hidden) -> None:
        """Hide a secret from now on.

        Raises:
            TypeError: It is no `Secret` with a text.
        """
        if wrong := _wrong_type(secret):
            del secret  # a traceback may show local variables
            raise TypeError(_REFUSAL.format(wrong))
        self._kept[secret] = self._kept.get(secret, 0) + 1
        if self._kept[secret] == 1:
            self._learn()

    def forget(self, secret: Hidden) -> None:
        """Hide it no more, once it was forgotten as often as it was added."""
        left = self._kept.pop(secret, 1) - 1
        if left:
            self._kept[secret] = left
        else:
            self._learn()

    def _learn(self) -> None:
        forms = {form: str(secret) for secret in self._kept for form in _forms(secret.reveal())}
        self._replacers = tuple(_replacer(form, forms[form]) for form in sorted(forms, key=len, reverse=True))
        self._finds = _finder(tuple(forms)) if forms else _finds_nothing
        self._margin = max(_MARGIN, *map(len, forms)) if forms else _MARGIN

    @property
    def is_idle(self) -> bool:
        """True when there is no secret to hide."""
        return not self._kept and (self._behind is None or self._behind.is_idle)

    def may_show(self, text: str) -> bool:
        """Tell whether a text, or one of which this is the JSON, may show a secret; it is looked at and not changed."""
        return self._finds(text) or (self._behind is not None and self._behind.may_show(text))

    def _reach(self) -> int:
        """Return how many characters a secret may reach beyond the cut."""
        return max(self._margin, self._behind._reach() if self._behind is not None else 0)

    def hide(self, text: str) -> str:
        """Return `text` without the client's own secrets, and otherwise as it is."""
        for replaced in self._replacers:
            text = replaced(text)
        return text if self._behind is None else self._behind.hide(text)

    def line(self, text: str, *, clean: Callable[[str], str] = one_line) -> str:
        """Return `text` as it may be shown: cut, without control characters and without anybody's secrets.

        Args:
            text: What is to be shown.
            clean: Makes one line of it, without control characters.
        """
        is_cut = len(text) > LONGEST_TEXT
        if is_cut:
            margin = self._reach()
            # What ends behind the cut is looked for as well; the last characters may then be a piece of a secret.
            text = redact(self.hide(text[: LONGEST_TEXT + margin]))[:-margin]
        # The forms of a secret differ before and after cleaning; hiding twice finds both.
        text = redact(self.hide(clean(self.hide(text))))
        return text[: LONGEST_TEXT - len(_CUT)] + _CUT if is_cut or len(text) > LONGEST_TEXT else text

    def values(self, document: Any) -> Any:
        """Return a document with the own secrets hidden in the texts among its values; its keys and everything else stay as they are."""
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
    """Return the name of the type of what cannot be hidden; empty when it can."""
    if not callable(reveal := getattr(secret, "reveal", None)):
        return type(secret).__name__
    held = reveal()
    return "" if isinstance(held, str) else type(held).__name__


def _forms(secret: str) -> set[str]:
    """Return the forms in which a text may repeat a secret: as it is, folded, and escaped by another program."""
    parts = secret.split("_", 2)
    whole = {secret}
    if len(parts) == 3 and parts[0].lower() == "mxgw" and len(parts[2]) >= SHORTEST_SECRET:
        whole.add(parts[2])  # the secret part of an API key
    forms = set(whole)
    for text in whole:
        if not (text.isascii() and text.replace("-", "").replace("_", "").isalnum()):
            forms |= _escaped(text)
    return {form for form in forms if form}


def _escaped(text: str) -> set[str]:
    import html
    import json
    from urllib.parse import quote

    in_json, of_others = json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
    in_dotnet = re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda digits: digits[0].upper(), in_json)
    for char in _ESCAPED_BY_DOTNET:
        in_dotnet = in_dotnet.replace("\\" + char if char == '"' else char, f"\\u{ord(char):04X}")
    in_html = html.escape(text, quote=False).replace('"', "&quot;")
    in_urls = {quote(text, safe=safe, errors="replace") for safe in ("", "/", " ")}
    in_urls |= {url.replace(" ", "+") for url in in_urls}
    return {
        one_line(text), "".join(text.split()), "".join(filter(str.isprintable, text)), repr(text)[1:-1], ascii(text)[1:-1],
        repr(text.encode(errors="surrogatepass"))[2:-1], in_json, of_others, in_dotnet, *(form.replace("/", "\\/") for form in (in_json, of_others)),
        *(json.dumps(form)[1:-1] for form in (in_json, of_others, in_dotnet)),
        *(in_html.replace("'", quoted) for quoted in ("'", "&#x27;", "&#39;", "&apos;")),
        re.sub("[\u00a0-\u00ff\U00010000-\U0010ffff]", lambda char: f"&#{ord(char[0])};", in_html.replace("'", "&#39;")),
        *in_urls, *(re.sub("%..", lambda code: code[0].lower(), url) for url in in_urls),
    }  # fmt: skip


_ESCAPED_BY_DOTNET: Final = "\"'&<>+`"
"""What .NET, which the gateway is made of, writes as an escape in JSON."""


def _finds_nothing(_text: str) -> bool:
    return False


def _finder(forms: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda text: any(form in text for form in forms)


def _replacer(form: str, shown: str) -> Callable[[str], str]:
    """Return what replaces a secret: a long one wherever it stands, a short one where it is a whole word, white space where it is a whole text."""
    if len(form) >= SHORTEST_SECRET:
        return lambda text: text.replace(form, shown)
    pattern = re.compile(rf"(?<!\w){re.escape(form)}(?!\w)" if form.strip() else rf"\A{re.escape(form)}\Z")
    return lambda text: pattern.sub(lambda _: shown, text) if form in text else text


OPEN_GATE: Final = Gate()
"""The gate of what belongs to no client: it knows no secret, and only shapes."""
