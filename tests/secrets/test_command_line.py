"""The matrix of the command line: every awkward secret in every format, on stdout and on stderr, in this process, in a batch, and in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from grpclib.const import Status

from mxgateway import Gate, Secret, proto
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway.wire import which_one_of
from mxgateway_cli.main import run
from mxgateway_cli.output.tags import cut
from mxgateway_cli.running.app import App
from mxgateway_cli.terminal.drawing import Painter, table_lines
from mxgateway_cli.terminal.text import clean, pass_through
from tests.cli.batches import batch
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome, environment
from tests.secrets.awkward import KEYS, PASSWORDS, echo, shown_in, shown_in_document

TAG = "TestChildObject.TestInt"
FORMATS = ("table", "value", "json", "jsonl")
SIMULATED = SimulatedKey(key_id="tests", secret="0123456789abcdef")
AS_OPERATOR = ("--user", "operator", "--password-env", "PW")
SECURED = ("write-secured-bulk", "--items", TAG, "--type", "int32", "--values", "1", *AS_OPERATOR)


class Repeating:
    """A gateway in a thread of its own, which repeats a secret in whatever it answers."""

    def __init__(self, endpoint: str, gateway: SimulatedGateway) -> None:
        self.endpoint = endpoint
        self.gateway = gateway

    def repeat(self, secret: str) -> None:
        """Say it from now on."""
        self.gateway.switches._overrides.clear()
        self.gateway.switches._failures.clear()
        text = echo(secret)
        code = proto.ProtocolStatusCode

        def accept(reply: Any) -> Any:
            return proto.MxCommandReply(
                protocol_status=proto.ProtocolStatus(code=code.OK),
                authenticate_user=proto.AuthenticateUserReply(user_id=1),
            )

        def entries(reply: Any) -> Any:
            for result in getattr(reply, which_one_of(reply, "payload")).results:
                result.was_successful, result.error_message, result.tag_address = False, text, text
            return reply

        def refuse(reply: Any) -> Any:
            return proto.MxCommandReply(
                protocol_status=proto.ProtocolStatus(code=code.MXACCESS_FAILURE, message=text), hresult=-1, diagnostic_message=text,
                statuses=[proto.MxStatusProxy(category=proto.MxStatusCategory.SECURITY_ERROR, diagnostic_text=text)],
            )  # fmt: skip

        self.gateway.reply_override("Invoke.AuthenticateUser", accept, times=None)
        for method in ("Invoke.WriteSecuredBulk", "Invoke.ReadBulk", "Invoke.SubscribeBulk"):
            self.gateway.reply_override(method, entries, times=None)
        self.gateway.reply_override("Invoke.WriteSecured", refuse, times=None)

    def fail(self, method: str, secret: str) -> None:
        """Let the next call of a method fail with it."""
        self.gateway.fail_next(method, Status.INTERNAL, echo(secret))


@pytest.fixture
def repeating(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repeating]:
    monkeypatch.setattr("mxgateway.simulator.server.keys.Authenticator.authenticate", lambda *_: SIMULATED)
    ready: list[Repeating] = []
    started, loop = threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        async with SimulatedGateway(api_keys=[SIMULATED]) as gateway:
            ready.append(Repeating(gateway.endpoint, gateway))
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(20)
    yield ready[0]
    loop.call_soon_threadsafe(over.set)
    thread.join(20)
    loop.close()


def here(*arguments: str, env: Mapping[str, str]) -> Outcome:
    """Run a command line in this process."""
    logger = logging.getLogger("mxgateway")
    before = logger.handlers[:], logger.level, logger.propagate
    out, err = io.StringIO(), io.StringIO()
    try:
        with (
            mock.patch.dict(os.environ, environment(env), clear=True), mock.patch("sys.stdin", io.StringIO()),
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
        ):  # fmt: skip
            code = run([*arguments, "--plaintext"])
    finally:
        logger.handlers[:], logger.level, logger.propagate = before
    return Outcome(code, out.getvalue(), err.getvalue())


def leaks(outcome: Outcome, form: str, secret: str) -> list[str]:
    """Return where an outcome shows a secret, and where it is no document any more."""
    found = [name for name, text in (("stdout", outcome.out), ("stderr", outcome.err)) if shown_in(text, secret)]
    if form == "json" and outcome.out and shown_in_document(outcome.document, secret):
        found.append("the document")
    if form == "jsonl" and any(shown_in_document(line, secret) for line in outcome.lines):
        found.append("a line")
    if form in ("json", "jsonl"):
        for line in outcome.err.splitlines():
            if line.startswith("{") and (
                set(json.loads(line)) - {"error", "warning"} or shown_in_document(json.loads(line), secret)
            ):
                found.append("the error object")
    return found


def env_of(repeating: Repeating, **further: str) -> dict[str, str]:
    return {"MXGATEWAY_ENDPOINT": repeating.endpoint, "MXGATEWAY_API_KEY": SIMULATED.reveal(), **further}


@pytest.mark.parametrize("form", FORMATS)
def test_no_password_shows_in_any_format(repeating: Repeating, form: str) -> None:
    found = []
    for password in PASSWORDS:
        env = env_of(repeating, PW=password)
        repeating.repeat(password)
        secured = here(*SECURED, "-o", form, env=env)
        found += [(password, "result", where) for where in leaks(secured, form, password)]
        assert secured.code == 21, secured.err
        if form == "json":
            assert [*secured.document][:2] == ["operation", "sessionId"]
            assert "error" in secured.document["results"][0]
        repeating.fail("Invoke.AuthenticateUser", password)
        refused = here(*SECURED, "-o", form, "-v", env={**env, "MXGATEWAY_DEBUG": "1"})
        found += [(password, "failure", where) for where in leaks(refused, form, password)]
        assert refused.code > 64
    assert found == []


@pytest.mark.parametrize("form", FORMATS)
def test_no_api_key_shows_in_any_format(repeating: Repeating, form: str) -> None:
    found = []
    for key in KEYS:
        repeating.repeat(key)
        env = env_of(repeating, MXGATEWAY_API_KEY=key)
        for command in (("read", TAG), ("subscribe-bulk", "--items", TAG)):
            outcome = here(*command, "-o", form, "-v", env=env)
            found += [(key, command[0], where) for where in leaks(outcome, form, key)]
            assert form == "value" or "<<" in outcome.out
        repeating.fail("OpenSession", key)
        failed = here("read", TAG, "-o", form, "-v", env={**env, "MXGATEWAY_DEBUG": "1"})
        found += [(key, "failure", where) for where in leaks(failed, form, key)]
        assert "<<" in failed.err
    assert found == []


async def test_no_password_shows_in_a_batch(repeating: Repeating) -> None:
    passwords = [password for password in PASSWORDS if not any(char in password for char in "\0\n\r")][::3]
    env = env_of(repeating, **{f"PW{number}": password for number, password in enumerate(passwords)})
    repeating.repeat(" ".join(f"<<{password}>>" for password in passwords))
    line = f"write-secured-bulk --items {TAG} --type int32 --values 1 --user operator --password-env PW{{}} -o jsonl"
    lines = "\n".join([*(line.format(number) for number in range(len(passwords))), f"read {TAG} -o json"]) + "\n"

    outcome = await batch(lines, "--plaintext", "-v", env=env)

    for number, password in enumerate(passwords):
        answer = outcome.answers[number]
        assert not shown_in(answer, password), password
        for text in answer.splitlines():
            json.loads(text)
    assert "refused" in outcome.answers[-1]


@pytest.mark.parametrize("password", ['a"b\\c  d\te\u00a0f', "true", "e"])
@pytest.mark.parametrize("form", ["table", "json"])
async def test_a_process_of_its_own_shows_no_password(repeating: Repeating, form: str, password: str) -> None:
    repeating.repeat(password)
    outcome = await mxgw(*SECURED, "-o", form, "-v", "--plaintext", env=env_of(repeating, PW=password))
    assert outcome.code == 21
    assert leaks(outcome, form, password) == []
    if form == "json":
        assert "<<***>>" in outcome.document["results"][0]["error"]


@pytest.mark.parametrize("filling", ["a", "\u0301", "\u5bc6"])
def test_no_piece_of_a_secret_shows_where_a_cell_is_cut(filling: str) -> None:
    secret = "s3cr3t-of-the-plant"
    pieces = {secret[:4], secret[-4:]}
    app = App()
    app.keep_secret(Secret(secret))
    painter = Painter("utf-8", coloured=False)
    for count in range(0, 500, 3):
        (_, row) = table_lines(painter, ("tag",), [(secret + filling * count,)], 40)
        begun, ended = cut(filling * count + secret, 60), row.plain
        assert not any(piece in text for piece in pieces for text in (begun, ended))
    pass_through(Gate())


def test_a_line_of_a_batch_hides_what_the_batch_hides_and_forgets_its_own() -> None:
    outer = App()
    outer.keep_secret(Secret("password-of-the-batch"))
    line = App(host=SimpleNamespace(app=outer))
    line.keep_secret(Secret("password-of-the-line"))
    text = "password-of-the-batch password-of-the-line"
    assert clean(text) == "*** ***"
    pass_through(outer.gate)
    assert clean(text) == "*** password-of-the-line"
