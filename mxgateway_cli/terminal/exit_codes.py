"""Turns a failure into an exit code, and into one line for people or one JSON object for programs."""

from __future__ import annotations

import enum
import re
import signal
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import click

import mxgateway
from mxgateway_cli.terminal.text import shown


class ExitCode(enum.IntEnum):
    """The exit codes other than those for gRPC statuses and signals."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    TIMED_OUT = 20
    PARTLY_FAILED = 21
    MXACCESS_REFUSED = 22


GRPC_STATUS_BASE: Final = 64
"""The exit code of a failed RPC is this plus its gRPC status."""
SIGNAL_BASE: Final = 128
"""The exit code after a signal is this plus its number, as shells report it."""

_FLAGS: Final = (
    (r"pass api_key=; on the command line set ", "set "),
    (r"pass plaintext=True \(--plaintext\)", "repeat the command with --plaintext"),
    (r"\b(pass )?client_cert and client_key\b", "use --client-cert and --client-key"),
    (r"\(client_cert, client_key\)", "(--client-cert, --client-key)"),
    (r"\(client_key_password\)", "(MXGATEWAY_CLIENT_KEY_PASSWORD)"),
    (r"\(server_name_override\)", "(--server-name-override)"),
    (r"\bset authority or server_name_override\b", "use --authority or --server-name-override"),
    ("pass the CA file that signed it, or its fingerprint as a pin", "use --ca-file with the CA that signed it, or --pin with its fingerprint"),
)  # fmt: skip
"""What the library names by its Python API, and how a command line says it."""
_DIALLING: Final = ("resolve", "connect", "proxy", "tls", "http2")
CHECK: Final = "to check each step: mxgw-py doctor"
RIGHTS: Final = "to see what the key may do: mxgw-py doctor"
WAIT: Final = "to wait until it is up, add --wait-for-gateway 60"
WHERE_FROM: Final = "to see where the key comes from: mxgw-py config"
TOP_LEVEL: Final = "to see the top level: mxgw-py galaxy-browse"
NEW_SESSION: Final = "to open one: mxgw-py open-session"
FIND_ALARMS: Final = "it must be active; to see the active alarms: mxgw-py query-active-alarms"
FIND_TAGS: Final = "check the tag's name; to look for it: mxgw-py tags PATTERN"
_UNKNOWN_TAG: Final = (6, 1003)
"""The details of a status that says that a reference could not be resolved."""
_REFUSALS: Final = {
    "SECURITY_ERROR": "the tag may not be written, or not by this user; as a user who may: mxgw-py write-secured --user NAME",
    "OPERATIONAL_ERROR": "compare the value and its --type with the tag; to see its data type: mxgw-py read TAG --json",
}
"""What to do about the category of a status."""


class CommandFailure(Exception):
    """A command's own failure, not the library's: what failed, in one line, its exit code, and what to do about it."""

    def __init__(self, message: str, *, code: ExitCode = ExitCode.FAILED, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint


class Interrupted(Exception):
    """A signal ended the command, which has cleaned up."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.signal_number = signal_number


class TimedOut(CommandFailure):
    """The timeout expired, or the stream ended, before everything that was asked for had arrived."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code=ExitCode.TIMED_OUT, hint=hint)


class Failure(NamedTuple):
    """A failure, ready to be reported."""

    code: int
    type: str
    message: str
    hint: str = ""
    grpc_status: str | None = None
    phase: str | None = None
    endpoint: str | None = None
    retryable: bool = False
    hresult: int | None = None
    statuses: Sequence[dict[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that is written under ``error`` on stderr."""
        text = f"{self.message.removesuffix('.')}; {self.hint}" if self.hint else self.message
        return {
            "type": self.type,
            "message": shown(text),
            "grpcStatus": self.grpc_status,
            "phase": self.phase,
            "endpoint": self.endpoint,
            "retryable": self.retryable,
            "hresult": self.hresult,
            "statuses": list(self.statuses),
        }


