"""Tags are completed from the galaxy: of the right gateway, within a second, without noise, and without a secret in the cache."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import click
import pytest

from mxgateway.simulator import Attribute, PlantObject, SimulatedGateway, SimulatedKey, Template
from mxgateway.simulator.plant.catalog import generated_plant
from mxgateway_cli.completing import lookup
from mxgateway_cli.help.pages import Page
from tests.cli.completing.offers import offers
from tests.cli.gateway import KEY, SECRET, Gateway
from tests.cli.help.pages import pages
from tests.cli.in_process import mxgw
from tests.peers.network.certificates import self_signed

OBJECTS = ["Tank01.", "TankYard.", "Tank02."]
TAG_PARAMETERS = {"tag", "tags", "item", "items", "patterns"}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "SECONDS", 30.0)


@pytest.fixture
def env(gateway: Gateway, tmp_path: Path) -> dict[str, str]:
    return {**gateway.env, "XDG_CACHE_HOME": str(tmp_path / "cache"), "LOCALAPPDATA": str(tmp_path / "cache")}


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def calls(gateway: Gateway) -> int:
    return sum(call.method == "DiscoverHierarchy" for call in gateway.simulated.received)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_objects_come_first_then_the_attributes_of_one(env: dict[str, str], shell: str) -> None:
    assert await offers("read --plaintext Tan", env, shell) == OBJECTS
    assert await offers("read --plaintext tank01", env, shell) == ["Tank01.Level"]
    assert await offers("read --plaintext TestChildObject.TestIntA", env, shell) == ["TestChildObject.TestIntArray[]"]
    assert await offers("read --plaintext Tank01.Level Tank02.", env, shell) == ["Tank02.Level"]
    assert await offers("read --plaintext 'Tank01.L", env, shell) == ["Tank01.Level"]
    assert await offers("read --plaintext Nothing", env, shell) == []
    assert await offers("read --plaintext 'Tank*", env, shell) == []


def takers() -> list[str]:
    """Return a command line for each place of each command that takes a tag; those of `sim` have a ready file."""
    lines = []
    for name, page in pages().items():
        for parameter in page.command.params:
            if parameter.name not in TAG_PARAMETERS or "N" in (parameter.metavar or "N"):
                continue
            before = max(parameter.opts, key=len) if isinstance(parameter, click.Option) else _before(page, parameter)
            place = "" if name.startswith("sim ") else " --plaintext"
            lines.append(f"{name}{place} {before}".strip())
    return lines


def _before(page: Page, taker: click.Parameter) -> str:
    """Return a word for each argument that stands before the tags."""
    arguments = [parameter for parameter in page.command.params if not isinstance(parameter, click.Option)]
    return " ".join("x" for _ in arguments[: arguments.index(taker)])


async def test_every_place_for_a_tag_offers_tags(gateway: Gateway, env: dict[str, str], tmp_path: Path) -> None:
    document = {"operation": "simulate", "endpoint": gateway.simulated.endpoint, "apiKey": KEY, "caFile": None}
    (tmp_path / "gateway.json").write_text(json.dumps(document))
    env = {**env, "MXGATEWAY_READY_FILE": str(tmp_path / "gateway.json")}
    lines = takers()
    assert len(lines) > 30
    missing = [line for line in lines if await offers(f"{line} Tank01.L", env) != ["Tank01.Level"]]
    assert missing == []


async def test_the_last_tag_of_a_list_is_completed(env: dict[str, str]) -> None:
    line = "read-bulk --plaintext --items Tank01.Level,Tank02."
    assert await offers(line, env) == ["Tank01.Level,Tank02.Level"]


async def test_the_gateway_is_the_one_that_the_command_line_names(
    gateway: Gateway, env: dict[str, str], tmp_path: Path
) -> None:
    here = gateway.simulated.endpoint
    config = tmp_path / "config.toml"
    config.write_text(f'[profile.lab]\nendpoint = "{here}"\nplaintext = true\n')
    away = {**env, "MXGATEWAY_CONFIG": str(config), "MXGATEWAY_ENDPOINT": "127.0.0.1:1"}

    assert await offers("read --plaintext Tan", away) == []
    assert await offers(f"read --plaintext --endpoint {here} Tan", away) == OBJECTS
    assert await offers(f"read --plaintext --endpoint={here} Tan", away) == OBJECTS
    assert await offers(f"--endpoint {here} --plaintext read Tan", away) == OBJECTS
    del away["MXGATEWAY_ENDPOINT"]
    assert await offers("--profile lab read Tan", away) == OBJECTS
    assert await offers("read Tan", {**away, "MXGATEWAY_PROFILE": "lab"}) == OBJECTS


async def test_an_answer_is_kept_and_used_again(gateway: Gateway, env: dict[str, str], tmp_path: Path) -> None:
    for begun in ("T", "Tan", "Tank0", "Tan"):
        assert await offers(f"read --plaintext {begun}", env)

    assert calls(gateway) == 1
    [file] = files(tmp_path)
    text = file.read_text()
    assert SECRET not in text
    assert KEY not in text
    assert gateway.simulated.endpoint not in text
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_an_old_answer_is_asked_for_again_and_used_while_the_gateway_is_away(
    gateway: Gateway, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await offers("read --plaintext Tan", env) == OBJECTS
    monkeypatch.setattr(lookup, "FRESH_SECONDS", 0.0)
    gateway.simulated.deploy(remove=["Tank01"])
    assert await offers("read --plaintext Tan", env) == OBJECTS[1:]
    await gateway.simulated.stop()
    assert await offers("read --plaintext Tan", env) == OBJECTS[1:]
    monkeypatch.setattr(lookup, "USABLE_SECONDS", 0.0)
    assert await offers("read --plaintext Tan", env) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"version": 1, "failedAt": 0, "answers": {"objects:tan": {"words": ["a\\u0007"]}}}', b"[" * 100_000])  # fmt: skip
async def test_a_damaged_cache_is_written_anew(content: bytes, env: dict[str, str], tmp_path: Path) -> None:
    await offers("read --plaintext Tan", env)
    [file] = files(tmp_path)
    file.write_bytes(content)

    assert await offers("read --plaintext Tan", env) == OBJECTS
    assert b"Tank01" in file.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
async def test_a_cache_that_others_may_write_is_not_used(env: dict[str, str], tmp_path: Path) -> None:
    await offers("read --plaintext Tan", env)
    [file] = files(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"Tank01", b"Tank66"))
    file.chmod(0o666)

    assert await offers("read --plaintext Tan", env) == OBJECTS


@pytest.fixture
async def silent() -> AsyncIterator[tuple[str, list[int]]]:
    """Yield a peer that accepts connections and never says anything, and how many there were."""
    accepted: list[int] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(1)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", accepted


async def test_a_gateway_that_does_not_answer_offers_nothing_and_is_not_asked_again_at_once(
    silent: tuple[str, list[int]], env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, accepted = silent
    monkeypatch.setattr(lookup, "SECONDS", 0.2)
    for begun in ("Tan", "Tank", "Pump01."):
        assert await offers(f"read --plaintext --endpoint {endpoint} {begun}", env) == []

    assert len(accepted) == 1


@pytest.mark.parametrize(
    "line",
    [
        "read --plaintext --tls Tan",
        "read --plaintext --profile nope Tan",
        "read --plaintext --api-key-file no-such-file Tan",
        "read --plaintext --endpoint ftp://x:1 Tan",
        "read --plaintext --frobnicate Tan",
        "read --pin zz Tan",
        "read --plaintext --timeout soon Tan",
        "frobnicate Tan",
        "read --plaintext --api-key mxgw_tests_wrong Tan",
        "",
    ],
)
async def test_a_line_that_cannot_run_offers_no_tag_and_says_nothing(
    line: str, env: dict[str, str], tmp_path: Path
) -> None:
    assert not {*OBJECTS} & {*await offers(line, env)}
    assert all("mxgw_tests_wrong" not in file.read_text() for file in files(tmp_path))


async def test_a_key_that_may_not_browse_offers_nothing(env: dict[str, str]) -> None:
    key = SimulatedKey.parse("mxgw_blind_v3rysecret", scopes=[])
    async with SimulatedGateway(api_keys=[key]) as gateway:
        away = {**env, "MXGATEWAY_ENDPOINT": gateway.endpoint, "MXGATEWAY_API_KEY": "mxgw_blind_v3rysecret"}
        assert await offers("read --plaintext Tan", away) == []


async def test_no_certificate_is_trusted_for_a_completion(env: dict[str, str], tmp_path: Path) -> None:
    certificate = self_signed()
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], ssl_context=certificate.context()) as gateway:
        env = {**env, **state, "MXGATEWAY_ENDPOINT": gateway.endpoint}
        assert await offers("read Tan", env) == []
        assert not (tmp_path / "state").exists()
        assert not gateway.received
        assert await offers(f"read --pin {certificate.fingerprint} Tan", env) == OBJECTS
        assert (await mxgw("ping", env=env)).code == 0
        assert await offers("read Pump01.H", env) == ["Pump01.Hours"]


async def test_a_name_that_is_no_line_of_text_is_left_out(gateway: Gateway, env: dict[str, str]) -> None:
    bad = Template("$Bad", attributes=(Attribute(name="Good", value=1),))
    gateway.simulated.deploy(
        add=[PlantObject(901, "Zebra\nrm", bad), PlantObject(902, "Zebra2", bad), PlantObject(903, "Zebra3", bad)]
    )
    assert await offers("read --plaintext Zeb", env) == ["Zebra2.", "Zebra3."]


async def test_a_name_that_is_a_key_is_neither_offered_nor_kept(
    gateway: Gateway, env: dict[str, str], tmp_path: Path
) -> None:
    good = Template("$Good", attributes=(Attribute(name="Good", value=1),))
    gateway.simulated.deploy(add=[PlantObject(901, KEY, good), PlantObject(902, "mxgwOther", good)])

    assert await offers("read --plaintext mxgw", env) == ["mxgwOther.Good"]
    assert not any(SECRET in path.read_text() for path in files(tmp_path))


async def test_a_word_longer_than_any_name_is_not_looked_up(gateway: Gateway, env: dict[str, str]) -> None:
    assert await offers(f"read --plaintext {'x' * 50_000}", env) == []
    assert calls(gateway) == 0


async def test_a_shell_is_offered_a_bounded_number_of_names(env: dict[str, str], tmp_path: Path) -> None:
    plant = generated_plant(lookup.MOST_WORDS + 500, 1)
    async with SimulatedGateway(plant=plant, api_keys=[SimulatedKey.parse(KEY)]) as gateway:
        away = {**env, "MXGATEWAY_ENDPOINT": gateway.endpoint}
        every = await offers("read --plaintext ''", away)
        some = await offers(f"read --plaintext {every[-1][:-1]}", away)

    assert len(every) == lookup.MOST_WORDS
    assert every[-1].rstrip(".") in {name.partition(".")[0] for name in some}
    assert sum(call.method == "DiscoverHierarchy" for call in gateway.received) == 3, "a longer word is asked for anew"
