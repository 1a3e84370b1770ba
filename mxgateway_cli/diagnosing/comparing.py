"""The step that compares the gateway's contract with the one in use."""

from __future__ import annotations

from typing import Any

import mxgateway
from mxgateway.contract import Contract, DifferenceKind
from mxgateway_cli.diagnosing.steps import Step
from mxgateway_cli.terminal.exit_codes import CommandFailure


def compared(theirs: Contract, used: object, seconds: float) -> Step:
    """Return the step that compares the gateway's contract with the one in use."""
    bound = used if isinstance(used, Contract) else Contract.builtin()
    what = "that of --contract" if isinstance(used, Contract) else "the built-in one"
    found = [each for each in bound.compare(theirs) if each.kind is not DifferenceKind.ABSENT_PACKAGE]
    breaking = [difference for difference in found if difference.is_breaking]
    fields: dict[str, Any] = {
        "matches": not found,
        "breaking": len(breaking),
        "notes": len(found) - len(breaking),
        "fingerprint": theirs.fingerprint,
    }
    if not found:
        return Step.passed("contract", seconds, f"the gateway's contract is {what}", **fields)
    if not breaking:
        return Step.passed("contract", seconds, f"the gateway's contract adds {len(found)} things to {what}", **fields)
    more = f" and {len(breaking) - 1} more" if len(breaking) > 1 else ""
    detail = f"the gateway's contract differs from {what}: {breaking[0]}{more}"
    if used != "auto":
        error = CommandFailure(detail, hint="use the gateway's own contract: mxgw-py doctor --contract auto")
        return Step.failed("contract", seconds, error, **fields)
    try:
        theirs.codec  # noqa: B018 - an incompatible contract says so here
    except mxgateway.MxGatewayContractError as error:
        return Step.failed("contract", seconds, error, **fields)
    return Step.passed("contract", seconds, f"{detail}; --contract auto adapts to it", **fields)
