"""What is ours is used wherever it stands, and what the superuser makes in somebody's home is left to its owner."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mxgateway.system import file_reading, file_rules, path_walk
from mxgateway.system import own_file as own_file_module
from mxgateway.system.files import export, own_file
from mxgateway.transport.connecting.known_gateways import KnownGateways
from tests.files.users import (
    OTHER,
    ROOT,
    USER,
    as_user,
    directory,
    everything_in,
    linked,
    needs_root,
    owned,
    written,
)  # fmt: skip
from tests.files.uses import (
    FINGERPRINT,
    GATEWAY,
    OWN_FILES,
    SECRETS,
    adds_known_gateway,
    command,
    exports,
    reads_known_gateways,
    reads_secret,
    writes_profile,
)  # fmt: skip

posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes are those of POSIX")

LINE = f"{GATEWAY} SHA256:{FINGERPRINT}\n"

# -- what is ours


@needs_root
@pytest.mark.parametrize("owner", [USER, ROOT], ids=["my own", "the superuser's"])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400])
def test_a_file_of_mine_or_of_the_superuser_is_read(place: Path, owner: int, mode: int) -> None:
    file = written(directory(place / "home", owner) / "file", owner, LINE, mode)
    if owner == ROOT:
        file.chmod(mode | 0o044)

    assert as_user(USER, lambda: reads_known_gateways(file)) == str([FINGERPRINT])
    assert as_user(USER, lambda: reads_secret(file)) == LINE


@needs_root
@pytest.mark.parametrize("maker", [USER, ROOT])
@pytest.mark.parametrize("target", ["absolute", "relative", "through the parent", "through another link"])
def test_a_link_of_mine_or_of_the_superuser_is_followed(place: Path, maker: int, target: str) -> None:
    home = directory(place / "home", USER)
    real = written(directory(home / "dotfiles", USER) / "known", USER, LINE)
    links = directory(home / "links", USER)
    linked(links / "first", maker, home / "dotfiles")
    targets: dict[str, Path | str] = {
        "absolute": real, "relative": "../dotfiles/known", "through the parent": f"../../{home.name}/./dotfiles//known",
        "through another link": "first/known",
    }  # fmt: skip
    file = linked(links / "file", maker, targets[target])

    assert as_user(USER, lambda: reads_known_gateways(file)) == str([FINGERPRINT])
    assert as_user(USER, lambda: adds_known_gateway(file)) == str([FINGERPRINT])
    assert file.is_symlink()
    assert "new:1" in real.read_text()
    assert sorted(path.name for path in real.parent.iterdir()) == ["known", "known.lock"]


@needs_root
def test_a_secret_is_mounted_as_kubernetes_does_it(place: Path) -> None:
    """A sticky directory of the superuser's, in it links of the superuser's to a directory that is exchanged as a whole."""
    volume = directory(place / "secret", ROOT, 0o1777)
    written(directory(volume / "..2026_11_30", ROOT) / "token", ROOT, "mxgw_id_secret\n", 0o644)
    linked(volume / "..data", ROOT, "..2026_11_30")
    token = linked(volume / "token", ROOT, "..data/token")

    for user in (USER, ROOT):
        assert as_user(user, lambda: reads_secret(token)) == "mxgw_id_secret\n"
        assert "nothing is listening" in as_user(
            user, lambda: command("ping", "--api-key-file", str(token), "--plaintext", "--endpoint", "127.0.0.1:1")
        )


@needs_root
def test_a_sticky_directory_will_do(place: Path) -> None:
    sticky = directory(place / "tmp", ROOT, 0o1777)
    file = sticky / "known"

    assert as_user(USER, lambda: adds_known_gateway(file)) == str([FINGERPRINT])
    assert as_user(USER, lambda: adds_known_gateway(file)) == str([FINGERPRINT])
    assert {path.stat().st_uid for path in sticky.iterdir()} == {USER}
    assert "belongs to user" in as_user(OTHER, lambda: adds_known_gateway(file))


@needs_root
def test_directories_on_the_way_need_be_searched_only(place: Path) -> None:
    closed = directory(place / "closed", ROOT, 0o711)
    file = written(directory(closed / "home", USER, 0o711) / "known", USER, LINE)

    assert as_user(USER, lambda: reads_known_gateways(file)) == str([FINGERPRINT])


def test_a_path_is_taken_from_where_the_program_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for path in ("known", "./known", "../inner/known", "../inner/../inner//known", str(tmp_path / "inner" / "known")):
        with own_file(path) as found:
            assert found.path == str(tmp_path / "inner" / "known")


@pytest.mark.parametrize("path", ["", ".", "..", "/", "a/..", "no/such/file", "a\0b", "a\ud800b", "file/below"])
def test_what_is_no_file_is_one_error_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), own_file(path) as found:  # noqa: PT011 - one of the operating system's
        found.read(10)


@posix
def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"), own_file(tmp_path / "a"):
        pass


# -- the superuser in somebody's home


@needs_root
@pytest.mark.parametrize("has_chown", [True, False], ids=["who may give files away", "who may not"])
def test_what_the_superuser_makes_in_a_home_is_its_owners(
    place: Path, monkeypatch: pytest.MonkeyPatch, has_chown: bool
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_chown:
        monkeypatch.setattr(os, "fchown", refused)
    home = directory(place / "home", OTHER)
    known, config = home / ".local/state/mxgateway/known_gateways", home / ".config/mxgateway/config.toml"

    for _ in range(2):
        assert as_user(ROOT, lambda: adds_known_gateway(known)) == str([FINGERPRINT])
        assert as_user(ROOT, lambda: writes_profile(config)).startswith("0\n")

    assert {path.stat().st_uid for path in home.rglob("*")} == {OTHER if has_chown else ROOT}
    if has_chown:
        assert as_user(OTHER, lambda: adds_known_gateway(known)) == str([FINGERPRINT])
        assert as_user(OTHER, lambda: writes_profile(config)).startswith("0\n")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in home.rglob("*")}
    assert modes == {0o700, 0o600}


@needs_root
def test_what_the_superuser_changes_stays_its_owners(place: Path) -> None:
    home = directory(place / "home", OTHER)
    known, config = written(home / "known", OTHER, LINE, 0o644), written(home / "config", OTHER, "# mine\n", 0o644)

    assert as_user(ROOT, lambda: adds_known_gateway(known)) == str([FINGERPRINT])
    assert as_user(ROOT, lambda: writes_profile(config)).startswith("0\n")

    assert {path.name: path.stat().st_uid for path in home.iterdir()} == dict.fromkeys(
        ["known", "known.lock", "config"], OTHER
    )
    assert stat.S_IMODE(known.stat().st_mode) == 0o644
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert "# mine" in config.read_text()


@needs_root
def test_a_link_of_an_owner_within_the_home_is_followed_by_the_superuser(place: Path) -> None:
    home = directory(place / "home", OTHER)
    real = written(directory(home / "dotfiles", OTHER) / "known", OTHER, LINE)
    link = linked(home / "known", OTHER, "dotfiles/known")

    assert as_user(ROOT, lambda: adds_known_gateway(link)) == str([FINGERPRINT])
    assert link.is_symlink()
    assert "new:1" in real.read_text()
    assert {path.lstat().st_uid for path in home.rglob("*")} == {OTHER}


@needs_root
def test_the_superuser_may_stand_in_a_home(place: Path) -> None:
    home = directory(place / "home", OTHER)
    deeper = directory(home / "deeper", OTHER)

    def work() -> str:
        os.chdir(deeper)
        return adds_known_gateway(Path("known")) + adds_known_gateway(Path("../known"))

    assert as_user(ROOT, work) == str([FINGERPRINT]) * 2
    assert {path.stat().st_uid for path in home.rglob("*")} == {OTHER}


# -- exports


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o775, 0o1777])
def test_an_export_stands_beside_the_files_of_others(place: Path, mode: int) -> None:
    shared = directory(place / "shared", ROOT, mode)
    owned(shared, USER, mode)

    said = as_user(USER, lambda: exports(shared / "own.binpb"))

    assert said == "exported"
    assert [(path.name, path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) for path in shared.iterdir()] == [
        ("own.binpb", USER, 0o644)
    ]


@needs_root
@pytest.mark.parametrize("me", [USER, ROOT])
@pytest.mark.parametrize("target", ["precious", "missing"])
def test_an_export_is_not_written_through_a_strangers_link(place: Path, me: int, target: str) -> None:
    mine = directory(place / "mine", me)
    written(mine / "precious", me, "precious")
    sticky = directory(place / "tmp", ROOT, 0o1777)
    linked(sticky / "file", OTHER, mine / target)
    linked(sticky / "directory", OTHER, mine)
    before = everything_in(place)

    for path in (sticky / "file", sticky / "directory" / target):
        said = as_user(me, lambda: exports(path))  # noqa: B023 - called at once
        assert "reached through a link owned by user" in said
    assert everything_in(place) == before


@needs_root
def test_an_export_of_the_superuser_is_the_homes_owners_and_follows_no_link_out_of_it(place: Path) -> None:
    home = directory(place / "home", OTHER)
    shadow = written(directory(place / "etc", ROOT) / "shadow", ROOT, "secret")
    linked(home / "evil", OTHER, shadow)
    shadow_link = home / "hard"
    shadow_link.hardlink_to(shadow)

    as_user(ROOT, lambda: exports(home / "evil"))
    as_user(ROOT, lambda: exports(home / "hard"))
    assert as_user(ROOT, lambda: exports(home / "new")) == "exported"

    assert (shadow.read_text(), shadow.stat().st_uid) == ("secret", ROOT)
    assert (home / "new").stat().st_uid == OTHER


@posix
def test_an_export_replaces_a_file_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    file, second = tmp_path / "file", tmp_path / "second"
    file.write_text("old")
    file.chmod(0o640)
    second.hardlink_to(file)

    export(file, b"new")

    assert (file.read_text(), second.read_text()) == ("new", "old")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "second"]


@posix
@pytest.mark.parametrize("target", ["directory", "pipe", "/dev/null"])
def test_an_export_replaces_nothing_but_files(tmp_path: Path, target: str) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        export(tmp_path / target, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory", "pipe"]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        export(tmp_path / "file", b"new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


# -- where files have no such owners


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what is done on Windows."""
    import mxgateway.system.files

    for module in (mxgateway.system.files, own_file_module, file_reading, file_rules, path_walk):
        if hasattr(module, "POSIX"):
            monkeypatch.setattr(module, "POSIX", False)


@pytest.mark.usefixtures("elsewhere")
def test_without_owners_files_are_read_and_replaced_by_their_paths(tmp_path: Path) -> None:
    file = tmp_path / "state" / "known"
    for gateway in ("a:1", "b:1"):
        assert KnownGateways(file).add(gateway, FINGERPRINT)
    assert KnownGateways(file).read("a:1")
    assert sorted(path.name for path in file.parent.iterdir()) == ["known", "known.lock"]
    file.chmod(0o666)
    assert reads_secret(file).count("SHA256") == 2
    export(tmp_path / "exported", b"x")
    assert (tmp_path / "exported").read_bytes() == b"x"
    for use in (*OWN_FILES.values(), *SECRETS.values()):
        try:
            said = use(tmp_path)
        except Exception as error:  # noqa: BLE001 - whatever is said
            said = str(error)
        assert "not a regular file" in said or "is a directory" in said
