"""Sends the writes of a session: each in its item's turn, entered in the ledger, and known to its end."""

from __future__ import annotations

import asyncio

from mxgateway import commands, proto
from mxgateway.errors import CallSite, MxGatewayError, map_fault
from mxgateway.events import EventHub
from mxgateway.transport.channel import Channel
from mxgateway.transport.method import Progress
from mxgateway.writes import Confirmation, Item, WriteLedger


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

    async def write(self, item: Item, request: proto.MxCommandRequest, timeout: float | None) -> proto.MxCommandReply:
        """Send a write and return the reply; nobody waits for its completion, which counts all the same."""
        progress = Progress()
        return await self._channel.unattended.run(lambda: self._send(item, request, timeout, progress), progress)

    async def _send(
        self, item: Item, request: proto.MxCommandRequest, timeout: float | None, progress: Progress
    ) -> proto.MxCommandReply:
        async with self._ledger.sending(item, progress) as confirmation:
            reply = await commands.invoke_raw(self._channel, request, timeout, progress)
        (self._ledger.withdraw if commands.refused(reply) else self._ledger.abandon)(item, confirmation)
        return reply

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
        progress = Progress()
        accepted = False
        try:
            async with asyncio.timeout(timeout):
                confirmation, reply = await self._channel.unattended.run(
                    lambda: self._send_to_confirm(item, request, timeout, progress),
                    progress,
                    orphaned=lambda sent: self._ledger.abandon(item, sent[0]),
                )
                accepted = True
                event = await self._completion(item, confirmation)
        except MxGatewayError:
            raise
        except TimeoutError as fault:
            if accepted:
                raise commands.unconfirmed(commands.describe(request.command), site) from fault
            raise map_fault(fault, site) from fault
        commands.check_completion(event, reply, request.command, site)
        return event

    async def _send_to_confirm(
        self, item: Item, request: proto.MxCommandRequest, timeout: float | None, progress: Progress
    ) -> tuple[Confirmation, proto.MxCommandReply]:
        """Send a write while the stream that will tell its completion is open; without one it is not sent."""
        async with self._ledger.sending(item, progress) as confirmation:
            await self._hub.attach_confirmations()
            if confirmation.done():
                await confirmation  # raises why the stream has ended
            return confirmation, await commands.invoke(self._channel, request, timeout, progress)

    async def _completion(self, item: Item, confirmation: Confirmation) -> proto.MxEvent:
        try:
            return await confirmation
        finally:
            self._ledger.abandon(item, confirmation)
