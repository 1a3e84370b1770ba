"""The `completion` command."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mxgateway_cli.app import App
from mxgateway_cli.local_command import local_command
from mxgateway_cli.registry import COMPLETION_VARIABLE, PROGRAM


@local_command("completion", click.argument("shell", type=click.Choice(("bash", "zsh", "fish"))), logs=False)
def completion(app: App, shell: str) -> None:
    """Print the completion script of a shell.

    For bash, add to ~/.bashrc:  eval "$(mxgw-py completion bash)"
    """
    script_class = get_completion_class(shell)
    if script_class is None:
        raise click.UsageError(f"There is no completion for {shell!r}.")
    script = script_class(click.get_current_context().find_root().command, {}, PROGRAM, COMPLETION_VARIABLE)
    # The template is filled in here: `source()` would start a bash to look at its version.
    text = script.source_template % script.source_vars()
    app.output.text(text.strip("\n"))
