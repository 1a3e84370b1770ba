"""The `completion` command."""

from __future__ import annotations

import click

from mxgateway_cli.completing.shells import SHELLS, script
from mxgateway_cli.declaring.local_command import local_command
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.registry import COMPLETION_VARIABLE, PROGRAM
from mxgateway_cli.running.app import App


@local_command(
    "completion",
    argument("shell", "The shell.", metavar="bash|zsh|fish", type=click.Choice([*SHELLS])),
    examples=(
        'eval "$(mxgw-py completion bash)"',
        "mxgw-py completion zsh > ~/.zfunc/_mxgw-py",
        "mxgw-py completion fish > ~/.config/fish/completions/mxgw-py.fish",
    ),
    logs=False,
)
def completion(app: App, shell: str) -> None:
    """Print the completion script for a shell.

    For bash, add to ~/.bashrc:  eval "$(mxgw-py completion bash)"
    """
    root = click.get_current_context().find_root().command
    app.output.text(script(shell, root, PROGRAM, COMPLETION_VARIABLE))
