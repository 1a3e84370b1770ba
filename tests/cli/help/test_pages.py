"""What `mxgw-py help` and `--help` show: of every command, of every topic, in 80 columns."""

from __future__ import annotations

import pytest

from mxgateway_cli.help.registry import COMMANDS
from mxgateway_cli.help.topics import BY_NAME
from tests.cli.help.pages import pages
from tests.cli.in_process import run_here
from tests.rows import each_row

NAMES = list(pages())
SHARED = {"--endpoint": "connection", "--json": "output"}


@each_row("name", NAMES)
def test_the_help_of_a_command_is_the_same_both_ways(name: str) -> None:
    asked, said = run_here("help", *name.split()), run_here(*name.split(), "--help")

    assert (asked.code, asked.out) == (0, said.out)


@each_row("name", NAMES)
def test_the_help_of_a_command_has_a_sentence_its_own_options_examples_and_where_the_others_are(name: str) -> None:
    text = run_here("help", *name.split()).out
    usage, _, sentence = text.splitlines()[:3]
    assert usage.startswith(f"Usage: mxgw-py {name}")
    assert sentence[2].isupper()
    page = pages()[name]
    assert "Examples:\n" + "".join(f"  {line}\n" for each in page.examples for line in each.split("\n")) in text
    options = {each for parameter in page.command.params for each in parameter.opts}
    for option, topic in SHARED.items():
        assert (f": mxgw-py help {topic}" in text) is (option in options)
    if name != "profile set":  # its own options are those of a connection
        assert "--require-certificate-validation" not in text


@each_row("words", [[], ["--help"], ["help"], *([each] for each in BY_NAME), *(["help", *name.split()] for name in NAMES)])  # fmt: skip
def test_no_line_is_wider_than_a_terminal(words: list[str]) -> None:
    outcome = run_here(*(["help", *words] if words and words[0] in BY_NAME else words))

    assert outcome.code == 0
    assert [line for line in outcome.out.splitlines() if len(line) > 80] == []


def test_help_lists_the_commands_by_group_and_the_topics() -> None:
    text = run_here("help").out

    assert text == run_here("--help").out
    for entry in COMMANDS:
        assert f"\n  {entry.name} " in text
        assert f"\n{entry.group.capitalize()}:\n" in text
    assert all(f"\n  {name} " in text for name in BY_NAME)


@pytest.mark.parametrize(("topic", "option"), [("connection", "--known-hosts FILE"), ("output", "--color")])
def test_a_topic_describes_the_options_that_commands_share(topic: str, option: str) -> None:
    assert f"\n  {option}" in run_here("help", topic).out


def test_no_topic_hides_a_command() -> None:
    assert not {*BY_NAME} & {entry.name for entry in COMMANDS}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("raed",), "no such command or topic 'raed'; did you mean read?"),
        (("conection",), "no such command or topic 'conection'; did you mean connection or completion?"),
        (("profile", "shwo"), "no such command or topic 'shwo'; did you mean show?"),
        (("connection", "read"), "'connection' is a topic: it takes no other word."),
        (("read", "it"), "no such command or topic 'it'"),
        (("read", "--man", "."), "--man writes the pages of all commands: it takes no command."),
    ],
)
def test_help_of_what_there_is_not_is_refused(words: tuple[str, ...], says: str) -> None:
    outcome = run_here("help", *words)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[0] == f"error: {says}"
