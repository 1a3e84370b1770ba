"""Whatever another user has put where one of our files will be: it is refused, and nothing is written, made or given away."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.files.users import (
    OTHER,
    ROOT,
    USER,
    as_user,
    directory,
    each_as_user,
    everything_in,
    linked,
    needs_root,
    owned,
    written,
)
from tests.files.uses import OWN_FILES, SECRETS

pytestmark = needs_root

CONTENT = "# nothing\n"

Plant = Callable[[Path, int], Path]
PLANTS: dict[str, tuple[Plant, str]] = {}
"""What is planted for a user, and why it is refused."""


def plant(why: str) -> Callable[[Plant], Plant]:
    def kept(function: Plant) -> Plant:
        PLANTS[function.__name__] = (function, why)
        return function

    return kept


@plant("belongs to user")
def a_file_of_somebody_else(place: Path, me: int) -> Path:
    return written(directory(place / "mine", me) / "file", OTHER, CONTENT, 0o644)


@plant("others may write it")
def a_file_that_everybody_may_write(place: Path, me: int) -> Path:
    return written(directory(place / "mine", me) / "file", me, CONTENT, 0o666)


@plant("others may write it")
def a_file_that_a_group_may_write(place: Path, me: int) -> Path:
    return written(directory(place / "mine", me) / "file", me, CONTENT, 0o660)


@plant("others may write its directory")
def a_file_in_a_directory_that_everybody_may_write(place: Path, me: int) -> Path:
    return written(directory(place / "mine", me, 0o777) / "file", me, CONTENT)


@plant("others may write its directory")
def a_file_in_a_directory_that_a_group_may_write(place: Path, me: int) -> Path:
    return written(directory(place / "mine", me, 0o770) / "file", me, CONTENT)


@plant("others may write its directory")
def nothing_in_a_directory_that_everybody_may_write(place: Path, me: int) -> Path:
    return directory(place / "mine", me, 0o777) / "file"


@plant("world-writable")
def a_file_of_mine_below_a_directory_that_everybody_may_write(place: Path, me: int) -> Path:
    return written(directory(directory(place / "open", ROOT, 0o777) / "mine", me) / "file", me, CONTENT)


@plant("world-writable")
def a_file_of_mine_far_below_a_directory_of_mine_that_everybody_may_write(place: Path, me: int) -> Path:
    inner = directory(directory(place / "open", me, 0o777) / "state", me)
    return written(directory(inner / "mine", me) / "file", me, CONTENT)


@plant("world-writable")
def nothing_where_somebody_has_moved_my_directory_away(place: Path, me: int) -> Path:
    directory(directory(place / "open", ROOT, 0o777) / "moved", me)
    return place / "open" / "mine" / "file"


@plant("hard links")
def a_hard_link_to_a_file_of_mine(place: Path, me: int) -> Path:
    precious = written(directory(place / "precious", me) / "file", me, CONTENT)
    (directory(place / "sticky", ROOT, 0o1777) / "file").hardlink_to(precious)
    return place / "sticky" / "file"


@plant("reached through a link owned by user")
def a_link_to_a_file_of_mine(place: Path, me: int) -> Path:
    precious = written(directory(place / "precious", me) / "file", me, CONTENT)
    return linked(directory(place / "sticky", ROOT, 0o1777) / "file", OTHER, precious)


@plant("reached through a link owned by user")
def a_link_to_nothing(place: Path, me: int) -> Path:
    target = directory(place / "precious", me) / "made-by-following"
    return linked(directory(place / "sticky", ROOT, 0o1777) / "file", OTHER, target)


@plant("reached through a link owned by user")
def a_link_in_the_place_of_the_directory(place: Path, me: int) -> Path:
    written(directory(place / "precious", me) / "file", me, CONTENT)
    return linked(directory(place / "sticky", ROOT, 0o1777) / "state", OTHER, place / "precious") / "file"


@plant("reached through a link owned by user")
def a_link_far_above(place: Path, me: int) -> Path:
    inner = directory(directory(place / "precious", me) / "state", me)
    written(inner / "file", me, CONTENT)
    return linked(directory(place / "sticky", ROOT, 0o1777) / "home", OTHER, place / "precious") / "state" / "file"


@plant("reached through a link owned by user")
def a_link_behind_a_link_of_mine(place: Path, me: int) -> Path:
    written(directory(place / "precious", me) / "file", me, CONTENT)
    theirs = linked(directory(place / "sticky", ROOT, 0o1777) / "theirs", OTHER, place / "precious")
    return linked(directory(place / "mine", me) / "state", me, theirs) / "file"


@plant("others may write its directory")
def a_link_of_mine_where_others_can_change_it(place: Path, me: int) -> Path:
    written(directory(place / "precious", me) / "file", me, CONTENT)
    return linked(directory(place / "open", me, 0o777) / "state", me, place / "precious") / "file"


@plant("not a regular file")
def a_directory(place: Path, me: int) -> Path:
    return directory(directory(place / "mine", me) / "file", me)


@plant("not a regular file")
def a_socket(place: Path, me: int) -> Path:
    file = directory(place / "mine", me) / "file"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(file))
    return owned(file, me, 0o600)


@plant("not a regular file")
def a_device(place: Path, me: int) -> Path:
    return linked(directory(place / "mine", me) / "file", me, "/dev/zero")


@plant("not a regular file")
def a_disk(place: Path, me: int) -> Path:
    file = directory(place / "mine", me) / "file"
    os.mknod(file, 0o060600, os.makedev(7, 200))
    return owned(file, me)


USERS = pytest.mark.parametrize("me", [USER, ROOT], ids=["an ordinary user", "the superuser"])


@USERS
@pytest.mark.parametrize("what", PLANTS)
def test_what_somebody_planted_is_refused_and_nothing_changes(place: Path, what: str, me: int) -> None:
    """Each use meets it in a directory of its own."""
    planted, why = PLANTS[what]
    uses = {**OWN_FILES, **SECRETS}
    for use in uses:
        (place / use).mkdir()
    files = {use: planted(place / use, me) for use in uses}
    before = {use: everything_in(place / use) for use in uses}

    said = each_as_user(me, {use: partial(uses[use], file) for use, file in files.items()})

    for use, text in said.items():
        # The command line knows by itself what is missing, and what a directory is.
        is_told = use in SECRETS and ("does not exist" in text or "is a directory" in text)
        assert why in text or is_told, (use, text)
        assert "Traceback" not in text, use
        assert everything_in(place / use) == before[use], use


@USERS
@pytest.mark.parametrize("use", OWN_FILES)
def test_a_directory_of_somebody_elses_is_refused(place: Path, use: str, me: int) -> None:
    file = written(directory(place / "theirs", OTHER) / "file", OTHER, CONTENT)
    file.chmod(0o644)
    before = everything_in(place)

    said = as_user(me, lambda: OWN_FILES[use](file))

    if me == ROOT:  # who works in somebody's home, with that one's files
        assert "belongs to" not in said
        assert {path.stat().st_uid for path in place.rglob("*")} == {OTHER}
    else:
        assert "its directory" in said
        assert "belongs to user" in said
        assert everything_in(place) == before


@pytest.mark.parametrize("use", [*OWN_FILES, *SECRETS])
def test_a_pipe_that_somebody_has_made_is_not_waited_for(place: Path, use: str) -> None:
    file = directory(place / "sticky", ROOT, 0o1777) / "file"
    os.mkfifo(file)
    owned(file, OTHER, 0o666)

    said = as_user(USER, lambda: {**OWN_FILES, **SECRETS}[use](file))

    assert "not a regular file" in said or "belongs to user" in said


@pytest.mark.parametrize("use", OWN_FILES)
def test_the_superuser_follows_no_link_out_of_the_home_of_its_owner(place: Path, use: str) -> None:
    """The home belongs to the one who plants: the superuser's file is neither read, nor locked, nor given away, and none is made."""
    home = directory(place / "home", OTHER)
    directory(place / "etc", ROOT)
    for number, target in enumerate(("shadow", "missing")):
        if target == "shadow":
            written(place / "etc" / target, ROOT, "root:secret\n")
        file = linked(home / f"direct{number}", OTHER, place / "etc" / target)
        lock = written(home / f"beside{number}", OTHER, CONTENT)
        linked(home / f"beside{number}.lock", OTHER, place / "etc" / target)
        linked(home / f"beside{number}.new", OTHER, place / "etc" / target)
        before = everything_in(place / "etc")

        assert "reached through a link owned by user" in as_user(ROOT, lambda: OWN_FILES[use](file))  # noqa: B023 - called at once
        said = as_user(ROOT, lambda: OWN_FILES[use](lock))  # noqa: B023

        assert everything_in(place / "etc") == before
        if use == "adds_known_gateway":
            assert "its lock" in said


