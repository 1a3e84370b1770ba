"""The step that compares the gateway's contract with the one in use."""

from __future__ import annotations

import mxgateway
from mxgateway.contract import Contract, DifferenceKind
from mxgateway_cli.diagnosing.steps import Step
from mxgateway_cli.terminal.failures import CommandFailure


def compared(theirs: Contract, used: object, seconds: float) -> Step:
    """Return the step that compares the gateway's contract with the one in use."""
    bound = used if isinstance(used, Contract) else Contract.builtin()
    what = "that of --contract" if isinstance(used, Contract) else "the built-in one"
    found = [each for each in bound.compare(theirs) if each.kind is not DifferenceKind.ABSENT_PACKAGE]
    breaking = [difference for difference in found if difference.is_breaking]
    fields = {
        "matches": not found,
        "breaking": len(breaking),
        "notes": len(found) - len(breaking),
        "fingerprint": theirs.fingerprint,
    }
    if not breaking:
        detail = (
            f"the gateway's contract is {what}"
            if not found
            else f"the gateway's contract adds {len(found)} things to {what}"
        )
        return Step(name="contract", status="ok", seconds=seconds, detail=detail, fields=fields)
    detail = f"the gateway's contract differs from {what}: {breaking[0]}" + (
        f" and {len(breaking) - 1} more" if len(breaking) > 1 else ""
    )
    if used == "auto":
        return _adapted(theirs, detail, fields, seconds)
    error = CommandFailure(detail, hint="use the gateway's own contract: mxgw-py doctor --contract auto")
    return Step.failed("contract", error, seconds, fields=fields)


def _adapted(theirs: Contract, detail: str, fields: dict[str, object], seconds: float) -> Step:
    try:
        theirs.codec  # noqa: B018 - an incompatible contract says so here
    except mxgateway.MxGatewayContractError as error:
        return Step.failed("contract", error, seconds, fields=fields)
    return Step(
        name="contract", status="ok", seconds=seconds, detail=f"{detail}; --contract auto adapts to it", fields=fields
    )
