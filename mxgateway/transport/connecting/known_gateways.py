"""The file that keeps the first certificate of each gateway.

One line for each gateway, ``host:port SHA256:fingerprint``; lines that begin with ``#`` are comments. Several lines for
one gateway are alternatives, which an administrator may write for a rollover. Everything here blocks and must run in a
thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.errors.faults import CertificateFileFault
from mxgateway.errors.logs import logger
from mxgateway.errors.texts import os_text
from mxgateway.options import Endpoint, read_fingerprint
from mxgateway.options.hosts import canonical_host
from mxgateway.system.file_lock import locked
from mxgateway.system.files import FileRefusal, OwnFile, own_file
from mxgateway.system.home_directory import expand_home

log = logger("mxgateway.transport.tls")

HEADER: Final = """\
# Trusted gateways: one line each, host:port and the SHA-256 fingerprint of the certificate.
# A gateway whose certificate has changed is refused until its line is removed.
"""

_LINE: Final = re.compile(r"(\S+)[ \t]+SHA256:([0-9A-Fa-f:]+)(?:[ \t]+#.*)?")
_LIMIT: Final = 4 * 1024 * 1024
"""Bytes; no plant has that many gateways."""


@dataclass(frozen=True, slots=True)
class KnownGateway:
    """One line of the file."""

    line: int
    gateway: str
    fingerprint: str


def gateway_name(endpoint: Endpoint) -> str:
    """Return a gateway's name in the file: ``host:port`` with the canonical host, and its zone if it has one."""
    return str(Endpoint(canonical_host(endpoint.host), endpoint.port))


class KnownGateways:
    """The file. A missing file counts as empty; it is created when the first gateway is added.

    Args:
        file: Its path; a leading ``~`` is the home directory.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self.file = Path(expand_home(os.fspath(file)))

    def read(self, gateway: str) -> tuple[KnownGateway, ...]:
        """Return the lines of a gateway.

        Raises:
            CertificateFileFault: The file cannot be read, is damaged, or others may write it.
        """
        failure, remedy = (
            f"the known-gateways file {self.file} cannot be read",
            "make it readable, or name another file",
        )
        with self._explaining(failure, remedy), suppress(FileNotFoundError), own_file(self.file) as place:
            return self._lines_of(gateway, self._content(place))
        return ()

    def add(self, gateway: str, fingerprint: str) -> tuple[KnownGateway, ...]:
        """Add a gateway, unless another process added it meanwhile.

        Returns:
            The lines of the gateway that are now in the file: not necessarily with `fingerprint`.

        Raises:
            CertificateFileFault: The file cannot be written, is damaged, or others may write it.
        """
        failure = f"the certificate of {gateway} (SHA-256 {fingerprint}) cannot be kept in {self.file}"
        remedy = "make file and directory writable, name another file, or give the fingerprint as a pin"
        with self._explaining(failure, remedy), own_file(self.file, make=True) as place:
            place.check()  # no lock file beside a file that is not our own
            with locked(Path(f"{place.path}.lock")):
                return self._add(gateway, fingerprint, place)

    def _add(self, gateway: str, fingerprint: str, place: OwnFile) -> tuple[KnownGateway, ...]:
        content = self._content(place)
        known = self._lines_of(gateway, content)
        if known:
            return known
        before = content or HEADER
        before += "" if before.endswith("\n") else "\n"
        content = f"{before}{gateway} SHA256:{fingerprint}\n"
        place.replace(content.encode(), is_locked=True, keeps_mode=True)
        log.warning(
            "%s is trusted from now on: its certificate is the first one seen (SHA-256 %s), kept in %s",
            gateway, fingerprint, self.file,
        )  # fmt: skip
        return self._lines_of(gateway, content)

    def _content(self, place: OwnFile) -> str:
        try:
            data = place.read(_LIMIT)
        except FileNotFoundError:
            return ""
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._damaged(data[: error.start].count(b"\n") + 1, "it is not UTF-8 text") from None

    @contextmanager
    def _explaining(self, failure: str, remedy: str) -> Iterator[None]:
        """Raise what the system says about the file as a `CertificateFileFault`.

        Others may read the file, because fingerprints are public.
        """
        try:
            yield
        except FileRefusal as error:
            text = f"the known-gateways file {self.file} is not trusted: {error.strerror}"
            raise CertificateFileFault(text, remedy=error.remedy) from None
        except OSError as error:
            raise CertificateFileFault(f"{failure}: {os_text(error)}", remedy=remedy) from None

    def _lines_of(self, gateway: str, content: str) -> tuple[KnownGateway, ...]:
        return tuple(known for known in self._parse(content) if known.gateway == gateway)

    def _parse(self, content: str) -> Iterator[KnownGateway]:
        for number, line in enumerate(content.split("\n"), start=1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            match = _LINE.fullmatch(text)
            if match is None:
                raise self._damaged(number, "it is not host:port SHA256:fingerprint")
            try:
                yield KnownGateway(number, gateway_name(Endpoint.parse(match[1])), read_fingerprint(match[2]))
            except MxGatewayInvalidRequestError:
                raise self._damaged(number, "its first word is not host:port") from None
            except ValueError as error:
                raise self._damaged(number, f"its fingerprint is invalid: {error}") from None

    def _damaged(self, line: int, why: str) -> CertificateFileFault:
        return CertificateFileFault(
            f"line {line} of the known-gateways file {self.file} is damaged: {why}",
            remedy="correct or remove that line",
        )
