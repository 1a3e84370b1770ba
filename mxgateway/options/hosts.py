"""Host names: their ASCII form, and the one form in which peers hear them."""

from __future__ import annotations

import re
from typing import Final

_HOST: Final = re.compile(r"[A-Za-z0-9_.-]+")
"""The characters of a host name; the resolver checks the lengths of its labels."""
_PORT: Final = re.compile(r"[0-9]{1,5}")
_LETTERS_OF_2008: Final = "ßς"
"""The letters that stand for themselves in IDNA 2008; IDNA 2003 maps them to ss and σ, another host."""
_LONGEST_LABEL: Final = 63
_ANOTHER_NAME: Final = (
    "a character of the host is not allowed in IDNA 2008, and IDNA 2003 would make another host of it; "
    "write the host in ASCII (xn--…)"
)


def host_defect(host: str) -> str:
    """Return what is wrong with a host as a person writes it; empty if nothing is."""
    if host.startswith("[") and host.endswith("]"):
        return "" if is_ipv6(host[1:-1]) else "the text in brackets is not an IPv6 address"
    if ":" in host:
        return "an IPv6 address must be in brackets"
    if not host.strip("."):
        return "the host is missing"
    name = ascii_name(host)
    if not name and host.isprintable():
        return _ANOTHER_NAME if _has_name_of_2003(host) else "the host is not a host name"
    return "" if _HOST.fullmatch(name) else "the host has a character that is not allowed in a host name"


def ascii_name(host: str) -> str:
    """Return a host name in ASCII (IDNA 2008); empty if that is impossible.

    Python has IDNA 2003 only, which maps some characters to others. So none may be mapped, the letters that differ are
    encoded here, and anything else is refused. The result may still contain forbidden characters: a full-width solidus
    becomes a solidus.
    """
    if host.isascii():
        return host
    labels = _written(host).split(".")
    try:
        return ".".join([*map(_ascii_label, labels[:-1]), labels[-1] and _ascii_label(labels[-1])])
    except UnicodeError:
        return ""


def _ascii_label(label: str) -> str:
    from encodings import idna

    if not label.isascii():
        idna.nameprep(label)  # refuses mixed directions, which the parts do not show
        kept = f"([{_LETTERS_OF_2008}])"
        parts = [part if part in _LETTERS_OF_2008 else idna.nameprep(part) for part in re.split(kept, label)]
        if "".join(parts) != label or label.startswith("xn--"):
            raise UnicodeError(_ANOTHER_NAME)
        if len(parts) > 1:
            label = f"xn--{label.encode('punycode').decode('ascii')}"
    if len(label) > _LONGEST_LABEL:
        raise UnicodeError("a label is too long")
    return idna.ToASCII(label).decode("ascii")


def _has_name_of_2003(host: str) -> bool:
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def _written(host: str) -> str:
    """Return a host name as IDNA 2008 lets people write it (RFC 5895): any case, any width, any full stop."""
    import unicodedata

    lower = "".join(map(str.lower, host))  # each letter by itself: the case of a Σ does not depend on its place
    narrow = "".join(
        unicodedata.normalize("NFKC", char) if unicodedata.decomposition(char).startswith(("<wide>", "<narrow>")) else char
        for char in lower
    )  # fmt: skip
    return unicodedata.normalize("NFC", narrow).replace("。", ".")


def is_ipv6(text: str) -> bool:
    """Return whether `text` is an IPv6 address, with a zone or without."""
    if ":" not in text:
        return False
    import ipaddress

    try:
        return bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


def is_server_name(name: str) -> bool:
    """Return whether `name` can be used as a TLS server name."""
    try:
        ascii_form = ascii_name(name)
        return is_ipv6(name) or bool(
            _HOST.fullmatch(ascii_form) and ascii_form.strip(".") and ascii_form.encode("idna")
        )
    except UnicodeError:
        return False


def canonical_host(host: str) -> str:
    """Return a host in the form that identifies it.

    ASCII, lower case, without the dot at the end that makes a name absolute; an address in its shortest form.
    """
    name = ascii_name(host).lower().removesuffix(".")
    if not is_ipv6(name):
        return name
    import ipaddress

    return str(ipaddress.IPv6Address(name))


def without_zone(host: str) -> str:
    """Return a host without the zone of an IPv6 address, which means something on this machine only (RFC 6874)."""
    return host.partition("%")[0]


def peer_name(host: str) -> str:
    """Return a host as its peers hear it: in SNI, in the check of the certificate and in ``:authority``."""
    return without_zone(canonical_host(host))


def is_port(text: str) -> bool:
    """Return whether a text is a port, 1 to 65535."""
    return bool(_PORT.fullmatch(text)) and 1 <= int(text) <= 65535


def authority_defect(text: str) -> str:
    """Return what is wrong with a ``host`` or ``host:port`` for ``:authority``; empty if nothing is."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, "1"
    if not is_port(port):
        return "its port is not a number from 1 to 65535"
    if not text.isascii():
        return "it is not ASCII"
    if "%" in host:
        return "it has a zone"
    return host_defect(host)
