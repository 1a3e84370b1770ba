"""The steps of a diagnosis: what was done, how it ended, how long it took, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import mxgateway
from mxgateway_cli.terminal.exit_codes import CHECK, RIGHTS, Failure, TimedOut, describe, hint_of, next_commands

Status = Literal["ok", "warning", "failed", "skipped"]
StepName = Literal[
    "resolve", "connect", "tls", "http2", "contract", "key", "versions", "session", "ping", "galaxy", "close"
]
STEPS: Final[tuple[StepName, ...]] = get_args(StepName)
"""The steps in the order in which they are reported."""
_AGAIN: Final = "then run again: mxgw-py doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, as it is reported."""

    name: StepName
    status: Status
    detail: str
    seconds: float | None = None
    """How long it took; None if it was not done."""
    hint: str = ""
    """What to do about it."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What else it found, as JSON."""
    failure: Failure | None = None
    """Why it failed."""
    needed: bool = True
    """False for a step that is skipped because it does not apply."""

    @property
    def ok(self) -> bool:
        """Whether all is well with it."""
        return self.status in ("ok", "warning") or not self.needed

    @property
    def is_out_of_time(self) -> bool:
        """Whether it failed because the time of the whole command was over."""
        return self.failure is not None and self.failure.type == TimedOut.__name__

    @classmethod
    def passed(cls, name: StepName, seconds: float | None, detail: str, hint: str = "", **fields: Any) -> Step:
        """Return a step that was done, with what it found in words and as JSON; with a hint it is a warning."""
        status: Status = "warning" if hint else "ok"
        return cls(name=name, status=status, detail=detail, seconds=seconds, hint=hint, fields=fields)

    @classmethod
    def failed(cls, name: StepName, seconds: float | None, error: Exception, also: str = "", **fields: Any) -> Step:
        """Return a step that failed because of `error`; `also` is what else is to be said, `fields` what else it found."""
        failure = _advised(error)
        detail = f"{failure.message.removesuffix('.')}; {also}" if also else failure.message
        fields["error"] = {"type": failure.type, "grpcStatus": failure.grpc_status, "phase": failure.phase}
        return cls(
            name=name,
            status="failed",
            detail=detail,
            seconds=seconds,
            hint=failure.hint,
            fields=fields,
            failure=failure,
        )

    @classmethod
    def skipped(cls, name: StepName, why: str, *, needed: bool = True, **fields: Any) -> Step:
        """Return a step that was not done; `needed` is False if it does not apply, `fields` are known all the same."""
        return cls(name=name, status="skipped", detail=why, needed=needed, fields=fields)

    def to_json(self, endpoint: str) -> dict[str, Any]:
        """Return the step of an endpoint as a JSON object."""
        return {
            "endpoint": endpoint,
            "step": self.name,
            "ok": self.ok,
            "status": self.status,
            "durationMs": round(self.seconds * 1000, 3) if self.seconds is not None else None,
            "detail": self.detail,
            "hint": self.hint or None,
            **self.fields,
        }


class Budget:
    """The time of the whole diagnosis, in seconds from now on, of which each step takes a part; None sets no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._began = time.monotonic()

    def left(self, most: float) -> float:
        """Return how many seconds a step may take, at most `most`.

        Raises:
            TimedOut: Nothing is left.
        """
        if self._seconds is None:
            return most
        left = self._seconds - (time.monotonic() - self._began)
        if left <= 0:
            text = f"the {self._seconds:g} s of --timeout were over before this step"
            raise TimedOut(text, hint="allow more time with --timeout")
        return min(left, most)


def _advised(error: Exception) -> Failure:
    """Return the failure to report for a step: its hint does not send one to the diagnosis, which is running."""
    failure = describe(error)
    if not isinstance(error, mxgateway.MxGatewayError):
        return failure
    commands = [_AGAIN if command in (CHECK, RIGHTS) else command for command in next_commands(error)]
    return failure._replace(hint="; ".join(filter(None, (hint_of(error), *commands))))
