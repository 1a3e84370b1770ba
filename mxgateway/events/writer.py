"""Sends the writes of a session: each in its item's turn, entered in the ledger, and known to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from mxgateway import proto
from mxgateway.commands import replies, requests
from mxgateway.errors import CallSite, MxGatewayError, map_fault
from mxgateway.events.event_hub import EventHub
from mxgateway.events.writes import Confirmation, Item, WriteLedger, accepted_writes
from mxgateway.transport.channel import Channel
from mxgateway.transport.method import Progress


class SentWrites(NamedTuple):
    """The writes of one command that was answered."""

    reply: proto.MxCommandReply
    confirmations: list[Confirmation | None]
    """The completion of each, once it has come; None for one that was not accepted."""


class Writer:
    """The writes of one session.

    A write that was sent goes on when its caller is cancelled: only the reply tells whether a completion will come. One that is expected in vain
    would be mistaken for every later write's.

    Args:
        channel: Where to call.
        ledger: Where each write is entered.
        hub: Brings the completions.
    """

    def __init__(self, channel: Channel, ledger: WriteLedger, hub: EventHub) -> None:
        self._channel = channel
        self._ledger = ledger
        self._hub = hub

    async def write(
        self, items: Sequence[Item], request: proto.MxCommandRequest, timeout: float | None, progress: Progress
    ) -> proto.MxCommandReply:
        """Send a command that writes and return the reply; nobody waits for the completions, which count all the same."""
        return await self._channel.unattended.run(lambda: self._send(items, request, timeout, progress), progress)

    async def _send(
        self, items: Sequence[Item], request: proto.MxCommandRequest, timeout: float | None, progress: Progress
    ) -> proto.MxCommandReply:
        async with self._ledger.counting(items, progress):
            reply = await requests.invoke_raw(self._channel, request, timeout, progress)
            accepted = accepted_writes(reply, len(items))
            self._ledger.discount(item for item, each in zip(items, accepted, strict=True) if not each)
        return reply

    async def write_to_confirm(
        self, items: Sequence[Item], request: proto.MxCommandRequest, timeout: float | None, progress: Progress
    ) -> SentWrites:
        """Send a command that writes, while the stream that will tell the completions is open; without one it is not sent.

        Whoever calls this waits for the confirmations with `completion`, or gives them to `abandon`.
        """
        return await self._channel.unattended.run(
            lambda: self._send_to_confirm(items, request, timeout, progress),
            progress,
            orphaned=lambda sent: self._abandon(items, sent.confirmations),
        )

    async def _send_to_confirm(
        self, items: Sequence[Item], request: proto.MxCommandRequest, timeout: float | None, progress: Progress
    ) -> SentWrites:
        async with self._ledger.sending(items, progress) as confirmations:
            await self._hub.attach_confirmations()
            for confirmation in confirmations:
                if confirmation.done():
                    await confirmation  # raises why the stream has ended
            reply = await requests.invoke_raw(self._channel, request, timeout, progress)
        return SentWrites(reply, self._accepted(items, confirmations, reply))

    async def completion(self, item: Item, confirmation: Confirmation) -> proto.MxEvent:
        """Return the OnWriteComplete of a write.

        Raises:
            MxGatewayError: It was lost, or the stream has ended.
        """
        try:
            return await confirmation
        except MxGatewayError as error:
            raise replies.unseen(error) from error
        finally:
            self._ledger.abandon(item, confirmation)

    def abandon(self, item: Item, confirmation: Confirmation) -> None:
        """Stop waiting for the completion of a write."""
        self._ledger.abandon(item, confirmation)

    async def write_confirmed(
        self, item: Item, request: proto.MxCommandRequest, timeout: float | None, site: CallSite
    ) -> proto.MxEvent:
        """Send a write and return its OnWriteComplete.

        Args:
            item: What it writes.
            request: The command.
            timeout: Bound in seconds of write and confirmation together.
            site: For the error.

        Raises:
            MxAccessError: MXAccess refused the write, at once or later.
            MxGatewayError: The call failed, or no confirmation came.
        """
        accepted = False
        try:
            async with asyncio.timeout(timeout):
                reply, (confirmation,) = await self.write_to_confirm([item], request, timeout, Progress())
                replies.check_mxaccess(reply, request.command, lambda: site)
                if confirmation is None:  # the reply says both
                    raise replies.malformed("the reply neither accepts nor refuses the write", site, reply)
                accepted = True
                event = await self.completion(item, confirmation)
        except MxGatewayError:
            raise
        except TimeoutError as fault:
            if accepted:
                raise replies.unconfirmed(replies.describe(request.command), site) from fault
            raise map_fault(fault, site) from fault
        replies.check_completion(event, reply, request.command, site)
        return event

    def _accepted(
        self, items: Sequence[Item], confirmations: list[Confirmation], reply: proto.MxCommandReply
    ) -> list[Confirmation | None]:
        """Strike out the writes that were not accepted."""
        found: list[Confirmation | None] = []
        for item, confirmation, accepted in zip(items, confirmations, accepted_writes(reply, len(items)), strict=True):
            if not accepted:
                self._ledger.withdraw(item, confirmation)
            found.append(confirmation if accepted else None)
        return found

    def _abandon(self, items: Sequence[Item], confirmations: list[Confirmation | None]) -> None:
        for item, confirmation in zip(items, confirmations, strict=True):
            if confirmation is not None:
                self._ledger.abandon(item, confirmation)
