"""Bulk commands that fail in part or in the middle, that are interrupted, and that take a while."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway.wire import which_one_of
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.in_process import mxgw
from tests.cli.process import PROGRAM, environment, finish, start

DENIED = "TestChildObject.DeniedInt"
not_on_windows = pytest.mark.skipif(os.name == "nt", reason="signals and terminals of this kind do not exist there")


def tags_file(tmp_path: Path, count: int, last: str = "") -> str:
    file = tmp_path / "tags.csv"
    file.write_text("tag\n" + "".join(f"Plant_{i:06}.Value\n" for i in range(count)) + last, encoding="utf-8")
    return str(file)


def after_first_reply(gateway: Gateway, method: str, then: Callable[[], None]) -> None:
    """Let something happen once the gateway has answered the first call of a method."""

    def replace(reply: Any) -> Any:
        then()
        return reply

    gateway.simulated.reply_override(method, replace)


def entries_sent(gateway: Gateway, arm: str) -> int:
    requests = [call.request for call in gateway.simulated.received if call.method == "Invoke"]
    commands = [request.command for request in requests if request is not None]  # None is still on its way
    bodies = [getattr(command, arm) for command in commands if which_one_of(command, "payload") == arm]
    return sum(len(body.entries if hasattr(body, "entries") else body.tag_addresses) for body in bodies)


@pytest.mark.parametrize(("denied", "failed"), [(f"{TAG},{DENIED}", 1), (DENIED, 1)])
async def test_failed_entries_are_exit_code_21_however_many_they_are(denied: str, failed: int) -> None:
    values = ",".join("5" for _ in denied.split(","))
    outcome = await mxgw(
        "write-bulk", "--items", denied, "--type", "int32", "--values", values, "--simulator", "--json"
    )

    count = len(denied.split(","))
    document = outcome.document
    assert outcome.code == 21
    assert (document["entries"], document["successful"], document["failed"]) == (count, count - failed, failed)
    assert document["results"][-1]["statuses"][0]["category"] == "MX_STATUS_CATEGORY_SECURITY_ERROR"
    assert outcome.error["type"] == "PartlyFailed"
    assert outcome.error["message"].startswith(f"{failed} of {count} entries failed, the first: {DENIED}: ")


async def test_a_read_that_failed_says_why_in_its_row(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("read-bulk", "--items", f"{TAG},No.Such", "--timeout-ms", "50")

    headings, read, failed = outcome.out.splitlines()
    assert outcome.code == 21
    assert headings.split() == ["item", "value", "quality", "source", "time", "outcome"]
    assert read.split()[:3] == [TAG, "17", "192"]
    assert read.endswith("  ok")
    assert "configuration error" in failed
    assert outcome.err.startswith("error: 1 of 2 entries failed, the first: No.Such: ")


async def test_a_tag_that_may_not_be_added_is_a_failed_write_at_its_own_place() -> None:
    key = SimulatedKey(key_id="tests", secret=KEY.split("_")[2], read_globs=("TestChildObject.*",))
    async with SimulatedGateway(api_keys=[key]) as simulated:
        outcome = await Gateway(simulated).mxgw(
            "write-bulk", "--items", f"TestMachine_001.Recipe,{TAG},TestMachine_002.Recipe", "--type", "int32",
            "--values", "1,2,3", "--json",
        )  # fmt: skip

    assert outcome.code == 21
    assert [result["ok"] for result in outcome.document["results"]] == [False, True, False]
    assert "TestMachine_001.Recipe" in outcome.error["message"]
    assert all(outcome.document["results"][index]["error"] for index in (0, 2))


async def test_a_call_that_fails_in_the_middle_tells_what_became_of_every_entry(
    gateway: Gateway, tmp_path: Path
) -> None:
    def fail_the_next() -> None:
        gateway.simulated.fail_next("Invoke.AddItemBulk", Status.DEADLINE_EXCEEDED, "too slow")

    after_first_reply(gateway, "Invoke.AddItemBulk", fail_the_next)

    outcome = await gateway.mxgw("add-item-bulk", "--from", tags_file(tmp_path, 2500), "--json")

    document = outcome.document
    assert outcome.code == 68
    assert [document[key] for key in ("entries", "successful", "failed", "inDoubt", "notSent")] == [
        2500, 1000, 0, 1000, 500,
    ]  # fmt: skip
    assert len(document["results"]) == 1000
    assert "too slow" in outcome.error["message"]
    told = "of 2500 entries 1000 were answered, 1000 may have been carried out (1000 to 1999), 500 were not"
    assert told in outcome.error["message"]
    assert outcome.error["message"].count(" entries ") == 1
    assert not gateway.simulated.sessions


async def test_a_session_of_its_own_tells_apart_what_was_not_even_subscribed(gateway: Gateway, tmp_path: Path) -> None:
    def fail_the_next() -> None:
        gateway.simulated.fail_next("Invoke.SubscribeBulk", Status.DEADLINE_EXCEEDED, "too slow")

    after_first_reply(gateway, "Invoke.SubscribeBulk", fail_the_next)
    file = tmp_path / "values.csv"
    file.write_text("tag,value\n" + "".join(f"Plant_{i:06}.Value,5\n" for i in range(1500)), encoding="utf-8")

    outcome = await gateway.mxgw("write-bulk", "--from", str(file), "--type", "int32", "-o", "value")

    assert outcome.code == 68
    assert outcome.out == "true\n" * 1000
    assert "of 1500 entries 1000 were answered, 500 were not carried out (1000 to 1499)" in outcome.err


@not_on_windows
async def test_an_interrupted_bulk_writes_what_it_knows(gateway: Gateway, tmp_path: Path) -> None:
    after_first_reply(gateway, "Invoke.AddItemBulk", gateway.simulated.hold_commands)
    process = await start(
        "add-item-bulk", "--from", tags_file(tmp_path, 2500), "--json", "--plaintext", env=gateway.env
    )
    while entries_sent(gateway, "add_item_bulk") < 2000:
        await asyncio.sleep(0.01)

    process.send_signal(signal.SIGINT)
    outcome = await finish(process)

    assert outcome.code == 130
    assert outcome.err == ""
    assert [outcome.document[key] for key in ("successful", "inDoubt", "notSent")] == [1000, 1000, 500]
    assert not gateway.simulated.sessions


@not_on_windows
async def test_writes_go_on_when_nobody_reads_their_results_any_more(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "values.csv"
    file.write_text("tag,value\n" + "".join(f"Plant_{i:06}.Value,5\n" for i in range(2500)), encoding="utf-8")
    arguments = ("write-bulk", "--from", str(file), "--type", "int32", "-o", "jsonl", "--plaintext")
    process = await start(*arguments, env=gateway.env)
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]

    outcome = await finish(process)

    assert (outcome.code, outcome.err) == (0, "")
    assert entries_sent(gateway, "write_bulk") == 2500


async def test_more_events_than_a_session_queues_do_not_end_a_long_write(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "values.csv"
    file.write_text("tag,value\n" + "".join(f"Plant_{i:06}.Value,5\n" for i in range(6000)), encoding="utf-8")

    outcome = await gateway.mxgw("write-bulk", "--from", str(file), "--type", "int32", "--json")

    assert outcome.code == 0, outcome.err
    assert outcome.document["successful"] == 6000
    assert outcome.document["results"][-1]["itemHandle"] == 6001


async def test_a_hundred_thousand_entries_of_a_file(gateway: Gateway, tmp_path: Path) -> None:
    outcome = await gateway.mxgw("add-item-bulk", "--from", tags_file(tmp_path, 100_000), "-o", "value")

    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == [str(handle) for handle in range(2, 100_002)]
    assert not gateway.simulated.sessions


async def test_a_bad_row_far_down_is_found_before_anything_is_sent(gateway: Gateway, tmp_path: Path) -> None:
    file = tags_file(tmp_path, 1500, last="a,b\n")

    outcome = await gateway.mxgw("subscribe-bulk", "--from", file, "--json")

    assert outcome.code == 2
    assert outcome.error["message"] == f"{file}:1502: has 2 cells, but the header has 1; nothing was sent"
    assert not gateway.simulated.received


@not_on_windows
async def test_progress_shows_on_a_terminal_and_leaves_stdout_alone(gateway: Gateway, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "add-item-bulk", "--from", tags_file(tmp_path, 2000), "--json", "--plaintext",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=theirs, env=environment(gateway.env),
    )  # fmt: skip
    os.close(theirs)
    out, _ = await process.communicate()
    shown = os.read(ours, 10_000).decode()
    os.close(ours)

    assert process.returncode == 0
    assert "2000/2000" in shown
    assert len(json.loads(out)["results"]) == 2000
