"""The `sim` commands that do something to the gateway: by their own names, and `do` by the name of an action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.controlling.command import ControlCall, control_command
from mxgateway_cli.controlling.texts import KINDS, UNKNOWN, arguments_of
from mxgateway_cli.controlling.words import action_names, argument_words, choices_of
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import option
from mxgateway_cli.help.suggestions import did_you_mean
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway.control import Action, ControlClient

_LONGEST: Final = 1_000_000_000
_SESSION: Final = argument(
    "session", "A client's name of its session, or a session id.  [default: every session]", metavar="[SESSION]",
    required=False,
)  # fmt: skip


@control_command(
    "fail",
    argument("method", "An RPC, OpenSession, or one kind of command, Invoke.Write.", metavar="METHOD", shell_complete=choices_of("method")),
    option("--status", metavar="NAME", default="UNAVAILABLE", show_default=True, shell_complete=choices_of("status"),
           help="The gRPC status that the calls end with."),
    option("--message", metavar="TEXT", default="", help="The message beside the status."),
    option("--times", type=click.IntRange(1, 100_000), metavar="N", default=1, show_default=True, help="How many calls fail."),
    examples=("mxgw-py sim fail OpenSession", "mxgw-py sim fail Invoke.Write --status RESOURCE_EXHAUSTED --times 3"),
)  # fmt: skip
async def fail(call: ControlCall, method: str, status: str, message: str, times: int) -> None:
    """Fail the next calls of a method."""
    await _act(call, "fail_next", method=method, status=status, message=message, times=times)


@control_command(
    "crash",
    _SESSION,
    option("--reason", metavar="TEXT", default="", help="What the gateway says of it."),
    examples=("mxgw-py sim crash $SESSION", "mxgw-py sim crash $SESSION --reason 'access violation'"),
)
async def crash(call: ControlCall, session: str | None, reason: str) -> None:
    """Crash the workers of sessions: the sessions fault."""
    named = {} if session is None else {"session": session}
    await _act(call, "crash_worker", **named, reason=reason)


@control_command(
    "restart",
    option("--down", type=click.FloatRange(0, _LONGEST), metavar="SECONDS", default=0.0, show_default=True,
           help="How long nobody answers."),
    option("--deployed", is_flag=True, help="Deploy the galaxy meanwhile."),
    examples=("mxgw-py sim restart", "mxgw-py sim restart --down 0.2 --deployed"),
)  # fmt: skip
async def restart(call: ControlCall, down: float, deployed: bool) -> None:
    """Restart the gateway, which loses its sessions.

    Ends when the gateway answers again.
    """
    await _act(call, "restart", down=down, deployed=deployed)


@control_command(
    "drop",
    option("--politely", is_flag=True, help="Send GOAWAY first, instead of a reset."),
    examples=("mxgw-py sim drop", "mxgw-py sim drop --politely"),
)
async def drop(call: ControlCall, politely: bool) -> None:
    """Close every connection of the gateway; its sessions stay open."""
    await _act(call, "drop_connections", politely=politely)


@control_command(
    "do",
    argument("action", "An action; mxgw-py sim actions lists them.", metavar="ACTION", shell_complete=action_names),
    argument("words", "Its arguments.", metavar="[NAME=VALUE]...", nargs=-1, shell_complete=argument_words),
    examples=(
        "mxgw-py sim do hold_write_completions",
        "mxgw-py sim do skip_sequence count=3 session=$SESSION",
        "mxgw-py sim do deploy rename=Tank01=Tank07 remove=Pump01",
    ),
)
async def do(call: ControlCall, action: str, words: tuple[str, ...]) -> None:
    """Do one of the actions of a scenario.

    A list is A,B and a table is NAME=VALUE,NAME=VALUE. Ends when the action is done.
    """
    async with call.client() as client:
        known = {each.name: each for each in await client.actions()}
        if action not in known:
            text = f"no such action {action!r}{did_you_mean(action, known)}"
            raise CommandFailure(text, code=ExitCode.USAGE, hint="to list them: mxgw-py sim actions")
        arguments = arguments_of(known[action], words)
        for each in arguments.values():
            if isinstance(each, mxgateway.Secret):
                call.app.keep_secret(each)
        await _do(call, client, action, arguments)


@control_command(
    "actions",
    argument("names", "Show the parameters of these.", metavar="[ACTION]...", nargs=-1, shell_complete=action_names),
    examples=("mxgw-py sim actions", "mxgw-py sim actions fail_next set_tag"),
)
async def actions(call: ControlCall, names: tuple[str, ...]) -> None:
    """List the actions, or the parameters of some."""
    async with call.client() as client:
        known = {each.name: each for each in await client.actions()}
    if strange := [name for name in names if name not in known]:
        raise CommandFailure(f"no such action {strange[0]!r}{did_you_mean(strange[0], known)}", code=ExitCode.USAGE)
    shown = [known[name] for name in dict.fromkeys(names)] or list(known.values())
    if call.output.form == "json":
        call.report({"actions": [mxgateway.to_json_dict(each) for each in shown]}, value="actions")
    elif call.output.form != "table":
        for each in shown:
            call.output.record(mxgateway.to_json_dict(each), (), value=each.name)
    elif not names:
        call.output.table(("action", "effect"), [(each.name, each.summary) for each in shown], headed=False)
    else:
        rows = [row for each in shown for row in _parameter_rows(each)]
        call.output.table(("action", "parameter", "value", "meaning"), rows)


def _parameter_rows(action: Action) -> list[tuple[str, str, str, str]]:
    rows = [(action.name, "", "", action.summary)]
    for each in action.parameters:
        meaning = each.meaning or ("one of " if each.choices else "") + ", ".join(each.choices)
        needed = "required" if each.is_required else ""
        rows.append(
            (
                "",
                each.name,
                KINDS.get(each.kind.name or "", UNKNOWN).expected,
                "; ".join(filter(None, (needed, meaning))),
            )
        )
    return rows


async def _act(call: ControlCall, action: str, **arguments: Any) -> None:
    async with call.client() as client:
        await _do(call, client, action, arguments)


async def _do(call: ControlCall, client: ControlClient, action: str, arguments: dict[str, Any]) -> None:
    await client.do(action, arguments, timeout=call.patience)
    shown = {name: str(each) if isinstance(each, mxgateway.Secret) else each for name, each in arguments.items()}
    call.report({"action": action, "arguments": shown}, value="action")
