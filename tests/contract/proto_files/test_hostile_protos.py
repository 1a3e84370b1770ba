"""A folder of .proto files that somebody else has written gives bindings or one line: no name in it becomes an option, code or a path."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import generate
from tests.contract.protos import GENERATOR, ROOT, write_protos

TANK = 'syntax = "proto3";\npackage plant.v1;\nmessage Tank { int32 level = 1; }\n'


def run(protos: Path, output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Generate as `make proto` does."""
    return subprocess.run(
        [sys.executable, GENERATOR, "--proto-dir", str(protos), "--output", str(output)],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


Generate = Callable[[Path, Path], subprocess.CompletedProcess[str]]


def run_here(protos: Path, output: Path) -> subprocess.CompletedProcess[str]:
    """Generate in this process, which is the same and takes less."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = generate.main(["--proto-dir", str(protos), "--output", str(output)])
    return subprocess.CompletedProcess([], code, out.getvalue(), err.getvalue())


def refused(protos: Path, output: Path, says: str, generated: Generate = run_here) -> None:
    done = generated(protos, output)
    assert done.returncode == 1, done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith("error: "), line
    assert says in line
    assert line.isascii()
    assert not output.exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such file names")
def test_a_file_whose_name_asks_protoc_to_read_options_runs_nothing(tmp_path: Path) -> None:
    protos, ran = write_protos(tmp_path / "protos"), tmp_path / "ran"
    (protos / "plant.proto").write_text(TANK)
    (protos / "evil.sh").write_text(f"#!/bin/sh\ntouch {ran}\ncat >/dev/null\n")
    (protos / "evil.sh").chmod(0o755)
    first, last = 'syntax = "proto3"; package p; /* x', "*/"
    (protos / "args.proto").write_text(f"{first}\n--plugin=protoc-gen-evil=evil.sh\n--evil_out=.\n--evil_opt={last}\n")
    (protos / "@args.proto").touch()

    refused(protos, tmp_path / "out", "invalid file name '@args.proto'", run)
    assert not ran.exists()


BAD_NAMES = [
    "@x.proto",
    "-x.proto",
    "--python_out=x.proto",
    ".proto",
    ".x.proto",
    "a b.proto",
    "a\nclass Evil:\n    pass\n#.proto",
    "a\rimport os\r#.proto",
    "a\x0cb.proto",
    "a\u2028b.proto",
    "t\xe4nk.proto",
    'a"""b.proto',
    "a\\b.proto",
    "a;b.proto",
    "$(id).proto",
    "a\x1b]0;x\x07.proto",
]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such file names")
@pytest.mark.parametrize("name", [*BAD_NAMES, *(f"@dir/{n}" for n in ("x.proto",)), "sub dir/x.proto", "-d/x.proto"])
def test_a_name_that_is_no_plain_one_is_refused_before_anything_is_run(tmp_path: Path, name: str) -> None:
    file = tmp_path / "protos" / name
    file.parent.mkdir(parents=True)
    file.write_text(TANK)

    refused(tmp_path / "protos", tmp_path / "out", f"invalid file name {name!a}")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such file names")
@pytest.mark.parametrize("name", ["x\\nclass Evil:\\n    pass\\n#.proto", "x.txt", "@x", "x y.proto"])
def test_an_import_brings_in_no_file_that_would_not_be_read_by_itself(tmp_path: Path, name: str) -> None:
    protos = write_protos(tmp_path / "protos", tank=f'package plant.v1;\nimport "{name}";\nmessage Tank {{}}\n')
    imported = protos / name.replace("\\n", "\n")
    imported.write_text('syntax = "proto3";\npackage other.v1;\nmessage Other {}\n')

    done = run_here(protos, tmp_path / "out")

    assert done.returncode == 1
    assert ": use letters" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["tank.proto", "v1/tank-2.x.proto", "0.proto", "_t.proto", "a.b/c_d/E.proto"])