@pytest.mark.parametrize("use", OWN_FILES)
def test_the_superuser_gives_no_file_away_that_was_moved_into_a_home(place: Path, use: str) -> None:
    """Who owns a directory can rename what the superuser has left in it, or give it a second name."""
    home = directory(place / "home", OTHER)
    moved = written(home / "file", ROOT, CONTENT)
    for name in ("file.lock", "file.new"):
        written(home / name, ROOT, "root:secret\n")

    as_user(ROOT, lambda: OWN_FILES[use](moved))

    assert (home / "file.lock").stat().st_uid == ROOT
    assert (home / "file").stat().st_uid == ROOT
    if (home / "file.new").exists():
        assert (home / "file.new").stat().st_uid == ROOT


@pytest.mark.parametrize("me", [USER, ROOT])
@pytest.mark.parametrize("use", ["adds_known_gateway", "writes_profile"])
def test_no_directory_is_made_behind_a_strangers_link(place: Path, use: str, me: int) -> None:
    directory(place / "precious", me)
    linked(directory(place / "sticky", ROOT, 0o1777) / "link", OTHER, place / "precious")
    linked(directory(place / "home", OTHER) / "link", OTHER, place / "precious")
    before = everything_in(place)

    for way in ("sticky", "home"):
        said = as_user(me, lambda: OWN_FILES[use](place / way / "link" / "new" / "deeper" / "file"))  # noqa: B023
        assert "reached through a link owned by user" in said
    assert everything_in(place) == before


