"""Several users in one test: what one of them does in a process of their own, and what stands in a directory afterwards."""

from __future__ import annotations

import codecs
import functools
import importlib
import json
import logging
import os
import pkgutil
import stat
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

import pytest

ROOT, USER, OTHER = 0, 61001, 61002
"""The superuser, somebody who runs this program, and somebody who means them ill."""

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser can be several users"
)


def as_user(uid: int, action: Callable[[], object]) -> str:
    """Run `action` in a process of the user's and return what it returns, or the exception's class and text."""
    _load_everything()
    reading, writing = os.pipe()
    child = fork()
    if child == 0:  # pragma: no cover
        try:
            if uid:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            os.umask(0o022)
            said = _said(action)
            os.write(writing, said.encode(errors="replace")[:60_000])
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


def each_as_user(uid: int, actions: Mapping[str, Callable[[], object]]) -> dict[str, str]:
    """Run actions as `as_user` does, all of them in one process, and return what each of them said, by name."""

    def run() -> str:
        disabled = logging.root.manager.disable
        said = {}
        for name, action in actions.items():
            with mock.patch.dict(os.environ):
                said[name] = _said(action)
            logging.disable(disabled)
        return json.dumps(said)

    said: dict[str, str] = json.loads(as_user(uid, run))
    assert list(said) == list(actions)
    return said


def fork() -> int:
    """Copy this process, of whose threads none holds anything that the child needs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _said(action: Callable[[], object]) -> str:
    try:
        return str(action())
    except BaseException as error:  # noqa: BLE001 - the process ends with what it says
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"


@functools.cache
def _load_everything() -> None:
    """Load what the child could not read when the project lies where only the superuser may look."""
    for package in ("mxgateway", "mxgateway_cli"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__") and ".pyinstaller." not in module.name:
                importlib.import_module(module.name)
    for name in ("utf-8-sig", "idna", "cp437"):
        codecs.lookup(name)
    sys.stdout.flush()
    sys.stderr.flush()


def owned(path: Path, uid: int, mode: int | None = None) -> Path:
    """Give a path, not what a link leads to, to a user."""
    os.lchown(path, uid, uid)
    if mode is not None:
        path.chmod(mode)
    return path


def directory(path: Path, uid: int, mode: int = 0o755) -> Path:
    """Make a directory of a user's."""
    path.mkdir()
    return owned(path, uid, mode)


def written(path: Path, uid: int, content: str = "", mode: int = 0o600) -> Path:
    """Write a file of a user's."""
    path.write_text(content)
    return owned(path, uid, mode)


def linked(path: Path, uid: int, target: Path | str) -> Path:
    """Make a symbolic link of a user's."""
    path.symlink_to(target)
    return owned(path, uid)


def everything_in(place: Path) -> dict[str, tuple[object, ...]]:
    """Return all that stands in a directory: kind, mode, owner, and content."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [place, *place.rglob("*")]:
        state = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if stat.S_ISREG(state.st_mode) else None
        found[str(path.relative_to(place))] = (oct(state.st_mode), state.st_uid, state.st_gid, state.st_nlink, content)
    return found
