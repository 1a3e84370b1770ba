"""A subscription on its way from one process to another, while its session lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mxgateway.errors import MxGatewayInvalidRequestError

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Transfer:
    """What another process needs to go on where this one has stopped."""

    session_id: str
    server_handle: int
    after_worker_sequence: int
    """The newest event that the consumer has taken with all before it."""
    items: dict[str, int]
    """The item handles by tag."""
    tags: tuple[str, ...]
    """All tags, those without an item as well."""
    unread: tuple[str, ...] = ()
    """Those whose value has to be read: events were lost, and the value that was read since, if any, was not taken."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "version": _VERSION,
            "sessionId": self.session_id,
            "serverHandle": self.server_handle,
            "afterWorkerSequence": self.after_worker_sequence,
            "items": dict(self.items),
            "tags": list(self.tags),
            "unread": list(self.unread),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Transfer:
        """Take what `to_dict` has made.

        Raises:
            MxGatewayInvalidRequestError: It is something else.
        """
        try:
            version, items, tags, unread = state["version"], state["items"], state["tags"], state["unread"]
            found = cls(
                session_id=state["sessionId"], server_handle=state["serverHandle"],
                after_worker_sequence=state["afterWorkerSequence"], items=dict(items), tags=tuple(tags),
                unread=tuple(unread),
            )  # fmt: skip
        except (TypeError, KeyError, ValueError) as error:
            raise _refused(f"is no exported state: {type(error).__name__} {error}") from None
        if version != _VERSION:
            raise _refused(f"is of version {version!r}, this client knows {_VERSION}")
        numbers = (found.server_handle, found.after_worker_sequence, *found.items.values())
        texts = (found.session_id, *found.items, *found.tags, *found.unread)
        if not all(type(number) is int and number >= 0 for number in numbers) or not all(
            isinstance(text, str) and text for text in texts
        ):
            raise _refused("holds something that is no tag, handle or sequence")
        return found


def _refused(what: str) -> MxGatewayInvalidRequestError:
    return MxGatewayInvalidRequestError(
        f"resume_from {what}", hint="give what export_state of another subscription has returned", phase="request"
    )
