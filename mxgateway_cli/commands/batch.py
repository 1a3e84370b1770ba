"""The `batch` command."""

from __future__ import annotations

from typing import Any

import click

from mxgateway_cli.connecting.precedence import flags
from mxgateway_cli.connecting.shared_options import CALL_TIMEOUT, CONNECTION_OPTIONS
from mxgateway_cli.declaring.command import connection_settings
from mxgateway_cli.declaring.local_command import configured_app, make_command
from mxgateway_cli.help.sections import OUTPUT_OPTIONS
from mxgateway_cli.running.log import start_logging


def _help() -> None:
    """Run the command lines on stdin over one connection.

    Each line is a full command line, quoted as for a POSIX shell; empty lines and lines that start with # run nothing.
    Every line is answered by the command's output and then the line __MXGW_BATCH_EOR__. A line that fails writes
    {"error": "...", "type": "error"} before the marker, and the next line runs. Options given here apply to all lines
    that do not override them. Exit code 21 if a line failed.
    """


@click.pass_context
def _batch(ctx: click.Context, /, **params: Any) -> None:
    from mxgateway_cli.batch.batching import Batch
    from mxgateway_cli.running import runner

    app = configured_app(ctx, params)
    start_logging(app)
    inherited = flags(ctx, params)
    if inherited:
        connection_settings(ctx, app, params)  # reports an error in them once, not for every line
    runner.run(Batch(app, ctx.find_root().command, inherited).run)


batch = make_command(
    "batch",
    _help,
    _batch,
    (*CONNECTION_OPTIONS, CALL_TIMEOUT, *OUTPUT_OPTIONS),
    examples=("mxgw-py batch < commands.txt", "printf 'version\\nping\\n' | mxgw-py batch -o jsonl"),
)
