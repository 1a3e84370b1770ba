"""A made certificate is one that verifiers of other makers take: OpenSSL at its strictest, BoringSSL, and the cryptography package."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID

from mxgateway import GatewayClient, MxGatewayError, TlsOptions
from mxgateway.simulator import MadeCertificate, SimulatedGateway, make_certificate
from mxgateway.simulator.certificates import der
from mxgateway.simulator.certificates.p256 import SigningKey
from tests.simulator.peer import Peer


@pytest.fixture(scope="module")
def made() -> MadeCertificate:
    return make_certificate(["plant.example", "192.0.2.7", "localhost"])


def written(made: MadeCertificate, folder: Path) -> tuple[Path, Path]:
    (folder / "gateway.pem").write_text(made.certificate + made.private_key)
    (folder / "ca.pem").write_text(made.authority)
    return folder / "gateway.pem", folder / "ca.pem"


def test_it_says_what_a_certificate_of_a_server_says(made: MadeCertificate) -> None:
    authority, leaf = (x509.load_pem_x509_certificate(each.encode()) for each in (made.authority, made.certificate))
    key = serialization.load_pem_private_key(made.private_key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == leaf.public_key()
    assert isinstance(key.curve, ec.SECP256R1)

    leaf.verify_directly_issued_by(authority)
    authority.verify_directly_issued_by(authority)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "plant.example"]
    assert names.get_values_for_type(x509.IPAddress) == list(map(ip_address, ("127.0.0.1", "::1", "192.0.2.7")))
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    basic = [each.extensions.get_extension_for_class(x509.BasicConstraints) for each in (leaf, authority)]
    assert [(each.critical, each.value.ca) for each in basic] == [(True, False), (True, True)]
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)
    now = datetime.now(UTC)
    assert leaf.not_valid_before_utc < now < leaf.not_valid_after_utc < now + timedelta(days=826)
    assert leaf.serial_number != authority.serial_number


def test_two_have_different_keys_and_no_repr_shows_one(made: MadeCertificate) -> None:
    other = make_certificate()
    assert len({other.private_key, made.private_key, other.authority, made.authority}) == 4
    assert "PRIVATE KEY" not in repr(made)
    assert str(SigningKey(12345)) == "SigningKey()"


async def test_verifiers_take_it_by_its_names_and_refuse_another(made: MadeCertificate, tmp_path: Path) -> None:
    certificate, ca = written(made, tmp_path)
    async with SimulatedGateway(certificate=certificate) as gateway:
        for name in ("127.0.0.1", "localhost"):
            endpoint = f"{name}:{gateway.port}"
            async with GatewayClient.connect(endpoint, api_key=gateway.api_key, tls=TlsOptions(ca_file=ca)) as client:
                assert await client.galaxy.test_connection()
            credentials = grpc.ssl_channel_credentials(ca.read_bytes())
            async with Peer(endpoint, gateway.api_key, credentials) as peer:
                assert (await peer.call("TestConnection")).ok
        context = ssl.create_default_context(cafile=ca)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.set_alpn_protocols(["h2"])
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port, ssl=context)
        writer.close()
        (tmp_path / "other.pem").write_text(make_certificate().authority)
        with pytest.raises(MxGatewayError, match="certificate"):
            await GatewayClient.connect(
                gateway.endpoint, api_key=gateway.api_key, tls=TlsOptions(ca_file=tmp_path / "other.pem")
            )


@pytest.mark.parametrize("name", ["", "a name", "größe.example", "x" * 254])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="neither an IP address nor a DNS name"):
        make_certificate([name])


def test_signatures_are_those_of_ecdsa_and_of_what_was_signed() -> None:
    for number in (1, 2, 2**255 + 12345, SigningKey().number):
        key = SigningKey(number)
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)
        assert public == ec.derive_private_key(number, ec.SECP256R1()).public_key()
        signature = utils.encode_dss_signature(*key.sign(b"what was signed"))
        public.verify(signature, b"what was signed", ec.ECDSA(hashes.SHA256()))
        with pytest.raises(InvalidSignature):
            public.verify(signature, b"something else", ec.ECDSA(hashes.SHA256()))


def test_lengths_numbers_and_times_are_der() -> None:
    assert [der.octets(bytes(size))[:-size].hex() for size in (1, 127, 128, 255, 256, 70000)] == [
        "0401", "047f", "048180", "0481ff", "04820100", "0483011170",
    ]  # fmt: skip
    assert [der.integer(number).hex() for number in (0, 127, 128, 256)] == ["020100", "02017f", "02020080", "02020100"]
    assert der.oid("1.2.840.10045.2.1").hex() == "06072a8648ce3d0201"
    assert der.time(datetime(2049, 12, 31, 23, 59, 59)) == b"\x17\x0d491231235959Z"
    assert der.time(datetime(2050, 1, 1)) == b"\x18\x0f20500101000000Z"
