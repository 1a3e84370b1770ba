"""The matrix of the library: every awkward secret, in every place where a gateway can repeat it, on every way out."""

from __future__ import annotations

import copy
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from grpclib.const import Status

from mxgateway import (
    ApiKey,
    CallInfo,
    ClientOptions,
    GatewayClient,
    HttpProxy,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    Secret,
    Session,
    TlsOptions,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.rows import each_row
from tests.secrets.awkward import KEYS, PASSWORDS, Everything, echo, shown_in, ways_out, ways_out_of_object

CODES = proto.ProtocolStatusCode
SIMULATED = SimulatedKey(key_id="tests", secret="0123456789abcdef")


@dataclass
class Told:
    """A tracer that keeps what it is told."""

    texts: list[str] = field(default_factory=list)

    def call_started(self, call: CallInfo) -> Told:
        self.texts.append(repr(call))
        return self

    def message_sent(self, size: int) -> None:
        pass

    def messages_received(self, count: int) -> None:
        pass

    def retrying(self, error: MxGatewayError, delay: float) -> None:
        self.texts.append(f"{error!r} {error}")

    def ended(self, error: MxGatewayError | None, *, cancelled: bool) -> None:
        self.texts.append(f"{error!r} {error}")


class Vault:
    """Where a test keeps what is secret, so that its own variables do not show it."""

    def __init__(self, key: str, password: str) -> None:
        self.key = key
        self.password = password

    def __repr__(self) -> str:
        return "<a vault>"


Call = Callable[[Session, Vault], Awaitable[Any]]


async def authenticates(session: Session, vault: Vault) -> None:
    await session.authenticate_user(1, "operator", vault.password)


async def authenticates_with_a_secret(session: Session, vault: Vault) -> None:
    await session.authenticate_user(1, "operator", Secret(vault.password))


async def pings(session: Session, _vault: Vault) -> None:
    await session.ping()


async def authenticates_by_hand(session: Session, vault: Vault) -> None:
    body = proto.AuthenticateUserCommand(server_handle=1, verify_user="x", verify_user_password=vault.password)
    await session.invoke(proto.MxCommand(kind=proto.MxCommandKind.AUTHENTICATE_USER, authenticate_user=body))


CALLS: tuple[tuple[Call, str], ...] = (
    (authenticates, "Invoke.AuthenticateUser"), (authenticates_with_a_secret, "Invoke.AuthenticateUser"), (authenticates_by_hand, "Invoke.AuthenticateUser"),
    (pings, "Invoke.Ping"),
)  # fmt: skip


def repeats(gateway: SimulatedGateway, method: str, text: str) -> list[Callable[[], None]]:
    """Return the ways in which a gateway repeats a text in the answer to a method."""

    def protocol_failure(reply: Any) -> Any:
        reply.protocol_status = proto.ProtocolStatus(code=CODES.WORKER_UNAVAILABLE, message=text)
        reply.session_id = reply.correlation_id = text
        return reply

    def refusal(reply: Any) -> Any:
        statuses = [proto.MxStatusProxy(category=proto.MxStatusCategory.SECURITY_ERROR, diagnostic_text=text)]
        return proto.MxCommandReply(
            protocol_status=proto.ProtocolStatus(code=CODES.MXACCESS_FAILURE, message=text),
            hresult=-1, diagnostic_message=text, statuses=statuses, session_id=text, correlation_id=text,
            return_value=proto.MxValue(string_value=text, variant_type=text),
        )  # fmt: skip

    def unknown(reply: Any) -> Any:
        return proto.MxCommandReply(
            protocol_status=proto.ProtocolStatus(code=cast("proto.ProtocolStatusCode", 77), message=text),
            diagnostic_message=text,
        )

    def malformed(reply: Any) -> Any:
        info = proto.WorkerInfoReply(worker_version=text, mxaccess_version=text)
        return proto.MxCommandReply(diagnostic_message=text, session_id=text, worker_info=info)

    return [
        lambda: gateway.fail_next(method, Status.UNAUTHENTICATED, text),
        lambda: gateway.fail_next(method, Status.INTERNAL, text),
        *(
            lambda replace=replace: gateway.reply_override(method, replace)
            for replace in (protocol_failure, refusal, unknown, malformed)
        ),
    ]


@asynccontextmanager
async def stage(key: SimulatedKey, tracer: Told) -> AsyncIterator[tuple[SimulatedGateway, GatewayClient, Session]]:
    async with (
        SimulatedGateway(api_keys=[key]) as gateway,
        GatewayClient.connect(
            gateway.endpoint, api_key=key.reveal(), plaintext=True, retry=None, tracer=tracer
        ) as client,
        client.open_session() as session,
    ):
        yield gateway, client, session


def test_there_are_sixty_passwords() -> None:
    assert len(PASSWORDS) == len(set(PASSWORDS)) == 60


@each_row("asyncio_debug", [False, True])
@each_row("part", range(6))
async def test_no_password_shows_on_any_way_out(part: int, asyncio_debug: bool) -> None:
    tracer, leaks, turn = Told(), [], itertools.cycle(CALLS)
    with Everything(asyncio_debug=asyncio_debug) as log:
        async with stage(SIMULATED, tracer) as (gateway, client, session):
            for password in PASSWORDS[part::6] if not asyncio_debug else PASSWORDS[part::30]:
                vault = Vault(gateway.api_key, password)
                await accepted(gateway, session, vault)
                for number in range(len(repeats(gateway, "", ""))):
                    call, method = next(turn)
                    repeats(gateway, method, echo(password))[number]()
                    with pytest.raises(MxGatewayError) as caught:
                        await call(session, vault)
                    texts = [*ways_out(caught.value), ("a copy", repr(vars(copy.copy(caught.value))))]
                    leaks += [(password, call.__name__, where) for where, text in texts if shown_in(text, password)]
                texts = [
                    ("the log", log.text),
                    ("the stats", repr(client.stats())),
                    ("the trace", "\n".join(tracer.texts)),
                ]
                leaks += [(password, "all", where) for where, text in texts if shown_in(text, password)]
                assert log.lines
                assert tracer.texts
                log.lines.clear()
                tracer.texts.clear()
    assert leaks == []


async def accepted(gateway: SimulatedGateway, session: Session, vault: Vault) -> None:
    """Authenticate: from then on the password is the gateway's to repeat, also in the answer to another call."""

    def accept(reply: Any) -> Any:
        return proto.MxCommandReply(
            protocol_status=proto.ProtocolStatus(code=CODES.OK),
            authenticate_user=proto.AuthenticateUserReply(user_id=1),
        )

    gateway.reply_override("Invoke.AuthenticateUser", accept)
    await session.authenticate_user(1, "operator", vault.password)


async def test_no_api_key_shows_on_any_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    leaks = []
    for key in KEYS:
        tracer, vault = Told(), Vault(key, "")
        monkeypatch.setattr("mxgateway.simulator.server.keys.Authenticator.authenticate", lambda *_: SIMULATED)
        with Everything() as log:
            async with SimulatedGateway(api_keys=[SIMULATED]) as gateway:
                connecting = GatewayClient.connect(
                    gateway.endpoint, api_key=vault.key, plaintext=True, retry=None, tracer=tracer
                )
                async with connecting as client, client.open_session() as session:
                    for repeat in repeats(gateway, "Invoke.Ping", echo(key)):
                        repeat()
                        with pytest.raises(MxGatewayError) as caught:
                            await session.ping()
                        leaks += [(key, where) for where, text in ways_out(caught.value) if shown_in(text, key)]
                    texts = [
                        ("the log", log.text),
                        ("the stats", repr(client.stats())),
                        ("the trace", "\n".join(tracer.texts)),
                    ]
                    texts += [(f"repr of {name}", repr(value)) for name, value in vars(client._channel).items()]
                    for thing in (
                        client,
                        session,
                        client._channel,
                        client._channel.request_headers,
                        client._channel.gate,
                        connecting,
                    ):
                        texts += ways_out_of_object(thing)
                    leaks += [(key, where) for where, text in texts if shown_in(text, key)]
    assert leaks == []


@each_row("length", [1, 2, 3, 7])
def test_an_api_key_that_is_too_short_to_be_hidden_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="fewer than 8 characters") as caught:
        ApiKey("k" * length)
    assert "kkk" not in "".join(text for _, text in ways_out(caught.value))


