"""A file that no plant, scenario or recording can be: one line with file and place, nothing started, bounded memory."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.in_process import run_here

PLANT: Final = '[templates.T.attributes]\nV = { type = "float" }\nW = { type = "float" }\n[objects.A]\ntemplate = "T"\n'
TABLE: Final = "tag,type,value,behaviour,source\nA.V,float,,,\nA.W,float,,,\n"
SCENARIO: Final = '[[steps]]\nat = 1\nset_tag = { tag = "TestChildObject.TestInt", value = 1 }\n'
EXPORT: Final = '{"gobjectId":1,"tagName":"A","attributes":[{"attributeName":"V","mxDataType":2}]}\n'
RECORDING: Final = '{"header":{"format":"mxgateway-recording"}}\n'

KINDS: Final = {
    "plant.toml": ("--plant", PLANT),
    "plant.json": ("--plant", '{"templates": {"T": {}},\n"objects": {"A": {"template": "T"}}}'),
    "plant.csv": ("--plant", TABLE),
    "plant.jsonl": ("--plant", EXPORT),
    "scenario.toml": ("--scenario", SCENARIO),
    "scenario.json": ("--scenario", '{"steps": [{"at": 1, "go_away": {}}]}'),
    "recording.jsonl": ("--replay", RECORDING),
}
"""Each kind of file: the option that reads it, and a beginning that is sound."""

Change = Callable[[bytes], bytes]

CHANGES: Final[dict[str, Change]] = {
    "binary": lambda data: bytes(range(256)) * 100,
    "zeros": lambda data: bytes(5_000),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "Latin-1": lambda data: data.rstrip(b"\n") + b"\n\xfc",
    "truncated": lambda data: data.rstrip()[:-3],
    "nested": lambda data: b"[" * 200_000,
    "nested in a value": lambda data: b"a = " + b"[" * 200_000,
    "long number": lambda data: b"\na = " + b"9" * 5_000,
    "empty": lambda data: b"",
}
"""What no kind of file can be."""

WRONG: Final[list[tuple[str, str, str]]] = [
    ("plant.toml", "\ufeff" + PLANT, "line 1: it begins with a byte order mark"),
    ("scenario.json", '\ufeff{"steps": []}', "line 1: it begins with a byte order mark"),
    ("plant.toml", PLANT + "colour = 1\n", "line 6: objects.A.colour: the key is unknown"),
    ("plant.csv", TABLE + "A.X,float,1,x\n", "line 4, column behaviour: 'x' is none of"),
    ("plant.toml", PLANT + 'template = "T"\n', "line 6, column 15: Cannot overwrite a value"),
    ("plant.json", '{"objects":\n{"A": 1, "A": 2}}', "line 2: objects.A: a key is given twice"),
    ("scenario.json", '{"steps":\n[{"at": 1, "at": 2}]}', "line 2: steps[0].at: a key is given twice"),
    ("recording.jsonl", '{"header": {}, "header": {}}\n', "line 1: a key is given twice"),
    ("plant.toml", 'seed = "x"\n' + PLANT, "line 1: seed: this must be of type integer, not 'x'"),
    ("plant.toml", PLANT.replace('W = { type = "float" }', 'W = { type = "float", behaviour = { kind = "follow", source = "W" } }'),
     "line 3: templates.T.attributes.W.behaviour.source: A.W: it depends on itself: A.W → A.W"),
    ("plant.toml", PLANT.replace("W = {", "W.behaviour.kind = 'step'\nW.behaviour.on = 'X.Y'\nW.type = 'float'\nU = {"),
     "line 4: templates.T.attributes.W.behaviour.on: A.W: it depends on 'X.Y', which the plant does not have"),
    ("plant.csv", TABLE + "A.X,float,,follow,A.Y\nA.Y,float,,follow,A.X\n", "line 4, column source: A.X: it depends on itself"),
    ("plant.csv", TABLE + "A.X,float,,follow,A.Y\n", "line 4, column source: A.X: it depends on 'A.Y'"),
    ("plant.jsonl", EXPORT + '{"gobjectId":1,"tagName":"B"}\n', "a tag name or a gobject id of the plant is not unique"),
    ("scenario.toml", SCENARIO.replace("TestInt", "NoInt"), "line 1: steps[0].set_tag: tag: the plant has no tag"),
]  # fmt: skip


def refused(tmp_path: Path, name: str, data: bytes) -> str:
    """Return what the command says about a file, without the file's name."""
    path = tmp_path / name
    path.write_bytes(data)
    outcome = run_here("simulate", "--port", "0", KINDS[name][0], str(path))
    assert (outcome.code, outcome.out) == (2, ""), outcome
    assert outcome.err.startswith(f"error: {path}: "), outcome.err
    assert outcome.err.count("\n") == 1, outcome.err
    assert outcome.err.rstrip("\n").isprintable(), outcome.err
    return outcome.err.removeprefix(f"error: {path}: ")


@pytest.mark.parametrize("name", KINDS)
def test_what_no_file_can_be_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    for change, make in CHANGES.items():
        if name == "plant.csv" and change == "truncated":
            continue  # a table that ends early is a shorter one
        said = refused(tmp_path, name, make(KINDS[name][1].encode()))
        assert change in ("empty", "nested", "nested in a value") or "line " in said, (change, said)


@pytest.mark.parametrize(("name", "text", "said"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_file_is_refused_in_one_line_with_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    assert said in refused(tmp_path, name, text.encode())


def test_a_table_may_begin_with_a_byte_order_mark_as_spreadsheets_write_it(tmp_path: Path) -> None:
    said = refused(tmp_path, "plant.csv", codecs.BOM_UTF8 + TABLE.encode() + b"A.X,number\n")
    assert said.startswith("line 4, column type: ")


HEAVY: Final = [
    *[("huge", name) for name in ("plant.toml", "plant.csv", "plant.jsonl", "scenario.toml", "recording.jsonl")],
    *[(kind, name) for kind in ("folder", "silent") for name in ("plant.jsonl", "recording.jsonl")],
    ("endless", "plant.toml"),
    ("device", "scenario.toml"),
]  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and named pipes are those of Linux")
def test_a_gigabyte_a_directory_a_pipe_and_a_device_are_refused_by_the_process_within_its_memory(
    tmp_path: Path,
) -> None:
    writers: list[subprocess.Popen[bytes]] = []
    processes: dict[Path, subprocess.Popen[str]] = {}
    try:
        for kind, name in HEAVY:
            path = tmp_path / f"{kind}-{name}"
            if kind == "huge":
                path.touch()
                os.truncate(path, 1 << 30)
            elif kind == "folder":
                path.mkdir()
            elif kind == "device":
                path.symlink_to("/dev/zero")
            else:
                os.mkfifo(path)
            if kind == "endless":
                writers.append(subprocess.Popen(["sh", "-c", 'exec yes > "$0"', path], stderr=subprocess.DEVNULL))
            processes[path] = started(name, path)
        for path, process in processes.items():
            out, err = process.communicate(timeout=120)
            assert (process.returncode, out) == (2, ""), (path, err)
            assert err.startswith(f"error: {path}: "), err
            assert err.count("\n") == 1, err
    finally:
        both: list[subprocess.Popen[Any]] = [*writers, *processes.values()]
        for each in both:
            each.kill()
            each.wait()


def started(name: str, path: Path) -> subprocess.Popen[str]:
    """Start the command, with little memory, on a file."""

    import resource  # Windows has none

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))

    command: list[Any] = [sys.executable, "-m", "mxgateway_cli", "simulate", "--port", "0", KINDS[name][0], path]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit)
