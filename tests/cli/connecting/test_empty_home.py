"""A HOME that is set but empty counts as not set: nothing is kept in the root directory."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from mxgateway.system.home_directory import expand_home
from mxgateway_cli.completing.lookup import cache_folder
from mxgateway_cli.connecting.default_profile import profiles_path
from mxgateway_cli.connecting.tls import default_file
from mxgateway_cli.main import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the home directory is in other variables there")

PLACES: Final = {profiles_path: ".config", default_file: ".local/state", cache_folder: ".cache"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have a home directory that only the system's list of users names, and the log as it was afterwards."""
    import pwd

    class User:
        pw_dir = str(tmp_path)

    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "MXGATEWAY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(pwd, "getpwuid", lambda _: User)
    logger = logging.getLogger("mxgateway")
    before = logger.handlers[:], logger.level, logger.propagate
    yield tmp_path
    logger.handlers[:], logger.level, logger.propagate = before


def test_files_are_kept_in_the_home_directory_of_the_list_of_users(home: Path) -> None:
    assert [str(place()).startswith(f"{home}/{folder}/") for place, folder in PLACES.items()] == [True] * 3
    assert run(["profile", "set", "plant", "--endpoint", "gw:5001"]) == 0
    assert (home / ".config/mxgateway/config.toml").exists()


def test_without_a_home_directory_nothing_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def nobody(_: int) -> object:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert [place() for place in PLACES] == [None] * 3
    assert run(["profile", "set", "plant", "--endpoint", "gw:5001"]) == 2


@pytest.mark.parametrize("path", ["~", "~/a", "a/~", "/a", "", "~root/a"])
def test_with_a_home_paths_are_those_of_python(path: str) -> None:
    assert expand_home(path) == os.path.expanduser(path)
