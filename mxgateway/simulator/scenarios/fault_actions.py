"""Actions on calls, sessions and events."""

from __future__ import annotations

from typing import Any

from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.controls import Controls
from mxgateway.simulator.mxaccess.sessions import Session
from mxgateway.simulator.scenarios.kinds import ONCE, Count, Family, Handle, MethodName, Sequence, SessionName
from mxgateway.simulator.scenarios.registry import action


def sessions_of(gateway: Controls, name: str | None) -> list[Session]:
    """Return the open sessions with a name or an id; all for None.

    Raises:
        LookupError: There is none.
    """
    found = [each for each in gateway.sessions.values() if name in (None, each.name, each.session_id)]
    if not found:
        raise LookupError("no session is open" if name is None else f"no session {name!r} is open")
    return found


# Calls


@action()
def fail_next(gateway: Controls, method: MethodName, status: Status, message: str = "", times: Count = ONCE) -> None:
    """Fail the next calls of a method with a gRPC status."""
    gateway.fail_next(method, status, message, times=times)


@action()
def refuse_next(gateway: Controls, method: MethodName, times: Count = ONCE, goaway: bool = False) -> None:
    """Refuse the next calls of a method before they are processed, with REFUSED_STREAM or a GOAWAY."""
    gateway.refuse_next(method, times=times, goaway=goaway)


@action()
def empty_replies(gateway: Controls, method: MethodName, times: Count = ONCE) -> None:
    """Answer the next calls of a unary method with OK, but without a payload."""
    gateway.reply_override(method, _without_payload, times=times)


def _without_payload(reply: Any) -> Any:
    if not isinstance(reply, mx.MxCommandReply):
        return type(reply)()
    return mx.MxCommandReply(
        session_id=reply.session_id,
        correlation_id=reply.correlation_id,
        kind=reply.kind,
        protocol_status=reply.protocol_status,
    )


@action()
def hold(gateway: Controls, method: MethodName) -> None:
    """Answer no call of a method until it is released."""
    gateway.hold(method)


@action()
def release(gateway: Controls, method: MethodName) -> None:
    """Answer the calls of a method again."""
    gateway.release(method)


@action()
def hold_commands(gateway: Controls) -> None:
    """Keep all workers from starting commands."""
    gateway.hold_commands()


@action()
def release_commands(gateway: Controls) -> None:
    """Let the workers continue."""
    gateway.release_commands()


@action()
def hold_write_completions(gateway: Controls) -> None:
    """Complete no accepted write."""
    gateway.hold_write_completions()


@action()
def release_write_completions(gateway: Controls) -> None:
    """Complete the delayed writes, in order."""
    gateway.release_write_completions()


@action()
def clear_faults(gateway: Controls) -> None:
    """Undo what was ordered for calls: failures, refusals, held calls and completions, delays, slow streams."""
    gateway.switches.clear()
    gateway.release_write_completions()


# Sessions


@action()
def crash_worker(gateway: Controls, session: SessionName | None = None, reason: str = "") -> None:
    """Crash the workers of sessions: the sessions fault."""
    for each in sessions_of(gateway, session):
        each.fault(Status.UNAVAILABLE, reason or "the worker process exited unexpectedly")


@action()
def hang_worker(gateway: Controls, session: SessionName | None = None) -> None:
    """Hang the workers of sessions: they answer no command and report no event until their session ends."""
    for each in sessions_of(gateway, session):
        each.hang()


@action()
def close_session(gateway: Controls, session: SessionName | None = None, reason: str = "") -> None:
    """Close sessions, as the gateway does when a lease has expired."""
    for each in sessions_of(gateway, session):
        each.close(reason or "its lease expired")


@action()
def take_events(gateway: Controls, session: SessionName | None = None) -> None:
    """Let another client read the events of sessions; streams end, and new ones are rejected."""
    for each in sessions_of(gateway, session):
        each.take_events()


@action()
def leave_events(gateway: Controls, session: SessionName | None = None) -> None:
    """Let clients read the events of sessions again."""
    for each in sessions_of(gateway, session):
        each.leave_events()


@action()
def reuse_handle(gateway: Controls, handle: Handle, session: SessionName | None = None) -> None:
    """Give the next item or registration of sessions a handle that was used before."""
    for each in sessions_of(gateway, session):
        each.worker.give_again(handle)


# Events


@action()
def skip_sequence(gateway: Controls, count: Count = ONCE, session: SessionName | None = None) -> None:
    """Skip sequence numbers of sessions, so that the next event follows a jump."""
    for each in sessions_of(gateway, session):
        each.events.faults.skip(count)


@action()
def lose_events(
    gateway: Controls, count: Count = ONCE, family: Family | None = None, session: SessionName | None = None
) -> None:
    """Number the next events of sessions and lose them."""
    for each in sessions_of(gateway, session):
        each.events.faults.lose_next(count, family=family)


@action()
def repeat_events(
    gateway: Controls, count: Count = ONCE, family: Family | None = None, session: SessionName | None = None
) -> None:
    """Send the next events of sessions twice, with the same number."""
    for each in sessions_of(gateway, session):
        each.events.faults.repeat_next(count, family=family)


@action()
def spoil_events(
    gateway: Controls, count: Count = ONCE, family: Family | None = None, session: SessionName | None = None
) -> None:
    """Send the next events of sessions as bytes that cannot be decoded."""
    for each in sessions_of(gateway, session):
        each.events.faults.spoil_next(count, family=family)


@action()
def decrease_sequence(
    gateway: Controls,
    by: Count = ONCE,
    count: Count = ONCE,
    family: Family | None = None,
    session: SessionName | None = None,
) -> None:
    """Give the next events of sessions lower numbers than theirs."""
    for each in sessions_of(gateway, session):
        each.events.faults.renumber_next(-by, count, family=family)


@action()
def invent_event(gateway: Controls, sequence: Sequence, session: SessionName | None = None) -> None:
    """Send an event that never happened, with a number of your choice and handles that nobody has."""
    for each in sessions_of(gateway, session):
        each.events.faults.inject(
            mx.MxEvent(
                session_id=each.session_id,
                family=Family.ON_DATA_CHANGE,
                worker_sequence=sequence,
                server_handle=-1,
                item_handle=-1,
                on_data_change=mx.OnDataChangeEvent(),
            )
        )


@action()
def replay_gap(gateway: Controls, lost: Count = ONCE, session: SessionName | None = None) -> None:
    """Lose events of sessions beyond what is kept, and end their streams: a resuming one begins with a gap."""
    for each in sessions_of(gateway, session):
        each.lose_replay(lost)
