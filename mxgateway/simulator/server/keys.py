"""API keys: who calls, which scope a call needs, and which tags a key may touch."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from functools import cached_property
from typing import Final

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.simulator.hidden_text import HiddenText
from mxgateway.simulator.plant.model import Attribute, PlantObject, reference
from mxgateway.simulator.plant.objects import Plant

_PREFIX: Final = "mxgw_"
_KEY: Final = re.compile(r"(?i:mxgw)_([^_\s]+)_(\S+)")
_BEARER: Final = re.compile(r"(?i:bearer)\s+(?i:mxgw)_(.*\S)", re.DOTALL)


class Scope(StrEnum):
    """A permission of an API key."""

    SESSION_OPEN = "session:open"
    SESSION_CLOSE = "session:close"
    INVOKE_READ = "invoke:read"
    INVOKE_WRITE = "invoke:write"
    INVOKE_SECURE = "invoke:secure"
    EVENTS_READ = "events:read"
    METADATA_READ = "metadata:read"
    ADMIN = "admin"


_METHODS: Final = {
    "OpenSession": Scope.SESSION_OPEN,
    "CloseSession": Scope.SESSION_CLOSE,
    "StreamEvents": Scope.EVENTS_READ,
    "StreamAlarms": Scope.EVENTS_READ,
    "QueryActiveAlarms": Scope.EVENTS_READ,
    "AcknowledgeAlarm": Scope.INVOKE_WRITE,
    "TestConnection": Scope.METADATA_READ,
    "GetLastDeployTime": Scope.METADATA_READ,
    "DiscoverHierarchy": Scope.METADATA_READ,
    "BrowseChildren": Scope.METADATA_READ,
    "WatchDeployEvents": Scope.METADATA_READ,
}

_COMMANDS: Final = {
    "drain_events": Scope.EVENTS_READ,
    "write": Scope.INVOKE_WRITE,
    "write2": Scope.INVOKE_WRITE,
    "write_bulk": Scope.INVOKE_WRITE,
    "write2_bulk": Scope.INVOKE_WRITE,
    "write_secured": Scope.INVOKE_SECURE,
    "write_secured2": Scope.INVOKE_SECURE,
    "write_secured_bulk": Scope.INVOKE_SECURE,
    "write_secured2_bulk": Scope.INVOKE_SECURE,
    "shutdown_worker": Scope.ADMIN,
}


def scope_of_method(name: str) -> Scope:
    """Return the scope that an RPC other than Invoke needs; an unknown one needs admin."""
    return _METHODS.get(name, Scope.ADMIN)


def scope_of_command(arm: str, *, is_known: bool) -> Scope:
    """Return the scope that an Invoke needs.

    Args:
        arm: The command's name in snake case.
        is_known: Whether the gateway knows the command; an unknown one needs admin.
    """
    return _COMMANDS.get(arm, Scope.INVOKE_READ) if is_known else Scope.ADMIN


class AccessDenied(Exception):
    """The key's constraints forbid a tag: PERMISSION_DENIED, or a failed entry of a bulk call."""


