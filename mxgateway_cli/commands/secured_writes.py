"""The writes in the name of users."""

from __future__ import annotations

from typing import Any

from mxgateway_cli.command import Call, gateway_command
from mxgateway_cli.commands.values import WRITE_TIME, parse_moment
from mxgateway_cli.completions import CONFIRM, completion_of_write
from mxgateway_cli.passwords import SECURED_USER_OPTIONS, SecuredUsers
from mxgateway_cli.write_target import WRITE_TARGET, WRITE_VALUE, NewValue, WriteTarget


@gateway_command("write-secured", *WRITE_TARGET, *WRITE_VALUE, *SECURED_USER_OPTIONS, CONFIRM)
async def write_secured(
    call: Call, value_type: str | None, value: str, users: SecuredUsers, confirm: bool, **params: Any
) -> None:  # fmt: skip
    """Write a value in the name of a user, or of two.

    One user is what attributes classified SecuredWrite want, a verifier as well what those classified VerifiedWrite do. The
    result means that MXAccess has accepted the write; whether it is carried out, that is, whether the users may do it, is known
    with --confirm.
    """
    target = WriteTarget.take(params)
    target.check_own(confirm)
    new = NewValue.parse(target, value_type, value)
    async with target.session(call) as session:
        message = await new.for_tag(session, target.tag)
        async with target.place(session) as place, completion_of_write(call, place, wanted=confirm) as completion:
            current, verifier = await users.ids(session, place.server_handle)
            await session.write_secured(
                place.server_handle,
                place.item_handle,
                message,
                current_user_id=current,
                verifier_user_id=verifier,
                correlation_id=call.correlation_id,
            )
            outcome = await completion()
    place.report(
        call, "write-secured", value="currentUserId", currentUserId=current, verifierUserId=verifier, **outcome
    )


@gateway_command("write-secured2", *WRITE_TARGET, *WRITE_VALUE, WRITE_TIME, *SECURED_USER_OPTIONS, CONFIRM)
async def write_secured2(
    call: Call, value_type: str | None, value: str, timestamp: str, users: SecuredUsers, confirm: bool, **params: Any
) -> None:
    """Write a value with its time in the name of a user, or of two."""
    target = WriteTarget.take(params)
    target.check_own(confirm)
    new = NewValue.parse(target, value_type, value)
    moment = parse_moment(timestamp)
    async with target.session(call) as session:
        message = await new.for_tag(session, target.tag)
        async with target.place(session) as place, completion_of_write(call, place, wanted=confirm) as completion:
            current, verifier = await users.ids(session, place.server_handle)
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
    place.report(
        call,
        "write-secured2",
        value="currentUserId",
        timestamp=timestamp,
        currentUserId=current,
        verifierUserId=verifier,
        **outcome,
    )
