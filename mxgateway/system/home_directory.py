"""The home directory of the user."""

from __future__ import annotations

import os
import sys

_VARIABLE = "USERPROFILE" if sys.platform == "win32" else "HOME"


def expand_home(path: str) -> str:
    """Return a path with a leading ``~`` replaced by the home directory.

    Unlike `os.path.expanduser`, a variable that is set but empty counts as not set: otherwise ``~/.config`` would be
    ``/.config``.

    Returns:
        The path as it is if there is no home directory.
    """
    if os.environ.get(_VARIABLE) != "" or not path.startswith("~") or path[1:2] not in ("", "/", os.sep):
        return os.path.expanduser(path)
    if sys.platform == "win32":
        return path
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir.rstrip("/") + path[1:] or "/"
    except KeyError:
        return path
