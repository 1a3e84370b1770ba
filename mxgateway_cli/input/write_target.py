"""The target of a write, a tag or an item of an open session by its handles, and the value."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.completing.tags import tag_words
from mxgateway_cli.declaring.command import Call
from mxgateway_cli.declaring.vocabulary import same_meaning
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import VALUE, Decorator, changes_params, option, refuse_empty
from mxgateway_cli.input.named_tags import ITEM, TAG_FORM, merged_tag, one_tag
from mxgateway_cli.input.tag_globs import is_glob
from mxgateway_cli.input.target import HANDLE_OPTIONS, Place, added_item
from mxgateway_cli.input.typed_text import own_type, read_one

if TYPE_CHECKING:
    from mxgateway import Session, TagValue
    from mxgateway.proto import MxValue

_CLEANUP_SECONDS: Final = 5.0

_TAG_HELP: Final = f"The tag to write, {TAG_FORM}."


def _take_value(params: dict[str, Any]) -> None:
    """Merge the names of tag and value; behind ``--item`` or handles the only argument is the value."""
    tag, item, word, value = (params.pop(name) for name in ("tag", "item", VALUE, "value"))
    named = item is not None or params.get("item_handle") is not None
    if named and tag is not None and word is None and value is None:
        tag, word = None, tag
    if tag is not None:  # which a value may have been taken for until now
        refuse_empty(click.get_current_context(), "TAG", tag, required=False)
    if None not in (word, value) and word != value:
        raise same_meaning("VALUE", "--value")
    params |= {"tag": merged_tag(tag, item), "value": value if word is None else word}


WRITE_TARGET: Final[tuple[Decorator, ...]] = (*one_tag(_TAG_HELP), *HANDLE_OPTIONS)
"""`WriteTarget.take` turns these options into a `WriteTarget`."""


_TYPE: Final = option(
    "--type", "value_type", type=click.Choice(mxgateway.VALUE_TYPES), metavar="TYPE",
    help=f"Type of the value: {', '.join(name for name in mxgateway.VALUE_TYPES if '[' not in name)}; int32[] etc. are "
    "arrays.  [default: the tag's own type, for which the tag is read]",
)  # fmt: skip


def tag_and_value(tag: str, value: str, *, typed: bool = True) -> tuple[Decorator, ...]:
    """Return the arguments of a command that writes one value: ``TAG VALUE``, their other names, and the value's type.

    Args:
        tag: The tag's line in the help.
        value: The value's line in the help.
        typed: Whether the type of the value can be chosen.
    """
    return (
        argument("tag", tag, metavar="[TAG]", required=False, shell_complete=tag_words, may_be_empty=True),
        argument(VALUE, value, metavar="[VALUE]", required=False, may_be_empty=True),
        ITEM,
        option(
            "--value", may_be_empty=True, metavar="TEXT", help="The same as VALUE, also if it begins with a hyphen."
        ),
        *((_TYPE,) if typed else ()),
        changes_params(_take_value),
    )


WRITES: Final[tuple[Decorator, ...]] = (
    *tag_and_value(_TAG_HELP, "The value; an array as comma-separated elements or a JSON array."),
    *HANDLE_OPTIONS,
)
"""The target as in `WRITE_TARGET`, and its value and type."""


@dataclass(frozen=True, slots=True)
class WriteTarget:
    """A tag, or an item of an open session."""

    tag: str | None
    """None if the item is named by its handles."""
    session_id: str | None
    server_handle: int | None
    item_handle: int | None
    client_name: str

    @classmethod
    def take(cls, params: dict[str, Any], *, patterns: bool = False, is_list: bool = False) -> WriteTarget:
        """Return the target that the options name: a tag, a pattern if allowed, or the tags of a file if `is_list`.

        Raises:
            click.UsageError: They do not name exactly one item.
        """
        target = cls(**params)
        if is_list and (target.tag is not None or target.server_handle is not None or target.item_handle is not None):
            raise click.UsageError("--from and an item contradict each other: the file names the tags.")
        if not is_list:
            target._check()
        if not patterns and target.tag is not None and is_glob(target.tag):
            raise click.UsageError(
                f"This command takes one tag, and {target.tag!r:.80} is a pattern; read, watch and write take patterns."
            )
        return target

    @property
    def is_pattern(self) -> bool:
        """Whether the tag is a pattern."""
        return self.tag is not None and is_glob(self.tag)

    def _check(self) -> None:
        by_handles = self.server_handle is not None or self.item_handle is not None
        if self.tag is None and not by_handles:
            raise click.UsageError("Name the item: TAG, or --session-id with --server-handle and --item-handle.")
        if self.tag is not None and by_handles:
            raise click.UsageError("Name the item by TAG or by its handles, not both.")
        if by_handles and self.session_id is None:
            raise click.UsageError("Handles require --session-id: a handle is valid only in its session.")
        if by_handles and (self.server_handle is None or self.item_handle is None):
            raise click.UsageError("An item of an open session needs both --server-handle and --item-handle.")

    def check_readable(self, value_type: str | None, *, reads: str = "") -> None:
        """Reject an item named by its handles if the command must read the tag, for its type or for the option `reads`.

        Raises:
            click.UsageError: The tag's name is needed.
        """
        if self.tag is None and (reads or value_type is None):
            why = f"{reads} reads the tag" if reads else "Without --type the tag is read for its type"
            raise click.UsageError(f"{why}, which needs its name: give TAG instead of handles.")

    def check_confirmable(self, confirm: bool) -> None:
        """Reject ``--confirm`` for an item named by its handles: others may write the same item at the same time.

        Raises:
            click.UsageError: The item is not the command's own.
        """
        if confirm and self.tag is None:
            raise click.UsageError("--confirm requires TAG: others may write to the item with these handles.")

    def session(self, call: Call) -> AbstractAsyncContextManager[Session]:
        """Return a context manager for the open session, or for one of the command's own."""
        return call.session(self.session_id, name=self.client_name)

    @asynccontextmanager
    async def place(self, call: Call, session: Session) -> AsyncIterator[Place]:
        """Yield the item; a tag is added and advised first. In an open session this is cleaned up afterwards."""
        if self.tag is None:
            yield Place(session, self.server_handle or 0, self.item_handle or 0)
            return
        async with AsyncExitStack() as steps:
            server = await session.register(self.client_name)
            if self.session_id is not None:
                from mxgateway_cli.running.waiting import cleanup

                unregistering = cleanup(lambda: session.unregister(server, timeout=_CLEANUP_SECONDS))
                await steps.enter_async_context(unregistering)
            yield await added_item(call, session, server, self.tag)


@dataclass(frozen=True, slots=True)
class NewValue:
    """The value to write; its type comes from the command line or from the tag."""

    text: str
    message: MxValue | None
    """None if the type comes from the tag."""

    @classmethod
    def parse(cls, target: WriteTarget, value_type: str | None, value: str | None) -> NewValue:
        """Parse the text if the type is known, before anything is sent.

        Raises:
            click.UsageError: The type is unknown and cannot be read from a tag.
            MxGatewayInvalidRequestError: The text is not a value of the type.
        """
        if value is None:
            raise click.UsageError("Missing argument 'VALUE'.")
        target.check_readable(value_type)
        return cls(value, mxgateway.parse_mx_value(value_type, value) if value_type is not None else None)

    async def for_tag(self, session: Session, tag: str | None) -> tuple[MxValue, TagValue | None]:
        """Return the message to write, and the tag if it was read for its type.

        Raises:
            CommandFailure: The tag cannot be read for its type.
            MxGatewayInvalidRequestError: The text is not a value of that type.
        """
        if self.message is not None:
            return self.message, None
        read = await read_one(session, tag or "")
        return own_type(read).message(self.text, name=f"the value of {read.tag}"), read