def test_a_plain_name_is_read_and_stands_in_one_comment(tmp_path: Path, name: str) -> None:
    file = tmp_path / "protos" / name
    file.parent.mkdir(parents=True)
    file.write_text(TANK)

    made = generate.generate(tmp_path / "protos")["plant/v1/__init__.py"].decode()

    assert [line for line in made.splitlines() if name in line] == [f"# sources: {name}"]
    assert name not in ast.unparse(ast.parse(made))


@given(st.text(max_size=30))
def test_no_name_that_is_read_can_be_anything_but_a_name(name: str) -> None:
    for candidate in (name, f"{name}.proto", f"a{name}b.proto"):
        if generate.FILE_NAME.fullmatch(candidate):
            assert candidate.isascii()
            assert candidate[0].isalnum() or candidate[0] == "_"
            assert not set(candidate) & set(" \n\r\t\f\v\\\"'`$;&|<>(){}[]*?!#=@,:")
            assert ".." not in Path(candidate).parts


@pytest.mark.parametrize(
    ("package", "part"),
    [
        ("class.v1", "class"),
        ("plant.None", "None"),
        ("_flat", "_flat"),
        ("plant._services", "_services"),
        ("a.__class__", "__class__"),
    ],
)
def test_a_package_that_cannot_be_a_module_or_would_take_the_place_of_one_is_refused(
    tmp_path: Path, package: str, part: str
) -> None:
    protos = write_protos(tmp_path / "protos", tank=f"package {package};\nmessage Tank {{}}\n")

    refused(protos, tmp_path / "out", f"is in package {package}, and {part} is not a valid module name")


@pytest.mark.parametrize("message", ["None", "True"])
def test_a_message_that_python_cannot_name_is_one_line(tmp_path: Path, message: str) -> None:
    protos = write_protos(tmp_path / "protos", tank=f"package plant.v1;\nmessage {message} {{ int32 a = 1; }}\n")

    refused(protos, tmp_path / "out", "contains a name that Python does not allow")


@pytest.mark.skipif(os.name != "posix", reason="made with POSIX's own files")
@pytest.mark.parametrize("what", ["fifo", "device", "folder", "dangling", "long"])
def test_what_is_no_file_or_never_ends_is_refused(tmp_path: Path, what: str) -> None:
    protos = write_protos(tmp_path / "protos")
    file = protos / "tank.proto"
    match what:
        case "fifo":
            os.mkfifo(file)
        case "device":
            file.symlink_to("/dev/zero")
        case "folder":
            file.mkdir()
        case "dangling":
            file.symlink_to("nowhere")
        case _:
            with file.open("wb") as stream:
                stream.truncate(generate.FILE_LIMIT + 1)

    refused(protos, tmp_path / "out", "is larger than" if what == "long" else "is not a regular file")


@pytest.mark.parametrize("path", [".", ""])
def test_nothing_is_imported_from_the_folder(tmp_path: Path, path: str) -> None:
    protos, ran = write_protos(tmp_path / "protos"), tmp_path / "ran"
    (protos / "tank.proto").write_text(TANK)
    for name in ("grpc_tools", "betterproto", "google"):
        (protos / name).mkdir()
        (protos / name / "__init__.py").write_text(f"open({str(ran)!r}, 'w')\n")
    (protos / "sitecustomize.py").write_text(f"open({str(ran)!r}, 'w')\n")

    done = run(protos, tmp_path / "out", PYTHONPATH=path, PYTHONSTARTUP="sitecustomize.py")

    assert done.returncode == 0, done.stderr
    assert not ran.exists()


def test_a_word_of_a_proto_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    protos = write_protos(tmp_path / "protos", tank="package plant.v1;\nmessage Tank { \x1b]0;owned\x07 }\n")

    done = run_here(protos, tmp_path / "out")

    assert done.returncode == 1
    assert done.stderr.replace("\n", "").isprintable()
