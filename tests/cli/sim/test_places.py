"""Where `sim` finds the control and its key: flag, environment, ready file; which wins, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.cli.gateway import KEY, Gateway
from tests.cli.in_process import mxgw
from tests.rows import each_row

NOWHERE = "127.0.0.1:1"


def ready_file(folder: Path, gateway: Gateway, **other: object) -> Path:
    assert gateway.control is not None
    file = folder / "gateway.json"
    document = {"operation": "simulate", "control": gateway.control.endpoint, "controlKey": gateway.control.key}
    file.write_text(json.dumps(document | other))
    file.chmod(0o600)
    return file


@each_row(
    ("words", "env", "code"),
    [
        ((), {"MXGATEWAY_CONTROL": "{control}", "MXGATEWAY_CONTROL_KEY": "{key}"}, 0),
        (("--control", "{control}"), {"MXGATEWAY_CONTROL_KEY": "{key}"}, 0),
        (("--control", "{control}", "--control-key-env", "MINE"), {"MINE": "{key}", "MXGATEWAY_CONTROL_KEY": KEY}, 0),
        (("--control", "{control}", "--control-key-file", "{folder}/key.txt"), {}, 0),
        (("--control", "{control}", "--control-key", "{key}"), {}, 0),
        (("--ready-file", "{folder}/gateway.json"), {}, 0),
        ((), {"MXGATEWAY_READY_FILE": "{folder}/gateway.json"}, 0),
        # Precedence
        (("--control", "{control}", "--control-key", "{key}"), {"MXGATEWAY_CONTROL": NOWHERE, "MXGATEWAY_READY_FILE": "no-such-file"}, 0),
        (("--ready-file", "{folder}/gateway.json"), {"MXGATEWAY_CONTROL": NOWHERE, "MXGATEWAY_CONTROL_KEY": KEY}, 0),
        ((), {"MXGATEWAY_CONTROL": "{control}", "MXGATEWAY_CONTROL_KEY": "{key}", "MXGATEWAY_READY_FILE": "no-such-file"}, 0),
        (("--ready-file", "{folder}/gateway.json", "--control-key-env", "MINE"), {"MINE": KEY}, 80),
        (("--control", NOWHERE, "--control-key", "{key}"), {"MXGATEWAY_READY_FILE": "{folder}/gateway.json"}, 78),
    ],
)  # fmt: skip
async def test_a_control_is_found(
    gateway: Gateway, tmp_path: Path, words: tuple[str, ...], env: dict[str, str], code: int
) -> None:
    assert gateway.control is not None
    ready_file(tmp_path, gateway)
    (tmp_path / "key.txt").write_text(gateway.control.key + "\n")
    (tmp_path / "key.txt").chmod(0o600)
    names = {"control": gateway.control.endpoint, "key": gateway.control.key, "folder": str(tmp_path)}
    outcome = await mxgw(
        "sim", "status", *(each.format(**names) for each in words), env={name: each.format(**names) for name, each in env.items()}
    )  # fmt: skip
    assert outcome.code == code, outcome.err
    assert gateway.control.key.rpartition("_")[2] not in outcome.out + outcome.err
    assert ("visible in the process list" in outcome.err) == ("--control-key" in words)


@each_row(
    ("words", "env", "says"),
    [
        ((), {}, "Say which gateway: --control HOST:PORT with its key, or --ready-file FILE"),
        ((), {"MXGATEWAY_CONTROL": NOWHERE}, "The control's key is missing: set MXGATEWAY_CONTROL_KEY"),
        ((), {"MXGATEWAY_CONTROL": ""}, "MXGATEWAY_CONTROL"),
        ((), {"MXGATEWAY_READY_FILE": ""}, "MXGATEWAY_READY_FILE"),
        ((), {"MXGATEWAY_CONTROL": NOWHERE, "MXGATEWAY_CONTROL_KEY": ""}, "MXGATEWAY_CONTROL_KEY"),
        (("--control", ""), {"MXGATEWAY_CONTROL_KEY": KEY}, "--control is empty"),
        (("--control", NOWHERE, "--ready-file", "f"), {}, "--control and --ready-file contradict each other"),
        (("--control", NOWHERE, "--control-key", KEY, "--control-key-env", "X"), {}, "--control-key and --control-key-env contradict each other"),
        (("--control", NOWHERE, "--control-key-env", "X"), {}, "'X' named by --control-key-env is not set"),
        (("--control", "nothing", "--control-key", KEY), {}, "the port is missing"),
        (("--control", "https://localhost:5001", "--control-key", KEY), {}, "says TLS"),
        (("--ready-file", "no-such-file"), {}, "there is no ready file 'no-such-file'"),
        (("--ready-file", "."), {}, "is a directory"),
    ],
)  # fmt: skip
async def test_what_does_not_say_where_it_is_is_refused(words: tuple[str, ...], env: dict[str, str], says: str) -> None:
    outcome = await mxgw("sim", "status", *words, "-q", env=env)
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert says in outcome.err.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no ready file of mxgw-py simulate"),
        ("[" * 30_000, "is no ready file of mxgw-py simulate"),
        ('{"operation": "read"}', "is no ready file of mxgw-py simulate"),
        ('{"operation": "simulate", "control": null}', "has no control"),
        ('{"operation": "simulate", "control": "127.0.0.1:1", "controlKey": 5}', "has no control"),
        ('{"operation": "simulate", "control": "127.0.0.1:1", "controlKey": "x"}', "holds no usable key"),
        ("x" * 70_000, "longer than"),
    ],
    ids=range(7),
)
async def test_a_file_that_is_no_ready_file_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "f").write_text(text)
    (tmp_path / "f").chmod(0o600)
    outcome = await mxgw("sim", "status", "--ready-file", str(tmp_path / "f"))
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err.splitlines()[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights of files")
async def test_a_ready_file_that_others_may_write_is_refused(tmp_path: Path, gateway: Gateway) -> None:
    file = ready_file(tmp_path, gateway)
    file.chmod(0o666)
    outcome = await mxgw("sim", "status", "--ready-file", str(file))
    assert outcome.code == 2
    assert "cannot be read" in outcome.err.splitlines()[0]


async def test_a_ready_file_is_waited_for(tmp_path: Path, gateway: Gateway) -> None:
    waiting = asyncio.ensure_future(
        mxgw("sim", "status", "--ready-file", str(tmp_path / "gateway.json"), "--wait-for-gateway", "30")
    )
    await asyncio.sleep(0.1)
    assert not waiting.done()
    ready_file(tmp_path, gateway)
    assert (await waiting).code == 0
    late = await mxgw("sim", "status", "--ready-file", str(tmp_path / "other.json"), "--wait-for-gateway", "0.1")
    assert late.code == 2


async def test_a_ready_file_of_a_gateway_that_is_gone_is_told_and_the_next_one_is_waited_for(
    tmp_path: Path, gateway: Gateway
) -> None:
    file = ready_file(tmp_path, gateway, control=NOWHERE)
    words = ("sim", "status", "--ready-file", str(file))
    gone = await mxgw(*words)
    assert gone.code == 78
    assert f"the ready file {str(file)!r} is of a gateway that is gone" in gone.err
    waiting = asyncio.ensure_future(mxgw(*words, "--wait-for-gateway", "30"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    ready_file(tmp_path, gateway)
    async with asyncio.timeout(15):
        assert (await waiting).code == 0
