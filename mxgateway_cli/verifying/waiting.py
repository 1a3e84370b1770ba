"""Waits until tags meet their conditions: one subscription, through outages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.input.conditions import Watcher
from mxgateway_cli.input.typed_text import event_type, message_value, unknown_tag
from mxgateway_cli.output.tags import cut, event_error, event_time, json_data_type, tag_record
from mxgateway_cli.recovery.following import follow
from mxgateway_cli.recovery.outages import Outages
from mxgateway_cli.running.waiting import Deadline
from mxgateway_cli.terminal.exit_codes import FIND_TAGS, CommandFailure, ExitCode, TimedOut
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway import MxValueOutput, Session
    from mxgateway.proto import MxEvent
    from mxgateway_cli.declaring.command import Call
    from mxgateway_cli.verifying.expectations import Expectation

_WIDEST: Final = 80
_NAMED: Final = 5
"""Tags that the message of a timeout names."""


class WaitedTag:
    """A tag, its condition, and what has arrived of it.

    Args:
        expectation: The tag and its condition.
    """

    def __init__(self, expectation: Expectation) -> None:
        self.expectation = expectation
        self.count = 0
        self.last: MxEvent | None = None
        self.held_after_ms: int | None = None
        """When the condition came true, counted from the start; None if it did not."""
        self._watcher = Watcher(expectation.tag, expectation.condition, expectation.quality)

    @property
    def tag(self) -> str:
        """The tag's name."""
        return self.expectation.tag

    @property
    def value(self) -> MxValueOutput:
        """The last value; None if there is none."""
        return None if self.last is None else message_value(self.last.value)

    def take(self, event: MxEvent) -> bool:
        """Take a data change of the tag, and return whether it meets the condition.

        Raises:
            CommandFailure: There is no such tag, or the condition does not fit it.
        """
        if unknown_tag(event.statuses):
            raise CommandFailure(
                f"MXAccess does not know the tag {self.tag}: {event_error(event)}",
                code=ExitCode.MXACCESS_REFUSED,
                hint=FIND_TAGS,
            )
        self.count += 1
        self.last = event
        return self._watcher.holds(mxgateway.from_mx_value(event.value), event.quality, event_type(event))

    def outcome(self, limit: str = "") -> str:
        """Return that the condition was not met, and the last value."""
        expected = f"{self.tag} did not meet {self.expectation.condition.described!r}{limit}"
        if self.last is None:
            return f"{expected}: no value arrived"
        quality = mxgateway.status.explain_quality(self.last.quality)
        if self.value is None:
            return f"{expected}: it had no value ({quality})"
        return f"{expected}: its last value was {cut(value_text(self.value), _WIDEST)} ({quality})"

    def record(self) -> dict[str, Any]:
        """Return the tag with its last value as a JSON object."""
        event, held = self.last, self.held_after_ms is not None
        quality, moment = (event.quality, event_time(event)) if event is not None else (None, None)
        return {
            **tag_record(self.tag, self.value, quality, moment, ok=held, error="" if held else self.outcome()),
            "until": self.expectation.condition.text,
            "dataType": json_data_type(event_type(event).data_type) if event is not None else None,
            "valueCount": self.count,
        }


class Waiting:
    """One wait.

    Args:
        call: The command's run.
        expectations: The tags and their conditions.
        wants_all: Whether all conditions are to come true, rather than one.
        client_name: The name to register with MXAccess.
        on_held: Called with each tag whose condition comes true.
    """

    def __init__(
        self,
        call: Call,
        expectations: Sequence[Expectation],
        *,
        wants_all: bool,
        client_name: str,
        on_held: Callable[[WaitedTag], None],
    ) -> None:
        self.tags = [WaitedTag(each) for each in expectations]
        self.session_id = ""
        self._call = call
        self._wants_all = wants_all
        self._client_name = client_name
        self._on_held = on_held
        self.deadline = Deadline(call.timeout)
        self._outages = Outages(call.app)
        self._left = len(self.tags)
        self._by_handle: dict[int, list[WaitedTag]] = {}

    @property
    def held(self) -> list[WaitedTag]:
        """The tags whose condition came true."""
        return [tag for tag in self.tags if tag.held_after_ms is not None]

    @property
    def missing(self) -> list[WaitedTag]:
        """The tags whose condition did not come true."""
        return [tag for tag in self.tags if tag.held_after_ms is None]

    async def run(self) -> None:
        """Wait.

        Raises:
            TimedOut: Time has run out.
            CommandFailure: There is no such tag, or a condition does not fit its tag.
            MxGatewayError: A fault that lasts.
        """
        self._call.wait_for_gateway()
        async with self._call.client(), self.deadline.enforce(self._on_timeout):
            with self._outages.reported():
                await self._follow()

    async def _follow(self) -> None:
        events = follow(self._call, self._outages, self._begin, name=self._client_name)
        async with aclosing(events):
            async for event in events:
                if event.family == mxgateway.proto.MxEventFamily.ON_DATA_CHANGE and self._take(event):
                    return
        raise TimedOut(self._outcome(" before the stream ended"))

    async def _begin(self, session: Session) -> None:
        """Subscribe to the tags whose condition has not come true yet; each must be one that can be."""
        self.session_id = session.session_id
        server = await session.register(self._client_name)
        by_tag: dict[str, list[WaitedTag]] = {}
        for tag in self.missing:
            by_tag.setdefault(tag.tag, []).append(tag)
        self._by_handle = {}
        for name, result in zip(by_tag, await session.subscribe_bulk(server, list(by_tag)), strict=True):
            if not result.was_successful:
                why = result.error_message or "no reason given"
                raise CommandFailure(f"{name} cannot be subscribed to: {why}", code=ExitCode.MXACCESS_REFUSED)
            self._by_handle.setdefault(result.item_handle, []).extend(by_tag[name])

    def _take(self, event: MxEvent) -> bool:
        """Take a data change, and return whether the wait is over."""
        waiting = self._by_handle.get(event.item_handle)
        if not waiting:
            return False
        held = [tag for tag in waiting if tag.take(event)]
        for tag in held:
            tag.held_after_ms = self.deadline.elapsed_ms
            waiting.remove(tag)
            self._on_held(tag)
        self._left -= len(held)
        return bool(held) and not (self._wants_all and self._left)

    def _on_timeout(self) -> TimedOut:
        return self._outages.timed_out(self._outcome(f" within {self.deadline.seconds:g} s"))

    def _outcome(self, limit: str) -> str:
        missing = self.missing
        if len(self.tags) == 1:
            return missing[0].outcome(limit)
        named = [tag.outcome() for tag in missing[:_NAMED]]
        named += [f"and {len(missing) - _NAMED} more"] * (len(missing) > _NAMED)
        return f"{len(missing)} of {len(self.tags)} conditions did not come true{limit}: {'; '.join(named)}"
