"""Whom a command trusts: the first certificate kept for the next command, a pin, an authority; and the certificate that it shows."""

# ruff: noqa: ASYNC240 - a test may wait for its own small file
from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, SECRET
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome
from tests.peers.network.certificates import Authority, ServerCertificate, self_signed
from tests.peers.network.tls_peers import asks_for_certificate, client_files

STATE = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME"
OTHER = "0F" * 32


def simulated(certificate: ServerCertificate, port: int = 0) -> SimulatedGateway:
    return SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], ssl_context=certificate.context(), port=port)


@pytest.fixture
def certificate() -> ServerCertificate:
    return self_signed()


@pytest.fixture
async def gateway(certificate: ServerCertificate) -> AsyncIterator[SimulatedGateway]:
    async with simulated(certificate) as gateway:
        yield gateway


class Shell:
    """Runs commands in an environment of their own."""

    def __init__(self, gateway: SimulatedGateway, state: Path) -> None:
        self.env = {"MXGATEWAY_ENDPOINT": gateway.endpoint, "MXGATEWAY_API_KEY": KEY, STATE: str(state)}
        self.file = state / "mxgateway" / "known_gateways"

    async def ping(self, *arguments: str, **env: str) -> Outcome:
        return await mxgw("ping", *arguments, env={**self.env, **env})


@pytest.fixture
def shell(gateway: SimulatedGateway, tmp_path: Path) -> Shell:
    return Shell(gateway, tmp_path / "state")


