"""What to do about a step that failed: the hint, and the command to type next."""

from __future__ import annotations

import mxgateway
from mxgateway_cli.terminal.failures import CHECK, RIGHTS, Failure, describe, hint_of, next_commands

_AGAIN = "then run again: mxgw-py doctor"


def advised(error: Exception) -> Failure:
    """Return the failure to report for a step: its hint does not send one to the diagnosis, which is running."""
    failure = describe(error)
    if not isinstance(error, mxgateway.MxGatewayError):
        return failure
    commands = [_AGAIN if command in (CHECK, RIGHTS) else command for command in next_commands(error)]
    return failure._replace(hint="; ".join(filter(None, (hint_of(error), *commands))))
