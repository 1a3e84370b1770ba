"""The bulk commands as processes: their documents, what they do at the gateway, and files and stdin as their source."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mxgateway.wire import which_one_of
from tests.cli.gateway import TAG, Gateway
from tests.cli.golden import golden
from tests.cli.in_process import mxgw, refused
from tests.cli.process import PROGRAM, Outcome, environment
from tests.cli.running.test_lazy_imports import loaded_by
from tests.rows import each_row

TEXT = "TestChildObject.TestString"
DENIED = "TestChildObject.DeniedInt"
SECURED, VERIFIED = "TestSecurity.SecuredWriteInt", "TestSecurity.VerifiedWriteInt"
PASSWORDS = {"OPERATOR": "operator-password", "SUPERVISOR": "supervisor-password"}
GOOD_STATUS = {
    "success": -1,
    "category": "MX_STATUS_CATEGORY_OK",
    "detectedBy": "MX_STATUS_SOURCE_RESPONDING_LMX",
}


def document(operation: str, *results: dict[str, Any]) -> dict[str, Any]:
    failed = sum(not result["ok"] for result in results)
    return {
        "operation": operation,
        "sessionId": "<sessionId>",
        "serverHandle": 1,
        "correlationId": "<correlationId>",
        "entries": len(results),
        "successful": len(results) - failed,
        "failed": failed,
        "inDoubt": 0,
        "notSent": 0,
        "results": list(results),
    }


def added(tag: str, handle: int) -> dict[str, Any]:
    return {**record(tag), "serverHandle": 1, "itemHandle": handle}


def written(handle: int, value: int, tag: str | None = None) -> dict[str, Any]:
    return {**record(tag, value), "serverHandle": 1, "itemHandle": handle, "hresult": 0, "statuses": []}


def record(tag: str | None, value: object = None) -> dict[str, Any]:
    """What each record of a tag begins with."""
    unknown = {"quality": None, "qualityText": "", "sourceTime": None}
    return {"tag": tag, "value": value, **unknown, "ok": True, "error": ""}


def assert_document(outcome: Outcome, expected: dict[str, Any]) -> None:
    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    # As text, so that the order of the keys counts.
    assert json.dumps(golden(outcome.document), indent=1) == json.dumps(expected, indent=1)


class OpenSession:
    """A session that stays open between commands, with a registration in it."""

    def __init__(self, gateway: Gateway, session_id: str) -> None:
        self.gateway = gateway
        self.session_id = session_id

    async def run(self, name: str, *arguments: str) -> Outcome:
        handles = ("--session-id", self.session_id, "--server-handle", "1")
        return await self.gateway.mxgw(name, *handles, *arguments, "--json")

    def sent(self) -> list[Any]:
        """The bodies of the commands that the gateway has taken, in order."""
        calls = [call.request.command for call in self.gateway.simulated.received if call.method == "Invoke"]
        return [getattr(command, which_one_of(command, "payload")) for command in calls]


@pytest.fixture
async def session(gateway: Gateway) -> OpenSession:
    session_id = await gateway.open_session()
    async with gateway.client() as client:
        await client.attach_session(session_id).register("test")
    return OpenSession(gateway, session_id)


async def test_items_are_added_advised_and_removed_in_an_open_session(session: OpenSession) -> None:
    first = await session.run("add-item-bulk", "--items", f"{TAG},{TEXT}")
    advised = await session.run("advise-item-bulk", "--item-handles", "2,3")
    unadvised = await session.run("unadvise-item-bulk", "--item-handles", "3")
    removed = await session.run("remove-item-bulk", "--item-handles", "2,3")
    subscribed = await session.run("subscribe-bulk", "--items", f"{TEXT},{TAG}")
    unsubscribed = await session.run("unsubscribe-bulk", "--item-handles", "5,4")

    assert_document(first, document("add-item-bulk", added(TAG, 2), added(TEXT, 3)))
    assert_document(advised, document("advise-item-bulk", added(TAG, 2), added(TEXT, 3)))
    assert_document(unadvised, document("unadvise-item-bulk", added(TEXT, 3)))
    assert_document(removed, document("remove-item-bulk", added(TAG, 2), added(TEXT, 3)))
    assert_document(subscribed, document("subscribe-bulk", added(TEXT, 4), added(TAG, 5)))
    assert_document(unsubscribed, document("unsubscribe-bulk", added(TAG, 5), added(TEXT, 4)))


async def test_tags_are_read_with_the_seed_of_the_interface(session: OpenSession) -> None:
    await session.run("subscribe-bulk", "--items", TAG)

    outcome = await session.run("read-bulk", "--items", f"{TAG},{TEXT}", "--timeout-ms", "0")

    good = {"quality": 192, "qualityText": "good", "sourceTime": "<sourceTime>"}
    tail = {"statuses": [GOOD_STATUS]}
    expected = document(
        "read-bulk",
        {
            **record(TAG, 17) | good, "type": "int32", "dataType": "MX_DATA_TYPE_INTEGER",
            "serverHandle": 1, "itemHandle": 2, "wasCached": True, **tail,
        },
        {
            **record(TEXT, "Grüße") | good, "type": "string", "dataType": "MX_DATA_TYPE_STRING",
            "serverHandle": 1, "itemHandle": 0, "wasCached": False, **tail,
        },
    )  # fmt: skip
    assert_document(outcome, expected)
    assert session.sent()[-1].timeout_ms == 0


async def test_items_are_written_with_the_seed_of_the_interface_and_with_times(session: OpenSession) -> None:
    await session.run("subscribe-bulk", "--items", f"{TAG},TestChildObject.TestWideInt")

    plain = await session.run("write-bulk", "--item-handles", "2,3", "--type", "int32", "--values", "5,6")
    timed = await session.run(
        "write2-bulk", "--item-handles", "3,2", "--type", "int32", "--values", "7,8",
        "--timestamp", "2026-03-01T08:30:00.1234567Z", "--user-id", "4",
    )  # fmt: skip

    assert_document(plain, document("write-bulk", written(2, 5), written(3, 6)))
    assert_document(timed, document("write2-bulk", written(3, 7), written(2, 8)))
    entries = session.sent()[-1].entries
    assert [(each.item_handle, each.value.int32_value, each.user_id) for each in entries] == [(3, 7, 4), (2, 8, 4)]
    assert str(entries[0].timestamp_value.timestamp_value) == "2026-03-01 08:30:00.123456700+00:00"


async def test_secured_writes_name_their_users_by_id_or_by_name(session: OpenSession) -> None:
    await session.run("subscribe-bulk", "--items", f"{SECURED},{VERIFIED}")
    async with session.gateway.client() as client:
        attached = client.attach_session(session.session_id)
        ids = [
            str(await attached.authenticate_user(1, user, f"{user}-password")) for user in ("operator", "supervisor")
        ]

    by_id = await session.run(
        "write-secured-bulk", "--item-handles", "2,3", "--type", "int32", "--values", "5,6",
        "--current-user-id", ids[0], "--verifier-user-id", ids[1],
    )  # fmt: skip
    by_name = await mxgw(
        "write-secured2-bulk", "--items", f"{SECURED},{VERIFIED}", "--type", "int32", "--values", "7,8",
        "--timestamp", "2026-03-01T08:30:00Z", "--user", "operator", "--password-env", "OPERATOR",
        "--verifier", "supervisor", "--verifier-password-env", "SUPERVISOR", "--json", "--plaintext",
        env={**session.gateway.env, **PASSWORDS},
    )  # fmt: skip

    assert_document(by_id, document("write-secured-bulk", written(2, 5), written(3, 6)))
    assert_document(by_name, document("write-secured2-bulk", written(4, 7, SECURED), written(5, 8, VERIFIED)))
    tag = session.gateway.simulated.tag(VERIFIED)
    assert (tag.sample.native, tag.last_user_id) == (8, 2)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("advise-item-bulk", "--items", TAG), added(TAG, 2)),
        (("unadvise-item-bulk", "--items", TAG), added(TAG, 2)),
        (("write-bulk", "--items", TAG, "--type", "int32", "--values", "-5"), written(2, -5, TAG)),
        (("write-bulk", "--items", TAG, "--type", "int32", "--values=-5,"), None),
    ],
)
async def test_without_a_session_tags_are_added_first(
    arguments: tuple[str, ...], expected: dict[str, Any] | None
) -> None:
    outcome = await mxgw(*arguments, "--simulator", "--json")

    if expected is None:
        assert outcome.code == 2
        assert "--values has 2 values for 1 entries" in outcome.error["message"]
    else:
        assert_document(outcome, document(arguments[0], expected))


async def test_a_file_and_stdin_carry_what_options_do(session: OpenSession, tmp_path: Path) -> None:
    file = tmp_path / "plant.csv"
    file.write_text(f'tag,type,value\n{TAG},int32,5\n{TEXT},string,"a, b"\n', encoding="utf-8-sig")
    subscribed = await session.gateway.mxgw("subscribe-bulk", *place(session), "--from", str(file), "-o", "jsonl")
    env = environment(session.gateway.env)
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "unadvise-item-bulk", *place(session), "--from", "-", "--format", "jsonl", "-o", "value", "--plaintext",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=env,
    )  # fmt: skip
    out, _ = await process.communicate(subscribed.out.encode())
    own = await session.gateway.mxgw("write-bulk", "--from", str(file), "-o", "table")

    assert subscribed.lines == [added(TAG, 2), added(TEXT, 3)]
    assert (process.returncode, out) == (0, b"2\n3\n")
    assert own.out.splitlines() == [
        "item                            outcome",
        f"{TAG:<30}  ok",
        f"{TEXT:<30}  ok",
    ]
    assert session.gateway.simulated.tag(TEXT).sample.native == "a, b"


def place(session: OpenSession) -> tuple[str, ...]:
    return ("--session-id", session.session_id, "--server-handle", "1")


async def test_values_that_were_read_into_a_file_can_be_written_back(gateway: Gateway, tmp_path: Path) -> None:
    tags = f"{TAG},{TEXT},TestChildObject.TestTime,TestChildObject.TestDoubleArray[]"
    before = await gateway.mxgw("read-bulk", "--items", tags, "-o", "jsonl")
    file = tmp_path / "plant.jsonl"
    file.write_text(before.out, encoding="utf-8")
    gateway.simulated.set_tag(TAG, 99)
    gateway.simulated.set_tag(TEXT, "changed")

    outcome = await gateway.mxgw("write-bulk", "--from", str(file))
    after = await gateway.mxgw("read-bulk", "--items", tags, "-o", "value")

    assert outcome.code == 0, outcome.err
    assert after.out.splitlines() == ["17", "Grüße", "2024-01-01T00:00:00.123456700Z", "[0.1, 0.2, 0.3]"]


@each_row(
    ("arguments", "says"),
    [
        (("read-bulk", "--items", "a", "--session-id", "s"), "--session-id requires --server-handle"),
        (("read-bulk", "--items", "a", "--server-handle", "1"), "--server-handle requires --session-id"),
        (("read-bulk", "--items", "a", "--timeout-ms", "-1"), "--timeout-ms"),
        (("read-bulk", "--from", "no-such-file.csv"), "does not exist"),
        (("advise-item-bulk", "--item-handles", "1"), "--item-handles requires --session-id"),
        (("remove-item-bulk",), "Name the entries: TAG"),
        (("write-bulk", "--items", "a,b", "--type", "int32", "--values", "1,2147483648"), "entry 2: value is 2147483648"),
        (("write-bulk", "--items", "a,a", "--type", "int32", "--values", "1,2"), "'a' is already in entry 1"),
        (("write2-bulk", "--items", "a", "--type", "int32", "--values", "1", "--timestamp", "noon"), "timestamp is 'noon'"),
        (("write-secured-bulk", "--items", "a", "--type", "int32", "--values", "1"), "Name the user with --user"),
        (
            ("write-secured-bulk", "--items", "a", "--current-user-id", "1", "--user", "u", "--password-env", "PATH"),
            "--user and user ids contradict each other",
        ),
        (("write-secured-bulk", "--items", "a", "--password-env", "PATH"), "--password-env requires --user"),
        (
            ("write-secured-bulk", "--items", "a", "--verifier", "v", "--verifier-password-env", "PATH"),
            "--verifier requires --user",
        ),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_clear_line_and_nothing_is_sent(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused(*arguments)

    assert outcome.code == 2
    assert outcome.out == ""
    [line] = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert says in line
    assert os.environ["PATH"] not in outcome.err


async def test_a_server_handle_that_nobody_gave_is_refused_before_it_is_sent(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("read-bulk", "--session-id", "s", "--server-handle", "0", "--items", "a")

    assert outcome.code == 2
    assert "server_handle is 0" in outcome.err
    assert not [call for call in gateway.simulated.received if call.method == "Invoke"]


async def test_an_unknown_session_is_told_with_what_became_of_the_entries(gateway: Gateway) -> None:
    unknown = "session-00000000000000000000000000000000"
    outcome = await gateway.mxgw("read-bulk", "--session-id", unknown, "--server-handle", "1", "--items", "a", "--json")

    assert outcome.code == 69
    assert outcome.out == ""
    assert "of 1 entries 1 were not carried out" in outcome.error["message"]


@pytest.mark.parametrize("name", ["write-secured2-bulk", "add-item-bulk", "authenticate-user"])
def test_the_help_of_these_commands_loads_no_gateway(name: str) -> None:
    code, modules = loaded_by(name, "--help")

    assert code == 0
    assert not {"grpclib", "h2", "betterproto", "mxgateway.proto"} & {*modules}
