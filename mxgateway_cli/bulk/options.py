"""The options that bulk commands share."""

from __future__ import annotations

from typing import Any, Final

import click

import mxgateway
from mxgateway_cli.bulk.input import Given
from mxgateway_cli.bulk.run import Target
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, SERVER_HANDLE, SESSION_ID
from mxgateway_cli.declaring.vocabulary import TABLE, from_file
from mxgateway_cli.help.sections import Decorator, option
from mxgateway_cli.input.named_tags import many_tags
from mxgateway_cli.input.rows import ROW_FORMAT
from mxgateway_cli.input.tag_globs import MAX_TAGS, PATTERN_HINT
from mxgateway_cli.input.target import check_pair

_FILE: Final = (from_file("sources", TABLE), ROW_FORMAT)
_HANDLES: Final = option(
    "--item-handles", metavar="N,N,...", help="With --session-id: handles returned by add-item-bulk; column item_handle."
)  # fmt: skip
_OWN_TAGS: Final = many_tags("Without --session-id: the tags to add and use; column tag.")
_PLACE: Final = (SESSION_ID, SERVER_HANDLE, CLIENT_NAME)

ADDRESS_OPTIONS: Final[tuple[Decorator, ...]] = (
    *many_tags(f"The tags; column tag. {PATTERN_HINT}"), *_PLACE, *_FILE, MAX_TAGS,
)  # fmt: skip
HANDLE_OPTIONS: Final[tuple[Decorator, ...]] = (*_OWN_TAGS, *_PLACE, _HANDLES, *_FILE)
WRITE_OPTIONS: Final[tuple[Decorator, ...]] = (
    *HANDLE_OPTIONS,
    option("--type", "value_type", type=click.Choice(mxgateway.VALUE_TYPES), metavar="TYPE",
           help="Type of the values, as for write; in a file, of rows without a value in the column type."),
    option("--values", metavar="V,V,...",
           help="One value per item, comma-separated as in CSV, or as a JSON array; column value."),
)  # fmt: skip
TIMESTAMP: Final = option(
    "--timestamp", metavar="TIME",
    help="Timestamp of the values: 2026-03-01T08:30:00.5Z; in a file, of rows without a value in the column timestamp.",
)  # fmt: skip
USER_ID: Final = option(
    "--user-id", type=int, metavar="N", help="MXAccess user id for the writes; column user_id.  [default: 0]"
)

_GIVEN: Final = ("sources", "source_format", "item_handles", "values", "value_type", "timestamp", "user_id")


def take_options(params: dict[str, Any]) -> tuple[Target, Given]:
    """Take the target and the entry options of a bulk command out of its parameters.

    Raises:
        click.UsageError: Options contradict each other.
    """
    target = Target(**{name: params.pop(name) for name in ("session_id", "server_handle", "client_name")})
    check_pair(target.session_id, "--server-handle", target.server_handle)
    tags = params.pop("tags") or None
    given = Given(tags=tags, **{name: params.pop(name) for name in _GIVEN if name in params})
    if target.is_own and given.item_handles is not None:
        raise click.UsageError("--item-handles requires --session-id: a handle is valid only in its session.")
    return target, given
