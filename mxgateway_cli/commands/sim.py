"""The `sim` commands: they control a simulated gateway that runs as another process."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway.system.files import read_input, refusal_text
from mxgateway_cli.commands.sim_actions import actions, crash, do, drop, fail, restart
from mxgateway_cli.controlling.command import ControlCall, control_command
from mxgateway_cli.controlling.texts import tag_value
from mxgateway_cli.declaring.local_command import local_command
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.docstrings import described
from mxgateway_cli.help.groups import CommandGroup
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.named_tags import many_tags, required_tag
from mxgateway_cli.input.write_target import tag_and_value
from mxgateway_cli.output.tags import tag_record, value_cell
from mxgateway_cli.running.app import App
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway.control import ControlClient, ControlledTag, GetStatusReply, PlayedStep

_LARGEST: Final = 16 * 1024 * 1024
"""Bytes of the largest scenario file."""
_LONGEST: Final = 1_000_000_000
_QUALITY: Final = option(
    "--quality", type=click.IntRange(0, 65535), metavar="N", help="Its OPC quality; below 64 it has no value.  [default: 192, good]"
)  # fmt: skip
_TAG_HEADINGS: Final = ("tag", "value", "quality", "source time", "error")


@click.group(
    "sim",
    cls=CommandGroup,
    no_args_is_help=False,
    examples=(
        "mxgw-py sim set Tank01.Level 95",
        "mxgw-py sim fail OpenSession --status UNAVAILABLE --times 2",
        "mxgw-py sim status --ready-file gateway.json",
    ),
)
@described
def sim() -> None:
    """Control a simulated gateway while it runs.

    It is one of mxgw-py simulate --control PORT on this machine. --ready-file FILE, or the variable
    MXGATEWAY_READY_FILE, says where it is, as do --control and its key.
    """


@control_command(
    "set",
    *tag_and_value("The tag.", "Its new value, as the tag's own type.  [default: the present one]", typed=False),
    _QUALITY,
    examples=(
        "mxgw-py sim set Tank01.Level 95.5",
        "mxgw-py sim set Tank01.Level --quality 0",
        "mxgw-py sim set TestChildObject.TestInt -7 --json",
    ),
)  # fmt: skip
async def set_tag(call: ControlCall, tag: str | None, value: str | None, quality: int | None) -> None:
    """Set a tag's value, its quality, or both, as its provider would."""
    named = required_tag(tag)
    if value is None and quality is None:
        raise click.UsageError("Give a value, or --quality, or both.")
    async with call.client() as client:
        native = tag_value(await client.get_tag(named), value) if value is not None else None
        await client.set_tag(named, native, quality=quality)
        found = await client.get_tag(named)
    call.report(_record(found), value="value")


@control_command(
    "get",
    *many_tags("The tags."),
    examples=("mxgw-py sim get Tank01.Level Tank02.Level", "mxgw-py sim get Tank01.Level -o value"),
)
async def get_tags(call: ControlCall, tags: tuple[str, ...]) -> None:
    """Show what tags are now, as their provider has them.

    Exit code 21 if the plant does not have some of them.
    """
    if not tags:
        raise click.UsageError("Missing argument 'TAG'.")
    async with call.client() as client:
        results = [await _read(client, tag) for tag in tags]
    found = [record for record, _ in results]
    failed = sum(not each["ok"] for each in found)
    if call.output.form == "json":
        call.report({"tagCount": len(found), "failedCount": failed, "results": found}, value="failedCount")
    elif call.output.form == "table":
        call.output.table(_TAG_HEADINGS, [cells for _, cells in results])
    else:
        for record, cells in results:
            call.output.record(record, (), value=cells[1])
    if failed:
        raise CommandFailure(f"{failed} of {len(found)} tags are not there", code=ExitCode.PARTLY_FAILED)