@pytest.mark.parametrize("use", [*OWN_FILES, *SECRETS])
@pytest.mark.parametrize(
    "way", ["a directory", "a link home", "a directory with a link home", "a link home in a directory of mine"]
)
def test_the_superuser_is_not_led_into_a_home_by_its_owner(place: Path, use: str, way: str) -> None:
    """What the owner of a home put where everybody may put something is no way for the superuser, who would trust what stands there."""
    home = directory(place / "home", OTHER)
    sticky = directory(place / "sticky", ROOT, 0o1777)
    if way == "a link home":
        linked(sticky / "state", OTHER, home)
    elif way == "a link home in a directory of mine":
        linked(directory(sticky / "mine", ROOT) / "state", OTHER, home)
        sticky = sticky / "mine"
    else:
        directory(sticky / "state", OTHER)
        if way == "a directory with a link home":
            (sticky / "state").rename(sticky / "theirs")
            linked(sticky / "theirs" / "in", OTHER, home)
            linked(sticky / "state", ROOT, "theirs/in")
    file = sticky / "state" / "file"
    written(file, OTHER, CONTENT, 0o644)
    before = everything_in(place)

    said = as_user(ROOT, lambda: {**OWN_FILES, **SECRETS}[use](file))

    assert "neither root nor the owner of this home" in said, said
    assert everything_in(place) == before
