"""The table of commands, and the group that imports a command's module only when the command is called.

The table carries each command's group and one-line help, so that ``mxgw-py --help`` and completion know everything that
they show without importing anything.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM: Final = "mxgw-py"
COMPLETION_VARIABLE: Final = "_MXGW_PY_COMPLETE"
"""The environment variable through which a shell's completion script asks."""


class Entry(NamedTuple):
    """One command: where it stands in the help, what it does, where it is defined (``module:attribute``)."""

    group: str
    name: str
    help: str
    target: str


COMMANDS: Final = (
    Entry("basics", "version", "Show the versions of this program and of its contract.", "version:version"),
    Entry("basics", "smoke", "Run the main job once, from open to close, and report it.", "smoke:smoke"),
    Entry("basics", "ping", "Send a ping through the session's worker.", "session:ping"),
    Entry("basics", "contract", "Show, compare or export a contract: this program's own, or a gateway's.", "contract:contract"),
    Entry("basics", "completion", "Print the completion script of a shell.", "completion:completion"),
    Entry("session", "open-session", "Open a session and leave it open.", "session:open_session"),
    Entry("session", "close-session", "Close a session.", "session:close_session"),
    Entry("session", "session-state", "Show the state of a session.", "session:session_state"),
    Entry("session", "worker-info", "Show what the session's worker is and how much waits in it.", "session:worker_info"),
    Entry("session", "shutdown-worker", "End the session's worker process.", "session:shutdown_worker"),
    Entry("session", "drain-events", "Take events out of a session's queue, without a stream.", "session:drain_events"),
    Entry("items", "register", "Register with MXAccess and show the server handle.", "items:register"),
    Entry("items", "unregister", "Unregister a server handle with all its items.", "items:unregister"),
    Entry("items", "add-item", "Add an item and show its handle.", "items:add_item"),
    Entry("items", "add-item2", "Add an item with a context and show its handle.", "items:add_item2"),
    Entry("items", "remove-item", "Remove an item.", "items:remove_item"),
    Entry("items", "advise", "Subscribe to an item's changes.", "items:advise"),
    Entry("items", "unadvise", "End the subscription to an item.", "items:unadvise"),
    Entry("items", "advise-supervisory", "Subscribe to an item in supervisory mode.", "items:advise_supervisory"),
    Entry("items", "add-buffered-item", "Add a buffered item and show its handle.", "items:add_buffered_item"),
    Entry(
        "items", "set-buffered-update-interval", "Set how often buffered items tell their values.",
        "items:set_buffered_update_interval",
    ),
    Entry("items", "suspend", "Let an item tell nothing until it is activated.", "items:suspend"),
    Entry("items", "activate", "Let a suspended item tell again.", "items:activate"),
    Entry("items", "authenticate-user", "Authenticate a user and show the user id.", "items:authenticate_user"),
    Entry("items", "user-to-id", "Show the user id of a user, by GUID.", "items:user_to_id"),
    Entry("values", "read", "Read tags.", "values:read"),
    Entry("values", "write", "Write a value to an item.", "values:write"),
    Entry("values", "write2", "Write a value with its time to an item.", "values:write2"),
    Entry("values", "write-secured", "Write a value in the name of a user, or of two.", "secured_writes:write_secured"),
    Entry(
        "values",
        "write-secured2",
        "Write a value with its time in the name of a user, or of two.",
        "secured_writes:write_secured2",
    ),
    Entry(
        "values",
        "write-array-elements",
        "Write some elements of an array, and reset all others.",
        "array_writes:write_array_elements",
    ),
    Entry("values", "wait", "Wait until a tag fulfils a condition.", "wait:wait"),
    Entry("values", "watch", "Show tags as they change.", "watch:watch"),
    Entry("bulk", "add-item-bulk", "Add items and show their handles.", "bulk_items:add_item_bulk"),
    Entry("bulk", "advise-item-bulk", "Subscribe to the changes of items.", "bulk_items:advise_item_bulk"),
    Entry("bulk", "remove-item-bulk", "Remove items.", "bulk_items:remove_item_bulk"),
    Entry("bulk", "unadvise-item-bulk", "End the subscription to items.", "bulk_items:unadvise_item_bulk"),
    Entry("bulk", "subscribe-bulk", "Add items and subscribe to their changes.", "bulk_items:subscribe_bulk"),
    Entry("bulk", "unsubscribe-bulk", "End the subscription to items and remove them.", "bulk_items:unsubscribe_bulk"),
    Entry("bulk", "read-bulk", "Read tags, which need not be added before.", "bulk_values:read_bulk"),
    Entry("bulk", "write-bulk", "Write values to items.", "bulk_values:write_bulk"),
    Entry("bulk", "write2-bulk", "Write values with their times to items.", "bulk_values:write2_bulk"),
    Entry("bulk", "write-secured-bulk", "Write values to items in the name of users.", "bulk_values:write_secured_bulk"),
    Entry(
        "bulk", "write-secured2-bulk", "Write values with their times to items in the name of users.",
        "bulk_values:write_secured2_bulk",
    ),
    Entry("streams", "stream-events", "Show the events of a session as they come.", "streams:stream_events"),
    Entry("streams", "stream-alarms", "Show the active alarms, then every transition as it comes.", "alarms:stream_alarms"),
    Entry("streams", "query-active-alarms", "Show the alarms that are active now.", "alarms:query_active_alarms"),
    Entry("streams", "acknowledge-alarm", "Acknowledge an alarm.", "alarms:acknowledge_alarm"),
    Entry("galaxy", "galaxy-test-connection", "Show whether the galaxy's database answers.", "galaxy:test_connection"),
    Entry("galaxy", "galaxy-last-deploy", "Show when the galaxy was deployed last.", "galaxy:last_deploy"),
    Entry("galaxy", "galaxy-discover", "Show the objects of the galaxy.", "galaxy_objects:discover"),
    Entry("galaxy", "galaxy-browse", "Show what is directly below an object of the galaxy.", "galaxy_objects:browse"),
    Entry("galaxy", "galaxy-watch", "Show the deployments of the galaxy as they come.", "galaxy:watch"),
    Entry(
        "measure",
        "bench-read-bulk",
        "Measure how quickly tags are read that are subscribed to.",
        "measure:bench_read_bulk",
    ),
    Entry(
        "measure", "bench-stream-events", "Measure how many events come, and how late.", "measure:bench_stream_events"
    ),
    Entry("measure", "check", "Judge a tag for a monitoring system.", "check:check"),
    Entry("automation", "batch", "Run the command lines of stdin over one connection.", "batch:batch"),
    Entry("automation", "profile", "Keep connection options under a name.", "profile:profile"),
    Entry("automation", "simulate", "Run the simulated gateway until Ctrl-C.", "simulate:simulate"),
)  # fmt: skip
_BY_NAME: Final = {entry.name: entry for entry in COMMANDS}


class LazyGroup(click.Group):
    """The root of all commands; resolves a name through `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(_BY_NAME)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None when there is no such name."""
        entry = _BY_NAME.get(cmd_name)
        if entry is None:
            return None
        module_name, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(f"mxgateway_cli.commands.{module_name}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown name with the nearest ones that exist."""
        name = args[0]
        if name not in _BY_NAME and not ctx.resilient_parsing and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, _BY_NAME)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(f"There is no command {name!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group, from the table."""
        width = max(map(len, _BY_NAME))
        for group in dict.fromkeys(entry.group for entry in COMMANDS):
            with formatter.section(group.capitalize()):
                formatter.write_dl([(e.name.ljust(width), e.help) for e in COMMANDS if e.group == group])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names from the table."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(e.name, help=e.help) for e in COMMANDS if e.name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)