async def test_the_first_certificate_is_told_in_one_line_and_the_second_command_is_quiet(
    shell: Shell, gateway: SimulatedGateway, certificate: ServerCertificate
) -> None:
    first = await shell.ping()
    second = await shell.ping()

    assert (first.code, second.code) == (0, 0), first.err + second.err
    [line] = first.err.splitlines()
    assert line.startswith(f"warning: {gateway.endpoint} is trusted from now on")
    assert certificate.fingerprint in line
    assert str(shell.file) in line
    assert second.err == ""
    assert f"{gateway.endpoint} SHA256:{certificate.fingerprint}" in shell.file.read_text().splitlines()


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
async def test_the_file_is_for_its_owner_alone(shell: Shell) -> None:
    await shell.ping()

    assert stat.S_IMODE(shell.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(shell.file.parent.stat().st_mode) == 0o700


async def test_a_changed_certificate_is_refused_until_its_line_is_removed(
    shell: Shell, gateway: SimulatedGateway, certificate: ServerCertificate
) -> None:
    await shell.ping()
    changed = self_signed()
    port = int(gateway.endpoint.rpartition(":")[2])
    await gateway.stop()
    async with simulated(changed, port) as impostor:
        refused = await shell.ping()
        as_json = await shell.ping("--json")
        seen = list(impostor.received)
        shell.file.unlink()
        accepted = await shell.ping()

    assert refused.code == as_json.code == 78
    assert refused.out == ""
    error, hint = refused.err.splitlines()
    assert f"expected SHA-256 {certificate.fingerprint}, presented {changed.fingerprint}" in error
    assert f"remove line 3 of {shell.file}" in hint
    assert as_json.error["type"] == "MxGatewayTlsError"
    assert as_json.error["phase"] == "tls"
    assert seen == []
    assert accepted.code == 0, accepted.err


async def test_commands_that_run_at_once_agree(shell: Shell) -> None:
    outcomes = await asyncio.gather(*[shell.ping() for _ in range(6)])

    assert [outcome.code for outcome in outcomes] == [0] * 6, [outcome.err for outcome in outcomes]
    assert sum("trusted from now on" in outcome.err for outcome in outcomes) == 1
    assert shell.file.read_text().count("SHA256:") == 1


async def test_a_damaged_file_is_one_clear_line(shell: Shell, gateway: SimulatedGateway) -> None:
    shell.file.parent.mkdir(parents=True)
    shell.file.write_text("nonsense\n")
    shell.file.chmod(0o600)

    outcome = await shell.ping()

    assert outcome.code == 1
    error, hint = outcome.err.splitlines()
    assert f"line 1 of the known-gateways file {shell.file} is damaged" in error
    assert "correct or remove that line" in hint
    assert not gateway.received
    assert shell.file.read_text() == "nonsense\n"


async def test_another_file_is_named_by_a_flag_or_the_environment(shell: Shell, tmp_path: Path) -> None:
    by_flag, by_variable = tmp_path / "a", tmp_path / "b"

    await shell.ping("--known-hosts", str(by_flag), MXGATEWAY_KNOWN_HOSTS=str(by_variable))
    await shell.ping(MXGATEWAY_KNOWN_HOSTS=str(by_variable))

    assert by_flag.is_file()
    assert by_variable.is_file()
    assert not shell.file.exists()


async def test_the_null_device_keeps_nothing(shell: Shell) -> None:
    for _ in range(2):
        outcome = await shell.ping("--known-hosts", os.devnull)
        assert outcome.code == 0, outcome.err
        assert outcome.err.splitlines() == [
            f"warning: {os.devnull} keeps nothing: the gateway's certificate is trusted without verification, for this command only; "
            "use --pin, --ca-file or --known-hosts"
        ]
    assert not shell.file.exists()


async def test_where_no_file_can_be_made_the_command_works_and_says_what_that_means(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "in-the-way").write_text("a file")

    outcome = await shell.ping(**{STATE: str(tmp_path / "in-the-way")})

    assert outcome.code == 0, outcome.err
    [line] = outcome.err.splitlines()
    assert line.startswith("warning: cannot create")
    assert "--pin" in line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has a directory of its own for this")
async def test_the_state_directory_is_that_of_the_home_without_a_variable_for_it(shell: Shell, tmp_path: Path) -> None:
    for state in ("", "relative/is/ignored"):
        outcome = await shell.ping(HOME=str(tmp_path), **{STATE: state})
        assert outcome.code == 0, outcome.err
    assert (tmp_path / ".local" / "state" / "mxgateway" / "known_gateways").is_file()


async def test_a_file_that_was_asked_for_and_cannot_be_made_is_a_refusal(
    shell: Shell, gateway: SimulatedGateway, tmp_path: Path
) -> None:
    (tmp_path / "in-the-way").write_text("a file")

    outcome = await shell.ping("--known-hosts", str(tmp_path / "in-the-way" / "known"))

    assert outcome.code == 1
    assert "in-the-way" in outcome.err
    assert not gateway.received


@pytest.mark.parametrize("way", ["flag", "environment"])
async def test_a_pin_is_compared_and_nothing_is_kept(
    shell: Shell, gateway: SimulatedGateway, certificate: ServerCertificate, way: str
) -> None:
    async def ping(*pins: str) -> Outcome:
        flags = [word for pin in pins for word in ("--pin", pin)]
        return await (shell.ping(*flags) if way == "flag" else shell.ping(MXGATEWAY_PIN=" ".join(pins)))

    refused = await ping(OTHER)
    assert not gateway.received
    trusted = await ping(f"sha256:{certificate.fingerprint.lower()}")
    rolling_over = await ping(OTHER, certificate.fingerprint)

    assert refused.code == 78
    assert certificate.fingerprint in refused.err
    assert "change the pin" in refused.err
    assert (trusted.code, trusted.err, rolling_over.code) == (0, "", 0)
    assert not shell.file.exists()


async def test_a_pin_goes_before_a_file_of_first_certificates_wherever_the_two_are_said(
    shell: Shell, certificate: ServerCertificate, tmp_path: Path
) -> None:
    by_pin = await shell.ping("--pin", certificate.fingerprint, MXGATEWAY_KNOWN_HOSTS=str(tmp_path / "known"))
    by_file = await shell.ping("--known-hosts", str(tmp_path / "known"), MXGATEWAY_PIN=OTHER)

    assert (by_pin.code, by_pin.err, by_file.code) == (0, "", 78), by_pin.err + by_file.err
    assert by_file.err.startswith("warning: --known-hosts is ignored: --pin verifies the gateway\n")
    assert not (tmp_path / "known").exists()


async def test_plaintext_and_the_simulator_leave_all_of_it_alone(tmp_path: Path) -> None:
    shell_env = {STATE: str(tmp_path), "MXGATEWAY_PIN": OTHER, "MXGATEWAY_PROXY": "http://127.0.0.1:1"}
    with_simulator = await mxgw("ping", "--simulator", env=shell_env)
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)]) as plain:
        env = {STATE: str(tmp_path), "MXGATEWAY_PIN": OTHER, "MXGATEWAY_ENDPOINT": plain.endpoint}
        with_plaintext = await mxgw("ping", "--plaintext", env={**env, "MXGATEWAY_API_KEY": KEY})

    assert (with_simulator.code, with_simulator.err) == (0, "")
    assert with_plaintext.code == 0
    assert with_plaintext.err.splitlines() == [
        "warning: --plaintext drops --pin: the gateway is not verified, and all data is sent unencrypted"
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["flag", "environment"])
async def test_a_client_certificate_is_shown_and_its_password_is_not(
    certificate: ServerCertificate, tmp_path: Path, way: str
) -> None:
    password = "k3y-p4ssword"
    authority = Authority()
    ca_file = authority.write(tmp_path / "ca.pem")
    files = client_files(tmp_path, authority, password=password)
    context = asks_for_certificate(certificate.context(), ca_file)
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], ssl_context=context) as gateway:
        shell = Shell(gateway, tmp_path)
        flags: tuple[str, ...] = ("--client-cert", str(files.certificate), "--client-key", str(files.key))
        env: dict[str, str] = {}
        if way == "environment":
            env = {"MXGATEWAY_CLIENT_CERT": flags[1], "MXGATEWAY_CLIENT_KEY": flags[3]}
            flags = ()
        shown = await shell.ping(*flags, "-v", MXGATEWAY_CLIENT_KEY_PASSWORD=password, MXGATEWAY_DEBUG="1", **env)
        wrong = await shell.ping(*flags, "-v", MXGATEWAY_CLIENT_KEY_PASSWORD="wr0ng", MXGATEWAY_DEBUG="1", **env)
        locked = await shell.ping(*flags, **env)
        without = await shell.ping()

    assert shown.code == 0, shown.err
    assert (wrong.code, locked.code) == (1, 1)
    assert "cannot be decrypted" in wrong.err
    assert "is encrypted" in locked.err
    assert without.code in (77, 78)
    for outcome in (shown, wrong, locked, without):
        assert not {secret for secret in (password, "wr0ng", SECRET) if secret in outcome.out + outcome.err}
