"""The file that keeps the first certificate of each gateway.

One line for each gateway, ``host:port SHA256:fingerprint``; lines that begin with ``#`` are comments. Several lines for one gateway are alternatives, which an
administrator may write for a roll-over. Everything here blocks and belongs into a thread.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.faults import CertificateFileFault
from mxgateway.options import Endpoint, read_fingerprint
from mxgateway.refusals import os_text
from mxgateway.transport.file_lock import leave_to_owner, locked

T = TypeVar("T")

log = logging.getLogger("mxgateway.transport.tls")

HEADER: Final = """\
# Gateways that are trusted: one line each, host:port and the SHA-256 fingerprint of the certificate.
# A gateway whose certificate has changed is refused until its line is removed.
"""

_LINE: Final = re.compile(r"(\S+)[ \t]+SHA256:([0-9A-Fa-f:]+)(?:[ \t]+#.*)?")
_LIMIT: Final = 4 * 1024 * 1024
"""Bytes; no plant has that many gateways."""
_SHARING_PATIENCE: Final = 1.0
"""Seconds that Windows may refuse a file because somebody else has it open."""


@dataclass(frozen=True, slots=True)
class KnownGateway:
    """One line of the file."""

    line: int
    gateway: str
    fingerprint: str


def gateway_name(endpoint: Endpoint) -> str:
    """Return how a gateway is called in the file: ``host:port``, the host in lower case, an address in its shortest form."""
    host = endpoint.host.lower().removesuffix(".")
    with contextlib.suppress(ValueError):
        host = str(ipaddress.ip_address(host))
    return str(Endpoint(host, endpoint.port))


class KnownGateways:
    """The file; missing it is empty, and it is made when the first gateway is added.

    Args:
        file: Where it is; a leading ``~`` is the home directory.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self.file = Path(os.path.expanduser(file))

    def read(self, gateway: str) -> tuple[KnownGateway, ...]:
        """Return the lines of a gateway.

        Raises:
            CertificateFileFault: The file cannot be read, is damaged, or others may write it.
        """
        try:
            return self._lines_of(gateway, self._content())
        except OSError as error:
            raise CertificateFileFault(
                f"the known-gateways file {self.file} cannot be read: {os_text(error)}",
                remedy="make it readable, or name another file",
            ) from None

    def add(self, gateway: str, fingerprint: str) -> tuple[KnownGateway, ...]:
        """Add a gateway, unless another process has been faster.

        Returns:
            The lines of the gateway as they stand in the file now: not necessarily with `fingerprint`.

        Raises:
            CertificateFileFault: The file cannot be written, is damaged, or others may write it.
        """
        try:
            return self._add(gateway, fingerprint)
        except OSError as error:
            raise CertificateFileFault(
                f"the certificate of {gateway} (SHA-256 {fingerprint}) cannot be kept in {self.file}: {os_text(error)}",
                remedy="make file and directory writable, name another file, or give the fingerprint as the pin",
            ) from None

    def _add(self, gateway: str, fingerprint: str) -> tuple[KnownGateway, ...]:
        target = Path(os.path.realpath(self.file))  # a link to the file stays a link
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(target.with_name(target.name + ".lock")):
            content = self._content()
            known = self._lines_of(gateway, content)
            if known:
                return known
            before = content or HEADER
            before += "" if before.endswith("\n") else "\n"
            content = f"{before}{gateway} SHA256:{fingerprint}\n"
            _replace(target, content.encode())
        log.warning(
            "%s is trusted from now on, its certificate being the first one seen: SHA-256 %s, kept in %s",
            gateway, fingerprint, self.file,
        )  # fmt: skip
        return self._lines_of(gateway, content)

    def _content(self) -> str:
        try:
            found = os.stat(self.file)
        except FileNotFoundError:
            return ""
        self._check(found)
        data = _patiently(self.file.read_bytes)
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._damaged(data[: error.start].count(b"\n") + 1, "it is no UTF-8 text") from None

    def _check(self, found: os.stat_result) -> None:
        """Refuse what is no file of ours; that others may read it does no harm, a fingerprint is public."""
        if not stat.S_ISREG(found.st_mode):
            raise CertificateFileFault(
                f"the known-gateways file {self.file} is no regular file", remedy="name a file"
            )  # fmt: skip
        if found.st_size > _LIMIT:
            raise CertificateFileFault(
                f"the known-gateways file {self.file} has {found.st_size} bytes, more than {_LIMIT}",
                remedy="remove the lines that are not needed",
            )
        if os.name == "posix" and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CertificateFileFault(
                f"the known-gateways file {self.file} may be written by others, who could make anybody a trusted gateway",
                remedy=f"check its lines, then run 'chmod go-w {self.file}'",
            )

    def _lines_of(self, gateway: str, content: str) -> tuple[KnownGateway, ...]:
        return tuple(known for known in self._parse(content) if known.gateway == gateway)

    def _parse(self, content: str) -> Iterator[KnownGateway]:
        for number, line in enumerate(content.split("\n"), start=1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            match = _LINE.fullmatch(text)
            if match is None:
                raise self._damaged(number, "it does not read host:port SHA256:fingerprint")
            try:
                yield KnownGateway(number, gateway_name(Endpoint.parse(match[1])), read_fingerprint(match[2]))
            except MxGatewayInvalidRequestError:
                raise self._damaged(number, "its first word is no host:port") from None
            except ValueError as error:
                raise self._damaged(number, f"its fingerprint is none: {error}") from None

    def _damaged(self, line: int, why: str) -> CertificateFileFault:
        return CertificateFileFault(
            f"line {line} of the known-gateways file {self.file} is damaged: {why}",
            remedy="correct or remove that line",
        )


def _replace(target: Path, content: bytes) -> None:
    """Put a new file in the place of `target` in one step; nobody ever sees half of it."""
    new = target.with_name(target.name + ".new")
    new.unlink(missing_ok=True)  # of a process that was killed: the lock is ours
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(descriptor, "wb") as file:
            _keep_owner(target, descriptor)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        _patiently(lambda: os.replace(new, target))
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _keep_owner(target: Path, descriptor: int) -> None:
    """Give a new file the mode and owner of the old one; a first one gets the directory's owner."""
    exists = target.exists()
    if exists and os.name == "posix":
        os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
    leave_to_owner(descriptor, target if exists else target.parent)


def _patiently(action: Callable[[], T]) -> T:
    """Do what Windows refuses while another process has the file open."""
    deadline = time.monotonic() + _SHARING_PATIENCE
    while True:
        try:
            return action()
        except PermissionError:
            if os.name != "nt" or time.monotonic() >= deadline:
                raise
        time.sleep(0.01)
