"""The commands that write one value with a timestamp, on behalf of users, or both; and some elements of an array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import USER_ID
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.target import Place
from mxgateway_cli.input.typed_text import own_type, parse_moment, read_one
from mxgateway_cli.input.users import SECURED_OPTIONS, SecuredUsers
from mxgateway_cli.input.write_target import WRITE_TARGET, WRITES, NewValue, WriteTarget
from mxgateway_cli.operations.write_completions import CONFIRM, CONFIRM_TAG, completion_of_write
from mxgateway_cli.output.events import event_record
from mxgateway_cli.output.writes import item_before, report_write
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway import Session
    from mxgateway.proto import MxSparseArray

_TIME: Final = option(
    "--timestamp", metavar="TIME", required=True, help="Timestamp of the value: 2026-03-01T08:30:00.5Z"
)
_ELEMENT_TYPES: Final = tuple(
    name for name in mxgateway.VALUE_TYPES if "[" not in name and name not in ("null", "bytes")
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
        moments = (parse_moment(timestamp),) if timed else ()
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


# --------------------------------------------------------------------------------------------------------------------
# Elements of an array


@gateway_command(
    "write-array-elements",
    *WRITE_TARGET,
    option("--type", "value_type", type=click.Choice(_ELEMENT_TYPES), metavar="TYPE",
           help=f"Type of the elements: {', '.join(_ELEMENT_TYPES)}.  [default: the tag's own type, for which the tag is read]"),
    option("--total-length", type=click.IntRange(1, 2**32 - 1), metavar="N",
           help="Number of elements of the array.  [default: the tag's own length, for which the tag is read]"),
    option("--element", "elements", multiple=True, required=True, metavar="INDEX=VALUE",
           help="The new value of one element, counted from 0; may be repeated."),
    USER_ID,
    CONFIRM,
    examples=(
        "mxgw-py write-array-elements 'TestChildObject.TestIntArray[]' --element 0=5",
        "mxgw-py write-array-elements 'TestChildObject.TestIntArray[]' \\\n  --element 0=5 --element 3=7 --confirm",
    ),
)  # fmt: skip
async def write_array_elements(
    call: Call,
    value_type: str | None,
    total_length: int | None,
    elements: tuple[str, ...],
    user_id: int,
    confirm: bool,
    **params: Any,
) -> None:
    """Write some elements of an array and reset all others.

    A write replaces the whole array: elements that are not listed get the type's default, 0, false or an empty string.
    """
    target = WriteTarget.take(params)
    if target.tag is None and (value_type is None or total_length is None):
        raise click.UsageError("With handles there is no tag to read: give --type and --total-length as well.")
    texts = _texts(elements)
    array = _array(value_type, total_length, texts) if value_type is not None and total_length is not None else None
    async with target.session(call) as session:
        if array is None:
            array = await _array_for_tag(session, target.tag or "", value_type, total_length, texts)
        reset = array.total_length - len(texts)
        if reset:
            call.app.warn(
                f"{reset} of {array.total_length} elements are not listed: they are RESET to the type's default"
            )
        async with target.place(call, session) as place:
            write = session.write_confirmed if confirm else session.write
            event = await write(
                place.server_handle, place.item_handle, array, user_id=user_id, correlation_id=call.correlation_id
            )
    place.report(
        call,
        format_value="confirmed",
        totalLength=array.total_length,
        elementCount=len(texts),
        resetCount=reset,
        confirmed=confirm,
        event=event_record(event, target.tag) if event is not None else None,
    )


def _texts(elements: tuple[str, ...]) -> dict[int, str]:
    """Return the elements' texts by index."""
    texts: dict[int, str] = {}
    for element in elements:
        index, equals, text = element.partition("=")
        if not (equals and index.strip().isascii() and index.strip().isdigit()):
            raise click.UsageError(f"--element {element!r} is not INDEX=VALUE, such as 0=17.")
        if int(index) in texts:
            raise click.UsageError(f"--element sets index {int(index)} twice.")
        texts[int(index)] = text
    return texts


def _array(value_type: str, total_length: int, texts: Mapping[int, str]) -> MxSparseArray:
    """Return the message for elements of a type named on the command line.

    Raises:
        MxGatewayInvalidRequestError: A text is not a value of the type, or an index is outside the array.
    """
    messages = {i: mxgateway.parse_mx_value(value_type, text, name=f"element[{i}]") for i, text in texts.items()}
    values: Any = {i: mxgateway.from_mx_value(message) for i, message in messages.items()}
    data_type = next(iter(messages.values())).data_type
    return mxgateway.values.to_mx_sparse_array(data_type, total_length, values, name="element")


async def _array_for_tag(
    session: Session, tag: str, value_type: str | None, total_length: int | None, texts: Mapping[int, str]
) -> MxSparseArray:
    """Return the message for elements, with the tag's own type and length where none is given.

    Raises:
        CommandFailure: The tag cannot be read, or is not an array.
        MxGatewayInvalidRequestError: A text is not a value of the type, or an index is outside the array.
    """
    read = await read_one(session, tag)
    if not isinstance(read.value, list):
        raise CommandFailure(
            f"the value of {tag} is not an array", code=ExitCode.USAGE, hint="use write for a single value; Attribute[] names a whole array"
        )  # fmt: skip
    length = len(read.value) if total_length is None else total_length
    if value_type is not None:
        return _array(value_type, length, texts)
    found = own_type(read)
    element = found._replace(name=found.name.removesuffix("[]"))
    values: Any = {i: element.parse(text, name=f"element[{i}]") for i, text in texts.items()}
    return mxgateway.values.to_mx_sparse_array(found.data_type, length, values, name="element")
