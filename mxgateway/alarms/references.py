"""Alarm references: a GUID, or provider, group and tag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from mxgateway.calling.argument_checks import check_text
from mxgateway.errors import MxGatewayInvalidRequestError

_HINT: Final = "give a GUID, or Provider!Group.Tag such as Galaxy!Area1.Tank01.HiHi; nothing was sent"
_DIGITS: Final = "(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})"
_GUID: Final = re.compile(rf"{_DIGITS}|\{{{_DIGITS}\}}|\({_DIGITS}\)", re.IGNORECASE)
"""A GUID that .NET accepts."""
_SHOWN: Final = 100
"""Characters of a reference that an error shows."""


@dataclass(frozen=True, slots=True)
class AlarmReference:
    """Identifies an alarm: by its GUID, or by provider, group and tag.

    Make one with `parse`; ``str()`` returns what the gateway takes.
    """

    guid: UUID | None = None
    """The GUID; None for the other form."""
    provider: str = ""
    """The part before the first ``!``: the galaxy."""
    group: str = ""
    """The part between it and the next ``.``: the area."""
    tag: str = ""
    """The rest: ``<object>.<alarm>``."""

    @classmethod
    def parse(cls, text: str) -> AlarmReference:
        """Parse a reference; surrounding white space is ignored.

        Args:
            text: A GUID, with or without hyphens and brackets, or ``Provider!Group.Tag``.

        Raises:
            MxGatewayInvalidRequestError: It is neither.
        """
        text = check_text("reference", text).strip()
        if _GUID.fullmatch(text):
            return cls(guid=UUID(text.strip("{}()")))
        provider, mark, rest = text.partition("!")
        group, dot, tag = rest.partition(".")
        if not text:
            raise _invalid(text, "is empty")
        if not mark:
            raise _invalid(text, "is not a GUID and has no '!' after a provider")
        for part, name in ((provider, "provider before the '!'"), (group, "group after the '!'")):
            if not part.strip():
                raise _invalid(text, f"has no {name}")
        if not dot or not tag.strip():
            raise _invalid(text, "has no '.' and tag after the group")
        return cls(provider=provider, group=group, tag=tag)

    def __str__(self) -> str:
        return str(self.guid) if self.guid is not None else f"{self.provider}!{self.group}.{self.tag}"


def _invalid(text: str, why: str) -> MxGatewayInvalidRequestError:
    shown = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
    return MxGatewayInvalidRequestError(f"the alarm reference {shown} {why}", hint=_HINT, phase="request")