class DescribedFailure(Exception):
    """A failure that was described where it occurred."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def describe(error: BaseException) -> Failure:
    """Return the failure to report for `error`; an unknown exception is reported as a bug."""
    if isinstance(error, DescribedFailure):
        return error.failure
    if isinstance(error, click.UsageError):
        hint = f"see '{error.ctx.command_path} --help'" if error.ctx is not None else ""
        message = _one_line(error.format_message())
        return Failure(code=ExitCode.USAGE, type="UsageError", message=message, hint=hint, phase="request")
    if isinstance(error, click.ClickException):
        return Failure(code=error.exit_code, type="Error", message=_one_line(error.format_message()))
    if isinstance(error, CommandFailure):
        return Failure(code=error.code, type=type(error).__name__, message=error.message, hint=error.hint)
    if isinstance(error, mxgateway.MxGatewayError):
        return _gateway(error)
    if isinstance(error, OSError):
        return Failure(code=ExitCode.FAILED, type=type(error).__name__, message=_one_line(str(error)))
    return Failure(
        code=ExitCode.FAILED,
        type=type(error).__name__,
        message=f"internal error: {type(error).__name__}: {_one_line(str(error))}".removesuffix(": "),
        hint="this is a bug in mxgw-py; MXGATEWAY_DEBUG=1 shows the traceback",
    )


def signal_code(error: BaseException) -> int | None:
    """Return the exit code if a signal ended the command, None for any other failure."""
    if isinstance(error, Interrupted):
        return SIGNAL_BASE + error.signal_number
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return SIGNAL_BASE + signal.SIGINT
    return None


def _gateway(error: mxgateway.MxGatewayError) -> Failure:
    hresult: int | None = None
    statuses: tuple[Any, ...] = ()
    if isinstance(error, mxgateway.MxAccessError):
        code: int = ExitCode.MXACCESS_REFUSED
        hresult, statuses = error.hresult, error.statuses
    elif error.grpc_status is not None:
        code = GRPC_STATUS_BASE + error.grpc_status
    else:
        refused_here = isinstance(error, mxgateway.MxGatewayInvalidRequestError)
        code = ExitCode.USAGE if refused_here else ExitCode.FAILED
    return Failure(
        code=code,
        type=type(error).__name__,
        message=error.message,
        hint=with_next_command(error),
        grpc_status=error.grpc_status.name if error.grpc_status is not None else None,
        phase=error.phase or None,
        endpoint=error.endpoint or None,
        retryable=error.retryable,
        hresult=hresult,
        statuses=[mxgateway.to_json_dict(status) for status in statuses],
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def hint_of(error: mxgateway.MxGatewayError) -> str:
    """Return the hint of an error in the words of the command line."""
    hint = error.hint
    if not hint and isinstance(error, mxgateway.MxAccessError):
        return refusal_hint(error.statuses)
    for pattern, words in _FLAGS:
        hint = re.sub(pattern, words, hint)
    return hint


def with_next_command(error: mxgateway.MxGatewayError) -> str:
    """Return the hint of an error, and the command to type next if one helps."""
    return "; ".join(filter(None, (hint_of(error), *next_commands(error))))


def next_commands(error: mxgateway.MxGatewayError) -> tuple[str, ...]:
    """Return what to type next after an error, if anything helps."""
    for kind, command in (
        (mxgateway.MxGatewayAuthenticationError, WHERE_FROM),
        (mxgateway.MxGatewayAuthorizationError, RIGHTS),
        (mxgateway.MxGatewayWorkerError, CHECK),
        (mxgateway.MxGatewayNotFoundError, TOP_LEVEL),
    ):
        if isinstance(error, kind):
            return (command,)
    if isinstance(error, mxgateway.MxGatewaySessionError) and error.grpc_status is mxgateway.GrpcStatus.NOT_FOUND:
        return (NEW_SESSION,)
    if error.phase not in _DIALLING:
        return ()
    waits = error.retryable or isinstance(error, mxgateway.MxGatewayTimeoutError)
    return (WAIT, CHECK) if waits and error.phase == "connect" else (CHECK,)


def refusal_hint(statuses: Iterable[mxgateway.proto.MxStatusProxy]) -> str:
    """Return what to do about a refusal by MXAccess; empty if its statuses do not say."""
    failed = mxgateway.status.failures(statuses)
    if any(status.detail in _UNKNOWN_TAG for status in failed):
        return FIND_TAGS
    return next((_REFUSALS[name] for status in failed if (name := str(status.category.name)) in _REFUSALS), "")