def test_no_option_shows_a_secret() -> None:
    leaks = []
    for password in PASSWORDS:
        secret, tls = Secret(password), TlsOptions(client_cert="c.pem", client_key_password=password)
        proxy = HttpProxy("proxy", 3128, Secret(f"bob:{password}"))
        options = ClientOptions(api_key="mxgw_tests_0123456789", proxy=proxy, tls=tls)
        things = [
            secret,
            tls,
            proxy,
            options,
            copy.copy(options),
            copy.deepcopy(options),
            copy.copy(secret),
            copy.deepcopy(tls),
        ]
        for thing in things:
            for where, text in ways_out_of_object(thing):
                if len(password) >= 8 and (password in text or repr(password)[1:-1] in text):
                    leaks.append((password, where))
        assert repr(secret) == "Secret('***')"
        assert f"{tls.client_key_password}" == "***"
    assert leaks == []


# -- secrets are wrapped before anything can fail

MARK = "S3CR3T-0f-the-pl4nt"
KEY = f"mxgw_plant_{MARK}"

WRONG: dict[str, Callable[[], dict[str, Any]]] = {
    "a mistyped proxy": lambda: {"api_key": KEY, "proxy": "proxy.plant:3128"},
    "a proxy of another scheme": lambda: {"api_key": KEY, "proxy": f"https://bob:{MARK}@proxy:3128"},
    "a proxy that is bytes": lambda: {"api_key": KEY, "proxy": f"http://bob:{MARK}@proxy:3128".encode()},
    "a proxy that is a list": lambda: {"api_key": KEY, "proxy": [f"http://bob:{MARK}@proxy:3128"]},
    "a proxy with a control character": lambda: {"api_key": KEY, "proxy": f"http://bob:{MARK}\0@proxy:3128"},
    "a proxy made with bytes": lambda: {"api_key": KEY, "proxy": HttpProxy("proxy", 3128, f"bob:{MARK}".encode())},  # type: ignore[arg-type]
    "a proxy made with a list": lambda: {"api_key": KEY, "proxy": HttpProxy("proxy", 3128, ["bob", MARK])},  # type: ignore[arg-type]
    "a proxy made with hidden bytes": lambda: {"api_key": KEY, "proxy": HttpProxy("proxy", 3128, Secret(MARK.encode()))},  # type: ignore[arg-type]
    "a proxy made with what is no UTF-8": lambda: {"api_key": KEY, "proxy": HttpProxy("proxy", 3128, Secret(f"bob:{MARK}\ud800"))},
    "a proxy without a user": lambda: {"api_key": KEY, "proxy": HttpProxy("proxy", 3128, Secret(f":{MARK}"))},
    "a proxy with a port that is none": lambda: {"api_key": KEY, "proxy": HttpProxy("proxy", MARK)},  # type: ignore[arg-type]
    "a key that is hidden bytes": lambda: {"api_key": Secret(KEY.encode())},  # type: ignore[arg-type]
    "a key that is bytes": lambda: {"api_key": KEY.encode()},
    "a key that is a list": lambda: {"api_key": [KEY]},
    "a key that is a dict": lambda: {"api_key": {"key": KEY}},
    "a function beside what is wrong": lambda: {"api_key": lambda: KEY, "connect_timeout": -1},
    "a key that is a number": lambda: {"api_key": 123},
    "a key with a line feed": lambda: {"api_key": KEY + "\nx"},
    "metadata that repeats the key": lambda: {"api_key": KEY, "metadata": (("x-key", KEY + "\n"),)},
    "metadata that is none": lambda: {"api_key": KEY, "metadata": KEY},
    "an option that does not exist": lambda: {"api_key": KEY, "nonsense": KEY},
    "a bound that is none": lambda: {"api_key": KEY, "connect_timeout": -1},
    "a bound of another type": lambda: {"api_key": KEY, "max_send_bytes": KEY},
    "a size that is a text": lambda: {"api_key": KEY, "max_receive_bytes": KEY},
    "a count that is a list": lambda: {"api_key": KEY, "max_decoded_elements": [KEY]},
    "a bound that is bytes": lambda: {"api_key": KEY, "keepalive_timeout": KEY.encode()},
    "metadata that is a number": lambda: {"api_key": KEY, "metadata": 5},
    "metadata of bytes": lambda: {"api_key": KEY, "metadata": KEY.encode()},
    "contradicting options": lambda: {"api_key": KEY, "plaintext": True, "tls": TlsOptions()},
}  # fmt: skip


