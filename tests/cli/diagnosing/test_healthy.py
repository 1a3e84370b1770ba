"""`doctor` at a gateway that is well: each step is told, with what it found, and nothing stays behind."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from mxgateway.contract import Contract
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.diagnosing.doctors import STEPS, doctor, states, steps
from tests.cli.gateway import KEY, SECRET, Gateway
from tests.cli.in_process import mxgw
from tests.contract.loading.test_reflection import SERVICES, V1, grpcio_server
from tests.peers.network.certificates import Authority, self_signed
from tests.peers.network.connect_proxy import ConnectProxy

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


def simulated(**arguments: Any) -> SimulatedGateway:
    return SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], **arguments)


async def test_the_document_is_this(gateway: Gateway) -> None:
    place = gateway.simulated.endpoint

    outcome = await doctor(place, "--plaintext")

    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert list(document) == ["operation", "steps", "durationMs", "ok"]
    assert (document["operation"], document["ok"]) == ("doctor", True)
    assert isinstance(document["durationMs"], int)
    session = steps(outcome)["session"]["sessionId"]
    expected: list[tuple[str, str, str, dict[str, Any]]] = [
        ("resolve", "ok", place, {"addresses": [place]}),
        ("connect", "ok", place, {"address": place, "proxy": None}),
        ("tls", "skipped", "plaintext: the API key and all data are sent unencrypted", {}),
        ("http2", "ok", "the gateway answered the greeting", {"alpn": None}),
        ("contract", "skipped", "the gateway has no reflection, so its contract cannot be compared", {}),
        ("key", "ok", "authenticated; may use session, close, read, alarms, galaxy, write, securedWrite", {
            "rights": dict.fromkeys(("session", "close", "read", "alarms", "galaxy", "write", "securedWrite"), True),
            "missingScopes": [],
        }),
        ("versions", "ok", "client 0.1.0; protocol 3; backend mxaccess-worker, worker protocol 1", {
            "clientVersion": "0.1.0", "protocolVersion": 3, "gatewayProtocolVersion": 3, "backend": "mxaccess-worker",
            "workerProtocolVersion": 1, "capabilities": ["unary-acknowledge-alarm", "server-stream-active-alarms"],
        }),
        ("session", "ok", f"opened {session}", {"sessionId": session}),
        ("ping", "ok", "the worker answers", {}),
        ("galaxy", "ok", "the database answers; last deployed <time>", {"timeOfLastDeploy": "<time>"}),
        ("close", "ok", "the session is closed", {}),
    ]  # fmt: skip
    untimed = {"tls", "contract", "versions"}
    for step, (name, status, detail, fields) in zip(document["steps"], expected, strict=True):
        took = step.pop("durationMs")
        assert (took is None) == (name in untimed)
        assert took is None or took >= 0
        shown = {
            key: re.sub(MOMENT, "<time>", value) if isinstance(value, str) else value for key, value in step.items()
        }
        assert shown == {
            "endpoint": place, "step": name, "ok": True, "status": status, "detail": detail, "hint": None, **fields,
        }  # fmt: skip
        assert list(step)[:6] == ["endpoint", "step", "ok", "status", "detail", "hint"]


async def test_nothing_is_left_or_changed(gateway: Gateway) -> None:
    outcome = await doctor(gateway.simulated.endpoint, "--plaintext")

    assert outcome.err == ""
    assert not gateway.simulated.sessions
    opened = [call for call in gateway.simulated.received if call.method == "OpenSession"]
    assert [call.request.client_session_name for call in opened if call.request is not None] == ["mxgw-py doctor"]
    sessions = {
        call.request.session_id for call in gateway.simulated.received if call.method == "Invoke" and call.request
    }
    strangers = {name for name in sessions if not name.startswith("session-")}
    assert len(strangers) == 1, "calls that find the rights name a session that does not exist"


async def test_a_table_has_a_row_for_each_step(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("doctor")

    rows = outcome.out.splitlines()
    assert [row.split()[0] for row in rows] == list(STEPS)
    assert all(re.match(r"\w+ +(ok|skipped) +([0-9.]+ ms  )?\S", row) for row in rows), outcome.out
    assert SECRET not in outcome.out


async def test_lines_and_the_bare_answer(gateway: Gateway) -> None:
    lines = await gateway.mxgw("doctor", "-o", "jsonl")
    value = await gateway.mxgw("doctor", "-o", "value")

    assert [line["step"] for line in lines.lines] == list(STEPS)
    assert value.out == "true\n"


async def test_the_simulated_gateway_is_well() -> None:
    outcome = await mxgw("doctor", "--simulator", "--json")

    assert outcome.code == 0, outcome.err
    assert states(outcome) == "oososoooooo"


@pytest.mark.parametrize(
    ("option", "trust"),
    [("--ca-file", "verified"), ("--pin", "pinned"), ("--known-hosts", "trusted on first use")],
)
async def test_a_certificate_is_told_with_what_makes_it_trusted(tmp_path: Path, option: str, trust: str) -> None:
    authority = Authority()
    certificate = authority.issue("127.0.0.1", "gw.plant", valid=(-1, 100))
    values = {
        "--ca-file": str(authority.write(tmp_path / "ca.pem")),
        "--pin": certificate.fingerprint,
        "--known-hosts": str(tmp_path / "known"),
    }
    async with simulated(ssl_context=certificate.context()) as gateway:
        outcome = await doctor(gateway.endpoint, option, values[option])

    assert outcome.code == 0, outcome.err
    tls = steps(outcome)["tls"]
    assert (tls["status"], tls["trust"], tls["tlsVersion"]) == ("ok", trust, "TLSv1.3")
    assert tls["sha256"] == certificate.fingerprint
    assert set(tls["names"]) == {"127.0.0.1", "gw.plant"}
    assert tls["daysLeft"] in (99, 100)
    assert re.fullmatch(MOMENT, tls["notAfter"])
    assert certificate.fingerprint in tls["detail"]
    assert steps(outcome)["http2"]["alpn"] == "h2"


async def test_a_certificate_that_ends_soon_is_a_warning_and_no_failure() -> None:
    certificate = self_signed(valid=(-1, 5))
    async with simulated(ssl_context=certificate.context()) as gateway:
        outcome = await doctor(gateway.endpoint, "--pin", certificate.fingerprint)

    assert outcome.code == 0
    assert outcome.document["ok"] is True
    tls = steps(outcome)["tls"]
    assert (tls["status"], tls["ok"]) == ("warning", True)
    assert "4 days left" in tls["detail"]
    assert "renewed" in tls["hint"]
    assert "self-signed" in tls["detail"]


async def test_a_pinned_certificate_that_has_expired_is_a_warning() -> None:
    certificate = self_signed(valid=(-10, -1))
    async with simulated(ssl_context=certificate.context()) as gateway:
        outcome = await doctor(gateway.endpoint, "--pin", certificate.fingerprint)

    assert outcome.code == 0
    assert "(expired)" in steps(outcome)["tls"]["detail"]


async def test_a_proxy_is_named(gateway: Gateway) -> None:
    async with ConnectProxy(credentials="user:hidden-word") as proxy:
        url = proxy.url_with("user:hidden-word")
        outcome = await doctor(gateway.simulated.endpoint, "--plaintext", MXGATEWAY_PROXY=url)

    assert outcome.code == 0, outcome.err
    connect = steps(outcome)["connect"]
    assert (connect["address"], connect["proxy"]) == (proxy.endpoint, proxy.url)
    assert "hidden-word" not in outcome.out


async def test_each_of_several_endpoints_is_checked_and_one_that_fails_fails_the_whole(gateway: Gateway) -> None:
    place = gateway.simulated.endpoint
    both = await mxgw(
        "doctor", "--endpoint", f"{place},localhost:1", "--plaintext", "--json", env={"MXGATEWAY_API_KEY": KEY}
    )
    table = await mxgw("doctor", "--endpoint", f"{place},localhost:1", "--plaintext", env={"MXGATEWAY_API_KEY": KEY})

    assert both.code == table.code == 78
    told = [(step["endpoint"], step["step"]) for step in both.document["steps"]]
    assert told == [(each, step) for each in (place, "localhost:1") for step in STEPS]
    assert both.document["ok"] is False
    assert [line for line in table.out.splitlines() if not line.startswith((*STEPS, " "))] == [place, "localhost:1"]
    assert table.err.startswith("error: nothing is listening on localhost:1")


async def test_a_contract_in_a_file_is_the_one_that_is_spoken_and_compared(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "gateway.binpb"
    Contract.builtin().export(file)

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext", "--contract", os.fspath(file))

    assert outcome.code == 0, outcome.err


async def test_a_gateway_that_publishes_its_contract_is_compared_with_the_built_in_one() -> None:
    async with grpcio_server([V1], SERVICES) as endpoint:
        outcome = await doctor(endpoint, "--plaintext")

    contract = steps(outcome)["contract"]
    assert (contract["status"], contract["matches"]) == ("ok", True)
    assert contract["detail"] == "the gateway's contract is the built-in one"
    assert re.fullmatch("[0-9a-f]{64}", contract["fingerprint"])
