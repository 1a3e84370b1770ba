"""The manual pages: one for the program and one for each command, from the texts of the help."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mxgateway_cli.help.topics import TOPICS
from tests.cli.help.pages import pages
from tests.cli.in_process import run_here


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("man")
    assert run_here("help", "--man", str(folder)).code == 0
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_there_is_a_page_for_the_program_and_one_for_each_command(written: dict[str, str]) -> None:
    assert {*written} == {"mxgw-py.1", *(f"mxgw-py-{name.replace(' ', '-')}.1" for name in pages())}


def test_every_page_has_the_structure_of_a_manual_page(written: dict[str, str]) -> None:
    for name, text in written.items():
        lines = text.splitlines()
        assert lines[0].startswith(f'.TH "{name[:-2].upper()}" 1'.replace("-", "\\-")), name
        assert [line[4:] for line in lines if line.startswith(".SH")][:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"]
        assert {line.split()[0] for line in lines if line.startswith(".")} <= {
            ".TH",
            ".SH",
            ".TP",
            ".PP",
            ".EX",
            ".EE",
            ".BR",
        }
        assert not [line for line in lines if line.startswith("'")], name
        assert lines.count(".EX") == lines.count(".EE")
        assert re.fullmatch(r"[\x20-\x7e\n]*", text), "a page is ASCII, for every terminal"


def test_the_page_of_the_program_has_all_topics_and_shared_options(written: dict[str, str]) -> None:
    text = written["mxgw-py.1"]

    assert all(f'.SH "{topic.name.upper()}"'.replace("-", " ") in text for topic in TOPICS)
    assert "\\fB\\-\\-known\\-hosts FILE\\fR" in text


def test_the_page_of_a_command_has_its_options_and_examples(written: dict[str, str]) -> None:
    text = written["mxgw-py-read.1"]

    assert "\\fB\\-\\-from FILE\\fR" in text
    assert "mxgw\\-py read \\(aqTank*.Level\\(aq \\-\\-json" in text
    assert "known\\-hosts" not in text


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="there is no mandoc here")
def test_mandoc_finds_no_error(written: dict[str, str], tmp_path: Path) -> None:
    files = [tmp_path / name for name in written]
    for file in files:
        file.write_text(written[file.name])
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *files], capture_output=True, text=True, check=False
    )

    complaints = [line for line in done.stdout.splitlines() if "missing date" not in line and "STYLE" not in line]
    assert complaints == []  # without a date a page is the same whenever it is written


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff here")
def test_groff_shows_an_example_as_it_is_typed(written: dict[str, str]) -> None:
    command = ["groff", "-man", "-Tutf8", "-P-c", "-ww"]
    done = subprocess.run(command, input=written["mxgw-py-read.1"], capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert "mxgw-py read 'Tank*.Level' --json" in re.sub("\x1b\\[[0-9]*m|.\x08", "", done.stdout)


@pytest.mark.parametrize("place", ["no-such-folder", "file"])
def test_pages_go_only_into_a_folder(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = run_here("help", "--man", str(tmp_path / place))

    assert (outcome.code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err
