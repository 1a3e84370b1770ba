"""Every file that a command takes has a bound and an end: no device is opened, no pipe waited for that nobody fills, nothing read without end."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mxgateway import TlsOptions
from mxgateway.errors.faults import CertificateFileFault
from mxgateway.simulator import SimulatedGateway
from mxgateway.system import file_reading
from mxgateway.system.files import FileRefusal, bounded, checked_path, opened_input, read_input, read_secret
from mxgateway.transport.connecting.tls import client_context
from mxgateway.transport.connecting.trust import PinnedTrust
from mxgateway_cli.batch import stdin_lines
from mxgateway_cli.input import named_tags, rows
from mxgateway_cli.main import run
from tests.cli.process import PROGRAM, Outcome, environment
from tests.peers.network.certificates import Authority, self_signed

posix = pytest.mark.skipif(os.name != "posix", reason="devices and pipes with names are those of POSIX")

TAKES_A_FILE = {
    "--descriptor-set": ["contract", "--descriptor-set", "FILE"],
    "--from of tags": ["read", "--simulator", "--from", "FILE"],
    "--from as CSV": ["write-bulk", "--simulator", "--from", "FILE", "--format", "csv"],
    "--from as JSON": ["subscribe-bulk", "--simulator", "--from", "FILE", "--format", "jsonl"],
    "--ca-file": ["ping", "--endpoint", "localhost:1", "--ca-file", "FILE"],
    "--client-cert": ["ping", "--endpoint", "localhost:1", "--client-cert", "FILE"],
    "--client-key": ["ping", "--endpoint", "localhost:1", "--client-cert", "CERTIFICATE", "--client-key", "FILE"],
    "--known-hosts": ["ping", "--endpoint", "localhost:1", "--known-hosts", "FILE"],
    "--api-key-file": ["ping", "--endpoint", "localhost:1", "--plaintext", "--api-key-file", "FILE"],
    "--password-file": ["authenticate-user", "--simulator", "--user", "x", "--password-file", "FILE"],
    "--certificate": ["simulate", "--port", "0", "--certificate", "FILE"],
    "--private-key": ["simulate", "--port", "0", "--certificate", "CERTIFICATE", "--private-key", "FILE"],
    "MXGATEWAY_CONFIG": ["profile", "list"],
    "MXGATEWAY_CONFIG, to write": ["profile", "set", "p", "--plaintext"],
    "MXGATEWAY_PROFILE": ["ping", "--profile", "p", "--plaintext"],
}


def outcome_of(place: Path, option: str, file: str) -> Outcome:
    """Run the command that takes the file."""
    made = self_signed()
    (place / "certificate").write_bytes(made.certificate_pem)
    words = [{"FILE": file, "CERTIFICATE": str(place / "certificate")}.get(word, word) for word in TAKES_A_FILE[option]]
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment({"MXGATEWAY_CONFIG": file}), clear=True),
        mock.patch("sys.stdin", io.StringIO()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run(words)
    return Outcome(code, out.getvalue(), err.getvalue())


def is_refused(outcome: Outcome) -> None:
    assert outcome.code in (1, 2), outcome
    assert outcome.out == ""
    assert [line for line in outcome.err.splitlines() if line.startswith("error: ")] == outcome.err.splitlines()[:1]
    assert "Traceback" not in outcome.err
    assert "internal error" not in outcome.err


@posix
@pytest.mark.parametrize("option", TAKES_A_FILE)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/full", "/dev/tty"])
def test_no_option_takes_a_device(place: Path, option: str, device: str) -> None:
    if not Path(device).exists():
        pytest.skip(f"there is no {device} here")
    outcome = outcome_of(place, option, device)

    is_refused(outcome)
    assert "not a regular file" in outcome.err
    assert not Path(f"{device}.lock").exists()


@posix
@pytest.mark.parametrize("option", TAKES_A_FILE)
@pytest.mark.parametrize("thing", ["pipe", "socket", "directory"])
def test_no_option_waits_for_what_has_no_end(
    place: Path, option: str, thing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_reading, "PIPE_TIMEOUT", 0.05)
    file = place / "thing"
    if thing == "pipe":
        os.mkfifo(file)
    elif thing == "directory":
        file.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(file))

    outcome = outcome_of(place, option, str(file))

    is_refused(outcome)
    assert any(why in outcome.err for why in ("not a regular file", "nobody wrote", "is a directory"))


@posix
@pytest.mark.parametrize("option", TAKES_A_FILE)
def test_no_option_reads_a_file_of_any_size(place: Path, option: str) -> None:
    """A hole of 16 GiB, which takes no room on the disk, and would take all of the memory."""
    file = place / "hole"
    with file.open("wb") as made:
        made.truncate(1 << 34)
    file.chmod(0o600)

    outcome = outcome_of(place, option, str(file))

    is_refused(outcome)
    assert "is longer than" in outcome.err


# -- pipes that somebody fills


@posix
@pytest.mark.parametrize("read", [read_input, read_secret])
def test_a_pipe_is_read_to_its_end(place: Path, read: Callable[[Path, int], bytes]) -> None:
    os.mkfifo(place / "pipe", 0o600)
    content = b"x" * 200_000  # more than a pipe holds
    writer = threading.Thread(target=(place / "pipe").write_bytes, args=(content,))
    writer.start()
    assert read(place / "pipe", 200_000) == content
    writer.join()


@posix
@pytest.mark.parametrize("read", [read_input, read_secret])
def test_a_pipe_has_the_bound_of_a_file(place: Path, read: Callable[[Path, int], bytes]) -> None:
    os.mkfifo(place / "pipe", 0o600)
    with subprocess.Popen(["sh", "-c", f"exec yes > '{place}/pipe'"]) as writer:
        with pytest.raises(FileRefusal, match="longer than 1000 bytes"):
            read(place / "pipe", 1000)
        assert writer.wait() != 0


@posix
def test_the_authorities_may_come_through_a_pipe_and_a_client_key_may_not(place: Path) -> None:
    os.mkfifo(place / "pipe", 0o600)
    content = Authority().write(place / "ca.pem").read_bytes()
    writer = threading.Thread(target=(place / "pipe").write_bytes, args=(content,))
    writer.start()
    context = client_context(TlsOptions(ca_file=place / "pipe"), PinnedTrust(()))
    writer.join()
    assert len(context.get_ca_certs()) == 1
    with pytest.raises(CertificateFileFault, match="not a regular file"):
        client_context(TlsOptions(client_cert=place / "pipe"), PinnedTrust(()))


SHELL = {
    "a list of tags": "read --simulator --from <(echo TestChildObject.TestInt) -o value",
    "a list of tags on stdin": "read --simulator --from /dev/stdin -o value <<< TestChildObject.TestInt",
    "a table": "write-bulk --simulator --from <(printf 'tag,type,value\\nTestChildObject.TestInt,int32,5\\n') --format csv --json",
    "a contract": "contract --descriptor-set <(cat own.binpb) -o value",
    "a contract on stdin": "contract --descriptor-set /dev/stdin -o value < own.binpb",
    "a password": "authenticate-user --simulator --user operator --password-file <(echo operator-password) -o value",
}


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="a shell gives its pipes names below /dev/fd")
@pytest.mark.parametrize("what", SHELL)
def test_what_a_shell_pipes_into_a_command_is_read(place: Path, what: str) -> None:
    from mxgateway.contract import own_descriptor_set

    (place / "own.binpb").write_bytes(own_descriptor_set())
    program = " ".join(f"'{word}'" for word in PROGRAM)
    done = subprocess.run(
        ["bash", "-c", f"{program} {SHELL[what]}"], cwd=place, capture_output=True, text=True, check=False,
        env=environment({"PYTHONPATH": os.pathsep.join(sys.path)}),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="a shell gives its pipes names below /dev/fd")
def test_a_key_comes_through_a_pipe_of_the_shell() -> None:
    reading_end, writing_end = os.pipe()
    os.write(writing_end, b"mxgw_id_secret")
    os.close(writing_end)
    assert read_secret(f"/dev/fd/{reading_end}", 100) == b"mxgw_id_secret"
    os.close(reading_end)
    with pytest.raises(OSError, match="Bad file descriptor"):
        read_secret("/dev/fd/987654321", 100)


# -- bounds of stdin


class Endless(io.RawIOBase):
    """A stdin that never ends, and has no line."""

    def __init__(self, piece: bytes) -> None:
        self._piece = piece

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        return size


def stdin_of(piece: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(Endless(piece)))


def test_a_list_of_tags_on_stdin_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_tags, "_MAX_BYTES", 100_000)
    monkeypatch.setattr("sys.stdin", stdin_of(b"A.B\n" * 1000))
    with pytest.raises(Exception, match="longer than 100000 bytes"):
        named_tags._listed("-")


@pytest.mark.parametrize(("name", "piece", "why"), [
    ("_MAX_BYTES", b'{"tag": "A.B"}\n', "more than 100000 bytes; split it"),
    ("_MAX_ROWS", b'{"tag": "A.B"}\n', "more than 100000 rows; split it"),
    ("_MAX_LINE_BYTES", b"a", "the line is longer than 100000 bytes"),
])  # fmt: skip
def test_rows_on_stdin_have_bounds(monkeypatch: pytest.MonkeyPatch, name: str, piece: bytes, why: str) -> None:
    monkeypatch.setattr(rows, name, 100_000)
    monkeypatch.setattr("sys.stdin", stdin_of(piece * 1000))
    with rows.opened_rows("-", "jsonl") as found, pytest.raises(rows.BadRows, match=why):
        list(found)


async def test_a_line_of_a_batch_without_an_end_ends_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdin_lines, "LONGEST", 1000)
    monkeypatch.setattr(stdin_lines, "_MOST_SKIPPED", 1_000_000)
    monkeypatch.setattr("sys.stdin", stdin_of(b"a" * 100_000))
    with pytest.raises(Exception, match="a line of more than 1000000 bytes"):
        await stdin_lines.StdinLines().next()


def test_a_stream_that_has_nothing_yet_is_not_taken_for_an_empty_one() -> None:
    reading_end, writing_end = os.pipe()
    os.set_blocking(reading_end, False)
    with open(reading_end, "rb") as file, open(writing_end, "wb"), pytest.raises(BlockingIOError):
        bounded(file, 10)


# -- what is trusted


@posix
@pytest.mark.parametrize("file", ["ca.pem", "certificate"])
def test_a_certificate_that_everybody_may_write_is_no_certificate_to_trust(place: Path, file: str) -> None:
    Authority().write(place / "ca.pem")
    made = self_signed()
    (place / "certificate").write_bytes(made.certificate_pem)
    (place / "key").write_bytes(made.key_pem)
    (place / "key").chmod(0o600)
    options = {
        "ca.pem": TlsOptions(ca_file=place / "ca.pem"),
        "certificate": TlsOptions(client_cert=place / "certificate", client_key=place / "key"),
    }
    client_context(options[file], PinnedTrust(()))
    (place / file).chmod(0o666)
    with pytest.raises(CertificateFileFault, match="it is world-writable") as caught:
        client_context(options[file], PinnedTrust(()))
    assert f"chmod o-w {place / file}" in caught.value.remedy


@posix
def test_openssl_reads_the_file_that_was_looked_at(place: Path) -> None:
    (place / "file").write_text("looked at")
    with checked_path(place / "file", 100) as path:
        (place / "file").rename(place / "away")
        (place / "file").write_text("put in its place")
        if path != str(place / "file"):
            assert Path(path).read_text() == "looked at"


@posix
async def test_the_simulated_gateway_takes_files_only(place: Path) -> None:
    os.mkfifo(place / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        await SimulatedGateway(certificate=place / "pipe").start()


@posix
def test_what_becomes_a_device_between_two_looks_is_refused_all_the_same(place: Path) -> None:
    """The look at the name says that it is a file; the descriptor says what was opened."""
    regular = os.stat(__file__)
    with mock.patch("os.stat", return_value=regular), pytest.raises(FileRefusal, match="not a regular file"):
        with opened_input("/dev/zero"):
            pass
    assert stat.S_ISREG(regular.st_mode)
