"""What passes between a shell and this program while a command line is completed: the scripts, words and items.

A script hands over the command line up to the cursor and gets one item for each line or three lines. It quotes the
items, or lets its shell do so: a name from a galaxy or a file is one word, and nothing in it is run or expanded.
"""

from __future__ import annotations

import os
import shlex
from typing import Any, ClassVar, Final

import click
from click.shell_completion import CompletionItem, ShellComplete

_END: Final = "\0"
"""Ends the command line while it is taken apart; no command line holds one."""

_BASH: Final = r"""
%(complete_func)s() {
    local response line value word="${COMP_WORDS[COMP_CWORD]}"
    response=$(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_WORD="$word" COMP_BREAKS="$COMP_WORDBREAKS" \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()
    while IFS= read -r line; do
        value=${line#*,}
        case $line in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*|part,*)
                case $word in
                    \'*) value=${value//\'/\'\\\'\'} ;;
                    \"*) value=${value//\\/\\\\} value=${value//\"/\\\"} value=${value//\$/\\\$} value=${value//\`/\\\`} ;;
                    *) printf -v value %%q "$value" ;;
                esac
                COMPREPLY+=("$value")
                ;;
        esac
        case $line in part,*) compopt -o nospace ;; esac
    done <<< "$response"
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_ZSH: Final = r"""
#compdef %(prog_name)s

%(complete_func)s() {
    local -a plain part described shown response
    local kind key about
    (( ! $+commands[%(prog_name)s] )) && return 1
    response=("${(@f)$(env COMP_WORDS="${(j: :)words[1,CURRENT]}" %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for kind key about in "${response[@]}"; do
        case $kind in
            plain) if [[ $about == _ ]]; then plain+=("$key"); else described+=("$key") shown+=("$key  -- $about"); fi ;;
            part) part+=("$key") ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#described )) && compadd -U -V unsorted -l -d shown -a described
    (( $#plain )) && compadd -U -V unsorted -a plain
    (( $#part )) && compadd -U -V unsorted -S '' -a part
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""
_FISH: Final = r"""
function %(complete_func)s
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) %(prog_name)s 2>/dev/null)
    for completion in $response
        set -l item (string split -m1 "," -- $completion)
        switch $item[1]
            case dir
                __fish_complete_directories $item[2]
            case file
                __fish_complete_path $item[2]
            case plain part
                printf '%%s\n' $item[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _Shell(ShellComplete):
    """A shell that hands over the command line up to the cursor."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is begun, and that one."""
        words = split(os.environ.get("COMP_WORDS", ""))
        return words[1:-1], words[-1] if len(words) > 1 else ""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return what the word may become; all of it, also where only the value behind a ``=`` is begun."""
        found = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        before = f"{option}=" if equals and option.startswith("--") else ""
        return [self.word(item, before, incomplete) for item in found if item.value.isprintable()]

    def format_completion(self, item: CompletionItem) -> str:
        """Return what the script reads of an item."""
        return f"{item.type},{item.value}"

    def word(self, item: CompletionItem, before: str, incomplete: str) -> CompletionItem:
        """Return an item as the shell puts it in the place of the word that is begun."""
        return _with_value(item, before + item.value) if item.type in ("plain", "part") else item


class Bash(_Shell):
    """Bash, which takes a word that is not quoted apart at the characters of COMP_WORDBREAKS."""

    name = "bash"
    source_template: ClassVar[str] = _BASH

    def word(self, item: CompletionItem, before: str, incomplete: str) -> CompletionItem:
        """Return an item without what bash leaves in front of it."""
        breaks = set(os.environ.get("COMP_BREAKS", "")) & set(":=")
        is_quoted = os.environ.get("COMP_WORD", "").startswith(("'", '"'))
        begun = incomplete.removeprefix(before)
        end = 0 if is_quoted else max((begun.rfind(each) for each in breaks), default=-1) + 1
        if end and item.type in ("plain", "part"):
            return _with_value(item, item.value[end:])
        return super().word(item, "" if "=" in breaks else before, incomplete)


class Zsh(_Shell):
    """Zsh."""

    name = "zsh"
    source_template: ClassVar[str] = _ZSH

    def format_completion(self, item: CompletionItem) -> str:
        """Return the three lines of an item."""
        return f"{item.type}\n{item.value}\n{_one_line(item.help) or '_'}"


class Fish(_Shell):
    """Fish."""

    name = "fish"
    source_template: ClassVar[str] = _FISH

    def format_completion(self, item: CompletionItem) -> str:
        """Return the line of an item."""
        about = _one_line(item.help)
        return f"{super().format_completion(item)}\t{about}" if about else super().format_completion(item)


SHELLS: Final[dict[str, type[_Shell]]] = {shell.name: shell for shell in (Bash, Zsh, Fish)}


def script(shell: str, root: click.Command, program: str, variable: str) -> str:
    """Return the script that makes a shell complete the program's command lines."""
    return SHELLS[shell](root, {}, program, variable).source().strip("\n")


def complete(root: click.Command, program: str, variable: str, instruction: str) -> str:
    """Return what a shell is offered; nothing for an unknown one. An `instruction` is such as ``bash_complete``."""
    shell, _, action = instruction.partition("_")
    if shell not in SHELLS or action != "complete":
        return ""
    return SHELLS[shell](root, {}, program, variable).complete()


def split(line: str) -> list[str]:
    """Return the words of a command line up to the cursor; the last one is begun, and may be empty.

    A quote that is not closed yet ends with the line.
    """
    words = shlex.shlex(line.replace(_END, "") + _END, posix=True)
    words.whitespace_split = True
    words.commenters = ""
    found: list[str] = []
    try:
        found.extend(words)
    except ValueError:
        found.append(words.token)
    return [word.replace(_END, "") for word in found]


def _with_value(item: CompletionItem, value: str) -> CompletionItem:
    return CompletionItem(value, item.type, item.help)


def _one_line(text: Any) -> str:
    return " ".join(str(text or "").split())
