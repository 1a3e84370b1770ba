"""The default profile: the one that a command uses when neither a flag nor the environment names one.

Every command asks for it, so this module loads nothing that reads profiles unless there is a file of them.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Final

from mxgateway_cli.connecting.precedence import empty_variable_error, is_blank

if TYPE_CHECKING:
    from mxgateway_cli.connecting.profiles import Profile

FILE_VARIABLE: Final = "MXGATEWAY_CONFIG"
KEY: Final = "default-profile"
"""The key of the default profile, above the tables of the file."""
_ENTRY: Final = re.compile(rf"(?m)^[ \t]*{KEY}[ \t]*=[^\n]*(?:\n|\Z)(?:[ \t]*\n)?")
_HEADER: Final = re.compile(r"(?m)^[ \t]*\[")


def profiles_path() -> str | None:
    """Return the path of the file of profiles; None if there is no home directory to keep it in.

    Raises:
        click.UsageError: The variable that names the file is empty.
    """
    named = os.environ.get(FILE_VARIABLE)
    if named is not None:
        if is_blank(FILE_VARIABLE):
            raise empty_variable_error(FILE_VARIABLE)
        return os.path.abspath(named)
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or os.path.expanduser("~/AppData/Roaming")
    else:
        base = os.environ.get("XDG_CONFIG_HOME", "")
        if not os.path.isabs(base):  # the XDG specification says to ignore a relative path
            base = os.path.expanduser("~/.config")
    return os.path.join(base, "mxgateway", "config.toml") if os.path.isabs(base) else None


def default_profile() -> Profile | None:
    """Return the default profile; None if there is none.

    Raises:
        ProfileError: The default profile does not exist, or the file is invalid or cannot be read.
    """
    path = profiles_path()
    if path is None or not _may_exist(path):
        return None
    from mxgateway_cli.connecting import profiles

    config = profiles.load()
    return config.default_profile() if config.default is not None else None


def with_default(text: str, name: str | None) -> str:
    """Return the text of a file of profiles with another default profile.

    Args:
        text: Valid TOML. Other lines stay as they are.
        name: The profile; None for no default.
    """
    header = _HEADER.search(text)
    end = header.start() if header is not None else len(text)
    above = _ENTRY.sub("", text[:end])
    if name is None:
        return above + text[end:]
    entry = f"{KEY} = {json.dumps(name, ensure_ascii=False)}\n"
    return "\n".join(filter(None, (entry, (above + text[end:]).lstrip("\n"))))


def _may_exist(path: str) -> bool:
    """Return whether the file may exist. Another user's home, which a service may have, is not this user's."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return FILE_VARIABLE in os.environ
    return True