def told(error: BaseException) -> str:
    return "\n".join(text for _, text in ways_out(error))


@each_row("given", [KEY.encode(), bytearray(KEY.encode()), {KEY: KEY}, Secret(KEY), 123, None])
async def test_an_endpoint_of_another_type_is_refused_and_shows_in_no_frame(given: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=f"{type(given).__name__}, not a str") as caught:
        await GatewayClient.connect(given, api_key=KEY)
    assert MARK not in told(caught.value)


@each_row("given", [[KEY], (KEY,), [KEY, "localhost:1"], ["localhost:1", KEY.encode()], [123, KEY], []])
async def test_endpoints_of_another_form_are_refused_and_show_in_no_frame(given: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="malformed") as caught:
        await GatewayClient.connect(given, api_key=KEY)
    assert MARK not in told(caught.value)


@each_row("wrong", WRONG)
async def test_wrong_options_show_no_secret_in_any_frame(wrong: str) -> None:
    with pytest.raises((MxGatewayError, TypeError)) as made:
        ClientOptions(**WRONG[wrong]())
    with pytest.raises((MxGatewayError, TypeError)) as connected:
        await GatewayClient.connect("127.0.0.1:1", **WRONG[wrong]())
    for caught in (made, connected):
        assert MARK not in told(caught.value)


