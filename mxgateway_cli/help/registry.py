"""The table of commands, and the group that imports a command's module only when the command is called.

The table holds each command's group and one-line help, so that ``mxgw-py --help`` and completion import no command.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from mxgateway_cli.help.suggestions import unknown_command
from mxgateway_cli.help.topics import TOPICS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM: Final = "mxgw-py"
COMPLETION_VARIABLE: Final = "_MXGW_PY_COMPLETE"
"""The environment variable that a shell's completion script sets."""
REFUSED: Final = "mxgateway.refused"
"""Where a context keeps the commands that cannot run in it, with the reasons."""


class Entry(NamedTuple):
    """One command: its group in the help, its name, what it does, where it is defined (``module:attribute``)."""

    group: str
    name: str
    help: str
    target: str


COMMANDS: Final = (
    Entry("basics", "help", "Show the help of a command or of a topic.", "help:help_command"),
    Entry("basics", "version", "Show the versions of this program and of its contract.", "version:version"),
    Entry("basics", "smoke", "Run one session from open to close, and report each step.", "smoke:smoke"),
    Entry("basics", "ping", "Ping the session's worker.", "session:ping"),
    Entry("basics", "doctor", "Check each step on the way to a gateway.", "doctor:doctor"),
    Entry("basics", "contract", "Show, compare or export a contract: this program's or a gateway's.", "contract:contract"),
    Entry("basics", "completion", "Print the completion script for a shell.", "completion:completion"),
    Entry("session", "open-session", "Open a session and leave it open.", "session:open_session"),
    Entry("session", "close-session", "Close a session.", "session:close_session"),
    Entry("session", "session-state", "Show the state of a session.", "session:session_state"),
    Entry("session", "worker-info", "Show the session's worker and its pending commands and events.", "session:worker_info"),
    Entry("session", "shutdown-worker", "Shut down the session's worker process.", "session:shutdown_worker"),
    Entry("session", "drain-events", "Drain a session's event queue without a stream.", "session:drain_events"),
    Entry("items", "register", "Register with MXAccess and show the server handle.", "items:register"),
    Entry("items", "unregister", "Unregister a server handle and all its items.", "items:unregister"),
    Entry("items", "add-item", "Add an item and show its handle.", "items:add_item"),
    Entry("items", "add-item2", "Add an item with a context and show its handle.", "items:add_item2"),
    Entry("items", "remove-item", "Remove an item.", "items:remove_item"),
    Entry("items", "advise", "Subscribe to an item's changes.", "items:advise"),
    Entry("items", "unadvise", "Unsubscribe from an item's changes.", "items:unadvise"),
    Entry("items", "advise-supervisory", "Subscribe to an item in supervisory mode.", "items:advise_supervisory"),
    Entry("items", "add-buffered-item", "Add a buffered item and show its handle.", "items:add_buffered_item"),
    Entry("items", "set-buffered-update-interval", "Set how often buffered items report their values.", "items:set_buffered_update_interval"),
    Entry("items", "suspend", "Pause an item's updates.", "items:suspend"),
    Entry("items", "activate", "Resume a suspended item's updates.", "items:activate"),
    Entry("items", "authenticate-user", "Authenticate a user and show the user id.", "items:authenticate_user"),
    Entry("items", "user-to-id", "Look up a user id by the user's GUID.", "items:user_to_id"),
    Entry("values", "read", "Read tags.", "values:read"),
    Entry("values", "write", "Write a value to an item.", "values:write"),
    Entry("values", "write2", "Write a value and its timestamp to an item.", "single_writes:write2"),
    Entry("values", "write-secured", "Write a value on behalf of one or two users.", "single_writes:write_secured"),
    Entry("values", "write-secured2", "Write a value and its timestamp on behalf of one or two users.", "single_writes:write_secured2"),
    Entry("values", "write-array-elements", "Write some elements of an array and reset all others.", "single_writes:write_array_elements"),
    Entry("values", "wait", "Wait until tags meet their conditions.", "verify:wait"),
    Entry("values", "verify", "Compare tags with what is expected of them.", "verify:verify"),
    Entry("values", "watch", "Show tags as they change.", "watch:watch"),
    Entry("bulk", "add-item-bulk", "Add items and show their handles.", "bulk_items:add_item_bulk"),
    Entry("bulk", "advise-item-bulk", "Subscribe to the changes of items.", "bulk_items:advise_item_bulk"),
    Entry("bulk", "remove-item-bulk", "Remove items.", "bulk_items:remove_item_bulk"),
    Entry("bulk", "unadvise-item-bulk", "Unsubscribe from the changes of items.", "bulk_items:unadvise_item_bulk"),
    Entry("bulk", "subscribe-bulk", "Add items and subscribe to their changes.", "bulk_items:subscribe_bulk"),
    Entry("bulk", "unsubscribe-bulk", "Unsubscribe from items and remove them.", "bulk_items:unsubscribe_bulk"),
    Entry("bulk", "read-bulk", "Read tags; they need not be added first.", "bulk_values:read_bulk"),
    Entry("bulk", "write-bulk", "Write values to items.", "bulk_values:write_bulk"),
    Entry("bulk", "write2-bulk", "Write values and their timestamps to items.", "bulk_values:write2_bulk"),
    Entry("bulk", "write-secured-bulk", "Write values to items on behalf of users.", "bulk_values:write_secured_bulk"),
    Entry("bulk", "write-secured2-bulk", "Write values and their timestamps to items on behalf of users.", "bulk_values:write_secured2_bulk"),
    Entry("streams", "stream-events", "Show a session's events as they arrive.", "streams:stream_events"),
    Entry("streams", "stream-alarms", "Show the active alarms, then each transition as it arrives.", "alarms:stream_alarms"),
    Entry("streams", "query-active-alarms", "Show the alarms that are active now.", "alarms:query_active_alarms"),
    Entry("streams", "acknowledge-alarm", "Acknowledge an alarm.", "alarms:acknowledge_alarm"),
    Entry("galaxy", "tags", "Find the tags of the galaxy that match a pattern.", "tags:tags"),
    Entry("galaxy", "galaxy-test-connection", "Check that the gateway reaches the galaxy's database.", "galaxy:test_connection"),
    Entry("galaxy", "galaxy-last-deploy", "Show when the galaxy was last deployed.", "galaxy:last_deploy"),
    Entry("galaxy", "galaxy-discover", "Show the objects of the galaxy.", "galaxy:discover"),
    Entry("galaxy", "galaxy-browse", "Show the objects directly below an object of the galaxy.", "galaxy:browse"),
    Entry("galaxy", "galaxy-watch", "Show the galaxy's deployments as they happen.", "galaxy:watch"),
    Entry("measure", "bench-read-bulk", "Measure how fast subscribed tags are read.", "measure:bench_read_bulk"),
    Entry("measure", "bench-stream-events", "Measure event throughput and latency.", "measure:bench_stream_events"),
    Entry("measure", "check", "Check a tag for a monitoring system.", "check:check"),
    Entry("automation", "batch", "Run the command lines on stdin over one connection.", "batch:batch"),
    Entry("automation", "profile", "Store connection options under a name.", "profile:profile"),
    Entry("automation", "config", "Show which connection options are in force, and where each is from.", "profile:config"),
    Entry("automation", "record", "Record what a gateway sends, for a replay or a bug report.", "record:record"),
    Entry("automation", "simulate", "Run the simulated gateway until Ctrl-C.", "simulate:simulate"),
    Entry("automation", "sim", "Control a simulated gateway while it runs.", "sim:sim"),
)  # fmt: skip
_BY_NAME: Final = {entry.name: entry for entry in COMMANDS}


class LazyGroup(click.Group):
    """The root group; looks commands up in `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of the help."""
        return list(_BY_NAME)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None if the name is unknown."""
        entry = _BY_NAME.get(cmd_name)
        if entry is None:
            return None
        module_name, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(f"mxgateway_cli.commands.{module_name}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Reject an unknown name and suggest similar ones; reject a command that cannot run here."""
        name = args[0]
        if name not in _BY_NAME and not ctx.resilient_parsing and not name.startswith("-"):
            raise unknown_command(name, _BY_NAME, ctx)
        if why := ctx.meta.get(REFUSED, {}).get(name):
            raise click.UsageError(why)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group."""
        width = max(map(len, _BY_NAME))
        for group in dict.fromkeys(entry.group for entry in COMMANDS):
            with formatter.section(group.capitalize()):
                formatter.write_dl([(e.name.ljust(width), e.help) for e in COMMANDS if e.group == group])
        with formatter.section("Topics of mxgw-py help"):
            formatter.write_dl([(topic.name.ljust(width), topic.summary) for topic in TOPICS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names from the table."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(e.name, help=e.help) for e in COMMANDS if e.name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)
