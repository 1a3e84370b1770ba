"""The `completion` command."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from mxgateway_cli.declaring.local_command import local_command
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.registry import COMPLETION_VARIABLE, PROGRAM
from mxgateway_cli.running.app import App

_BASH: Final = r"""
%(complete_func)s() {
    local response line value word="${COMP_WORDS[COMP_CWORD]}"
    response=$(IFS=$'\n'; env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    while IFS= read -r line; do
        value=${line#*,}
        case $line in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*)
                case $word in
                    \'*) value=${value//\'/\'\\\'\'} ;;
                    \"*) value=${value//\\/\\\\} value=${value//\"/\\\"} value=${value//\$/\\\$} value=${value//\`/\\\`} ;;
                    *) printf -v value %%q "$value" ;;
                esac
                COMPREPLY+=("$value")
                ;;
        esac
    done <<< "$response"
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
"""Quotes the completions; with click's own script the shell would expand them and run a ``$(command)``."""


@local_command(
    "completion",
    argument("shell", "The shell.", metavar="bash|zsh|fish", type=click.Choice(("bash", "zsh", "fish"))),
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
    script_class = get_completion_class(shell)
    if script_class is None:
        raise click.UsageError(f"No completion for {shell!r}.")
    script = script_class(click.get_current_context().find_root().command, {}, PROGRAM, COMPLETION_VARIABLE)
    # Not `source()`, which would start a bash to check its version.
    template = _BASH if shell == "bash" else script.source_template.replace('split ","', 'split -m1 ","')
    text = template % script.source_vars()
    app.output.text(text.strip("\n"))
