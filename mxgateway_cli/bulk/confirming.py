"""Writes the entries of a bulk command by tag, and waits until MXAccess has carried out each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mxgateway
from mxgateway_cli.bulk.output import ConfirmedWrite, replace_partial

if TYPE_CHECKING:
    from mxgateway import Session
    from mxgateway_cli.bulk.input import Entries
    from mxgateway_cli.bulk.run import Send
    from mxgateway_cli.declaring.command import Call


def confirmed_writes(call: Call, session: Session, entries: Entries) -> Send:
    """Return a function that writes entries and waits for their completion."""
    user_id = entries.users[0] if entries.users else 0

    async def send(part: range) -> Sequence[ConfirmedWrite]:
        values = {entries.tags[index]: entries.values[index] for index in part}
        try:
            written = await session.write_tags(
                values, confirm=True, user_id=user_id, correlation_id=call.correlation_id
            )  # fmt: skip
        except mxgateway.MxGatewayError as error:
            partial = error.partial
            if partial is not None:
                results = tuple(ConfirmedWrite.of(write) for write in partial.results)
                replace_partial(error, mxgateway.PartialBulk(results, partial.in_doubt, partial.not_sent))
            raise
        return [ConfirmedWrite.of(write) for write in written]

    return send
