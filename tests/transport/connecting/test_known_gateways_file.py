"""The known-gateways file: read strictly, written in one step, shared by any number of processes."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.errors.faults import CertificateFileFault
from mxgateway.options import Endpoint
from mxgateway.system.file_lock import locked
from mxgateway.transport.connecting.known_gateways import HEADER, KnownGateways, gateway_name
from tests.rows import each_row

A, B = ":".join(["AA"] * 32), ":".join(["BB"] * 32)
GATEWAY = "gw.plant:5001"

posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners are those of POSIX")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "known_gateways"


def written(file: Path, content: str | bytes) -> KnownGateways:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(0o600)
    return KnownGateways(file)


def fingerprints(known: KnownGateways, gateway: str = GATEWAY) -> list[str]:
    return [line.fingerprint for line in known.read(gateway)]


def refusal(file: Path, content: str | bytes) -> CertificateFileFault:
    """Return why a file is refused, by a reader and by a writer, who leaves it as it is."""
    known = written(file, content)
    with pytest.raises(CertificateFileFault) as reading:
        known.read(GATEWAY)
    with pytest.raises(CertificateFileFault) as writing:
        known.add(GATEWAY, B)
    assert str(reading.value) == str(writing.value)
    assert str(file) in str(reading.value)
    assert reading.value.remedy
    assert file.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    return reading.value


# -- reading


def test_a_file_that_does_not_exist_is_empty(file: Path) -> None:
    assert KnownGateways(file).read(GATEWAY) == ()
    assert not file.parent.exists()


@pytest.mark.parametrize(
    "line",
    [
        f"gw.plant:5001 SHA256:{A}",
        f"GW.Plant:5001 SHA256:{A}",
        f"gw.plant.:5001\tSHA256:{A.lower()}",
        f"  gw.plant:5001   SHA256:{A.replace(':', '')}   ",
        f"gw.plant:5001 SHA256:{A} # line 3, the old building",
        f"https://gw.plant:5001 SHA256:{A}",
    ],
)
def test_a_gateway_is_found_however_its_line_is_written(file: Path, line: str) -> None:
    assert fingerprints(written(file, f"# comment\n\n{line}\n")) == [A]


def test_what_an_editor_of_windows_makes_of_the_file_is_read(file: Path) -> None:
    known = written(file, b"\xef\xbb\xbf" + f"# comment\r\n{GATEWAY} SHA256:{A}\r\n".encode())
    assert [(line.line, line.fingerprint) for line in known.read(GATEWAY)] == [(2, A)]


def test_several_lines_of_one_gateway_are_alternatives(file: Path) -> None:
    known = written(file, f"{GATEWAY} SHA256:{A}\nother:1 SHA256:{A}\n{GATEWAY} SHA256:{B}\n")
    assert [(line.line, line.fingerprint) for line in known.read(GATEWAY)] == [(1, A), (3, B)]


@each_row(
    ("endpoint", "name"),
    [
        (Endpoint("GW.Plant", 5001), "gw.plant:5001"),
        (Endpoint("gw.plant.", 5001), "gw.plant:5001"),
        (Endpoint("10.0.0.7", 1), "10.0.0.7:1"),
        (Endpoint("0:0:0:0:0:0:0:1", 5001), "[::1]:5001"),
        (Endpoint("FE80::0001", 5001), "[fe80::1]:5001"),
    ],
)
def test_a_gateway_has_one_name_however_it_is_spelt(endpoint: Endpoint, name: str) -> None:
    assert gateway_name(endpoint) == name
    assert gateway_name(Endpoint.parse(name)) == name


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("gw.plant:5001", "is not host:port SHA256:fingerprint"),
        (f"gw.plant:5001 {A}", "is not host:port SHA256:fingerprint"),
        (f"gw.plant:5001 SHA1:{A}", "is not host:port SHA256:fingerprint"),
        (f"gw.plant:5001 SHA256:{A} more", "is not host:port SHA256:fingerprint"),
        (f"gw.plant:5001 SHA256:{A[:-3]}", "62 hex digits"),
        (f"gw.plant:5001 SHA256:{A}AA", "66 hex digits"),
        (f"gw.plant:5001 SHA256:{A[:-1]}G", "is not host:port SHA256:fingerprint"),
        (f"gw.plant SHA256:{A}", "not host:port"),
        (f"gw.plant:0 SHA256:{A}", "not host:port"),
        ("\x00" * 40, "is not host:port SHA256:fingerprint"),
        ("{'gw': 1}", "is not host:port SHA256:fingerprint"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_overwritten(file: Path, line: str, why: str) -> None:
    fault = refusal(file, f"# comment\nother:1 SHA256:{A}\n{line}\n")
    assert "line 3 of the known-gateways file" in str(fault)
    assert why in str(fault)
    assert "correct or remove" in fault.remedy


def test_a_line_that_is_no_text_is_named(file: Path) -> None:
    assert "line 2 " in str(refusal(file, b"# comment\n\xff\xfe\n"))


def test_a_file_beyond_all_measure_is_not_read(file: Path) -> None:
    assert "is longer than" in str(refusal(file, b"#" * (5 * 1024 * 1024)))


@given(content=st.binary(max_size=200))
def test_any_content_is_read_or_refused_in_one_line(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        try:
            written(Path(directory, "state", "known"), content).read(GATEWAY)
        except CertificateFileFault as fault:
            assert str(fault).isprintable()


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(CertificateFileFault, match="not a regular file"):
        KnownGateways(tmp_path).read(GATEWAY)


@posix
def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CertificateFileFault, match="not a regular file"):
        KnownGateways(tmp_path / "pipe").add(GATEWAY, A)


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused_because_they_could_trust_anybody(file: Path, mode: int) -> None:
    known = written(file, f"{GATEWAY} SHA256:{A}\n")
    file.chmod(mode)
    uses: list[Callable[[], object]] = [lambda: known.read(GATEWAY), lambda: known.add("new:1", B)]
    for use in uses:
        with pytest.raises(CertificateFileFault, match="others may write it") as caught:
            use()
        assert f"chmod go-w {file}" in caught.value.remedy


@posix
def test_a_file_that_others_may_read_is_accepted(file: Path) -> None:
    known = written(file, f"{GATEWAY} SHA256:{A}\n")
    file.chmod(0o644)
    assert fingerprints(known) == [A]
    assert known.add("new:1", B)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


# -- writing


def test_the_first_gateway_makes_the_file_with_a_header_and_one_line(file: Path) -> None:
    known = KnownGateways(file)
    assert [line.fingerprint for line in known.add(GATEWAY, A)] == [A]
    assert file.read_text() == f"{HEADER}{GATEWAY} SHA256:{A}\n"
    assert all(line.startswith("#") for line in HEADER.splitlines())
    assert known.read(GATEWAY) == known.add(GATEWAY, A)


@posix
def test_file_and_directory_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        KnownGateways(tmp_path / "state" / "mxgateway" / "known_gateways").add(GATEWAY, A)
    finally:
        os.umask(before)
    directory = tmp_path / "state" / "mxgateway"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {
        "known_gateways": 0o600,
        "known_gateways.lock": 0o600,
    }


def test_what_people_wrote_into_the_file_stays(file: Path) -> None:
    mine = f"# mine\n\nother:1   SHA256:{A.lower()} # keep"
    known = written(file, mine)  # without an end of the last line
    known.add(GATEWAY, B)
    assert file.read_text() == f"{mine}\n{GATEWAY} SHA256:{B}\n"


def test_a_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    KnownGateways("~/known").add(GATEWAY, A)
    assert (tmp_path / "known").is_file()


@posix
def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles" / "known", tmp_path / "known"
    written(real, "")
    link.symlink_to(real)
    KnownGateways(link).add(GATEWAY, A)
    assert link.is_symlink()
    assert fingerprints(KnownGateways(real)) == [A]


def test_the_line_of_a_process_that_was_faster_counts(file: Path) -> None:
    known = KnownGateways(file)
    known.add(GATEWAY, A)
    before = file.read_bytes()
    assert [line.fingerprint for line in known.add(GATEWAY, B)] == [A]
    assert file.read_bytes() == before


def test_what_a_killed_process_left_half_written_does_no_harm(file: Path) -> None:
    known = written(file, f"other:1 SHA256:{A}\n")
    file.with_name("known_gateways.new").write_text("half a li")
    known.add(GATEWAY, B)
    assert fingerprints(known, "other:1") == [A]
    assert fingerprints(known) == [B]
    assert not file.with_name("known_gateways.new").exists()


def test_a_directory_that_cannot_be_made_is_told_with_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(CertificateFileFault) as caught:
        KnownGateways(tmp_path / "state" / "known_gateways").add(GATEWAY, A)
    assert f"{GATEWAY} (SHA-256 {A}) cannot be kept in" in str(caught.value)
    assert "as a pin" in caught.value.remedy


@contextmanager
def a_directory_of_nobody() -> Iterator[Path]:
    """Give a directory, and be nobody in particular for the time of the block: the superuser may write everywhere."""
    directory = Path(tempfile.mkdtemp())
    superuser = os.geteuid() == 0
    if superuser:
        os.chown(directory, 65534, 65534)
        os.seteuid(65534)
    try:
        yield directory
    finally:
        if superuser:
            os.seteuid(0)
        directory.chmod(0o700)
        shutil.rmtree(directory)


@posix
def test_a_directory_that_is_read_only_is_told_and_what_it_holds_is_used() -> None:
    with a_directory_of_nobody() as directory:
        known = written(directory / "known_gateways", f"{GATEWAY} SHA256:{A}\n")
        directory.chmod(0o500)
        assert fingerprints(known) == [A]
        with pytest.raises(CertificateFileFault, match=r"cannot be kept in .*Permission denied"):
            known.add("new:1", B)


@posix
def test_a_file_that_cannot_be_read_is_told() -> None:
    with a_directory_of_nobody() as directory:
        known = written(directory / "known_gateways", f"{GATEWAY} SHA256:{A}\n")
        known.file.chmod(0o000)
        with pytest.raises(CertificateFileFault, match="cannot be read: Permission denied"):
            known.read(GATEWAY)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only the superuser writes other people's files")
def test_what_the_superuser_adds_stays_the_owners(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    known = KnownGateways(tmp_path / "known_gateways")
    for gateway in ("first:1", "second:1"):
        known.add(gateway, A)
        assert {path.stat().st_uid for path in tmp_path.iterdir()} == {65534}


# -- many processes

ADD = """
import sys
from mxgateway.transport.connecting.known_gateways import KnownGateways
file, gateway, fingerprint = sys.argv[1:]
sys.stdin.readline()
known = KnownGateways(file)
for number in range(10):
    lines = known.add(f"{gateway}{number}", fingerprint)
    print(lines[0].fingerprint)
