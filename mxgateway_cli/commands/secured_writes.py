"""The secured write commands."""

from __future__ import annotations

from typing import Any

import click

from mxgateway_cli.commands.values import WRITE_TIME, parse_moment
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.input.target import Place
from mxgateway_cli.input.users import SECURED_OPTIONS, SecuredUsers
from mxgateway_cli.input.write_target import WRITES, NewValue, WriteTarget
from mxgateway_cli.operations.completions import CONFIRM_TAG, completion_of_write
from mxgateway_cli.output.writes import item_before, report_write


@gateway_command(
    "write-secured",
    *WRITES,
    *SECURED_OPTIONS,
    CONFIRM_TAG,
    examples=(
        "mxgw-py write-secured TestSecurity.SecuredWriteInt 5 \\\n  --user operator --password-file operator.txt",
        "mxgw-py write-secured TestSecurity.SecuredWriteInt 5 \\\n  --user operator --password-env OPERATOR_PASSWORD --confirm",
    ),
)
async def write_secured(call: Call, value_type: str | None, value: str | None, confirm: bool, **params: Any) -> None:
    """Write a value on behalf of one or two users.

    Attributes classified SecuredWrite require one user, those classified VerifiedWrite a verifier as well. The result
    means that MXAccess has accepted the write; only --confirm shows whether it was carried out, that is, whether the
    users were allowed to.
    """
    users, target = _take(params, confirm)
    new = NewValue.parse(target, value_type, value)
    async with target.session(call) as session:
        message, read = await new.for_tag(session, target.tag)
        async with target.place(call, session) as place, completion_of_write(call, place, wanted=confirm) as completion:
            old = read or await item_before(place, target.tag)
            current, verifier = await _user_ids(users, place)
            await session.write_secured(
                place.server_handle,
                place.item_handle,
                message,
                current_user_id=current,
                verifier_user_id=verifier,
                correlation_id=call.correlation_id,
            )
            outcome = await completion()
    fields = outcome | _id_fields(current, verifier)
    report_write(call, place, message, old, fields, value="currentUserId")


@gateway_command(
    "write-secured2",
    *WRITES,
    WRITE_TIME,
    *SECURED_OPTIONS,
    CONFIRM_TAG,
    examples=(
        "mxgw-py write-secured2 TestSecurity.SecuredWriteInt 5 \\\n  --timestamp 2026-03-01T08:30:00Z --user operator \\\n  --password-file operator.txt",
        "mxgw-py write-secured2 TestSecurity.SecuredWriteInt 6 --confirm \\\n  --timestamp 2026-03-01T08:30:00Z --user operator \\\n  --password-file operator.txt",
    ),
)
async def write_secured2(
    call: Call, value_type: str | None, value: str | None, timestamp: str, confirm: bool, **params: Any
) -> None:
    """Write a value and its timestamp on behalf of one or two users."""
    users, target = _take(params, confirm)
    new = NewValue.parse(target, value_type, value)
    moment = parse_moment(timestamp)
    async with target.session(call) as session:
        message, read = await new.for_tag(session, target.tag)
        async with target.place(call, session) as place, completion_of_write(call, place, wanted=confirm) as completion:
            old = read or await item_before(place, target.tag)
            current, verifier = await _user_ids(users, place)
            await session.write_secured2(
                place.server_handle,
                place.item_handle,
                message,
                moment,
                current_user_id=current,
                verifier_user_id=verifier,
                correlation_id=call.correlation_id,
            )
            outcome = await completion()
    fields = outcome | {"timestamp": timestamp} | _id_fields(current, verifier)
    report_write(call, place, message, old, fields, value="currentUserId")


def _take(params: dict[str, Any], confirm: bool) -> tuple[SecuredUsers, WriteTarget]:
    """Take users and target out of a command's parameters.

    Raises:
        click.UsageError: They contradict each other, or a user is missing.
    """
    # A user id belongs to a server handle; a write by tag registers a new one.
    by_handles = params["session_id"] if params["server_handle"] is not None else None
    users = SecuredUsers.take(params, by_handles)
    if not users.by_name and users.current_user_id is None:
        raise click.UsageError("Name the user: --user, or --current-user-id with the handles of an open session.")
    target = WriteTarget.take(params)
    target.check_confirmable(confirm)
    return users, target


async def _user_ids(users: SecuredUsers, place: Place) -> tuple[int, int]:
    """Return the ids of the current user and the verifier; without a verifier, the same id twice."""
    if users.by_name:
        ids = await users.authenticate(place)
        return ids["current_user_id"], ids["verifier_user_id"]
    current = users.current_user_id or 0
    return current, current if users.verifier_user_id is None else users.verifier_user_id


def _id_fields(current: int, verifier: int) -> dict[str, Any]:
    return {"currentUserId": current, "verifierUserId": verifier}
