"""The options that bulk commands share."""

from __future__ import annotations

from typing import Any, Final

import click

import mxgateway
from mxgateway_cli.bulk.input import Given
from mxgateway_cli.bulk.run import Target
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, SERVER_HANDLE, SESSION_ID
from mxgateway_cli.help.sections import Decorator, option
from mxgateway_cli.input.rows import ROW_FORMATS
from mxgateway_cli.input.tag_globs import MAX_TAGS, PATTERN_HINT

_FILE: Final = (
    option("--from", "source", type=click.Path(exists=True, dir_okay=False, allow_dash=True), metavar="FILE",
           help="Take the entries from this file, - is stdin: CSV whose first line names the columns, or JSON Lines."),
    option("--format", "source_format", type=click.Choice(ROW_FORMATS),
           help="How --from is written.  [default: what its suffix says]"),
)  # fmt: skip
_HANDLES: Final = option(
    "--item-handles", metavar="N,N,...", help="In the open session of --session-id: handles that add-item-bulk gave; column item_handle."
)  # fmt: skip
_OWN_ITEMS: Final = option(
    "--items", metavar="TAG,TAG,...", help="Without --session-id: the tags to add and work on; column tag."
)
_PLACE: Final = (SESSION_ID, SERVER_HANDLE, CLIENT_NAME)

ADDRESS_OPTIONS: Final[tuple[Decorator, ...]] = (
    *_PLACE, option("--items", metavar="TAG,TAG,...", help=f"The tags, between commas; column tag. {PATTERN_HINT}"), *_FILE, MAX_TAGS,
)  # fmt: skip
HANDLE_OPTIONS: Final[tuple[Decorator, ...]] = (*_PLACE, _HANDLES, _OWN_ITEMS, *_FILE)
WRITE_OPTIONS: Final[tuple[Decorator, ...]] = (
    *HANDLE_OPTIONS,
    option("--type", "value_type", type=click.Choice(mxgateway.VALUE_TYPES), metavar="TYPE",
           help="Type of the values, as in write; in a file, of those without one of their own in the column type."),
    option("--values", metavar="V,V,...",
           help="One value for each item, between commas as in CSV, or as a JSON array; column value."),
)  # fmt: skip
TIMESTAMP: Final = option(
    "--timestamp", metavar="TIME",
    help="When the values were true: 2026-03-01T08:30:00.5Z; in a file, of those without a time in the column timestamp.",
)  # fmt: skip
USER_ID: Final = option(
    "--user-id", type=int, metavar="N", help="MXAccess user who writes; column user_id.  [default: 0]"
)

_GIVEN: Final = (
    "source", "source_format", "items", "item_handles", "values", "value_type", "timestamp", "user_id",
)  # fmt: skip


def taken(params: dict[str, Any]) -> tuple[Target, Given]:
    """Take where a bulk command works, and on what, out of its parameters.

    Raises:
        click.UsageError: The options do not go together.
    """
    target = Target(**{name: params.pop(name) for name in ("session_id", "server_handle", "client_name")})
    target.check()
    given = Given(**{name: params.pop(name) for name in _GIVEN if name in params})
    if target.is_own and given.item_handles is not None:
        raise click.UsageError("--item-handles means nothing without --session-id: handles belong to their session.")
    return target, given