"""


def add_from_processes(file: Path, arguments: list[tuple[str, str]]) -> list[list[str]]:
    """Add ten gateways from each of several processes at once; return what each found in the file then."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, str(file), *each], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for each in arguments
    ]  # fmt: skip
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=50) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), ends
    return [out.split() for out, _ in ends]


def test_processes_that_add_different_gateways_lose_no_line(file: Path) -> None:
    names = [f"gw{number}:500" for number in range(6)]
    add_from_processes(file, [(name, A) for name in names])
    known = KnownGateways(file)
    assert all(fingerprints(known, f"{name}{number}") == [A] for name in names for number in range(10))
    assert len(file.read_text().splitlines()) == len(HEADER.splitlines()) + 60
    assert {path.name for path in file.parent.iterdir()} == {"known_gateways", "known_gateways.lock"}


def test_of_processes_that_saw_different_certificates_one_is_believed_by_all(file: Path) -> None:
    seen = [":".join([f"{number:02X}"] * 32) for number in range(5)]
    found = add_from_processes(file, [("gw.plant:500", fingerprint) for fingerprint in seen])
    assert found == [found[0]] * 5
    assert len(file.read_text().splitlines()) == len(HEADER.splitlines()) + 10


def test_threads_of_one_process_exclude_each_other_as_well(file: Path) -> None:
    threads = [threading.Thread(target=KnownGateways(file).add, args=(f"gw:{n + 1}", A)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(fingerprints(KnownGateways(file), f"gw:{n + 1}") == [A] for n in range(20))


HOLD = """
import sys, pathlib
from mxgateway.system.file_lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_is_waited_for_within_a_bound_and_ends_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(TimeoutError, match="another process holds the lock"), locked(lock, timeout=0.05):
        pass
    holder.kill()
    holder.communicate()
    with locked(lock, timeout=10):
        pass
