"""The commands for buffered items, suspended ones and users: their documents, and what they do at the gateway."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from tests.cli.gateway import TAG, Gateway
from tests.cli.golden import golden
from tests.cli.in_process import mxgw, refused
from tests.cli.terminal import terminal
from tests.rows import each_row

PASSWORD = "operator-password"
PASSWORD_ENV = {"PLANT_PASSWORD": PASSWORD}
GUID = "5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0001"
HANDLES = {"sessionId": "<sessionId>", "serverHandle": 1}
ITEM = {**HANDLES, "itemHandle": 2}
TAIL = {"correlationId": "<correlationId>"}

DOCUMENTS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        ("add-buffered-item", "--item", "TestInt", "--context", "TestChildObject"),
        {"operation": "add-buffered-item", **ITEM, "tag": "TestInt", "context": "TestChildObject", **TAIL},
    ),
    (
        ("set-buffered-update-interval", "--milliseconds", "150"),
        {"operation": "set-buffered-update-interval", **HANDLES, "milliseconds": 150, **TAIL},
    ),
    (
        ("suspend", "--item", TAG),
        {
            "operation": "suspend",
            **ITEM,
            "tag": TAG,
            "statusText": "pending: received, not yet complete, detected by the requesting side's Local Message Exchange",
            "status": {
                "success": -1,
                "category": "MX_STATUS_CATEGORY_PENDING",
                "detectedBy": "MX_STATUS_SOURCE_REQUESTING_LMX",
            },
            **TAIL,
        },
    ),
    (
        ("activate", "--item", TAG),
        {
            "operation": "activate",
            **ITEM,
            "tag": TAG,
            "statusText": "OK, detected by the responding side's Local Message Exchange",
            "status": {
                "success": -1,
                "category": "MX_STATUS_CATEGORY_OK",
                "detectedBy": "MX_STATUS_SOURCE_RESPONDING_LMX",
            },
            **TAIL,
        },
    ),
    (
        ("authenticate-user", "--user", "operator", "--password-env", "PLANT_PASSWORD"),
        {"operation": "authenticate-user", **HANDLES, "user": "operator", "userId": 2, **TAIL},
    ),
    (("user-to-id", "--guid", GUID), {"operation": "user-to-id", **HANDLES, "guid": GUID, "userId": 2, **TAIL}),
]


@pytest.mark.parametrize(("arguments", "expected"), DOCUMENTS, ids=lambda case: "")
async def test_a_command_with_the_simulator_writes_exactly_this_document(
    arguments: tuple[str, ...], expected: dict[str, Any]
) -> None:
    outcome = await mxgw(*arguments, "--simulator", "--json", env=PASSWORD_ENV)

    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    # As text, so that the order of the keys counts.
    assert json.dumps(golden(outcome.document), indent=1) == json.dumps(expected, indent=1)


async def test_a_buffered_item_tells_and_a_suspended_one_tells_nothing(gateway: Gateway) -> None:
    session = ("--session-id", await gateway.open_session())
    async with gateway.client() as client:
        server = str(await client.attach_session(session[1]).register("test"))

    async def step(name: str, *arguments: str) -> str:
        outcome = await gateway.mxgw(name, *session, "--server-handle", server, *arguments, "-o", "value")
        assert outcome.code == 0, outcome.err
        return outcome.out.strip()

    assert await step("set-buffered-update-interval", "--milliseconds", "100") == "100"
    buffered = await step("add-buffered-item", "--item", TAG)
    item = ("--item-handle", await step("add-item", "--item", TAG))
    await step("advise", *item)
    assert (await step("suspend", *item)).startswith("pending")
    assert (await step("activate", *item)).startswith("pending")
    wanted = {
        (int(buffered), "MX_EVENT_FAMILY_ON_BUFFERED_DATA_CHANGE"),
        (int(item[1]), "MX_EVENT_FAMILY_OPERATION_COMPLETE"),
    }
    async with asyncio.timeout(30):
        while wanted:
            drained = await gateway.mxgw("drain-events", *session, "--json")
            wanted -= {(event["itemHandle"], event["family"]) for event in drained.document["events"]}


@each_row(
    ("arguments", "says"),
    [
        (("set-buffered-update-interval", "--milliseconds", "-1"), "--milliseconds"),
        (("set-buffered-update-interval", "--milliseconds", "2147483648"), "--milliseconds"),
        (("set-buffered-update-interval",), "Missing option '--milliseconds'"),
        (("suspend",), "Name the item"),
        (("authenticate-user", "--password-env", "X"), "Missing option '--user'"),
        (("authenticate-user", "--user", "u"), "No terminal to prompt for a password"),
        (("authenticate-user", "--user", "u", "--password", PASSWORD), "--password would show the password"),
        (("authenticate-user", f"--password={PASSWORD}", "--user", "u"), "--password would show the password"),
        (
            ("authenticate-user", "--user", "u", "--password-env", "NO_SUCH"),
            "'NO_SUCH' named by --password-env is not set",
        ),
        (("authenticate-user", "--user", "u", "--password-file", "no-such-file"), "does not exist"),
        (
            ("authenticate-user", "--password-env", "PLANT_PASSWORD", "--password-file", __file__, "--user", "u"),
            "--password-env and --password-file contradict each other",
        ),
    ],
)
def test_wrong_usage_is_one_clear_line_that_shows_no_password(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused(*arguments)

    assert outcome.code == 2
    assert outcome.out == ""
    [line] = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert says in line
    assert PASSWORD not in outcome.err


async def test_an_unknown_user_and_a_wrong_password_are_refused_by_mxaccess(gateway: Gateway) -> None:
    wrong = await gateway.mxgw("authenticate-user", "--user", "operator", "--password-env", "PATH", "--json")
    unknown = await gateway.mxgw("user-to-id", "--guid", "00000000-0000-0000-0000-000000000000")

    no_guid = await gateway.mxgw("user-to-id", "--guid", "operator")

    assert (wrong.code, unknown.code, no_guid.code) == (22, 22, 2)
    assert "user_id_guid is 'operator'" in no_guid.err
    assert wrong.error["type"] == "MxAccessError"
    assert os.environ["PATH"] not in wrong.err


async def test_a_gateway_that_echoes_the_password_does_not_make_it_appear(gateway: Gateway) -> None:
    gateway.simulated.fail_next("Invoke.AuthenticateUser", Status.INTERNAL, f"{PASSWORD} was refused")

    outcome = await mxgw(
        "authenticate-user", "--user", "operator", "--password-env", "PLANT_PASSWORD", "-v", "--plaintext",
        env={**gateway.env, **PASSWORD_ENV, "MXGATEWAY_DEBUG": "1"},
    )  # fmt: skip

    assert outcome.code > 64
    assert "*** was refused" in outcome.err
    assert PASSWORD not in outcome.out + outcome.err


async def test_a_password_file_works_with_the_line_end_that_editors_add(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"\xef\xbb\xbf" + PASSWORD.encode() + b"\r\n")

    outcome = await gateway.mxgw("authenticate-user", "--user", "operator", "--password-file", str(file), "-ovalue")

    assert outcome.out == "2\n", outcome.err


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"\xef\xbb\xbf\n"])
async def test_a_password_file_without_a_password_is_refused(gateway: Gateway, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)

    outcome = await gateway.mxgw("authenticate-user", "--user", "operator", "--password-file", str(file))

    assert outcome.code == 2
    assert f"The password file '{file}' is empty" in outcome.err


@pytest.mark.skipif(os.name == "nt", reason="a terminal to type on is made with pty")
async def test_on_a_terminal_the_password_is_asked_for_and_not_echoed() -> None:
    arguments = ("authenticate-user", "--user", "operator", "--simulator", "-o", "value")
    async with terminal(*arguments) as screen:
        await screen.shows("Password for operator: ")
        assert not screen.echoes()
        screen.type(f"{PASSWORD}\n")
        assert await screen.ended() == 0

    assert screen.text.splitlines() == ["Password for operator: ", "2"]
