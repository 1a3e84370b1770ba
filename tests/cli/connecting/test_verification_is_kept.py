"""What verifies the gateway is never lost on the way: whatever else is said, and wherever, a man in the middle hears nothing."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
import pytest

from mxgateway_cli.connecting import connection
from mxgateway_cli.terminal.exit_codes import CommandFailure
from tests.cli.batches import batch
from tests.cli.choosing import SOURCES, Case
from tests.cli.gateway import KEY, SECRET
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome
from tests.peers.network.certificates import Authority, self_signed

PIN = "0F" * 32
VERIFIES = ("pin", "ca_file", "require_certificate_validation")


# -- the model: what counts, for every source of every option that has a say


@dataclass(frozen=True)
class Said:
    """Where each option is said; None where it is not."""

    pin: str | None
    ca_file: str | None
    require_certificate_validation: str | None
    known_hosts: str | None
    plaintext: str | None
    https: str | None

    def rank(self, *options: str) -> int:
        """The rank of the one that goes before the others, 0 when none of them is said."""
        sources = [source for option in options if (source := getattr(self, option))]
        return max((len(SOURCES) - SOURCES.index(source) for source in sources), default=0)

    @property
    def in_profile(self) -> set[str]:
        return {each.name for each in fields(self) if getattr(self, each.name) == "profile"}


def expected(said: Said) -> tuple[str, bool]:
    """Return what counts and whether something is told; written apart from the command's own rules."""
    verifying = said.rank(*VERIFIES)
    stored, plaintext, https = map(said.rank, ("known_hosts", "plaintext", "https"))
    if "plaintext" in said.in_profile and said.in_profile & {*VERIFIES, "known_hosts", "https"}:
        return "refused", False
    if "known_hosts" in said.in_profile and said.in_profile & {*VERIFIES}:
        return "refused", False
    if plaintext and https:
        if plaintext >= https:
            return "refused", False
        plaintext = 0
    if plaintext and plaintext == max(verifying, stored):
        return "refused", False
    if plaintext > max(verifying, stored):
        return "plaintext", verifying > 0
    if not verifying:
        return "first use", False
    if stored == verifying:
        return "refused", False
    return "verified", stored > verifying and stored >= 3


@pytest.mark.parametrize("plaintext", [None, "flag", "batch", "profile"])
@pytest.mark.parametrize("known_hosts", [None, *SOURCES])
def test_what_verifies_goes_before_every_file_and_gives_way_to_nothing_but_a_plaintext_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known_hosts: str | None, plaintext: str | None
) -> None:
    (tmp_path / "ca.pem").write_text("x")
    case, anywhere = Case(tmp_path, monkeypatch), (None, *SOURCES)
    told: list[object] = []
    monkeypatch.setattr(connection, "_warn", lambda *text: told.append(text))
    for pin, second, https in itertools.product(anywhere, repeat=3):
        for ca_file, validation in [(second, None), (None, second)] if second else [(None, None)]:
            said = Said(pin, ca_file, validation, known_hosts, plaintext, https)
            assert chosen(case, told, tmp_path, said) == expected(said), said


def chosen(case: Case, told: list[object], tmp_path: Path, said: Said) -> tuple[str, bool]:
    """Return what the command makes of it: what counts, and whether something was told."""
    values: dict[str, object] = {
        "pin": PIN, "ca_file": str(tmp_path / "ca.pem"), "require_certificate_validation": True,
        "known_hosts": str(tmp_path / "known"), "plaintext": True, "https": "https://gw:1",
    }  # fmt: skip
    flags: list[str] = []
    lent: dict[str, object] = {}
    profile = ""
    variables: dict[str, Any] = {}
    for option, value in values.items():
        name = "endpoint" if option == "https" else option
        text = "true" if value is True else f"'{value}'"
        match getattr(said, option):
            case "flag":
                flags.append(f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}"))
            case "batch":
                lent[name] = (value,) if name == "pin" else value
            case "environment":
                variables[f"MXGATEWAY_{name.upper()}"] = "1" if value is True else str(value)
            case "profile":
                profile += f"{name.replace('_', '-')} = {text}\n"
    told.clear()
    try:
        settings = case.settings(*flags, lent=lent, profile=profile, **variables)
    except (click.UsageError, CommandFailure):
        return "refused", False
    if settings.plaintext:
        return "plaintext", bool(told)
    assert settings.tls is not None
    verified = bool(settings.tls.pins or settings.tls.ca_file or settings.tls.require_certificate_validation)
    return "verified" if verified else "first use", bool(told)


# -- the same over TCP: somebody in between who has another certificate


