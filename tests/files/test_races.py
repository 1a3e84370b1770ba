"""Between two looks at a name somebody may put something else there: what was looked at is what is used."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import pytest

from tests.files.users import OTHER, ROOT, USER, as_user, directory, fork, needs_root, written
from tests.files.uses import (
    FINGERPRINT,
    adds_known_gateway,
    command,
    reads_known_gateways,
    reads_profile,
    reads_secret,
    takes_lock,
    writes_profile,
)  # fmt: skip

pytestmark = needs_root

ROUNDS = 150


@contextmanager
def somebody(attack: Callable[[], None]) -> Iterator[None]:
    """Have another user repeat an attack for the time of the block."""
    child = fork()
    if child == 0:  # pragma: no cover
        try:
            os.setgroups([])
            os.setgid(OTHER)
            os.setuid(OTHER)
            while os.getppid() != 1:
                with suppress(OSError):
                    attack()
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def flipping(name: Path, target: Path) -> Callable[[], None]:
    """Return an attack: the name is a file of the attacker's, then a link, then nothing, then a directory, then a second name."""
    spare = name.with_name(f"{name.name}-spare")

    def attack() -> None:
        with suppress(OSError):
            spare.unlink()
        spare.write_text("")
        os.rename(spare, name)
        spare.symlink_to(target)
        os.rename(spare, name)
        name.unlink()
        name.mkdir()
        name.rmdir()
        with suppress(OSError):
            os.link(target, name)
            name.unlink()

    return attack


def seen(path: Path) -> tuple[object, ...]:
    state = path.lstat()
    return (state.st_uid, state.st_gid, state.st_mode, path.read_text())


@pytest.mark.parametrize("name", ["file", "file.lock", "file.new"])
@pytest.mark.parametrize("use", [adds_known_gateway, takes_lock, writes_profile, reads_secret])
def test_the_superuser_in_a_home_whose_owner_changes_names_all_the_time(
    place: Path, name: str, use: Callable[[Path], str]
) -> None:
    home = directory(place / "home", OTHER)
    etc = directory(place / "etc", ROOT)
    shadow = written(etc / "shadow", ROOT, "root:secret\n")
    before = seen(shadow)

    def work() -> str:
        said = set()
        for _ in range(ROUNDS):
            try:
                said.add(use(home / "file"))
            except Exception as error:  # noqa: BLE001 - a refusal is as good
                said.add(f"{type(error).__name__}: {error}")
        return "\n".join(said)

    with somebody(flipping(home / name, shadow)):
        said = as_user(ROOT, work)

    assert "secret" not in said
    assert "internal error" not in said
    assert seen(shadow) == before
    assert [path.name for path in etc.iterdir()] == ["shadow"]


@pytest.mark.parametrize("use", [adds_known_gateway, writes_profile])
def test_the_superuser_makes_directories_in_a_home_whose_owner_changes_them(
    place: Path, use: Callable[[Path], str]
) -> None:
    """The directory that was just made is swapped for one of the superuser's that the owner of the home may move about."""
    home = directory(place / "home", OTHER)
    precious = directory(home / "precious", ROOT, 0o700)
    written(precious / "secret", ROOT, "secret")
    state = home / "state"

    def attack() -> None:
        with suppress(OSError):
            os.rename(state, home / f"away-{time.monotonic_ns()}")
        with suppress(OSError):
            os.rename(precious, state)
        os.rename(state, precious)

    def work() -> None:
        for _ in range(ROUNDS):
            with suppress(Exception):
                use(state / "file")

    with somebody(attack):
        as_user(ROOT, work)

    [found] = [path.parent for path in home.rglob("secret")]
    assert (found.stat().st_uid, (found / "secret").stat().st_uid) == (ROOT, ROOT)


def test_an_ordinary_user_in_a_sticky_directory_trusts_nobody_else(place: Path) -> None:
    """Another gateway's certificate never gets into what is read as known."""
    sticky = directory(place / "tmp", ROOT, 0o1777)
    evil = written(sticky / "evil", OTHER, f"new:1 SHA256:{':'.join(['EE'] * 32)}\n", 0o644)
    file = sticky / "known"

    def attack() -> None:
        with suppress(OSError):
            (sticky / "spare").unlink()
        os.symlink(evil, sticky / "spare")
        with suppress(OSError):
            os.rename(sticky / "spare", file)
        with suppress(OSError):
            os.link(evil, file)
        file.unlink()

    def work() -> str:
        found = set()
        for _ in range(ROUNDS):
            try:
                found.add(adds_known_gateway(file))
            except Exception as error:  # noqa: BLE001 - a refusal is as good
                found.add(type(error).__name__)
        return "\n".join(found)

    with somebody(attack):
        found = set(as_user(USER, work).splitlines())

    assert found <= {str([FINGERPRINT]), "CertificateFileFault"}