@each_row(
    "given",
    [MARK.encode(), [MARK], {"password": MARK}, lambda: MARK, 123, MARK.encode("utf-16"), Secret(cast("Any", [MARK]))],
)
def test_a_key_password_of_another_type_is_wrapped_or_refused_and_never_shown(given: Any) -> None:
    try:
        options = TlsOptions(client_cert="c.pem", client_key_password=given)
    except MxGatewayError as error:
        assert MARK not in told(error)
    else:
        assert options.key_password == Secret(MARK)
        assert MARK not in "".join(text for _, text in ways_out_of_object(options))


@each_row("given", [123, None, b"mxgw_a_bcdefgh", ["mxgw_a_bcdefgh"], object(), lambda: "mxgw_a_bcdefgh"])
def test_what_is_no_text_is_no_key_and_says_so_cleanly(given: Any) -> None:
    with pytest.raises(TypeError, match=type(given).__name__) as caught:
        ApiKey(given)
    told(caught.value)  # the reporters' own reprs do not raise
    assert repr(Secret(given)) == "Secret('***')"


REFUSED: dict[str, Any] = {
    "a surrogate": MARK + "\ud800",
    "a set": {MARK},
    "a list in a list": [[MARK]],
    "several types": [MARK, 5],
    "a list with a surrogate": [MARK, MARK + "\ud800"],
    "a message with a surrogate": proto.MxValue(string_value=MARK + "\ud800"),
    "a size": MARK * 200,
}


@each_row("given", REFUSED.values())
async def test_a_value_that_is_refused_shows_in_no_frame(given: Any) -> None:
    vault = Vault("", given)
    text, now = proto.MxDataType.STRING, datetime.now(UTC)
    users: dict[str, Any] = {"current_user_id": 1}
    async with (
        SimulatedGateway() as gateway,
        GatewayClient.connect(gateway.endpoint, api_key=gateway.api_key, plaintext=True, max_send_bytes=1000) as client,
        client.open_session() as session,
    ):
        writes: dict[str, Callable[[], Awaitable[Any]]] = {
            "write": lambda: session.write(1, 2, vault.password),
            "write2": lambda: session.write2(1, 2, vault.password, now),
            "write_confirmed": lambda: session.write_confirmed(1, 2, vault.password),
            "write_secured": lambda: session.write_secured(1, 2, vault.password, **users),
            "write_secured2": lambda: session.write_secured2(1, 2, vault.password, now, **users),
            "write_array_elements": lambda: session.write_array_elements(1, 2, text, 3, {0: vault.password}),
            "write_bulk": lambda: session.write_bulk(1, [2], [vault.password]),
            "write2_bulk": lambda: session.write2_bulk(1, [2], [vault.password], now),
            "write_secured_bulk": lambda: session.write_secured_bulk(1, [2], [vault.password], **users),
            "write_secured2_bulk": lambda: session.write_secured2_bulk(1, [2], [vault.password], now, **users),
            "write_tags": lambda: session.write_tags({"TestChildObject.TestInt": vault.password}),
            "write_tags of a type": lambda: session.write_tags({"A.B": vault.password}, data_type=text),
            "an argument that does not exist": lambda: session.write(1, 2, vault.password, nonsense=vault.password),  # type: ignore[call-arg]
        }
        for name, write in writes.items():
            with pytest.raises((MxGatewayError, TypeError)) as caught:
                await write()
            assert MARK not in told(caught.value), name


@each_row("given", [MARK.encode(), [MARK], 123, None, MARK + "\0", MARK + "\ud800"])
async def test_a_password_that_cannot_be_sent_shows_in_no_frame(given: Any) -> None:
    vault = Vault("", given)
    async with stage(SIMULATED, Told()) as (_, _, session):
        for server, user in ((1, "operator"), ("x", "operator"), (1, 5), (1, "oper\ud800"), (1, MARK)):
            with pytest.raises(MxGatewayError) as caught:
                await session.authenticate_user(server, user, vault.password)  # type: ignore[arg-type]
            assert MARK not in told(caught.value)
