"""Manual pages, in the man macros of troff, from the texts of the help."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import click

from mxgateway_cli.help.pages import Page, all_pages, own_records
from mxgateway_cli.help.registry import PROGRAM
from mxgateway_cli.help.sections import help_records
from mxgateway_cli.help.topics import NEXT_STEPS, TOPICS, WIDTH

_ESCAPES: Final = str.maketrans(
    {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq", "…": "..."}
)


def manual_pages(
    root: click.Context, version: str, options: Mapping[str, Sequence[click.Parameter]]
) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file: the program's page, with the options of topics, and one for each command."""
    pages = list(all_pages(root))
    yield f"{PROGRAM}.1", _text(_program(root, version, pages, options))
    for page in pages:
        name = "-".join((PROGRAM, *page.words))
        yield f"{name}.1", _text(_command(name, page, version))


def _program(
    root: click.Context, version: str, pages: Sequence[Page], options: Mapping[str, Sequence[click.Parameter]]
) -> Iterator[str]:
    yield from _head(PROGRAM, "talk to an MXAccess Gateway", version)
    yield from _synopsis(root)
    yield from _description(root.command)
    yield from _example_lines([NEXT_STEPS.partition("\n")[2]])
    yield ".SH COMMANDS"
    for page in pages:
        yield from _tagged(" ".join(page.words), page.command.get_short_help_str(1000))
    for topic in TOPICS:
        yield f".SH {_quoted(topic.name.upper().replace('-', ' '))}"
        yield from _paragraphs(topic.text)
        yield from _records(help_records(root, options.get(topic.name, ())))


def _command(name: str, page: Page, version: str) -> Iterator[str]:
    short = page.command.get_short_help_str(1000).rstrip(".")
    yield from _head(name, short[:1].lower() + short[1:], version)
    yield from _synopsis(page.ctx)
    yield from _description(page.command)
    yield ".SH OPTIONS"
    yield from _records(own_records(page))
    yield ".PP"
    yield f"The options of connection, control and output are described in {_bold(PROGRAM)}(1)."
    if page.examples:
        yield ".SH EXAMPLES"
        yield from _example_lines(page.examples)
    yield ".SH SEE ALSO"
    yield f".BR {_escaped(PROGRAM)} (1)"


def _head(name: str, short: str, version: str) -> Iterator[str]:
    yield f".TH {_quoted(name.upper())} 1 {_quoted('')} {_quoted(f'{PROGRAM} {version}')}"
    yield ".SH NAME"
    yield f"{_escaped(name)} \\- {_escaped(short)}"


def _synopsis(ctx: click.Context) -> Iterator[str]:
    yield ".SH SYNOPSIS"
    yield f"{_bold(ctx.command_path)} {_escaped(' '.join(ctx.command.collect_usage_pieces(ctx)))}"


def _description(command: click.Command) -> Iterator[str]:
    yield ".SH DESCRIPTION"
    yield from _paragraphs(inspect.cleandoc(command.help or ""))


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith(" "):
            yield from _example_lines([paragraph])
        else:
            yield from _filled(paragraph)


def _records(records: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in records:
        yield from _tagged(term, text)


def _tagged(term: str, text: str) -> Iterator[str]:
    yield ".TP"
    yield _bold(term)
    yield from _filled(text)


def _filled(text: str) -> Iterator[str]:
    """Yield lines that are filled when they are shown."""
    yield from map(_protected, textwrap.wrap(_escaped(text), WIDTH, break_long_words=False, break_on_hyphens=False))


def _example_lines(examples: Iterable[str]) -> Iterator[str]:
    """Yield lines that are shown as they stand."""
    yield ".EX"
    for example in examples:
        yield from (_protected(_escaped(line)) for line in example.split("\n"))
    yield ".EE"


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _protected(line: str) -> str:
    """Return an escaped line that is never taken for a request: that begins with a dot."""
    return f"\\&{line}" if line.startswith(".") else line


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
