"""The state that hands a subscription over to another process while its session lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mxgateway.errors import MxGatewayInvalidRequestError

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Transfer:
    """What another process needs to continue where this one stopped."""

    session_id: str
    server_handle: int
    after_worker_sequence: int
    """The newest event up to which the consumer has taken all."""
    items: dict[str, int]
    """The item handles by tag."""
    tags: tuple[str, ...]
    """All tags, including those without an item."""
    unread: tuple[str, ...] = ()
    """The tags whose values have to be read: events were lost, and the consumer has taken no value since."""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON types."""
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
        """Read the result of `to_dict`.

        Raises:
            MxGatewayInvalidRequestError: `state` is something else.
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