@dataclass(frozen=True, kw_only=True)
class SimulatedKey:
    """An API key that the gateway accepts, with its permissions. The secret never shows.

    Constraints restrict a key further; an empty constraint allows everything. A subtree is an object, by tag name, with
    all that it contains. A glob supports ``*`` and ``?``, and is matched with the whole tag reference, ignoring case.
    """

    key_id: str = "simulator"
    """The public part of the key, without an underscore."""
    secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    """The secret part; random when not given."""
    scopes: frozenset[Scope] = frozenset(Scope)
    """The key's permissions; all by default."""
    read_subtrees: tuple[str, ...] = ()
    """Objects below which the key may read."""
    read_globs: tuple[str, ...] = ()
    """Tag references that the key may read."""
    write_subtrees: tuple[str, ...] = ()
    """Objects below which the key may write."""
    write_globs: tuple[str, ...] = ()
    """Tag references that the key may write."""
    browse_subtrees: tuple[str, ...] = ()
    """Objects below which the key sees the galaxy."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret", HiddenText(self.secret))

    def __deepcopy__(self, memo: object) -> SimulatedKey:
        return self

    @classmethod
    def parse(cls, key: str, *, scopes: Iterable[Scope] = frozenset(Scope)) -> SimulatedKey:
        """Parse a key in the form ``mxgw_<key-id>_<secret>``.

        Raises:
            ValueError: The text has another form. The error does not show the text.
        """
        key_id, secret = _parts(key)
        del key  # a traceback may show local variables
        if not key_id:
            raise ValueError("an API key reads mxgw_<key-id>_<secret>")
        return cls(key_id=key_id, secret=secret, scopes=frozenset(scopes))

    def reveal(self) -> str:
        """Return the whole key, as a client sends it."""
        return f"{_PREFIX}{self.key_id}_{self.secret}"

    def __repr__(self) -> str:
        return f"SimulatedKey(key_id={self.key_id!r}, secret='***', scopes={sorted(map(str, self.scopes))})"

    def require(self, scope: Scope) -> None:
        """Check that the key has `scope`.

        Raises:
            GRPCError: PERMISSION_DENIED: it has not.
        """
        if scope not in self.scopes:
            raise GRPCError(Status.PERMISSION_DENIED, f"API key is missing required scope '{scope}'.")

    def may_read(self, plant: Plant, obj: PlantObject, attribute: Attribute) -> bool:
        """Return whether the key may read a tag."""
        return self._allows(self._read_names, self._read_pattern, plant, obj, attribute)

    def may_write(self, plant: Plant, obj: PlantObject, attribute: Attribute) -> bool:
        """Return whether the key may write a tag."""
        return self._allows(self._write_names, self._write_pattern, plant, obj, attribute)

    def may_browse(self, plant: Plant, obj: PlantObject) -> bool:
        """Return whether the key may see an object."""
        return not self.browse_subtrees or _is_below(plant, obj, self._browse_names)

    @cached_property
    def _read_names(self) -> frozenset[str]:
        return _without_case(self.read_subtrees)

    @cached_property
    def _write_names(self) -> frozenset[str]:
        return _without_case(self.write_subtrees)

    @cached_property
    def _browse_names(self) -> frozenset[str]:
        return _without_case(self.browse_subtrees)

    @cached_property
    def _read_pattern(self) -> re.Pattern[str] | None:
        return _any_of(self.read_globs)

    @cached_property
    def _write_pattern(self) -> re.Pattern[str] | None:
        return _any_of(self.write_globs)

    @staticmethod
    def _allows(
        subtrees: frozenset[str],
        pattern: re.Pattern[str] | None,
        plant: Plant,
        obj: PlantObject,
        attribute: Attribute,
    ) -> bool:
        if not subtrees and pattern is None:
            return True
        if pattern is not None and pattern.match(reference(obj, attribute).removesuffix("[]")):
            return True
        return _is_below(plant, obj, subtrees)


def _parts(key: str) -> tuple[str, HiddenText]:
    """Return the id and the secret of a key; an empty id if the text has another form."""
    match = _KEY.fullmatch(key) if isinstance(key, str) else None
    return ("", HiddenText()) if match is None else (match[1], HiddenText(match[2]))


def _any_of(globs: Sequence[str]) -> re.Pattern[str] | None:
    # In a tag reference a bracket is literal, not a set of characters.
    patterns = (translate(glob.replace("[", "[[]")) for glob in globs)
    return re.compile("|".join(patterns), re.IGNORECASE) if globs else None


def _without_case(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)


def _is_below(plant: Plant, obj: PlantObject, names: frozenset[str]) -> bool:
    return any(outer.tag_name.casefold() in names for outer in plant.ancestors(obj))


class Authenticator:
    """Finds the key that a call carries.

    Args:
        keys: The keys that the gateway accepts.
    """

    def __init__(self, keys: Iterable[SimulatedKey]) -> None:
        self.keys = tuple(keys)
        """The keys that the gateway accepts now."""

    def authenticate(self, authorization: HiddenText) -> SimulatedKey:
        """Return the key of an ``authorization`` header, ``Bearer mxgw_<key-id>_<secret>``; an empty text is no header.

        Raises:
            GRPCError: UNAUTHENTICATED: the header is missing or names no key.
        """
        key = self._named(authorization)
        if key is None:
            raise GRPCError(Status.UNAUTHENTICATED, "Missing or invalid API key.")
        return key

    def _named(self, authorization: HiddenText) -> SimulatedKey | None:
        presented = _BEARER.fullmatch(authorization.strip())
        token = b"" if presented is None else presented[1].encode(errors="surrogatepass")
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.reveal()[len(_PREFIX) :].encode(errors="surrogatepass"), token):
                found = key
        return found
