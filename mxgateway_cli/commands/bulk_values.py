"""The bulk commands that read and write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import click

from mxgateway_cli.bulk.input import Entries, Users, Wanted, read_entries
from mxgateway_cli.bulk.options import ADDRESS_OPTIONS, TIMESTAMP, USER_ID, WRITE_OPTIONS, take_options
from mxgateway_cli.bulk.output import CONFIRMED_WRITES, READS, WRITES
from mxgateway_cli.bulk.run import Send, on_items, run_bulk
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.tag_globs import expanded_tags
from mxgateway_cli.input.target import Place
from mxgateway_cli.input.users import SECURED_OPTIONS, SecuredUsers
from mxgateway_cli.operations.listed_writes import typed_messages
from mxgateway_cli.operations.write_completions import CONFIRM_TAG

if TYPE_CHECKING:
    from mxgateway.proto import BulkWriteResult, SubscribeResult


@gateway_command(
    "read-bulk",
    *ADDRESS_OPTIONS,
    option("--timeout-ms", type=click.IntRange(0, 2**32 - 1), metavar="MS", default=0, show_default=True,
           help="How long the gateway waits for a tag's first value; 0 uses the worker's default."),
    examples=(
        "mxgw-py read-bulk Tank01.Level TestMachine_001.Speed",
        "mxgw-py read-bulk --from setpoints.csv -o jsonl",
        'mxgw-py read-bulk --session-id "$SESSION" --server-handle 1 \\\n  --items TestChildObject.TestInt --timeout-ms 500 --json',
    ),
)  # fmt: skip
async def read_bulk(call: Call, timeout_ms: int, max_tags: int, **params: Any) -> None:
    """Read tags; they need not be added first.

    A tag that is advised in the session returns its last change from the cache; any other waits for its first value.
    """
    target, given = take_options(params)
    entries = await read_entries(Wanted(by_handle=False), given)

    async def prepare(place: Place) -> Send:
        async def send(part: range) -> Sequence[Any]:
            tags = entries.tags[part.start : part.stop]
            return await place.session.read_bulk(
                place.server_handle, tags, timeout_ms=timeout_ms, correlation_id=call.correlation_id
            )

        return send

    async with expanded_tags(call, entries.tags, max_tags) as entries.tags:
        await run_bulk(call, READS, target, entries, prepare)


def _write_command(name: str, description: str, *examples: str, users: Users, times: bool = False) -> click.Command:
    """Declare a command that calls the session's method of the same name.

    Args:
        name: The command's name.
        description: Its help.
        examples: Its command lines for the help.
        users: The users that an entry names.
        times: Whether an entry has a timestamp.
    """

    async def act(call: Call, confirm: bool, **params: Any) -> None:
        secured = SecuredUsers.take(params, params["session_id"]) if users == "secured" else None
        await _write(call, params, secured, users=users, times=times, confirm=confirm)

    act.__doc__ = description
    by_user = SECURED_OPTIONS if users == "secured" else (USER_ID,)
    options = (*WRITE_OPTIONS, *((TIMESTAMP,) if times else ()), *by_user, CONFIRM_TAG)
    return gateway_command(name, *options, examples=examples)(act)


async def _write(
    call: Call, params: dict[str, Any], secured: SecuredUsers | None, *, users: Users, times: bool, confirm: bool
) -> None:
    target, given = take_options(params)
    named = secured is not None and secured.by_name
    if secured is not None:
        given = replace(given, current_user_id=secured.current_user_id, verifier_user_id=secured.verifier_user_id)
    if confirm and not target.is_own:
        raise click.UsageError("--confirm requires TAG: others may write to the items with these handles.")
    wanted = Wanted(
        by_handle=not target.is_own, once=True, values=True, own_types=target.is_own, times=times, users="" if named else users,
    )  # fmt: skip
    entries = await read_entries(wanted, given)

    async def prepare(place: Place) -> Send:
        if entries.tags:
            values = dict(zip(entries.tags, entries.values, strict=True))
            entries.values = [*await typed_messages(place.session, values, call.correlation_id)]
        ids = await secured.authenticate(place) if secured is not None and named else {}
        act = _write_action(call, place, entries, {**ids, "confirm": confirm, "correlation_id": call.correlation_id})

        async def send(part: range) -> Sequence[Any]:
            return await on_items(call, place, entries, part, act, failed=_failed_write)

        return send

    await run_bulk(call, CONFIRMED_WRITES if confirm else WRITES, target, entries, prepare)


def _write_action(
    call: Call, place: Place, entries: Entries, same: dict[str, Any]
) -> Callable[[Sequence[int], list[int]], Awaitable[Sequence[Any]]]:
    """Return a function that writes the values of some entries to their items.

    Args:
        call: The command's run; the session's method has the command's name.
        place: The session and server handle.
        entries: All entries.
        same: The arguments that are the same for all entries.
    """
    write = getattr(place.session, call.operation.replace("-", "_"))
    if "secured" in call.operation:
        lists = {"current_user_id": entries.users, "verifier_user_id": entries.verifiers}
    else:
        lists = {"user_id": entries.users}

    async def act(indexes: Sequence[int], handles: list[int]) -> Sequence[Any]:
        columns = [[column[index] for index in indexes] for column in (entries.values, entries.times) if column]
        users = {name: [column[index] for index in indexes] for name, column in lists.items() if column}
        return cast("Sequence[Any]", await write(place.server_handle, handles, *columns, **users, **same))

    return act


def _failed_write(result: SubscribeResult) -> BulkWriteResult:
    """Return the result of a write whose tag could not be added."""
    from mxgateway import proto

    return proto.BulkWriteResult(server_handle=result.server_handle, error_message=result.error_message)


write_bulk = _write_command(
    "write-bulk",
    "Write values to items.\n\n"
    "The results mean that MXAccess has accepted the writes; an OnWriteComplete event reports the outcome of each, for "
    "which --confirm waits. A value without a type is converted to the type of its tag.",
    "mxgw-py write-bulk --from setpoints.csv --confirm",
    "mxgw-py write-bulk TestMachine_001.SpeedSetpoint --values 1200 --json",
    'mxgw-py write-bulk --session-id "$SESSION" --server-handle 1 \\\n  --item-handles 2 --type int32 --values 5',
    users="writer",
)
write2_bulk = _write_command(
    "write2-bulk",
    "Write values and their timestamps to items.",
    "mxgw-py write2-bulk --from setpoints.csv --timestamp 2026-03-01T08:30:00Z",
    "mxgw-py write2-bulk --items TestChildObject.TestInt --type int32 --values 5 \\\n  --timestamp 2026-03-01T08:30:00Z --json",
    users="writer",
    times=True,
)
write_secured_bulk = _write_command(
    "write-secured-bulk",
    "Write values to items on behalf of users.",
    "mxgw-py write-secured-bulk TestSecurity.SecuredWriteInt --type int32 \\\n  --values 5 --user operator --password-file operator.txt",
    "mxgw-py write-secured-bulk TestSecurity.SecuredWriteInt --type int32 \\\n  --values 5 --user operator --password-env OPERATOR_PASSWORD --json",
    users="secured",
)
write_secured2_bulk = _write_command(
    "write-secured2-bulk",
    "Write values and their timestamps to items on behalf of users.",
    "mxgw-py write-secured2-bulk --items TestSecurity.SecuredWriteInt \\\n  --type int32 --values 5 --timestamp 2026-03-01T08:30:00Z \\\n  --user operator --password-file operator.txt",
    "mxgw-py write-secured2-bulk --items TestSecurity.SecuredWriteInt --json \\\n  --type int32 --values 6 --timestamp 2026-03-01T08:30:00Z \\\n  --user operator --password-file operator.txt",
    users="secured",
    times=True,
)
