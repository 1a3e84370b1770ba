"""Which of the gateway's rights a key has, found by calls that change nothing.

Each names a session that does not exist, an alarm prefix that nothing has, or asks for a sign of life. The gateway
checks the right first: PERMISSION_DENIED says that it is missing, any other answer that it is there.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import mxgateway
from mxgateway import GatewayClient, proto

_NOBODY: Final = "mxgw-py-doctor-"
NEEDED: Final = ("session", "close", "read", "alarms", "galaxy")
"""The rights that a key without which is worth a warning; a key that must not write is usual."""
RIGHTS: Final = (*NEEDED, "write", "securedWrite")

_BEHIND_THE_RIGHT: Final = (
    mxgateway.GrpcStatus.NOT_FOUND,
    mxgateway.GrpcStatus.INVALID_ARGUMENT,
    mxgateway.GrpcStatus.FAILED_PRECONDITION,
    mxgateway.GrpcStatus.RESOURCE_EXHAUSTED,
)
"""The answers of a gateway that has looked at the request: the key has the right."""


@dataclass(slots=True)
class Rights:
    """What a key may do."""

    granted: dict[str, bool | None] = field(default_factory=lambda: dict.fromkeys(RIGHTS))
    """By right; None if it could not be found out."""
    scopes: dict[str, str] = field(default_factory=dict)
    """The scope that the gateway asks for, by missing right, if it names one."""
    error: mxgateway.MxGatewayError | None = None
    """Why nothing could be found out: the key was refused, or nothing was answered."""

    def note(self, right: str, error: mxgateway.MxGatewayError | None) -> None:
        """Note how the call of a right ended."""
        if isinstance(error, mxgateway.MxGatewayAuthorizationError):
            self.granted[right] = False
            if error.required_scope:
                self.scopes[right] = error.required_scope
        else:
            self.granted[right] = True if error is None or error.grpc_status in _BEHIND_THE_RIGHT else None

    @property
    def missing(self) -> list[str]:
        """The missing rights, each with the scope that it needs."""
        lacking = [right for right, has in self.granted.items() if has is False]
        return [f"{right} ({self.scopes[right]})" if right in self.scopes else right for right in lacking]

    @property
    def lacks_needed(self) -> bool:
        """Whether a right is missing that most commands need."""
        return any(self.granted[right] is False for right in NEEDED)


async def find_rights(client: GatewayClient, seconds: float) -> Rights:
    """Return what the key of a client may do, but for opening sessions; all calls run at once, in `seconds` each."""
    calls = _calls(client, seconds)
    errors = dict(zip(calls, await asyncio.gather(*(_outcome(call) for call in calls.values())), strict=True))
    rights = Rights()
    for right, error in errors.items():
        rights.note(right, error)
    refused = [error for error in errors.values() if isinstance(error, mxgateway.MxGatewayAuthenticationError)]
    if refused:
        rights.error = refused[0]
    elif all(rights.granted[right] is None for right in calls):
        rights.error = next(error for error in errors.values() if error is not None)
    return rights


def _calls(client: GatewayClient, seconds: float) -> Mapping[str, Callable[[], Awaitable[object]]]:
    nobody = _NOBODY + uuid.uuid4().hex

    async def invoke(command: proto.MxCommand) -> object:
        request = proto.MxCommandRequest(session_id=nobody, client_correlation_id=uuid.uuid4().hex, command=command)
        return await client.invoke_raw(request, timeout=seconds)

    kind = proto.MxCommandKind
    return {
        "close": lambda: client.close_session_raw(nobody, timeout=seconds),
        "read": lambda: invoke(proto.MxCommand(kind=kind.PING, ping=proto.PingCommand())),
        "alarms": lambda: client.query_active_alarms(f"{nobody}!", timeout=seconds),
        "galaxy": lambda: client.galaxy.test_connection(timeout=seconds),
        "write": lambda: invoke(proto.MxCommand(kind=kind.WRITE, write=proto.WriteCommand())),
        "securedWrite": lambda: invoke(
            proto.MxCommand(kind=kind.WRITE_SECURED, write_secured=proto.WriteSecuredCommand())
        ),
    }


async def _outcome(call: Callable[[], Awaitable[object]]) -> mxgateway.MxGatewayError | None:
    """Return why a call failed; None if it did not."""
    try:
        await call()
    except mxgateway.MxGatewayError as error:
        return error
    return None
