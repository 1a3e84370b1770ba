"""What a header block may contain (RFC 9113, sections 8.1 to 8.3); a request that breaks a rule is malformed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

Field = tuple[bytes, bytes]

# Section 8.2.1: neither control characters nor a space, no upper case, no colon and nothing beyond ASCII.
_NAME: Final = re.compile(rb"[!-9;-@\[-~]+")
# Section 8.2.1: neither NUL nor the end of a line. White space at an end is let through, as the gateway does: clients
# whose key is empty send "Bearer ", and are to be told that they are not authenticated.
_BAD_VALUE: Final = re.compile(rb"[\0\r\n]")
# Section 8.2.2: fields that belong to a connection of HTTP/1.
_OF_A_CONNECTION: Final = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)

_PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority"))


def broken_request(fields: Sequence[Field]) -> str | None:
    """Return which rule the header block of a request breaks; None if it is well formed."""
    count = next((place for place, (name, _) in enumerate(fields) if not name.startswith(b":")), len(fields))
    pseudo, regular = fields[:count], fields[count:]
    return _broken_pseudo(pseudo) or _broken_fields(regular) or _broken_authority(dict(pseudo), regular)


def broken_trailers(fields: Iterable[Field]) -> str | None:
    """Return which rule the trailers of a request break; None if they are well formed."""
    return _broken_fields(list(fields))


def _broken_pseudo(pseudo: Sequence[Field]) -> str | None:
    found = dict(pseudo)
    if unknown := found.keys() - _PSEUDO:
        return f"unknown pseudo-header {min(unknown)!r}"
    if len(found) < len(pseudo):
        return "a pseudo-header is repeated"
    if any(_BAD_VALUE.search(value) for value in found.values()):
        return "invalid value of a pseudo-header"
    if found.get(b":method") == b"CONNECT":
        return None if found.keys() == {b":method", b":authority"} else "CONNECT has :method and :authority alone"
    if missing := _PSEUDO - {b":authority"} - found.keys():
        return f"missing pseudo-header {min(missing)!r}"
    if not found[b":path"].startswith(b"/") and (found[b":method"], found[b":path"]) != (b"OPTIONS", b"*"):
        return "the path does not begin with a slash"
    return None


def _broken_fields(fields: Sequence[Field]) -> str | None:
    for name, value in fields:
        if not _NAME.fullmatch(name):
            return "invalid field name, or a pseudo-header in a wrong place"
        if _BAD_VALUE.search(value):
            return f"invalid value of {name!r}"
        if name in _OF_A_CONNECTION or (name == b"te" and value.lower() != b"trailers"):
            return f"{name!r} is for connections of HTTP/1"
    return None


def _broken_authority(pseudo: dict[bytes, bytes], regular: Sequence[Field]) -> str | None:
    authority = pseudo.get(b":authority", b"")
    if b"@" in authority:
        return "the authority has user information"
    hosts = {value.lower() for name, value in regular if name == b"host"}
    if len(hosts) > 1 or (authority and hosts and hosts != {authority.lower()}):
        return "host names another authority"
    return None
