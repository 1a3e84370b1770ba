"""`doctor` where no gateway can be reached: the step that fails is named, what to do is said, and nothing hangs."""

from __future__ import annotations

import asyncio
import os

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.diagnosing.doctors import NOT_REACHED, STEPS, doctor, states, steps, the_failure
from tests.cli.gateway import KEY, Gateway
from tests.peers.http2.raw_peers import RawServer
from tests.peers.network.certificates import self_signed
from tests.peers.network.connect_proxy import ConnectProxy


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Accept, read, and say nothing."""
    while await reader.read(4096):
        pass


async def old_web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as an HTTP/1 server does."""
    await reader.read(1024)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Close at once, as a forwarder does while the gateway behind it restarts."""


async def test_nothing_listens() -> None:
    outcome = await doctor("127.0.0.1:1", "--plaintext")

    assert outcome.code == 78
    failure = the_failure(outcome, "connect")
    assert failure["detail"] == "nothing is listening on 127.0.0.1:1 (connection refused)"
    assert "mxgw-py doctor" in failure["hint"]
    assert "--wait-for-gateway" in failure["hint"]
    assert failure["address"] == "127.0.0.1:1"
    assert states(outcome) == "of" + "s" * 9
    later = [step for name, step in steps(outcome).items() if name in STEPS[2:] and name != "tls"]
    assert {step["detail"] for step in later} == {NOT_REACHED}
    assert not any(step["ok"] for step in later)


async def test_a_name_that_does_not_resolve() -> None:
    outcome = await doctor("no-such-host.invalid:5000", "--plaintext", "--timeout", "5")

    assert outcome.code in (68, 78)
    the_failure(outcome, "resolve")


@pytest.mark.parametrize(("security", "step"), [(("--plaintext",), "http2"), (("--known-hosts", os.devnull), "tls")])
async def test_an_endpoint_that_accepts_and_never_speaks(security: tuple[str, ...], step: str) -> None:
    async with RawServer(silent) as server:
        outcome = await doctor(server.endpoint, *security, "--timeout", "0.5")

    assert outcome.code == 68
    failure = the_failure(outcome, step)
    assert failure["error"]["type"] == "MxGatewayTimeoutError"
    assert 400 < failure["durationMs"] < 5000


async def test_a_tls_peer_that_never_speaks_http2() -> None:
    certificate = self_signed()
    async with RawServer(silent, tls=certificate.context()) as server:
        outcome = await doctor(server.endpoint, "--pin", certificate.fingerprint, "--timeout", "0.5")

    assert outcome.code == 68
    the_failure(outcome, "http2")
    assert steps(outcome)["tls"]["sha256"] == certificate.fingerprint


async def test_a_web_server_is_no_gateway() -> None:
    async with RawServer(old_web_server) as server:
        plain = await doctor(server.endpoint, "--plaintext")
        with_tls = await doctor(server.endpoint)

    assert (plain.code, with_tls.code) == (77, 78)
    assert "not a gRPC server" in the_failure(plain, "http2")["detail"]
    assert "--plaintext" in the_failure(with_tls, "tls")["hint"]


async def test_tls_without_http2_is_told_at_the_greeting() -> None:
    certificate = self_signed()
    async with RawServer(silent, tls=certificate.context(alpn=("http/1.1",))) as server:
        outcome = await doctor(server.endpoint, "--pin", certificate.fingerprint)

    assert outcome.code == 77
    assert "ALPN" in the_failure(outcome, "http2")["detail"]
    assert steps(outcome)["tls"]["sha256"] == certificate.fingerprint


async def test_a_forwarder_without_a_gateway_behind_it() -> None:
    async with RawServer(hang_up) as server:
        outcome = await doctor(server.endpoint, "--plaintext")

    assert outcome.code == 78
    the_failure(outcome, "http2")


async def test_plaintext_forgotten_and_plaintext_too_much(gateway: Gateway) -> None:
    forgotten = await doctor(gateway.simulated.endpoint)
    certificate = self_signed()
    async with SimulatedGateway(ssl_context=certificate.context()) as secured:
        too_much = await doctor(secured.endpoint, "--plaintext")

    assert "repeat the command with --plaintext" in the_failure(forgotten, "tls")["hint"]
    assert the_failure(too_much, "http2")
    assert not gateway.simulated.received


async def test_a_proxy_that_refuses_is_told_as_such() -> None:
    async with ConnectProxy(answer=b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        outcome = await doctor("gw.plant:5001", "--plaintext", "--proxy", proxy.url)

    assert outcome.code == 78
    assert "403" in the_failure(outcome, "connect")["detail"]


async def test_a_gateway_that_starts_late_is_waited_for() -> None:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)]) as gateway:
        await gateway.stop()
        waiting = asyncio.create_task(doctor(gateway.endpoint, "--plaintext", "--wait-for-gateway", "30"))
        await asyncio.sleep(0.3)
        await gateway.start()
        outcome = await waiting

    assert outcome.code == 0, outcome.err
    assert "waiting for" in outcome.err


async def test_one_that_does_not_start_is_told_within_the_timeout() -> None:
    outcome = await doctor("127.0.0.1:1", "--plaintext", "--wait-for-gateway", "30", "--timeout", "0.5")

    assert outcome.code == 78
    the_failure(outcome, "connect")


async def test_one_that_never_speaks_is_told_within_the_timeout_although_it_was_waited_for() -> None:
    async with RawServer(silent) as server:
        outcome = await doctor(server.endpoint, "--plaintext", "--wait-for-gateway", "30", "--timeout", "1")

    assert outcome.code == 68
    assert the_failure(outcome, "http2")["durationMs"] < 900
