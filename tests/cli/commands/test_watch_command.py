from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from grpclib.const import Status

from mxgateway.simulator import SimulatedKey
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.in_process import mxgw, refused
from tests.cli.process import finish, start
from tests.cli.terminal import terminal

CHANGING = "TestMachine_001.TestChangingInt"
on_posix = pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals and signals to one process")


async def test_a_pipe_gets_a_line_for_each_update(gateway: Gateway) -> None:
    tags = (TAG, "TestChildObject.BadInt", "No.Such")
    table = await gateway.mxgw("watch", *tags, "--count", "3")
    lines = await gateway.mxgw("watch", *tags, "--count", "3", "--json")

    assert (table.code, lines.code) == (0, 0), table.err + lines.err
    heading, good, bad, unknown = table.out.splitlines()
    assert heading.split() == ["tag", "value", "quality", "source", "time", "changes", "error"]
    assert good.split()[:3] == [TAG, "17", "good"]
    assert bad.split()[:2] == ["TestChildObject.BadInt", "bad"]
    assert "unknown tag" in unknown
    first = lines.lines[0]
    assert list(first) == [
        "tag", "value", "quality", "qualityText", "sourceTime", "ok", "error", "dataType", "changes", "workerSequence",
    ]  # fmt: skip
    assert (first["tag"], first["value"], first["quality"], first["changes"]) == (TAG, 17, 192, 0)
    assert [line["workerSequence"] for line in lines.lines] == ["1", "2", "3"]
    assert not gateway.simulated.sessions


async def test_it_ends_after_a_count_a_duration_or_the_time_out() -> None:
    count = await mxgw("watch", CHANGING, "--count", "2", "--simulator", "-ovalue")
    duration = await mxgw("watch", TAG, "--duration", "0.5", "--simulator", "-ovalue")
    in_vain = await mxgw("watch", TAG, "--count", "2", "--timeout", "4", "--simulator", "-ovalue")

    assert (count.code, len(count.out.splitlines())) == (0, 2)
    assert (duration.code, duration.out) == (0, "17\n")
    assert (in_vain.code, in_vain.out) == (20, "17\n")
    assert "1 of 2 updates arrived within 4 s" in in_vain.err


async def test_tags_that_cannot_be_subscribed_to_are_told_and_watched_without(gateway: Gateway) -> None:
    gateway.simulated._keys = (replace(SimulatedKey.parse(KEY), read_globs=("TestChildObject.*",)),)
    await gateway.simulated.restart()
    some = await gateway.mxgw("watch", "Tank01.Level", TAG, "--count", "1", "-ovalue")
    none = await gateway.mxgw("watch", "Tank01.Level", "--count", "1", "-ovalue")

    assert (some.code, some.out) == (21, "17\n")
    assert some.err.startswith("warning: ")
    assert (none.code, none.out) == (22, "")
    assert not gateway.simulated.sessions


async def test_a_fault_that_lasts_leaves_a_record_and_the_exit_code_of_its_status(gateway: Gateway) -> None:
    process = await start("watch", CHANGING, "--plaintext", "-ojsonl", env=gateway.env)
    assert process.stdout is not None
    await process.stdout.readline()
    gateway.simulated.fail_next("StreamEvents", Status.UNAUTHENTICATED, times=2)
    gateway.simulated.drop_connections()
    outcome = await finish(process)

    assert outcome.code == 64 + Status.UNAUTHENTICATED.value
    assert outcome.lines[-1]["disconnect"]["grpcStatus"] == "UNAUTHENTICATED"


@on_posix
async def test_a_terminal_shows_one_table_that_changes_in_place_and_is_put_away(gateway: Gateway) -> None:
    arguments = ("watch", TAG, "TestChildObject.BadInt", "--count", "3", "--plaintext")
    async with terminal(*arguments, env=gateway.env, columns=100, lines=10) as screen:
        await screen.until(lambda: screen.frame[-1:] == ["2 updates"])
        assert screen.frame[1].split()[:3] == [TAG, "17", "good"]
        assert "\x1b[31mbad" in screen.text
        assert "\x1b[?1049l" not in screen.text

        screen.resize(40, 10)
        await screen.until(lambda: all(len(line) <= 40 for line in screen.frame))
        assert screen.frame[0].split() == ["tag", "value", "qua…", "tre…"]

        gateway.simulated.set_tag(TAG, 18)
        code = await screen.ended()

        assert code == 0
        shown, left = screen.text.rsplit("\x1b[?25h\x1b[?1049l", 1)
        assert shown.startswith("\x1b[?1049h")
        assert left.splitlines()[1].split()[:3] == ["…tChildObject.TestInt", "18", "good"]


@on_posix
async def test_an_interrupted_table_leaves_the_terminal_as_it_was(gateway: Gateway) -> None:
    async with terminal("watch", CHANGING, "--plaintext", env={**gateway.env, "NO_COLOR": "1"}) as screen:
        await screen.until(lambda: len(screen.frame) > 1)
        screen.process.send_signal(signal.SIGINT)

        assert await screen.ended() == 130
        assert screen.text.count("\x1b[?1049h") == screen.text.count("\x1b[?25h\x1b[?1049l") == 1
        assert "\x1b[3" not in screen.text, "NO_COLOR is set"
        assert "Traceback" not in screen.text
    assert not gateway.simulated.sessions


@on_posix
async def test_a_fault_puts_the_table_away_before_it_is_told(gateway: Gateway) -> None:
    async with terminal("watch", CHANGING, "--plaintext", env=gateway.env) as screen:
        await screen.until(lambda: len(screen.frame) > 1)
        gateway.simulated.fail_next("StreamEvents", Status.UNAUTHENTICATED, times=2)
        gateway.simulated.drop_connections()

        assert await screen.ended() == 64 + Status.UNAUTHENTICATED.value
        assert "error:" in screen.text.rsplit("\x1b[?1049l", 1)[1]


@on_posix
async def test_a_terminal_without_escapes_and_other_formats_get_lines(gateway: Gateway) -> None:
    for arguments, term in ((("--count", "1"), "dumb"), (("--count", "1", "-ovalue"), "xterm")):
        async with terminal("watch", TAG, *arguments, "--plaintext", env={**gateway.env, "TERM": term}) as screen:
            assert await screen.ended() == 0
            assert "\x1b" not in screen.text
            assert "17" in screen.text


def test_a_watch_of_nothing_is_wrong_usage() -> None:
    outcome = refused("watch", "--count", "1")

    assert (outcome.code, outcome.out) == (2, "")
    assert "Name a TAG" in outcome.err
