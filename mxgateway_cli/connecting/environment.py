"""What is read outside the command line: environment variables, and the folders of the user."""

from __future__ import annotations

import os
import sys
from typing import Final, Literal

import click

from mxgateway.system.home_directory import expand_home

_FOLDERS: Final = {
    "config": ("APPDATA", "~/AppData/Roaming", "XDG_CONFIG_HOME", "~/.config"),
    "state": ("LOCALAPPDATA", "~/AppData/Local", "XDG_STATE_HOME", "~/.local/state"),
    "cache": ("LOCALAPPDATA", "~/AppData/Local", "XDG_CACHE_HOME", "~/.cache"),
}
"""For each kind of files the variable and the default of their folder: on Windows, and elsewhere."""


def user_path(kind: Literal["config", "state", "cache"], *names: str) -> str | None:
    """Return a path in this program's folder for a kind of files; None if there is no home directory to keep it in."""
    windows_variable, windows_default, variable, default = _FOLDERS[kind]
    if sys.platform == "win32":
        base = os.environ.get(windows_variable) or expand_home(windows_default)
    else:
        base = os.environ.get(variable, "")
        if not os.path.isabs(base):  # the XDG specification says to ignore a relative path
            base = expand_home(default)
    return os.path.join(base, "mxgateway", *names) if os.path.isabs(base) else None


def read_variable(name: str) -> str | None:
    """Return an environment variable; None if it is not set.

    Raises:
        click.UsageError: It is set, but empty or only white space.
    """
    text = os.environ.get(name)
    if text is not None and not text.strip():
        raise empty_variable_error(name)
    return text


def empty_variable_error(name: str) -> click.UsageError:
    """Return the error for an environment variable that is set but empty."""
    return click.UsageError(f"The environment variable {name!r} is set but empty: give it a value or unset it.")
