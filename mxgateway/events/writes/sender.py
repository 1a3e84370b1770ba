"""Sends the writes of a session, one after another for each item, and records each."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Sequence

from mxgateway import proto
from mxgateway.calling import replies, requests
from mxgateway.calling.rpcs import INVOKE
from mxgateway.errors import CallSite, MxGatewayError
from mxgateway.events.pump import StreamPump
from mxgateway.events.writes.item_writes import Completion, Item, forget, in_doubt
from mxgateway.events.writes.write_records import WriteRecords, accepted_writes
from mxgateway.options import check_timeout
from mxgateway.transport.calls.method import CallOptions, Progress, call_site
from mxgateway.transport.channel import Channel

Request = proto.MxCommandRequest
Reply = proto.MxCommandReply
Sent = tuple[Reply, list[Completion | None]]
"""The reply to a command that writes, and a completion for each write; None for one that was not accepted."""


class Writer:
    """The writes of one session.

    A write that was sent continues when its caller is cancelled: only the reply shows whether a completion will come.
    """

    def __init__(self, channel: Channel, records: WriteRecords, pump: StreamPump) -> None:
        self._channel = channel
        self._records = records
        self._pump = pump

    async def send(
        self,
        items: Sequence[Item],
        request: Request,
        timeout: float | None,
        progress: Progress,
        *,
        confirm: bool,
        sure: bool = False,
    ) -> Sent:
        """Send a command that writes.

        With `confirm`, the event stream is opened first, so that the completions arrive. Without it they are counted,
        but no caller waits for them. A `sure` command writes one item, and is not sent while an earlier write of it is
        in doubt. `timeout` covers the waits before it is sent as well. The caller passes the completions to `forget`
        when it no longer waits.
        """
        check_timeout("timeout", timeout)
        seconds = self._channel.options.call_timeout if timeout is None else timeout
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds

        async def send() -> Sent:
            completions: list[Completion] = []
            waits_for = "the answer to an earlier write"
            try:
                async with asyncio.timeout_at(end) as waiting, self._records.locks.held(items):
                    if confirm:
                        waits_for = "the event stream"
                        await self._pump.until_live()
                        if sure:
                            await self._until_clear(items[0])
                        completions = [loop.create_future() for _ in items]
                    waiting.reschedule(None)  # from here on it is the call's
                    left = seconds if end is None or end == math.inf else _rest(end - loop.time(), seconds)
                    with self._records.sending(items, progress, completions):
                        if confirm:
                            self._pump.resume()  # a full reader must not hold up completions
                        reply = await requests.invoke_raw(self._channel, request, left, progress)
                    return reply, self._records.judge(items, accepted_writes(reply, len(items)), completions)
            except TimeoutError as fault:
                if isinstance(fault, MxGatewayError):
                    raise
                if sure and self._records.is_in_doubt(items[0]):
                    raise in_doubt(items[0]) from fault
                raise replies.unsent(
                    replies.describe(request.command), waits_for, self._site(request, seconds)
                ) from fault

        return await self._channel.detached_calls.run(send, progress, orphaned=lambda sent: forget(sent[1]))

    def _site(self, request: Request, timeout: float | None) -> CallSite:
        options = CallOptions(session_id=request.session_id, correlation_id=request.client_correlation_id)
        return call_site(self._channel, INVOKE, options, timeout)

    async def _until_clear(self, item: Item) -> None:
        """Wait until the item's next completion can only be the next write's; raise if a write stays in doubt."""
        with contextlib.suppress(TimeoutError):  # the client is closing; sending then raises
            async with asyncio.timeout(None) as deadline:
                with self._channel.ended_by_closing(deadline):
                    await self._records.until_clear(item)

    async def write_confirmed(
        self, item: Item, request: Request, timeout: float | None, site: CallSite
    ) -> proto.MxEvent:
        """Send a write and return its OnWriteComplete.

        `timeout` covers write and confirmation together.

        Raises:
            MxAccessError: MXAccess refused the write, at once or later.
            MxGatewayError: The call failed, no confirmation came, or the write was not sent in time.
        """
        accepted: list[Completion | None] = []
        end = None if timeout is None else asyncio.get_running_loop().time() + timeout
        try:
            reply, accepted = await self.send([item], request, timeout, Progress(), confirm=True, sure=True)
            replies.check_mxaccess(reply, request.command, lambda: site)
            if accepted[0] is None:  # the reply says both
                raise replies.malformed("the reply neither accepts nor refuses the write", site, reply)
            event = await _event(accepted[0], end)
        except MxGatewayError:
            raise
        except TimeoutError as fault:
            raise replies.unconfirmed(replies.describe(request.command), site) from fault
        finally:
            forget(accepted)
        replies.check_completion(event, reply, request.command, site)
        return event


def _rest(left: float, seconds: float | None) -> float:
    """Return what is left of a timeout in hundredths: without a wait it is the whole, and errors say so."""
    return min(seconds or left, max(math.ceil(left * 100), 1) / 100)


async def _event(completion: Completion, end: float | None) -> proto.MxEvent:
    """Return the event of a completion; raise TimeoutError if it does not come until `end`."""
    timer = None if end is None else asyncio.get_running_loop().call_at(end, _expire, completion)
    try:
        return await completion
    except MxGatewayError as error:
        raise replies.unseen(error) from error
    finally:
        if timer is not None:
            timer.cancel()


def _expire(completion: Completion) -> None:
    if not completion.done():
        completion.set_exception(TimeoutError())
