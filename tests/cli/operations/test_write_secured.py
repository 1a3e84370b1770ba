from __future__ import annotations

import os
from pathlib import Path

import pytest

from mxgateway import from_mx_value
from mxgateway.simulator.options import DEFAULT_USERS
from mxgateway.wire import which_one_of
from tests.cli.gateway import Gateway
from tests.cli.in_process import mxgw, refused
from tests.cli.process import Outcome
from tests.cli.terminal import terminal

(OPERATOR, PASSWORD, _), (SUPERVISOR, OTHER_PASSWORD, _) = DEFAULT_USERS
SECURED, VERIFIED = "TestSecurity.SecuredWriteInt", "TestSecurity.VerifiedWriteInt"
TIME = ("--timestamp", "2026-03-01T08:30:00Z")
USER = ("--user", OPERATOR, "--password-env", "OPERATOR_PASSWORD")


async def secured(gateway: Gateway, command: str, *arguments: str) -> Outcome:
    env = {**gateway.env, "OPERATOR_PASSWORD": PASSWORD, "SUPERVISOR_PASSWORD": OTHER_PASSWORD, "WRONG": "wr0ng"}
    outcome = await mxgw(command, *arguments, "--plaintext", "-v", env={**env, "MXGATEWAY_DEBUG": "1"})
    for password in (PASSWORD, OTHER_PASSWORD, "wr0ng"):
        assert password not in outcome.out + outcome.err
    return outcome


@pytest.mark.parametrize("command", [("write-secured",), ("write-secured2", *TIME)], ids=lambda words: words[0])
async def test_a_secured_write_has_one_user_and_a_verified_one_two(
    gateway: Gateway, command: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{OTHER_PASSWORD}\n")
    verifier = ("--verifier", SUPERVISOR, "--verifier-password-file", str(file))

    one = await secured(gateway, *command, SECURED, "--value", "5", *USER, "--confirm", "-ojsonl")
    two = await secured(gateway, *command, VERIFIED, "--value", "6", *USER, *verifier, "--confirm", "-ojsonl")

    assert one.code == two.code == 0, one.err + two.err
    for outcome, users in ((one, 1), (two, 2)):
        [document] = outcome.lines
        assert len({document["currentUserId"], document["verifierUserId"]} - {0}) == users
        assert document["confirmed"] is True
    assert from_mx_value(gateway.simulated.tag(SECURED).sample.message) == 5
    assert from_mx_value(gateway.simulated.tag(VERIFIED).sample.message) == 6


async def test_what_the_users_may_not_do_shows_with_confirm(gateway: Gateway) -> None:
    accepted = await secured(gateway, "write-secured", VERIFIED, "--value", "5", *USER, "-ovalue")
    refused = await secured(gateway, "write-secured", VERIFIED, "--value", "5", *USER, "--confirm")
    unknown = await secured(
        gateway, "write-secured", SECURED, "--value", "5", "--user", OPERATOR, "--password-env", "WRONG", "--json"
    )

    assert accepted.code == 0
    assert accepted.out.strip().isdigit()
    assert refused.code == unknown.code == 22
    assert "two different users" in refused.err
    assert unknown.error["type"] == "MxAccessError"


async def test_ids_belong_to_the_handles_of_an_open_session(gateway: Gateway) -> None:
    session_id = await gateway.open_session()
    async with gateway.client() as client:
        session = client.attach_session(session_id)
        server = await session.register("test")
        item = await session.add_item(server, SECURED)
        await session.advise(server, item)
        user_id = await session.authenticate_user(server, OPERATOR, PASSWORD)
    handles = ("--session-id", session_id, "--server-handle", str(server), "--item-handle", str(item))

    outcome = await secured(
        gateway, "write-secured", *handles, "--type", "int32", "--value", "7", "--current-user-id", str(user_id), "-ojsonl"
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    commands = [call.request.command for call in gateway.simulated.received if call.method == "Invoke"]
    [write] = [c.write_secured for c in commands if which_one_of(c, "payload") == "write_secured"]
    assert (write.current_user_id, write.verifier_user_id) == (user_id, user_id)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Name the user"),
        (("--current-user-id", "1"), "Name the user with --user"),
        (("--user", OPERATOR), "No terminal to prompt for a password"),
        (("--user", OPERATOR, "--password-env", "NO_SUCH"), "'NO_SUCH' named by --password-env is not set"),
        (("--user", OPERATOR, "--password", "clear"), "in the process list"),
        (("--user", OPERATOR, "--password-file", __file__, "--password-env", "X"), "contradict each other"),
        (("--verifier", SUPERVISOR, "--verifier-password-env", "PATH"), "--verifier requires --user"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused("write-secured", SECURED, "--value", "1", *arguments)

    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert says in outcome.err.splitlines()[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals of this kind")
async def test_a_password_is_asked_for_at_a_terminal_that_does_not_show_it(gateway: Gateway) -> None:
    arguments = ("write-secured", SECURED, "--value", "5", "--user", OPERATOR, "--plaintext", "-ovalue", "--confirm")
    async with terminal(*arguments, env=gateway.env) as screen:
        await screen.shows(f"Password for {OPERATOR}: ")
        assert not screen.echoes()
        assert not gateway.simulated.received, "nobody waits for a person with a connection open"
        screen.type(f"{PASSWORD}\n")
        code = await screen.ended()

        assert code == 0, screen.text
        assert screen.text.split()[-1].isdigit()
        assert screen.echoes()
        assert PASSWORD not in screen.text


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send this signal to one process")
async def test_an_interrupted_prompt_leaves_the_terminal_as_it_was(gateway: Gateway) -> None:
    import signal

    arguments = ("write-secured", SECURED, "--value", "5", "--user", OPERATOR, "--plaintext")
    async with terminal(*arguments, env=gateway.env) as screen:
        await screen.shows("Password for")
        screen.process.send_signal(signal.SIGINT)

        assert await screen.ended() == 130
        assert screen.echoes()
        assert "Traceback" not in screen.text