def test_an_export_into_a_directory_that_others_may_write_goes_nowhere_else(place: Path) -> None:
    shared = directory(place / "shared", ROOT, 0o777)
    mine = directory(place / "mine", ROOT)
    precious = written(mine / "precious", ROOT, "precious")
    before = seen(precious)

    def work() -> str:
        return "\n".join({command("contract", "--export", str(shared / "file")) for _ in range(ROUNDS)})

    with somebody(flipping(shared / "file", precious)):
        said = as_user(ROOT, work)

    assert "internal error" not in said
    assert seen(precious) == before
    assert [path.name for path in mine.iterdir()] == ["precious"]


def a_pipe(file: Path, _: Path) -> None:
    os.mkfifo(file)
    os.chown(file, OTHER, OTHER)


SWAPPED_IN: dict[str, Callable[[Path, Path], object]] = {
    "a link": lambda file, precious: file.symlink_to(precious),
    "a second name": lambda file, precious: file.hardlink_to(precious),
    "a file of somebody else": lambda file, _: written(file, OTHER, "evil", 0o644),
    "a file that everybody may write": lambda file, _: written(file, ROOT, "evil", 0o666),
    "a pipe": a_pipe,
    "a directory": lambda file, _: file.mkdir(),
    "a device": lambda file, _: os.mknod(file, 0o020666, os.makedev(1, 5)),
}


@pytest.mark.parametrize("thing", SWAPPED_IN)
@pytest.mark.parametrize(
    "use", [reads_known_gateways, adds_known_gateway, takes_lock, reads_profile, writes_profile, reads_secret]
)
def test_what_is_swapped_in_between_the_look_and_the_opening_is_refused(
    place: Path, use: Callable[[Path], str], thing: str
) -> None:
    sticky = directory(place / "tmp", ROOT, 0o1777)
    precious = written(directory(place / "precious", ROOT) / "file", ROOT, "precious")
    file = written(sticky / "file", ROOT, "# nothing\n")
    before = seen(precious)

    def work() -> str:
        opened, swapped = os.open, list[str]()

        def opens_late(path: str, flags: int, *arguments: int, **more: int) -> int:
            if path == "file" and not swapped and not flags & os.O_CREAT:
                swapped.append(path)
                file.unlink()
                SWAPPED_IN[thing](file, precious)
            return opened(path, flags, *arguments, **more)

        with mock.patch("os.open", opens_late):
            return use(file)

    said = as_user(ROOT, work)

    assert any(word in said for word in ("Error", "Fault", "Refusal", "cannot be")), said
    assert "internal error" not in said
    assert "precious" not in said.replace("precious/", "")
    assert "evil" not in said
    assert seen(precious) == before


def test_a_directory_that_becomes_a_link_while_it_is_entered_is_not_entered(place: Path) -> None:
    sticky = directory(place / "tmp", ROOT, 0o1777)
    precious = directory(place / "precious", ROOT)
    written(precious / "file", ROOT, f"new:1 SHA256:{FINGERPRINT}\n")
    directory(sticky / "state", ROOT)

    def work() -> str:
        opened = os.open

        def opens_late(path: str, flags: int, *arguments: int, **more: int) -> int:
            if path == "state":
                os.rename(sticky / "state", sticky / "away")
                os.symlink(precious, sticky / "state")
            return opened(path, flags, *arguments, **more)

        with mock.patch("os.open", opens_late):
            return reads_secret(sticky / "state" / "file")

    assert "Not a directory" in as_user(ROOT, work) or "Too many levels" in as_user(ROOT, work)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="access lists are set as Linux has them")
@pytest.mark.parametrize("target", ["home", "home/file"])
def test_an_access_list_that_lets_another_user_write_is_refused(place: Path, target: str) -> None:
    file = written(directory(place / "home", USER, 0o700) / "file", USER, "secret")
    entries = [(0x01, 7, -1), (0x02, 7, OTHER), (0x04, 0, -1), (0x10, 7, -1), (0x20, 0, -1)]
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(place / target, "system.posix_acl_access", packed)
    except OSError:
        pytest.skip("this file system has no access lists")
    assert as_user(OTHER, lambda: os.access(place / target, os.W_OK)) == str(target == "home")

    said = as_user(USER, lambda: reads_secret(file))

    assert "others may write" in said or "others may write" in said
