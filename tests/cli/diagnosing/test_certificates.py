"""What `doctor` says of a certificate that is refused: which one it was, although nobody trusts it, and no key gets there."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.simulator import SimulatedGateway
from mxgateway_cli.diagnosing.certificates import fingerprint, read_certificate
from tests.cli.diagnosing.doctors import doctor, steps, the_failure
from tests.cli.gateway import KEY
from tests.peers.network.certificates import Authority, ServerCertificate, self_signed
from tests.peers.network.tls_peers import asks_for_certificate, client_files
from tests.rows import each_row

AUTHORITY: Final = Authority()
REFUSED: Final[dict[str, tuple[Callable[[], ServerCertificate], str, str]]] = {
    "expired": (lambda: AUTHORITY.expired("127.0.0.1"), "certificate has expired", "renewed"),
    "not yet valid": (lambda: AUTHORITY.not_yet_valid("127.0.0.1"), "not yet valid", "clock"),
    "wrong name": (lambda: AUTHORITY.issue("other.plant"), "IP address mismatch", "--server-name-override"),
    "unknown issuer": (lambda: Authority().issue("127.0.0.1"), "unable to get local issuer", "--ca-file"),
    "self-signed": (self_signed, "self-signed certificate", "--pin"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refused_certificate_is_told(tmp_path: Path, case: str) -> None:
    issue, words, hint = REFUSED[case]
    certificate = issue()
    ca_file = str(AUTHORITY.write(tmp_path / "ca.pem"))
    async with SimulatedGateway(ssl_context=certificate.context()) as gateway:
        outcome = await doctor(gateway.endpoint, "--ca-file", ca_file)
        received = list(gateway.received)

    assert outcome.code == 78
    failure = the_failure(outcome, "tls")
    assert words in failure["detail"]
    assert hint in failure["hint"]
    assert failure["sha256"] == certificate.fingerprint
    assert certificate.fingerprint in failure["detail"]
    assert failure["error"] == {"type": "MxGatewayTlsError", "grpcStatus": "UNAVAILABLE", "phase": "tls"}
    assert [steps(outcome)[name]["status"] for name in ("resolve", "connect", "http2")] == ["ok", "ok", "skipped"]
    assert not received, "nothing is sent to a gateway that is not trusted"
    assert KEY not in outcome.out + outcome.err


async def test_another_certificate_than_the_pinned_one_is_told() -> None:
    certificate = self_signed()
    async with SimulatedGateway(ssl_context=certificate.context()) as gateway:
        outcome = await doctor(gateway.endpoint, "--pin", "0F" * 32)
        assert not gateway.received

    assert the_failure(outcome, "tls")["sha256"] == certificate.fingerprint


async def test_another_certificate_than_the_first_one_seen_is_told(tmp_path: Path) -> None:
    known, changed = str(tmp_path / "known"), self_signed()
    async with SimulatedGateway(ssl_context=self_signed().context()) as gateway:
        first = await doctor(gateway.endpoint, "--known-hosts", known, key=gateway.api_key)
        port = gateway.port
    async with SimulatedGateway(ssl_context=changed.context(), port=port) as impostor:
        outcome = await doctor(impostor.endpoint, "--known-hosts", known)
        assert not impostor.received

    assert first.code == 0, first.err
    failure = the_failure(outcome, "tls")
    assert failure["sha256"] == changed.fingerprint
    assert f"of {known}" in failure["hint"]


async def test_a_client_certificate_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    certificate, ca_file = AUTHORITY.issue("127.0.0.1"), AUTHORITY.write(tmp_path / "ca.pem")
    context = asks_for_certificate(certificate.context(), ca_file)
    async with SimulatedGateway(ssl_context=context) as gateway:
        outcome = await doctor(gateway.endpoint, "--ca-file", str(ca_file))

    step = next(each for each in steps(outcome).values() if each["status"] == "failed")
    failure = the_failure(outcome, step["step"])
    assert step["step"] in ("tls", "http2"), "with TLS 1.3 a server checks our certificate after the handshake"
    assert "client certificate" in failure["detail"]
    assert steps(outcome)["tls"]["sha256"] == certificate.fingerprint


async def test_a_client_certificate_that_is_asked_for_is_sent(tmp_path: Path) -> None:
    certificate, authority = AUTHORITY.issue("127.0.0.1"), AUTHORITY
    ca_file = authority.write(tmp_path / "ca.pem")
    files = client_files(tmp_path, authority)
    context = asks_for_certificate(certificate.context(), ca_file)
    shown = ("--client-cert", str(files.certificate), "--client-key", str(files.key))
    async with SimulatedGateway(ssl_context=context) as gateway:
        outcome = await doctor(gateway.endpoint, "--ca-file", str(ca_file), *shown, key=gateway.api_key)

    assert outcome.code == 0, outcome.err


async def test_a_file_that_is_no_certificate_fails_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    outcome = await doctor("127.0.0.1:1", "--ca-file", str(tmp_path / "ca.pem"))

    assert outcome.code == 1
    assert "has no PEM certificate" in the_failure(outcome, "tls")["detail"]
    assert steps(outcome)["connect"]["status"] == "skipped"


def der(certificate: ServerCertificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.certificate_pem.decode())


@pytest.mark.parametrize("names", [("gw.plant",), ("127.0.0.1", "::1", "a.b"), tuple(f"h{n}.plant" for n in range(40))])
def test_a_certificate_reads_as_another_library_reads_it(names: tuple[str, ...]) -> None:
    for certificate in (AUTHORITY.issue(*names), self_signed(*names), self_signed(*names, valid=(-1, 365 * 40))):
        facts = read_certificate(der(certificate))
        reference = x509.load_der_x509_certificate(der(certificate))

        assert facts.not_after == reference.not_valid_after_utc
        assert facts.not_before == reference.not_valid_before_utc
        assert facts.names == names[:20]
        assert facts.is_self_signed == (reference.subject == reference.issuer)
        assert fingerprint(der(certificate)) == certificate.fingerprint
    assert facts.subject == "CN=MXAccess Gateway"
    assert facts.not_after - datetime.now(UTC) > timedelta(days=365 * 39)


CERTIFICATE: Final = der(self_signed())


@given(st.integers(0, len(CERTIFICATE) - 1), st.binary(max_size=8), st.integers(0, 8))
def test_a_damaged_certificate_is_a_value_error_at_worst(position: int, junk: bytes, dropped: int) -> None:
    damaged = CERTIFICATE[:position] + junk + CERTIFICATE[position + dropped :]
    with contextlib.suppress(ValueError):
        read_certificate(damaged)


@each_row("count", range(10))
def test_a_certificate_with_some_of_its_parts_is_a_value_error(count: int) -> None:
    number = b"\x02\x01\x05"
    body = bytes([0x30, 3 * count]) + number * count
    with pytest.raises(ValueError, match=r"\w"):
        read_certificate(bytes([0x30, len(body)]) + body)
