"""The commands that write one value with a timestamp, on behalf of users, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import USER_ID
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.target import Place
from mxgateway_cli.input.users import SECURED_OPTIONS, SecuredUsers
from mxgateway_cli.input.write_target import WRITES, NewValue, WriteTarget
from mxgateway_cli.operations.completions import CONFIRM_TAG, completion_of_write
from mxgateway_cli.output.writes import item_before, report_write

if TYPE_CHECKING:
    from datetime import datetime

_TIME: Final = option(
    "--timestamp", metavar="TIME", required=True, help="Timestamp of the value: 2026-03-01T08:30:00.5Z"
)


def _write_command(name: str, description: str, *examples: str, timed: bool, secured: bool) -> click.Command:
    """Declare a command that calls the session's method of the same name.

    Args:
        name: The command's name.
        description: Its help.
        examples: Its command lines for the help.
        timed: Whether the value has a timestamp.
        secured: Whether it is written on behalf of users.
    """

    async def act(
        call: Call, value_type: str | None, value: str | None, confirm: bool, timestamp: str = "", **params: Any
    ) -> None:
        users = _take_users(params) if secured else None
        by = {} if secured else {"user_id": params.pop("user_id")}
        target = WriteTarget.take(params)
        target.check_confirmable(confirm)
        new = NewValue.parse(target, value_type, value)
        moments = (_parse_moment(timestamp),) if timed else ()
        async with target.session(call) as session:
            message, read = await new.for_tag(session, target.tag)
            async with (
                target.place(call, session) as place,
                completion_of_write(call, place, wanted=confirm) as completion,
            ):
                old = read or await item_before(place, target.tag)
                by = by if users is None else await _user_ids(users, place)
                write = getattr(session, call.operation.replace("-", "_"))
                item = place.server_handle, place.item_handle
                await write(*item, message, *moments, **by, correlation_id=call.correlation_id)
                fields = await completion()
        if timed:
            fields["timestamp"] = timestamp
        if secured:
            fields |= {"currentUserId": by["current_user_id"], "verifierUserId": by["verifier_user_id"]}
        report_write(call, place, message, old, fields, value="currentUserId" if secured else "timestamp")

    act.__doc__ = description
    by_user = SECURED_OPTIONS if secured else (USER_ID,)
    options = (*WRITES, *((_TIME,) if timed else ()), *by_user, CONFIRM_TAG)
    return gateway_command(name, *options, examples=examples)(act)


def _take_users(params: dict[str, Any]) -> SecuredUsers:
    """Take the users out of a command's parameters; there must be one."""
    # A user id belongs to a server handle; a write by tag registers a new one.
    by_handles = params["session_id"] if params["server_handle"] is not None else None
    users = SecuredUsers.take(params, by_handles)
    if not users.by_name and users.current_user_id is None:
        raise click.UsageError("Name the user: --user, or --current-user-id with the handles of an open session.")
    return users


async def _user_ids(users: SecuredUsers, place: Place) -> dict[str, int]:
    """Return the ids of the current user and the verifier; without a verifier, the same id twice."""
    if users.by_name:
        return await users.authenticate(place)
    current = users.current_user_id or 0
    verifier = current if users.verifier_user_id is None else users.verifier_user_id
    return {"current_user_id": current, "verifier_user_id": verifier}


def _parse_moment(text: str) -> datetime:
    """Parse the timestamp of a write."""
    return cast("datetime", mxgateway.parse_value("time", text, name="timestamp"))


write2 = _write_command(
    "write2",
    "Write a value and its timestamp to an item.",
    "mxgw-py write2 TestChildObject.TestInt 5 \\\n  --timestamp 2026-03-01T08:30:00Z",
    'mxgw-py write2 --session-id "$SESSION" --server-handle 1 --item-handle 2 \\\n  --type int32 --value 5 --timestamp 2026-03-01T08:30:00Z',
    timed=True,
    secured=False,
)
write_secured = _write_command(
    "write-secured",
    "Write a value on behalf of one or two users.\n\n"
    "Attributes classified SecuredWrite require one user, those classified VerifiedWrite a verifier as well. The result "
    "means that MXAccess has accepted the write; only --confirm shows whether it was carried out, that is, whether the "
    "users were allowed to.",
    "mxgw-py write-secured TestSecurity.SecuredWriteInt 5 \\\n  --user operator --password-file operator.txt",
    "mxgw-py write-secured TestSecurity.SecuredWriteInt 5 \\\n  --user operator --password-env OPERATOR_PASSWORD --confirm",
    timed=False,
    secured=True,
)
write_secured2 = _write_command(
    "write-secured2",
    "Write a value and its timestamp on behalf of one or two users.",
    "mxgw-py write-secured2 TestSecurity.SecuredWriteInt 5 \\\n  --timestamp 2026-03-01T08:30:00Z --user operator \\\n  --password-file operator.txt",
    "mxgw-py write-secured2 TestSecurity.SecuredWriteInt 6 --confirm \\\n  --timestamp 2026-03-01T08:30:00Z --user operator \\\n  --password-file operator.txt",
    timed=True,
    secured=True,
)
