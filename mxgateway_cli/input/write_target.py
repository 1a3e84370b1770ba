"""What a command writes to: a tag, or an item of an open session by its handles; and what it writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import CLIENT_NAME, ITEM_HANDLE, SERVER_HANDLE, VALUE_TEXT
from mxgateway_cli.declaring.command import Call
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import Decorator, option
from mxgateway_cli.input.tag_globs import is_glob
from mxgateway_cli.input.target import Place
from mxgateway_cli.input.typed_text import own_type, read_one

if TYPE_CHECKING:
    from mxgateway import Session
    from mxgateway.proto import MxValue

_UNDO_SECONDS: Final = 5.0

WRITE_TARGET: Final[tuple[Decorator, ...]] = (
    argument(
        "tag", "The tag to write, Object.Attribute; Attribute[] is a whole array.", metavar="[TAG]", required=False
    ),
    option("--item", metavar="TAG", help="The same as TAG."),
    option(
        "--session-id", metavar="ID", help="Work in this open session. Without it the command opens one of its own."
    ),
    SERVER_HANDLE,
    ITEM_HANDLE,
    CLIENT_NAME,
)
"""The command's function gets the `WriteTarget` through `WriteTarget.take`."""
WRITE_TYPE: Final = option(
    "--type", "value_type", type=click.Choice(mxgateway.VALUE_TYPES), metavar="TYPE",
    help=f"Type of the value: {', '.join(name for name in mxgateway.VALUE_TYPES if '[' not in name)}; int32[] etc. are "
    "arrays.  [default: the tag's own, which is read for it]",
)  # fmt: skip
WRITE_VALUE: Final[tuple[Decorator, ...]] = (WRITE_TYPE, VALUE_TEXT)


@dataclass(frozen=True, slots=True)
class WriteTarget:
    """A tag, or an item of an open session."""

    tag: str | None
    """None for an item that is named by its handles."""
    session_id: str | None
    server_handle: int | None
    item_handle: int | None
    client_name: str

    @classmethod
    def take(cls, params: dict[str, Any], *, patterns: bool = False) -> WriteTarget:
        """Return what the options name.

        Args:
            params: The command's parameters.
            patterns: Whether the tag may be a pattern, which stands for several.

        Raises:
            click.UsageError: They do not name one item.
        """
        tag, item = params.pop("tag"), params.pop("item")
        if tag is not None and item is not None:
            raise click.UsageError("TAG and --item are the same: give one of them.")
        target = cls(tag if item is None else item, **params)
        target._check()
        if not patterns and target.tag is not None and is_glob(target.tag):
            raise click.UsageError(
                f"Here goes one tag, and {target.tag!r:.80} is a pattern; read, watch and write take those."
            )
        return target

    @property
    def is_pattern(self) -> bool:
        """Whether the tag stands for several."""
        return self.tag is not None and is_glob(self.tag)

    def _check(self) -> None:
        by_handles = self.server_handle is not None or self.item_handle is not None
        if self.tag is None and not by_handles:
            raise click.UsageError("Name the item: TAG, or --session-id with --server-handle and --item-handle.")
        if self.tag is not None and by_handles:
            raise click.UsageError("Name the item by TAG or by its handles, not by both.")
        if by_handles and self.session_id is None:
            raise click.UsageError("Handles mean nothing without --session-id: they belong to their session.")
        if by_handles and (self.server_handle is None or self.item_handle is None):
            raise click.UsageError("An item of an open session has two handles: --server-handle and --item-handle.")

    def check_typed(self, value_type: str | None, *, reads: str = "") -> None:
        """Refuse what needs the tag's name for an item that is named by its handles.

        Args:
            value_type: What ``--type`` says.
            reads: Another option that reads the tag, if it was given.

        Raises:
            click.UsageError: The name would be needed.
        """
        if self.tag is None and (reads or value_type is None):
            missing = f"{reads} reads the tag" if reads else "Without --type the tag is read for its type"
            raise click.UsageError(f"{missing}, which handles do not name: give TAG instead.")

    def check_own(self, confirm: bool) -> None:
        """Refuse to wait for the completion of a write among those that others do to the same item.

        Raises:
            click.UsageError: The item is not the command's own.
        """
        if confirm and self.tag is None:
            raise click.UsageError("--confirm needs TAG: others may write the item of these handles at the same time.")

    def session(self, call: Call) -> AbstractAsyncContextManager[Session]:
        """Give the open session, or one of the command's own, for the time of a block."""
        return call.session(self.session_id, name=self.client_name)

    @asynccontextmanager
    async def place(self, session: Session) -> AsyncIterator[Place]:
        """Give the item, advised if it is a tag; in an open session nothing of that is left behind."""
        if self.tag is None:
            yield Place(session, self.server_handle or 0, self.item_handle or 0)
            return
        async with AsyncExitStack() as steps:
            server = await session.register(self.client_name)
            if self.session_id is not None:
                from mxgateway_cli.running.waiting import undone

                undoing = undone(lambda: session.unregister(server, timeout=_UNDO_SECONDS))
                await steps.enter_async_context(undoing)
            item = await session.add_item(server, self.tag)
            await session.advise(server, item)
            yield Place(session, server, item)


@dataclass(frozen=True, slots=True)
class NewValue:
    """The value to write: typed by the command line, or by the tag."""

    text: str
    message: MxValue | None
    """None until the tag was read for its type."""

    @classmethod
    def parse(cls, target: WriteTarget, value_type: str | None, text: str) -> NewValue:
        """Read the text as far as its type is known, before anything is sent.

        Raises:
            click.UsageError: The type is not known and cannot be read.
            MxGatewayInvalidRequestError: The text is no value of the type.
        """
        target.check_typed(value_type)
        return cls(text, mxgateway.parse_mx_value(value_type, text) if value_type is not None else None)

    async def for_tag(self, session: Session, tag: str | None) -> MxValue:
        """Return the message to write.

        Raises:
            CommandFailure: The tag cannot be read for its type.
            MxGatewayInvalidRequestError: The text is no value of that type.
        """
        if self.message is not None:
            return self.message
        read = await read_one(session, tag or "")
        return own_type(read).message(self.text)
