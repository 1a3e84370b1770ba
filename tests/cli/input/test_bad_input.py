from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from grpclib.const import Status

from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, SECRET, TAG, Gateway
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome

UNKNOWN_SESSION = "session-00000000000000000000000000000000"


def assert_one_clear_line(outcome: Outcome, code: int, says: str) -> None:
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert SECRET not in outcome.err
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, outcome.err
    assert says in errors[0]


@pytest.fixture
async def http1_port() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        yield server.sockets[0].getsockname()[1]


async def test_no_gateway_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = await mxgw("ping", "--plaintext", "--endpoint", f"127.0.0.1:{unused.getsockname()[1]}")

    assert_one_clear_line(outcome, 78, "nothing is listening")
    assert "hint: " in outcome.err


async def test_the_port_speaks_http_1(http1_port: int) -> None:
    outcome = await mxgw("ping", "--plaintext", "--endpoint", f"127.0.0.1:{http1_port}")

    assert_one_clear_line(outcome, 77, "is not a gRPC server")


async def test_the_host_has_no_address() -> None:
    outcome = await mxgw("ping", "--plaintext", "--endpoint", "no-such-host.invalid:5000", "--timeout", "5")

    assert outcome.code in (78, 68)
    assert "no-such-host.invalid" in outcome.err
    assert "Traceback" not in outcome.err


async def test_nobody_answers_within_the_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"127.0.0.1:{silent.getsockname()[1]}"
        outcome = await mxgw("ping", "--plaintext", "--endpoint", endpoint, "--timeout", "0.3")

    assert_one_clear_line(outcome, 68, "within 0.3 s")


async def test_a_wrong_key(gateway: Gateway) -> None:
    outcome = await mxgw("ping", "--plaintext", env={**gateway.env, "MXGATEWAY_API_KEY": f"mxgw_other_{SECRET}"})

    assert_one_clear_line(outcome, 80, "UNAUTHENTICATED")


async def test_no_key(gateway: Gateway) -> None:
    outcome = await mxgw("ping", "--plaintext", env={"MXGATEWAY_ENDPOINT": gateway.simulated.endpoint})

    assert_one_clear_line(outcome, 80, "UNAUTHENTICATED")


async def test_a_missing_scope() -> None:
    key = SimulatedKey.parse(KEY, scopes={Scope.SESSION_OPEN, Scope.SESSION_CLOSE, Scope.INVOKE_READ})
    async with SimulatedGateway(api_keys=[key]) as simulated:
        gateway = Gateway(simulated)
        outcome = await gateway.mxgw("write", "--item", TAG, "--type", "int32", "--value", "5")

        assert_one_clear_line(outcome, 71, "invoke:write")
        assert not simulated.sessions


async def test_an_unknown_session(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("register", "--session-id", UNKNOWN_SESSION)

    assert_one_clear_line(outcome, 69, UNKNOWN_SESSION)


async def test_the_events_of_an_unknown_session(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("stream-events", "--session-id", UNKNOWN_SESSION, "-ojson", "--max-events", "1")

    assert outcome.code == 69
    assert outcome.out == ""
    assert outcome.error["type"] == "MxGatewaySessionError"


async def test_a_bad_handle_is_refused_by_mxaccess_with_all_that_it_said(gateway: Gateway) -> None:
    session_id = await gateway.open_session()
    handles = ("--session-id", session_id, "--server-handle", "77", "--item-handle", "88")

    outcome = await gateway.mxgw("advise", *handles, "--json")

    assert outcome.code == 22
    assert list(outcome.error) == [
        "type", "message", "grpcStatus", "phase", "endpoint", "retryable", "hresult", "statuses",
    ]  # fmt: skip
    assert outcome.error["type"] == "MxAccessError"
    assert outcome.error["hresult"] == -2147024809
    assert outcome.error["endpoint"] == gateway.simulated.endpoint


async def test_a_failure_of_the_gateway_has_its_grpc_status_as_exit_code_and_in_json(gateway: Gateway) -> None:
    gateway.simulated.fail_next("OpenSession", Status.RESOURCE_EXHAUSTED, "64 sessions are open")

    outcome = await gateway.mxgw("open-session", "--json")

    assert outcome.code == 64 + Status.RESOURCE_EXHAUSTED.value
    assert outcome.error["grpcStatus"] == "RESOURCE_EXHAUSTED"
    assert outcome.error["retryable"] is True


async def test_tls_against_a_gateway_without_it_is_no_silent_downgrade(gateway: Gateway) -> None:
    outcome = await mxgw("ping", env=gateway.env)

    assert outcome.code != 0
    assert "Traceback" not in outcome.err
    assert SECRET not in outcome.err
    assert not gateway.simulated.received


async def test_a_certificate_of_another_authority_is_refused_with_the_remedy(tmp_path: Path) -> None:
    certificate, key, other = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "other.pem"
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    trustme.CA().cert_pem.write_to_path(other)
    keys = [SimulatedKey.parse(KEY)]
    async with SimulatedGateway(api_keys=keys, certificate=certificate, private_key=key) as simulated:
        env = Gateway(simulated).env
        refused = await mxgw("ping", "--ca-file", str(other), env=env)
        trusted = await mxgw("ping", env=env)

    assert_one_clear_line(refused, 78, "certificate")
    assert trusted.code == 0, trusted.err


async def test_a_ca_file_that_holds_no_certificate(tmp_path: Path, gateway: Gateway) -> None:
    file = tmp_path / "empty.pem"
    file.write_text("nothing")

    outcome = await mxgw("ping", "--ca-file", str(file), env=gateway.env)

    assert outcome.code in (1, 2, 78)
    assert str(file) in outcome.err
    assert "Traceback" not in outcome.err


async def test_a_closed_own_session_is_left_behind_by_no_failure(gateway: Gateway) -> None:
    gateway.simulated.fail_next("Invoke.AddItem", Status.INTERNAL, "no luck")

    outcome = await gateway.mxgw("advise", "--item", TAG)

    assert_one_clear_line(outcome, 64 + Status.INTERNAL.value, "no luck")
    assert not gateway.simulated.sessions


async def test_text_of_the_gateway_cannot_control_the_terminal(gateway: Gateway) -> None:
    gateway.simulated.fail_next("OpenSession", Status.INTERNAL, "\x1b]0;owned\x07 \x9b2J")

    outcome = await gateway.mxgw("open-session")

    assert outcome.code == 64 + Status.INTERNAL.value
    assert not any(char in outcome.err for char in "\x1b\x07\x9b")
