"""One vocabulary: a name means the same in every command, its aliases too, and tags are arguments everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import click
import pytest

from mxgateway_cli.declaring.vocabulary import AliasedOption
from mxgateway_cli.help.registry import COMMANDS, LazyGroup
from mxgateway_cli.help.sections import section_of
from tests.cli.gateway import TAG, Gateway
from tests.cli.golden import golden
from tests.cli.in_process import refused
from tests.rows import each_row

MEANINGS: Final = {
    "--count": r"Stop after this many \w+\.",
    "--duration": r"Stop after this time\.",
    "--from": r"Read more of the same from this file, - is stdin: ",
    "--item": r"The same as TAG\.$",
    "--items": r"The same as \[TAG\]\.\.\., ",
    "--value": r"The same as VALUE, ",
    "--confirm": r"Wait until MXAccess has carried out the write\.",
    "--timeout": r"Timeout of (the whole command|connecting and of each call)",
    "--timeout-ms": r"How long the gateway waits for a tag's first value",
    "--max-tags": r"Limit of tags that all patterns together may match\.$",
    "--server-handle": r"Handle returned by register; requires --session-id\.$",
    "--item-handle": r"Handle returned by add-item\.$",
    "--item-handles": r"With --session-id: handles returned by add-item-bulk",
    "--session-id": r"(Use this open session\.|The session; optional only with --simulator\.)",
    "--user-id": r"MXAccess user id for the writes?",
    "--type": r"(Type of the (value|values|elements)|Only tags of this type)",
    "--timestamp": r"Timestamp of the values?:",
}
"""How the help of an option begins, wherever the option occurs."""
ALIASES: Final = {
    "--count": {"--max-events", "--max-messages", "--limit"},
    "--duration": {"--duration-seconds"},
}
"""Other names of an option, of which a command has those that the interface gives it."""
OTHERS: Final = {
    "--alarm-bearing-only",
    "--historized-only",
    "--client-name",
    "--context",
    "--user",
    "--quality",
    "--format",
}
"""Options whose help differs: it says of which thing the same is true."""
TAG_WORDS: Final = {"--item", "--items"}


def commands() -> dict[str, click.Command]:
    """Return all commands; those of a group by both names."""

    def found(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield name, command
        else:
            for each, inner in command.commands.items():
                yield from found(f"{name} {each}", inner)

    root = LazyGroup()
    context = click.Context(root)
    return dict(
        each
        for entry in COMMANDS
        if (made := root.get_command(context, entry.name))
        for each in found(entry.name, made)
    )


EVERY: Final = commands()


def own(command: click.Command) -> list[click.Parameter]:
    return [each for each in command.params if not section_of(each)]


def test_an_option_means_the_same_in_every_command_that_has_it() -> None:
    wrong = [
        (name, spelled, option.help)
        for name, command in EVERY.items()
        for option in own(command)
        if isinstance(option, click.Option)
        for spelled in option.opts
        if spelled in MEANINGS and not re.match(MEANINGS[spelled], option.help or "")
    ]
    assert wrong == []


def test_every_other_option_has_one_help_and_one_kind_of_value() -> None:
    seen: dict[str, set[tuple[str, str | None, str | None]]] = {}
    for command in EVERY.values():
        for option in own(command):
            if isinstance(option, click.Option):
                kind = (option.type.name, option.metavar, option.help)
                for spelled in {*option.opts} - {*MEANINGS, *OTHERS}.union(*ALIASES.values()):
                    seen.setdefault(spelled, set()).add(kind)
    assert {spelled: kinds for spelled, kinds in seen.items() if len(kinds) > 1} == {}


def test_an_option_of_the_vocabulary_has_one_kind_of_value() -> None:
    seen: dict[str, set[tuple[str, str | None]]] = {}
    for command in EVERY.values():
        for option in own(command):
            if isinstance(option, click.Option):
                for spelled in {*option.opts} & {*MEANINGS}:
                    seen.setdefault(spelled, set()).add((option.type.name, option.metavar))
    assert {spelled: kinds for spelled, kinds in seen.items() if len(kinds) > 1} == {}


def test_an_alias_belongs_to_its_option_and_stands_nowhere_alone() -> None:
    of = {alias: main for main, aliases in ALIASES.items() for alias in aliases}
    for name, command in EVERY.items():
        for option in own(command):
            for spelled in {*option.opts} & of.keys():
                assert option.opts[0] == of[spelled], name
                assert isinstance(option, AliasedOption), name


def test_every_command_with_tags_takes_them_as_arguments() -> None:
    takes = {
        name for name, command in EVERY.items() if TAG_WORDS & {word for each in own(command) for word in each.opts}
    }
    named = {
        name
        for name, command in EVERY.items()
        if any(isinstance(each, click.Argument) and each.name in ("tag", "tags") for each in own(command))
    }

    assert takes == named
    assert {
        "read",
        "smoke",
        "add-item",
        "advise",
        "write",
        "stream-events",
        "read-bulk",
        "write-bulk",
        "check",
    } <= takes


@each_row(
    ("arguments", "says"),
    [
        (("stream-events", "T", "--count", "1", "--max-events", "2"), "--count and --max-events mean the same"),
        (("stream-alarms", "--max-messages", "1", "--count", "2"), "--count and --max-messages mean the same"),
        (("bench-read-bulk", "--duration", "1", "--duration-seconds", "2"), "--duration and --duration-seconds mean"),
        (("read", "T", "--items", "T,U"), "TAG and --items mean the same"),
        (("read", "--item", "T", "--items", "U"), "--item and --items mean the same"),
        (("advise", "T", "--item", "U"), "TAG and --item mean the same"),
        (("write", "T", "1", "--item", "U"), "TAG and --item mean the same"),
        (("write", "T", "1", "--value", "2"), "VALUE and --value mean the same"),
        (("add-item",), "Missing argument 'TAG'"),
        (("write", "T"), "Missing argument 'VALUE'"),
        (("read", "-5"), "no such option -5"),
        (("read", "--items", "[5]"), "not a string"),
        (("galaxy-watch", "--next", "--count", "2"), "--next waits for one deployment"),
        (("write-bulk", "T", "U", "--values", "1,2", "--session-id", "s", "--server-handle", "1"), "TAG cannot be used"),
    ],
)  # fmt: skip
def test_names_that_contradict_each_other_are_refused(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused(*arguments)

    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert says in outcome.err.splitlines()[0]


SAME: Final = (
    (("smoke", TAG, "--count", "1"), ("smoke", "--item", TAG, "--max-events", "1")),
    (("smoke", TAG, "5"), ("smoke", "--item", TAG, "--value", "5")),
    (("add-item", TAG), ("add-item", "--item", TAG)),
    (("advise", TAG), ("advise", "--item", TAG)),
    (("stream-events", TAG, "--count", "1"), ("stream-events", "--item", TAG, "--max-events", "1")),
    (("stream-events", TAG, "--count", "1"), ("stream-events", "--items", TAG, "--count", "1", "--max-events", "1")),
    (("stream-alarms", "--count", "2"), ("stream-alarms", "--max-messages", "2")),
    (("tags", "Tank*", "--count", "1"), ("tags", "Tank*", "--limit", "1")),
    (("read", TAG), ("read", "--items", TAG)),
    (("read-bulk", TAG), ("read-bulk", "--items", f'["{TAG}"]')),
    (("write", TAG, "-5"), ("write", "--item", TAG, "--value", "-5")),
    (("write-bulk", TAG, "--values", "5"), ("write-bulk", "--items", TAG, "--values", "5")),
    (("verify", TAG, "--expect", "17"), ("verify", "--item", TAG, "--expect", "17")),
    (("check", TAG, "--format", "prometheus"), ("check", "--item", TAG, "--format", "prometheus")),
)


@pytest.mark.parametrize(("main", "alias"), SAME, ids=lambda words: words[0])
async def test_an_alias_gives_the_same_result(gateway: Gateway, main: tuple[str, ...], alias: tuple[str, ...]) -> None:
    async def result(words: tuple[str, ...]) -> object:
        gateway.simulated.set_tag(TAG, 17)
        form = () if words[0] == "check" else ("--json",)
        outcome = await gateway.mxgw(words[0], *form, *words[1:])
        assert outcome.code == 0, outcome.err
        return golden(outcome.document) if form else re.sub(r"\d", "0", outcome.out).count("tag=")

    assert await result(main) == await result(alias)
