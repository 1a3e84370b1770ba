"""Where the profiles are, and which of them is the default: the one for commands that name none.

Every command asks for it, so this module loads nothing that reads profiles.
"""

from __future__ import annotations

import json
import os
import re
from typing import Final

from mxgateway_cli.connecting.environment import read_variable, user_path

FILE_VARIABLE: Final = "MXGATEWAY_CONFIG"
KEY: Final = "default-profile"
"""The key of the default profile, above the tables of the file."""
_ENTRY: Final = re.compile(rf"(?m)^[ \t]*+{KEY}[ \t]*+=[^\n]*+(?:\n|\Z)(?:[ \t]*+\n)?")
_HEADER: Final = re.compile(r"(?m)^[ \t]*\[")


def profiles_path() -> str | None:
    """Return the path of the file of profiles; None if there is no home directory to keep it in.

    Raises:
        click.UsageError: The variable that names the file is empty.
    """
    named = read_variable(FILE_VARIABLE)
    return user_path("config", "config.toml") if named is None else os.path.abspath(named)


def with_default(text: str, name: str | None) -> str:
    """Return the text of a file of profiles with another default profile, or none; other lines stay as they are."""
    header = _HEADER.search(text)
    end = header.start() if header is not None else len(text)
    above = _ENTRY.sub("", text[:end])
    if name is None:
        return above + text[end:]
    entry = f"{KEY} = {json.dumps(name, ensure_ascii=False)}\n"
    return "\n".join(filter(None, (entry, (above + text[end:]).lstrip("\n"))))


def profiles_may_exist() -> bool:
    """Return whether there may be a file of profiles.

    A home that this user may not enter belongs to somebody else, as that of a service may: its profiles are not meant.

    Raises:
        click.UsageError: The variable that names the file is empty.
    """
    path = profiles_path()
    if path is None:
        return False
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return FILE_VARIABLE in os.environ
    return True
