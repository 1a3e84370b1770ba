"""Entry point: runs one command line and turns the outcome into an exit code."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Sequence
from typing import Final, NoReturn

import click
from click.exceptions import Exit

import mxgateway
from mxgateway_cli.help.docstrings import described
from mxgateway_cli.help.registry import COMPLETION_VARIABLE, PROGRAM, LazyGroup
from mxgateway_cli.help.topics import NEXT_STEPS, WIDTH
from mxgateway_cli.running.app import App
from mxgateway_cli.terminal.stdout import (
    ClosedPipe,
    discard_stdout,
    flush_stdout,
    is_closed_pipe,
    prepare_streams,
    settle_streams,
    write_line,
)

_DONE: Final = 0
_OWN_OPTIONS: Final = ("-h", "--help", "--version")
_THREAD_GRACE_SECONDS: Final = 0.1


class _Root(LazyGroup):
    """The group of all commands, with the shared options before the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the options before the command for the command."""
        if args and args[0].startswith("-") and args[0] not in _OWN_OPTIONS:
            from mxgateway_cli.declaring.leading import take_leading

            args = take_leading(ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the group's own options; for a shell that completes, the shared ones too."""
        own = super().get_params(ctx)
        if not ctx.resilient_parsing:
            return own
        from mxgateway_cli.declaring.leading import shared_parameters

        return [*own, *shared_parameters()]


@click.group(
    cls=_Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
)
@click.version_option(mxgateway.__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
@described
def cli(ctx: click.Context) -> None:
    """Talk to an MXAccess Gateway.

    Results go to stdout, everything else to stderr. The options of connection and output may also stand before the
    command.
    """
    if ctx.invoked_subcommand is None:
        write_line(f"{ctx.get_usage()}\n\n{NEXT_STEPS}")


def main() -> NoReturn:
    """Run the process's command line and exit with its code."""
    leave(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: The words after the program's name.

    Returns:
        The exit code. Never raises.
    """
    prepare_streams()
    app = App(arguments)
    try:
        code = _invoke(arguments, app)
        flush_stdout()
    except ClosedPipe:
        discard_stdout()
    except OSError as error:
        if not is_closed_pipe(error):
            return _report(app, error)
        discard_stdout()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - no traceback reaches a user
        return _report(app, error)
    else:
        return code
    return _DONE


def _invoke(arguments: Sequence[str], app: App) -> int:
    """Answer a shell that asks for completions, or run the command.

    `click.Command.main` does both, but exits the process with a code of its own when a pipe is closed.
    """
    instruction = os.environ.get(COMPLETION_VARIABLE)
    if instruction:
        from mxgateway_cli.completing.shells import complete

        if offered := complete(cli, PROGRAM, COMPLETION_VARIABLE, instruction):
            write_line(offered)
        return _DONE
    try:
        with cli.make_context(PROGRAM, list(arguments), obj=app) as ctx:
            cli.invoke(ctx)
    except Exit as end:
        return end.exit_code
    return _DONE


def _report(app: App, error: BaseException) -> int:
    from mxgateway_cli.terminal.exit_codes import describe, signal_code

    app.trace(error)
    code = signal_code(error)
    if code is not None:
        return code
    failure = describe(error)
    app.fail(failure)
    return failure.code


def leave(code: int) -> NoReturn:
    """Exit the process with `code`, without waiting for a thread that hangs in a slow name lookup."""
    settle_streams()
    for thread in threading.enumerate():
        if thread is threading.current_thread() or thread.daemon:
            continue
        thread.join(_THREAD_GRACE_SECONDS)
        if thread.is_alive():
            os._exit(code)
    # Nothing is left to free: this spares the interpreter its final garbage collections.
    gc.freeze()
    sys.exit(code)
