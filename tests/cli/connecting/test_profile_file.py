"""A file of profiles that is broken is one clear line with the place, and what is written can be read."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway_cli.connecting.toml_text import line_of, with_table
from tests.cli.in_process import mxgw
from tests.rows import each_row

with_table("", ("profile", "loaded"), {})  # loads what writes, for which no example has the time

SECRET = "v3rysecret"

BROKEN = {
    "no TOML": (b"[profile.plant]\nendpoint = \n", 2, "not valid TOML"),
    "a text that does not end": (b'[profile.plant]\n\nendpoint = "gw:1\n', 3, "not valid TOML"),
    "a table twice": (b"[profile.plant]\n[profile.plant]\n", 2, "not valid TOML"),
    "no UTF-8": (b"[profile.plant]\nendpoint = '\xff'\n", 2, "not valid UTF-8"),
    "an unknown table": (b"[profile.plant]\n[profiles.plant]\n", 2, "'profiles' is unknown"),
    "an unknown option": (b"[profile.plant]\nendpiont = 'gw:1'\n", 2, "did you mean 'endpoint'"),
    "an option of another shape": (b"[profile.plant]\nca_file = 'x'\n", 2, "did you mean 'ca-file'"),
    "an option that nobody knows": (b"[profile.plant]\ncolour = 'x'\n", 2, "known options: endpoint, plaintext"),
    "a text for a number": (b"[profile.plant]\ntimeout = '5'\n", 2, "it is a string, not a number of seconds"),
    "a flag for a number": (b"[profile.plant]\ntimeout = true\n", 2, "it is a boolean, not a number"),
    "a number out of range": (b"[profile.plant]\ntimeout = -1\n", 2, "not a positive number of seconds"),
    "no number": (b"[profile.plant]\ntimeout = nan\n", 2, "not a positive number of seconds"),
    "a text for a flag": (b"[profile.plant]\n#\nplaintext = 'yes'\n", 3, "it is a string, not true or false"),
    "a number for a text": (b"[profile.plant]\nendpoint = 5000\n", 2, "it is a number, not a string"),
    "a list for a text": (b"[profile.plant]\nendpoint = ['a']\n", 2, "it is a list, not a string"),
    "a date for a text": (b"[profile.plant]\nendpoint = 2026-01-01\n", 2, "it is a date or time, not a string"),
    "a wrong list": (b"[profile.plant]\npin = [\n1]\n", 2, "it is a number, not a string"),
    "an empty list": (b"[profile.plant]\npin = []\n", 2, "it is empty"),
    "an empty text": (b"[profile.plant]\nendpoint = ' '\n", 2, "it is empty"),
    "a bad pin": (b"[profile.plant]\npin = ['00']\n", 2, "not a SHA-256 fingerprint"),
    "a bad endpoint": (b"[profile.plant]\nendpoint = 'gw'\n", 2, "the port is missing"),
    "no table": (b"profile.plant = 5\n", 1, "'plant' is not a table"),
    "no tables": (b"profile = 5\n", 1, "'profile' is not a table"),
    "options that exclude each other": (
        b"[profile.plant]\nplaintext = true\npin = '" + b"00" * 32 + b"'\n", 1, "--plaintext and --pin contradict each other",
    ),
    "a key": (f"[profile.plant]\napi-key = 'mxgw_a_{SECRET}'\n".encode(), 2, "a profile cannot hold a key"),
    "a key written otherwise": (f"[profile.plant]\napi_key = '{SECRET}'\n".encode(), 2, "a profile cannot hold a key"),
    "a key for its variable": (f"[profile.plant]\napi-key-env = 'mxgw_a_{SECRET}'\n".encode(), 2, "cannot hold a key"),
    "a key's password": (f"[profile.plant]\nclient-key-password = '{SECRET}'\n".encode(), 2, "MXGATEWAY_CLIENT_KEY_PASSWORD"),
    "another password": (f"[profile.plant]\nproxy-password = '{SECRET}'\n".encode(), 2, "a profile cannot hold a password"),
    "a proxy's password": (f"[profile.plant]\nproxy = 'http://u:{SECRET}@p:1'\n".encode(), 2, "MXGATEWAY_PROXY"),
    "a broken profile beside a good one": (b"[profile.other]\nplaintext = 1\n[profile.plant]\n", 2, "in the profile 'other'"),
}  # fmt: skip


@each_row("case", BROKEN)
async def test_a_broken_file_is_one_clear_line_with_its_place(tmp_path: Path, case: str) -> None:
    content, line, says = BROKEN[case]
    file = tmp_path / "config.toml"
    file.write_bytes(content)

    outcome = await mxgw("ping", "--profile", "plant", env={"MXGATEWAY_CONFIG": str(file)})

    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    assert outcome.err.startswith(f"error: {file}, line {line}: "), outcome.err
    assert says in outcome.err
    assert SECRET not in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5_000])
async def test_a_file_that_no_parser_can_take_in_is_one_clear_line(tmp_path: Path, value: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[profile.plant]\ntimeout = {value}\n")

    outcome = await mxgw("config", "--profile", "plant", env={"MXGATEWAY_CONFIG": str(file)})

    assert outcome.code == 2
    assert outcome.err == f"error: {file}: not valid TOML: a number or its nesting is too large\n"


async def test_a_file_that_a_profile_names_and_that_is_missing_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[profile.plant]\n\nca-file = "missing.pem"\n')

    outcome = await mxgw("ping", "--profile", "plant", env={"MXGATEWAY_CONFIG": str(file)})

    assert outcome.code == 2
    missing = tmp_path / "missing.pem"
    assert outcome.err.splitlines()[0].startswith(
        f"error: {file}, line 3: 'ca-file' in the profile 'plant': File '{missing}'"
    )


@pytest.mark.parametrize("content", [None, "", "[profile.other]\nplaintext = true\n"])
async def test_an_unknown_profile_is_refused_with_the_names_that_there_are(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "config.toml"
    if content is not None:
        file.write_text(content)

    by_flag = await mxgw("ping", "--profile", "plant", "--json", env={"MXGATEWAY_CONFIG": str(file)})
    by_variable = await mxgw("ping", env={"MXGATEWAY_CONFIG": str(file), "MXGATEWAY_PROFILE": "plant"})

    assert by_flag.code == by_variable.code == 2
    assert by_flag.error["type"] == "ProfileError"
    there_is = "'other'" if content else "none"
    assert f"there is no profile 'plant' in {file} (known: {there_is})" in by_flag.error["message"]


async def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    directory = await mxgw("ping", "--profile", "plant", env={"MXGATEWAY_CONFIG": str(tmp_path)})
    large = tmp_path / "large"
    large.write_bytes(b"#" * (1024 * 1024 + 1))
    too_large = await mxgw("ping", "--profile", "plant", env={"MXGATEWAY_CONFIG": str(large)})

    assert directory.code == too_large.code == 2
    assert str(tmp_path) in directory.err
    assert "longer than 1048576 bytes" in too_large.err


async def test_no_file_is_looked_at_where_no_profile_is_asked_for(tmp_path: Path) -> None:
    outcome = await mxgw("ping", "--simulator", env={"MXGATEWAY_CONFIG": str(tmp_path), "MXGATEWAY_PROFILE": ""})

    assert outcome.code == 0, outcome.err


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
VALUES = (
    st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | NAMES
    | st.lists(NAMES)
)
TABLES = st.dictionaries(NAMES, VALUES, max_size=4)


@given(st.lists(st.tuples(NAMES, st.none() | TABLES), max_size=6))
def test_whatever_is_written_is_read_back(changes: list[tuple[str, dict[str, object] | None]]) -> None:
    text, expected = "# comment\n", dict[str, object]()
    for name, table in changes:
        text = with_table(text, ("profile", name), table)
        if table is None:
            expected.pop(name, None)
        else:
            expected[name] = table

    assert tomllib.loads(text).get("profile", {}) == expected
    assert text.startswith("# comment\n")


def test_a_value_of_many_lines_is_told_by_the_line_of_its_table_within_seconds() -> None:
    text = "[profile.a]\npin = [\n" + f"'{'00' * 32}',\n" * 10_000 + "5]\n"
    began = time.process_time()

    assert line_of(text, ("profile", "a", "pin")) == 1
    assert time.process_time() - began < 20


def test_a_line_is_found_in_any_form() -> None:
    text = 'profile.a.x = 1\n[profile]\nb = { x = 1 }\n# [profile.c]\n[ profile . "c" ] # c\nt = """\n[profile.d]\n"""\nx = 2\n'

    assert line_of(text, ("profile", "c", "x")) == 9
    assert line_of(text, ("profile", "c", "t")) == 6
    assert line_of(text, ("profile", "c", "missing")) == 5
    assert line_of(text, ("profile", "b", "x")) == 3
