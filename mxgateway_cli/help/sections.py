"""The sections of a command's help, and the options that all commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from mxgateway_cli.terminal.stdout import FORMATS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_Command = TypeVar("_Command", bound=Callable[..., Any])

CONNECTION_SECTION: Final = "Connection"
OUTPUT_SECTION: Final = "Output"


class SectionOption(click.Option):
    """An option in a named section of the help.

    Args:
        section: The section's title; empty for the command's own options.
    """

    def __init__(self, *args: Any, section: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help lists its own options first, then the shared ones by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one definition list per section."""
        sections: dict[str, list[tuple[str, str]]] = {"": [], CONNECTION_SECTION: [], OUTPUT_SECTION: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections[getattr(parameter, "section", OUTPUT_SECTION)].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title or "Options"):
                    formatter.write_dl(records)


def option(*names: str, cls: type[SectionOption] = SectionOption, section: str = "", **attributes: Any) -> Decorator:
    """Return an option decorator like click's, with a section for the help."""
    return click.option(*names, cls=cls, section=section, **attributes)


def apply_options(function: _Command, decorators: tuple[Decorator, ...]) -> _Command:
    """Add options to a command's function, in the order of the help."""
    for decorate in reversed(decorators):
        function = decorate(function)  # type: ignore[assignment]  # click's decorators return their argument
    return function


def _output(*names: str, **attributes: Any) -> Decorator:
    return option(*names, section=OUTPUT_SECTION, **attributes)


OUTPUT_OPTIONS: Final[tuple[Decorator, ...]] = (
    _output("--json", "as_json", is_flag=True, help="Write JSON; short for -o json."),
    _output("-o", "--output", type=click.Choice(FORMATS), help="Format of the result.  [default: table]"),
    _output(
        "--color", "colour", type=click.Choice(("auto", "always", "never")), default="auto",
        help="Colour diagnostics; auto: on a terminal, unless NO_COLOR is set.",
    ),
    _output("-v", "--verbose", is_flag=True, help="Log the client's activity to stderr."),
)  # fmt: skip
