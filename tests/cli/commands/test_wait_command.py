from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest

from mxgateway.simulator import ReceivedCall
from mxgateway.wire import which_one_of
from tests.cli.gateway import TAG, Gateway
from tests.cli.golden import golden
from tests.cli.in_process import mxgw, refused
from tests.cli.process import finish, start


async def test_a_condition_that_holds_already_ends_at_once_with_the_value() -> None:
    outcome = await mxgw("wait", TAG, "--until", "> 3.2", "--quality", "good", "--simulator", "--json")

    assert (outcome.code, outcome.err) == (0, "")
    expected = {
        "operation": "wait",
        "sessionId": "<sessionId>",
        "tag": TAG,
        "value": 17,
        "quality": 192,
        "qualityText": "good",
        "sourceTime": "<sourceTime>",
        "ok": True,
        "error": "",
        "until": "> 3.2",
        "dataType": "MX_DATA_TYPE_INTEGER",
        "valueCount": 1,
        "durationMs": "<durationMs>",
        "correlationId": "<correlationId>",
    }
    assert json.dumps(golden(outcome.document), indent=1) == json.dumps(expected, indent=1)


async def advised(gateway: Gateway) -> None:
    """Wait until the command has its tag's first value."""
    async with asyncio.timeout(30):
        while not gateway.simulated.events_sent:
            await asyncio.sleep(0.01)


def name_of(call: ReceivedCall) -> str:
    return which_one_of(call.request.command, "payload") if call.method == "Invoke" else call.method


@pytest.mark.parametrize(
    ("until", "values"),
    [("== 5", [(4, 192), (5, 192)]), ("changes", [(17, 192), (18, 192)]), ("== 0", [(0, 64), (0, 0), (0, 192)])],
)
async def test_it_waits_for_the_value_that_fulfils_the_condition(
    gateway: Gateway, until: str, values: list[tuple[int, int]]
) -> None:
    arguments = ("wait", TAG, "--until", until, "--quality", "good", "--plaintext", "-ojsonl")
    process = await start(*arguments, env=gateway.env)
    await advised(gateway)
    for value, quality in values:
        gateway.simulated.set_tag(TAG, value, quality=quality)
    outcome = await finish(process)

    assert outcome.code == 0, outcome.err
    [document] = outcome.lines
    assert (document["value"], document["quality"]) == values[-1]
    assert not gateway.simulated.sessions
    names = [name_of(call) for call in gateway.simulated.received]
    assert names.index("StreamEvents") < names.index("subscribe_bulk"), "no value may come before somebody reads"


async def test_time_that_runs_out_is_exit_code_20_with_the_last_value(gateway: Gateway) -> None:
    cases = (
        (TAG, "== 5", "did not meet '== 5' within 5 s: its last value was 17 (good)"),
        ("TestChildObject.BadInt", "good", "within 5 s: it had no value (bad)"),
        ("TestChildObject.SilentInt", "changes", "within 5 s: no value arrived"),
    )
    waiting = [gateway.mxgw("wait", tag, "--until", until, "--timeout", "5") for tag, until, _ in cases]
    for outcome, (_, _, says) in zip(await asyncio.gather(*waiting), cases, strict=True):
        assert (outcome.code, outcome.out) == (20, "")
        assert says in outcome.err
    assert not gateway.simulated.sessions


async def test_a_tag_that_does_not_exist_is_told_at_once(gateway: Gateway) -> None:
    async with asyncio.timeout(30):
        outcome = await gateway.mxgw("wait", "No.Such", "--until", "good", "--timeout", "300", "--json")

    assert (outcome.code, outcome.out) == (22, "")
    assert "does not know the tag No.Such" in outcome.error["message"]
    assert not gateway.simulated.sessions


async def test_an_operand_that_does_not_fit_the_tag_is_told_at_the_first_value(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("wait", "TestChildObject.TestBool", "--until", "> 5", "--timeout", "300")

    assert (outcome.code, outcome.out) == (2, "")
    error, hint = outcome.err.splitlines()
    assert "values of type bool have no order" in error
    assert hint == "hint: use == or !="


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("wait", TAG, "--until", "about 5"), "'about 5' is not a condition: use '== 5'"),
        (("wait", TAG, "--until", "> "), "has no operand"),
        (("wait", TAG), "Missing option '--until'"),
        (("wait", "--until", "good"), "Name a TAG with --until, or a file of rows with --from FILE"),
        (("wait", TAG, "--until", "good", "--quality", "fine"), "--quality"),
    ],
)
def test_a_bad_expression_is_told_before_anything_is_sent(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused(*arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err.splitlines()[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send this signal to one process")
async def test_a_signal_ends_the_waiting_and_closes_the_session(gateway: Gateway) -> None:
    process = await start("wait", TAG, "--until", "== 5", "--timeout", "300", "--plaintext", env=gateway.env)
    await advised(gateway)
    process.send_signal(signal.SIGINT)
    outcome = await finish(process)

    assert (outcome.code, outcome.err) == (130, "")
    assert not gateway.simulated.sessions
