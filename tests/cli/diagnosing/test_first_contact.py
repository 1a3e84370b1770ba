"""The first hour with a gateway: each way in which it goes wrong ends with the sentence that a person needs, and the command to type next."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway_cli.help.registry import COMMANDS
from tests.cli.diagnosing.test_unreachable import hang_up, old_web_server, silent
from tests.cli.gateway import KEY, TAG
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome
from tests.peers.http2.raw_peers import RawServer
from tests.peers.network.certificates import self_signed


class Row(NamedTuple):
    """A command line at a place, and how it ends."""

    place: str
    line: str
    code: int
    says: str
    next: str
    """A part of the hint: what to type."""
    key: str | None = KEY


READ: Final = f"read {TAG}"
ROWS: Final = {
    "no key": Row("gateway", f"{READ} --plaintext", 80, "Missing or invalid API key", "set MXGATEWAY_API_KEY", None),
    "wrong key": Row(
        "gateway", f"{READ} --plaintext", 80, "Missing or invalid API key", "mxgw-py config", "mxgw_tests_wrong"
    ),
    "a key without the scope": Row("readers", "galaxy-discover --plaintext", 71, "scope 'metadata:read'", "mxgw-py doctor"),
    "plaintext forgotten": Row("gateway", READ, 78, "TLS handshake .* failed", "repeat the command with --plaintext"),
    "plaintext at a gateway with TLS": Row("tls", f"{READ} --plaintext", 78, "closed the connection|was lost", "mxgw-py doctor"),
    "the wrong port, where nothing listens": Row(
        "nowhere", f"{READ} --plaintext", 78, "nothing is listening on 127.0.0.1:1", "mxgw-py doctor"
    ),
    "the wrong port, where a web server listens": Row(
        "web", f"{READ} --plaintext", 77, "is not a gRPC server", "mxgw-py doctor"
    ),
    "a gateway that is not up yet": Row("nowhere", f"{READ} --plaintext", 78, "nothing is listening", "--wait-for-gateway"),
    "a gateway behind a forwarder that is up": Row("forwarder", f"{READ} --plaintext", 78, "closed the connection|was lost", "mxgw-py doctor"),
    "a machine that sleeps": Row("asleep", f"{READ} --plaintext --timeout 0.3", 68, "no connection to", "mxgw-py doctor"),
    "a certificate that nobody vouches for": Row(
        "tls", f"{READ} --require-certificate-validation", 78, "self-signed certificate", "--ca-file"
    ),
    "another certificate than the pinned one": Row("tls", f"{READ} --pin {'0F' * 32}", 78, "not the trusted one", "mxgw-py doctor"),
    "an empty galaxy": Row("empty", "doctor --plaintext", 0, "nothing is deployed", "mxgw-py galaxy-discover"),
    "a refused write": Row(
        "gateway", "write --item TestSecurity.SecuredWriteInt --type int32 --value 5 --confirm --plaintext", 22,
        "security error", "mxgw-py write-secured",
    ),
    "an unknown tag that is read": Row("gateway", "read No.Such --plaintext", 21, "1 of 1 tags", "mxgw-py tags"),
    "an unknown tag that is written": Row(
        "gateway", "write --item No.Such --type int32 --value 5 --confirm --plaintext", 22, "unknown tag", "mxgw-py tags"
    ),
    "a value of the wrong type": Row(
        "gateway", f"write --item {TAG} --type string --value abc --confirm --plaintext", 22, "cannot be converted", "mxgw-py read TAG --json"
    ),
    "an unknown tag that is written by its own type": Row("gateway", "write No.Such 5 --plaintext", 22, "No.Such cannot be read", "mxgw-py tags"),
    "an unknown tag that is waited for": Row("gateway", "wait No.Such --until good --plaintext", 22, "does not know the tag", "mxgw-py tags"),
    "a value that is no number": Row("gateway", f"write {TAG} abc --plaintext", 2, f"the value of {TAG} is 'abc', not a whole number", "digits"),
    "a session that has ended": Row("gateway", "ping --session-id s --plaintext", 69, "Session 's' was not found", "mxgw-py open-session"),
    "an object that is not in the galaxy": Row(
        "gateway", "galaxy-browse Nowhere --plaintext", 69, "no parent 'Nowhere'", "mxgw-py galaxy-browse"
    ),
    "an alarm that is not active": Row(
        "gateway", "acknowledge-alarm --reference Galaxy!A.B --plaintext", 22, "refused the acknowledgement", "mxgw-py query-active-alarms"
    ),
    "a default profile that is gone": Row("gone", READ, 2, "default profile 'old' does not exist", "mxgw-py profile use NAME"),
}  # fmt: skip


@asynccontextmanager
async def place(name: str) -> AsyncIterator[str]:
    """Yield the endpoint of a place."""
    scripts = {"asleep": silent, "web": old_web_server, "forwarder": hang_up}
    if name in scripts:
        async with RawServer(scripts[name]) as server:
            yield server.endpoint
    elif name in ("nowhere", "gone"):
        yield "127.0.0.1:1"
    else:
        scopes = [] if name == "readers" else SimulatedKey().scopes
        context = self_signed().context() if name == "tls" else None
        async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY, scopes=scopes)], ssl_context=context) as gateway:
            if name == "empty":
                gateway.reply_override("GetLastDeployTime", lambda reply: type(reply)(), times=None)
            yield gateway.endpoint


async def outcome_of(row: Row, tmp_path: Path, *more: str) -> Outcome:
    profiles = tmp_path / "config.toml"
    if row.place == "gone":
        profiles.write_text('default-profile = "old"\n')
    async with place(row.place) as endpoint:
        env = {"MXGATEWAY_ENDPOINT": endpoint, "MXGATEWAY_CONFIG": str(profiles)}
        return await mxgw(
            *shlex.split(row.line), *more, env={**env, **({"MXGATEWAY_API_KEY": row.key} if row.key else {})}
        )


@pytest.mark.parametrize("situation", ROWS)
async def test_a_first_contact_ends_with_a_sentence_and_a_command(tmp_path: Path, situation: str) -> None:
    row = ROWS[situation]

    outcome = await outcome_of(row, tmp_path)

    assert outcome.code == row.code, outcome.err
    told = outcome.err + (outcome.out if row.line.startswith("doctor") else "")
    assert re.search(row.says, told + outcome.out), told
    hints = [line for line in told.splitlines() if "hint: " in line]
    assert any(row.next in line for line in hints), told
    for name in re.findall(r"mxgw-py ([a-z-]+)", "".join(hints)):
        assert name in {entry.name for entry in COMMANDS}, "a hint names a command that does not exist"
    assert "api_key=" not in told
    assert "plaintext=True" not in told


async def test_as_json_the_hint_is_in_the_message(tmp_path: Path) -> None:
    outcome = await outcome_of(ROWS["wrong key"], tmp_path, "--json")

    assert outcome.error["message"].endswith("; to see where the key comes from: mxgw-py config")
