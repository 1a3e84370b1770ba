"""Names that a gateway has chosen: session ids, alarm references. They forge no line of a log, repeat no secret, and show as text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import GatewayClient, MxGatewayError, MxGatewayMalformedReplyError, proto
from mxgateway.errors.logs import logger
from mxgateway.errors.redaction import LONGEST_TEXT
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway.transport import channel as channels
from tests.client.support import until
from tests.secrets.awkward import Everything, ways_out
from tests.secrets.test_library import SIMULATED, Told, stage

KEY = "odd;key'0123456789"
EVIL = "session-1\n2026-01-01 00:00:00,000 CRITICAL root: forged \x1b]0;title\x07\x1b[31m\u202e\r"


@asynccontextmanager
async def named(
    name: str, monkeypatch: pytest.MonkeyPatch, key: str = KEY
) -> AsyncIterator[tuple[SimulatedGateway, GatewayClient]]:
    """A gateway that names every session so, and takes any key."""
    monkeypatch.setattr("mxgateway.simulator.server.keys.Authenticator.authenticate", lambda *_: SIMULATED)

    def rename(reply: Any) -> Any:
        reply.session_id, reply.gateway_protocol_version = name, 9
        return reply

    async with SimulatedGateway(api_keys=[SIMULATED]) as gateway:
        gateway.reply_override("OpenSession", rename, times=None)
        async with GatewayClient.connect(
            gateway.endpoint, api_key=key, plaintext=True, retry=None, tracer=Told()
        ) as client:
            yield gateway, client


async def test_a_session_id_forges_no_line_and_reaches_no_terminal_as_an_escape(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with named(EVIL, monkeypatch) as (gateway, client):
        gateway.fail_next("CloseSession", Status.INTERNAL, "x\nforged", times=9)
        with pytest.raises(RuntimeError) as caught:
            async with client.open_session() as session:
                assert session.session_id == EVIL
                raise RuntimeError("the caller's own")
        assert repr(session).isprintable()
        assert all(note.isprintable() for note in caught.value.__notes__)
        await client.open_session()
        tracer = client._channel.options.tracer
        assert isinstance(tracer, Told)
        assert all(text.isprintable() for text in tracer.texts)
    told = [record for record in caplog.records if "forged" in record.getMessage()]
    assert {record.name for record in told} >= {"mxgateway.session", "mxgateway.client", "mxgateway.transport.calls"}
    for record in told:
        assert record.getMessage().isprintable()


async def test_a_session_is_not_named_by_the_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with Everything() as log:
        async with named(f"session-{KEY}", monkeypatch) as (_gateway, client):
            with pytest.raises(MxGatewayMalformedReplyError, match="has the API key in its session id") as caught:
                await client.open_session()
    assert [where for where, text in ways_out(caught.value) if KEY in text or repr(KEY)[1:-1] in text] == []
    assert KEY not in log.text


async def test_an_alarm_reference_in_the_log_is_one_clean_line_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mxgateway.simulator.server.calls import Call
    from mxgateway.wire import encode

    caplog.set_level(logging.DEBUG)
    send = Call.send
    reference = f"Galaxy!Area.{EVIL}{KEY}"

    async def send_more(self: Call, messages: Any) -> None:
        await send(self, messages)
        if self.received.method == "StreamAlarms":
            event = proto.OnAlarmTransitionEvent(alarm_full_reference=reference, transition_kind=77)  # type: ignore[arg-type]
            await send(self, [encode(proto.AlarmFeedMessage(transition=event))])

    monkeypatch.setattr(Call, "send", send_more)
    async with named("session-1", monkeypatch) as (_gateway, client), client.alarm_board():
        await until(lambda: "mxgateway.alarms" in {record.name for record in caplog.records})
    told = [record.getMessage() for record in caplog.records if record.name == "mxgateway.alarms"]
    assert told
    assert all(text.isprintable() and KEY not in text for text in told)


# -- whose secrets are known, and for how long


async def test_each_client_knows_its_own_secrets_and_no_others() -> None:
    keys = [SimulatedKey(key_id="tests", secret=f"{number}" * 20) for number in range(2)]
    async with SimulatedGateway(api_keys=keys) as gateway:
        async with (
            GatewayClient.connect(gateway.endpoint, api_key=keys[0].reveal(), plaintext=True) as one,
            GatewayClient.connect(gateway.endpoint, api_key=keys[1].reveal(), plaintext=True) as other,
        ):
            text = f"{keys[0].secret} {keys[1].secret}"
            assert one._channel.gate.hide(text) == f"mxgw_tests_*** {keys[1].secret}"
            assert other._channel.gate.hide(text) == f"{keys[0].secret} mxgw_tests_***"


async def test_a_password_is_forgotten_a_while_after_its_call_and_with_its_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channels, "HIDE_AFTER_CALL", 0.1)
    async with stage(SIMULATED, Told()) as (gateway, client, session):
        gate = client._channel.gate
        gateway.hold("Invoke.AuthenticateUser")
        calls = [asyncio.create_task(session.authenticate_user(1, "operator", "a-pass-word")) for _ in range(2)]
        await until(lambda: gate.hide("a-pass-word") == "***")
        await asyncio.sleep(0.3)
        assert gate.hide("a-pass-word") == "***"
        gateway.release("Invoke.AuthenticateUser")
        for call in calls:
            with pytest.raises(MxGatewayError):
                await call
        await until(lambda: gate.hide("a-pass-word") == "a-pass-word")
        monkeypatch.setattr(channels, "HIDE_AFTER_CALL", 60.0)
        with pytest.raises(MxGatewayError):
            await session.authenticate_user(1, "operator", "another-word")
        assert gate.hide("another-word") == "***"
        for number in range(channels.MAX_REMEMBERED):
            with pytest.raises(MxGatewayError):
                await session.authenticate_user(1, "operator", f"further-word-{number}")
        assert gate.hide("another-word further-word-0") == "another-word ***"
    assert gate.hide("further-word-0") == "further-word-0"
    assert gate.hide(SIMULATED.reveal()) == "mxgw_tests_***"


def test_every_record_of_the_library_is_one_clean_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logger("mxgateway.tests").warning("%s and %d", EVIL + f"mxgw_a_{KEY} http://u:{KEY}@h", 5)
    logger("mxgateway.tests").warning("%s", "x" * 10_000)
    assert [record.getMessage().isprintable() for record in caplog.records] == [True, True]
    assert caplog.records[0].getMessage().endswith("[31m mxgw_a_*** http://***@h and 5")
    assert len(caplog.records[1].getMessage()) <= LONGEST_TEXT