async def _read(client: ControlClient, tag: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a tag as a JSON object and as cells."""
    try:
        found = await client.get_tag(tag)
    except mxgateway.MxGatewayNotFoundError:
        error = f"the plant has no tag {tag!r}"
        return {**tag_record(tag, error=error), "dataType": None}, (tag, "", "", "", error)
    quality = mxgateway.status.explain_quality(found.quality)
    return _record(found), (found.tag, value_cell(found.value), quality, value_text(found.source_time), "")


@control_command(
    "play",
    argument("file", "A scenario, TOML or JSON; paths in it start at its folder.", metavar="FILE",
             type=click.Path(exists=True, dir_okay=False)),
    option("--no-wait", is_flag=True, help="End as soon as it has begun; it plays on."),
    examples=("mxgw-py sim play outage.toml", "mxgw-py sim play outage.toml --no-wait"),
)  # fmt: skip
async def play(call: ControlCall, file: str, no_wait: bool) -> None:
    """Play a scenario, and show each step when it is done.

    Ends with the scenario: exit code 21 if some of its steps could not be done, 78 if the gateway ends before the last.
    Ctrl-C stops it.
    """
    text, folder = await asyncio.to_thread(_text, file)
    if no_wait:
        async with call.client() as client:
            await client.begin(text, name=file, folder=folder, timeout=call.patience)
        call.report({"file": file}, value="file")
        return
    count = failed = 0
    call.output.headings(("time", "place", "action", "error"), (">9", "<22", "<22", "<1"))
    async with call.client() as client, client.play(text, name=file, folder=folder, timeout=call.patience) as steps:
        async for step in steps:
            count, failed = count + 1, failed + bool(step.failure)
            _show_step(call, step)
    if failed:
        raise CommandFailure(f"{failed} of {count} steps could not be done", code=ExitCode.PARTLY_FAILED)


def _show_step(call: ControlCall, step: PlayedStep) -> None:
    fields = {"seconds": step.seconds, "place": step.place, "action": step.action, "failure": step.failure}
    cells = (f"{step.seconds:.3f} s", step.place, step.action, step.failure)
    call.output.record({"step": fields}, cells, value=step.action)


def _text(file: str) -> tuple[str, str]:
    """Return the text of a file, and its folder."""
    try:
        return read_input(file, _LARGEST).decode("utf-8"), os.path.dirname(os.path.abspath(file))
    except (OSError, UnicodeDecodeError) as error:
        why = refusal_text(error) if isinstance(error, OSError) else error
        raise CommandFailure(f"{file}: {why}", code=ExitCode.USAGE) from None


@control_command("status", examples=("mxgw-py sim status", "mxgw-py sim status --json"))
async def status(call: ControlCall) -> None:
    """Show who is connected to the gateway, and what it has received."""
    async with call.client() as client:
        found = await client.status()
    fields = _status_fields(found)
    call.report(fields, value="state")
    if call.output.form != "table":
        return
    if found.sessions:
        rows = [_session_cells(each) for each in fields["sessions"]]
        call.output.table(("session", "name", "state", "stream", "items", "advised"), rows)
    if found.calls:
        call.output.table(("method", "calls"), [(name, str(number)) for name, number in fields["calls"].items()])


def _status_fields(found: GetStatusReply) -> dict[str, Any]:
    clock = found.clock
    sessions = [
        {
            "sessionId": each.session_id,
            "name": each.name,
            "state": each.state,
            "hasStream": each.has_stream,
            "registrations": each.registrations,
            "items": each.items,
            "advisedItems": each.advised_items,
        }
        for each in found.sessions
    ]
    return {
        "endpoint": found.endpoint,
        "state": "running" if found.is_running else "down",
        "connections": found.connections,
        "sessionCount": len(sessions),
        "streamCount": sum(each.has_stream for each in found.sessions),
        "itemCount": sum(each.items for each in found.sessions),
        "callCount": sum(number for name, number in found.calls.items() if "." not in name),
        "eventsSent": str(found.events_sent),
        "clock": mxgateway.Timestamp.from_datetime(clock.now).rfc3339(),
        "clockIsManual": clock.is_manual,
        "clockSecondsAhead": clock.seconds_ahead,
        "sessions": sessions,
        "calls": dict(sorted(found.calls.items())),
        "unused": list(found.unused),
    }


def _session_cells(session: dict[str, Any]) -> tuple[str, ...]:
    stream = "attached" if session["hasStream"] else ""
    counts = str(session["items"]), str(session["advisedItems"])
    return session["sessionId"], session["name"], session["state"], stream, *counts


@control_command(
    "advance",
    argument("seconds", "How far; 0 does what is due now.", metavar="SECONDS", type=click.FloatRange(0, _LONGEST)),
    examples=("mxgw-py sim advance 3600", "mxgw-py sim advance 0.5 -o value"),
)
async def advance(call: ControlCall, seconds: float) -> None:
    """Move the clock of simulate --manual-clock.

    Ends when everything that was due has happened; the value is the new time.
    """
    async with call.client() as client:
        now = await client.advance_clock(seconds, timeout=call.patience)
    call.report({"seconds": seconds, "clock": now.rfc3339()}, value="clock")


@control_command("stop", examples=("mxgw-py sim stop", "mxgw-py sim stop --ready-file gateway.json"))
async def stop(call: ControlCall) -> None:
    """Stop the gateway; its process ends with exit code 0."""
    async with call.client() as client:
        await client.stop()
    call.report({"stopped": True}, value="stopped")


@local_command("proto", examples=("mxgw-py sim proto", "mxgw-py sim proto > simulator_control.proto"), logs=False)
def proto(app: App) -> None:
    """Print the .proto file of the control, for clients in other languages."""
    from mxgateway.control import control_proto

    app.output.text(control_proto().rstrip("\n"))


def _record(found: ControlledTag) -> dict[str, Any]:
    record = tag_record(found.tag, found.value, found.quality, found.source_time)
    return {**record, "dataType": found.data_type + "[]" * found.is_array}


for _command in (set_tag, get_tags, fail, crash, restart, drop, do, actions, play, status, advance, stop, proto):
    sim.add_command(_command)
