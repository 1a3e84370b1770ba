"""A file with an API key: what is taken for the key, and what is refused without showing it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.in_process import refused, run_here
from tests.rows import each_row

KEY = b"mxgw_t_KEYFILE"


def used(file: Path, data: bytes) -> tuple[int, str]:
    file.write_bytes(data)
    file.chmod(0o600)
    outcome = refused("ping", "--api-key-file", str(file))
    assert "KEYFILE" not in outcome.out + outcome.err
    assert "internal error" not in outcome.err
    return outcome.code, outcome.err


@pytest.mark.parametrize(
    "data",
    [KEY, KEY + b"\n", KEY + b"\r\n", b"\xef\xbb\xbf" + KEY, KEY + b"  \n\n", b"\n\n" + KEY, b" " * 60_000 + KEY],
)
def test_a_key_is_found_whatever_an_editor_puts_around_it(tmp_path: Path, data: bytes) -> None:
    code, said = used(tmp_path / "key", data)
    assert code == 78, said  # it went on to connect, where nobody listens


@each_row(
    ("data", "why"),
    [
        (b"", "does not hold a usable key"),
        (b" \n", "does not hold a usable key"),
        (KEY + b"\nmxgw_t_OTHER\n", "does not hold a usable key"),
        (KEY + b"\0", "does not hold a usable key"),
        (b"\xff\xfe" + KEY, "is not a text file"),
        (KEY + b"\n" * 65536 + b"GARBAGE", "longer than 65536 bytes"),
        (b"\n" * 65536 + KEY, "longer than 65536 bytes"),
        (b"mxgw_t_" + b"A" * 70000, "longer than 65536 bytes"),
    ],
)
def test_what_is_no_key_is_refused_and_never_cut_to_one(tmp_path: Path, data: bytes, why: str) -> None:
    code, said = used(tmp_path / "key", data)
    assert code == 2
    assert why in said


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
@pytest.mark.parametrize(("mode", "code"), [(0o400, 78), (0o600, 78), (0o644, 78), (0o660, 2), (0o606, 2), (0o666, 2)])
def test_a_key_file_that_others_may_write_is_refused(tmp_path: Path, mode: int, code: int) -> None:
    file = tmp_path / "key"
    file.write_bytes(KEY)
    file.chmod(mode)
    outcome = refused("ping", "--api-key-file", str(file))
    assert outcome.code == code
    assert ("others may write it" in outcome.err) == (code == 2)
    assert (f"chmod go-w {file}" in outcome.err) == (code == 2)


SECRET = "hunter2SECRET"
ENDPOINTS = [
    f"https://{SECRET}@127.0.0.1:1", f"{SECRET}@127.0.0.1:1", f"user:{SECRET}@127.0.0.1:1", f"https://user:{SECRET}@127.0.0.1:1",
    f"http://user:{SECRET}@127.0.0.1:1", f"https://user:{SECRET}'x@127.0.0.1:1", f"https://user:{SECRET} x@127.0.0.1:1",
    "http://u:" + SECRET * 60 + "@h:1", f"https://127.0.0.1:1/?api_key={SECRET}", f"127.0.0.1:1?token={SECRET}",
]  # fmt: skip


@each_row("endpoint", ENDPOINTS)
@each_row("form", ["table", "json"])
@each_row("way", ["flag", "variable", "verbose", "profile"])
def test_a_password_in_an_endpoint_shows_nowhere(tmp_path: Path, endpoint: str, form: str, way: str) -> None:
    config = tmp_path / "config.toml"
    env = {"MXGATEWAY_CONFIG": str(config), "MXGATEWAY_DEBUG": "1" if way == "verbose" else ""}
    if way == "variable":
        outcome = run_here("ping", "-o", form, env=env | {"MXGATEWAY_ENDPOINT": endpoint})
    elif way == "profile":
        config.write_text(f'[profile.plant]\nendpoint = "{endpoint}"\n')
        outcome = run_here("ping", "--profile", "plant", "-o", form, env=env)
    else:
        outcome = run_here("ping", "--endpoint", endpoint, "-o", form, *(["-v"] if way == "verbose" else []), env=env)
    assert outcome.code in (1, 2)
    assert outcome.err
    assert SECRET not in outcome.out + outcome.err
    assert "internal error" not in outcome.err