class Impostor:
    """A TLS server with a certificate of its own, which keeps what clients say to it."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.heard = b""

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\0\0\0\x04\0\0\0\0\0")  # an HTTP/2 greeting: SETTINGS
        async with asyncio.timeout(20):
            while (said := await reader.read(65536)) and SECRET.encode() not in self.heard:
                self.heard += said
        writer.close()


@pytest.fixture
async def impostor() -> AsyncIterator[Impostor]:
    impostor = Impostor()
    server = await asyncio.start_server(impostor.listen, "127.0.0.1", 0, ssl=self_signed().context())
    async with server:
        impostor.endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield impostor


class Victim:
    """Runs commands between the true gateway, of which something is known, and them stands the impostor."""

    def __init__(self, impostor: Impostor, tmp_path: Path) -> None:
        self.known = tmp_path / "known"
        self._config = tmp_path / "config.toml"
        true = self_signed()
        ca_file = Authority().write(tmp_path / "ca.pem")
        self.values = {"pin": true.fingerprint, "ca-file": str(ca_file), "require-certificate-validation": ""}
        self.env = {
            "MXGATEWAY_API_KEY": KEY,
            "MXGATEWAY_ENDPOINT": impostor.endpoint,
            "MXGATEWAY_CONFIG": str(self._config),
        }

    def flags(self, option: str) -> list[str]:
        """The option as flags."""
        return [f"--{option}", value] if (value := self.values[option]) else [f"--{option}"]

    def variables(self, option: str) -> dict[str, str]:
        """The option as variables."""
        return {f"MXGATEWAY_{option.upper().replace('-', '_')}": self.values[option] or "true"}

    def profile(self, *options: str, **others: str) -> dict[str, str]:
        """The options in a profile, and the variable that chooses it."""
        lines = [
            f"{option} = {self.values[option]!r}" if self.values[option] else f"{option} = true" for option in options
        ]
        lines += [f"{name.replace('_', '-')} = {value!r}" for name, value in others.items()]
        self._config.write_text("\n".join(["[profile.plant]", *lines]))
        return {"MXGATEWAY_PROFILE": "plant"}

    async def ping(self, *flags: str, **variables: str) -> Outcome:
        """Run a command that would send the key."""
        return await mxgw("ping", "--timeout", "10", *flags, env={**self.env, **variables})


@pytest.fixture
def victim(impostor: Impostor, tmp_path: Path) -> Victim:
    return Victim(impostor, tmp_path)


@pytest.mark.parametrize("source", ["flag", "environment", "profile"])
@pytest.mark.parametrize("option", ["pin", "ca-file", "require-certificate-validation"])
async def test_a_man_in_the_middle_hears_nothing_wherever_certificates_are_said_to_be_kept(
    impostor: Impostor, victim: Victim, option: str, source: str
) -> None:
    flags = victim.flags(option) if source == "flag" else []
    variables = victim.variables(option) if source == "environment" else {}
    places: list[tuple[list[str], dict[str, str], dict[str, str]]] = [([], {}, {})]
    for place in (str(victim.known), os.devnull):
        places += [
            (["--known-hosts", place], {}, {}),
            ([], {"MXGATEWAY_KNOWN_HOSTS": place}, {}),
            ([], {}, {"known_hosts": place}),
        ]

    for by_flag, by_variable, in_profile in places:
        profile = victim.profile(*([option] if source == "profile" else []), **in_profile)
        outcome = await victim.ping(*flags, *by_flag, **variables, **by_variable, **profile)

        assert outcome.code in (2, 78), (by_flag, by_variable, in_profile, outcome.err)
        assert impostor.heard == b"", (by_flag, by_variable, in_profile)
        assert not victim.known.exists()
        if outcome.code == 2:
            assert "contradict each other" in outcome.err
        told = by_flag and source != "flag"
        assert ("--known-hosts is ignored" in outcome.err) == bool(told), outcome.err


async def test_a_man_in_the_middle_hears_nothing_of_any_line_of_a_batch(impostor: Impostor, victim: Victim) -> None:
    lines = [f"ping --known-hosts {victim.known}", f"ping --known-hosts {os.devnull}", "ping", "ping --tls"]
    lines += [f"ping --endpoint https://{impostor.endpoint}"]

    for option in ("pin", "ca-file", "require-certificate-validation"):
        lent = await batch("\n".join(lines), *victim.flags(option), env=victim.env)
        of_profile = {**victim.env, **victim.profile(option)}
        stored = await batch("\n".join(lines), "--known-hosts", str(victim.known), env=of_profile)
        plain = await batch(lines[-1], "--plaintext", env=of_profile)

        for outcome in (lent, stored, plain):
            assert outcome.code == 21
            assert all("certificate" in answer for answer in outcome.answers), outcome.out
    assert impostor.heard == b""
    assert not victim.known.exists()


async def test_the_null_device_and_a_first_use_are_told_before_the_key_goes_out(
    impostor: Impostor, victim: Victim
) -> None:
    nothing_kept = await victim.ping("--known-hosts", os.devnull)
    heard, impostor.heard = impostor.heard, b""
    kept = await victim.ping("--known-hosts", str(victim.known))

    assert nothing_kept.err.startswith(
        f"warning: {os.devnull} keeps nothing: the gateway's certificate is trusted without verification"
    )
    assert kept.err.startswith(f"warning: {impostor.endpoint} is trusted from now on")
    assert SECRET.encode() in heard  # what every other test here would hear
    assert SECRET.encode() in impostor.heard


@pytest.mark.parametrize("option", ["pin", "ca-file", "require-certificate-validation"])
@pytest.mark.parametrize("source", ["environment", "profile"])
async def test_a_plaintext_that_drops_verification_says_so(victim: Victim, option: str, source: str) -> None:
    variables = victim.variables(option) if source == "environment" else victim.profile(option)

    outcome = await victim.ping("--plaintext", **variables)

    assert f"warning: --plaintext drops --{option}: the gateway is not verified" in outcome.err
