"""Runs `doctor` and takes its document apart."""

from __future__ import annotations

from typing import Any, Final

from tests.cli.gateway import KEY
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome

STEPS: Final = (
    "resolve", "connect", "tls", "http2", "contract", "key", "versions", "session", "ping", "galaxy", "close",
)  # fmt: skip
NOT_REACHED: Final = "an earlier step failed"


async def doctor(endpoint: str, *arguments: str, key: str | None = KEY, **env: str) -> Outcome:
    """Run `doctor --json` on an endpoint."""
    variables = {"MXGATEWAY_ENDPOINT": endpoint, **({"MXGATEWAY_API_KEY": key} if key is not None else {}), **env}
    return await mxgw("doctor", *arguments, "--json", env=variables)


def steps(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Return the steps of a document by name; each is there, in order."""
    found: list[dict[str, Any]] = outcome.document["steps"]
    assert tuple(step["step"] for step in found) == STEPS, outcome.out + outcome.err
    return {step["step"]: step for step in found}


def states(outcome: Outcome) -> str:
    """Return how the steps ended, one letter each: o(k), w(arning), f(ailed), s(kipped)."""
    return "".join(step["status"][0] for step in steps(outcome).values())


def the_failure(outcome: Outcome, name: str) -> dict[str, Any]:
    """Return the first step that failed, which is this one and is also the error on stderr."""
    failed = [step for step in steps(outcome).values() if step["status"] == "failed"]
    assert failed[0]["step"] == name, failed
    assert outcome.document["ok"] is False
    assert not failed[0]["ok"]
    assert failed[0]["hint"], "what to do is missing"
    assert outcome.error["type"] == failed[0]["error"]["type"]
    assert failed[0]["hint"] in outcome.error["message"]
    return failed[0]
