"""The sections of a command's help, and the options that all commands share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from mxgateway_cli.help.numbers import strict
from mxgateway_cli.help.suggestions import unknown_option
from mxgateway_cli.terminal.stdout import FORMATS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Examples = tuple[str, ...]
"""Command lines for a command's help, as they are typed into a POSIX shell."""
_Command = TypeVar("_Command", bound=Callable[..., Any])

CONNECTION_SECTION: Final = "Connection"
CONTROL_SECTION: Final = "Control"
OUTPUT_SECTION: Final = "Output"
LEADING: Final = "mxgateway.leading"
"""Where a context keeps the words of the options that stand before the command, by parameter."""
WORDS: Final = "mxgateway.words"
"""Where a context keeps the words of a command line that a shell completes."""

_FOLDED: Final = {
    CONNECTION_SECTION: ("--endpoint, --plaintext, --profile, …", "mxgw-py help connection"),
    CONTROL_SECTION: ("--control, --ready-file, …", "mxgw-py help control"),
    OUTPUT_SECTION: ("--json, -o, --color, -v", "mxgw-py help output"),
}
"""What the help of a command shows of the options that many commands share, and where they are described."""
_NEGATIVE: Final = re.compile(r"-(\d|\.\d|inf)", re.IGNORECASE)
VALUE: Final = "word"
"""The parameter of the argument VALUE."""
_SAME: Final = {"as_json": "output"}
"""A parameter that sets the same as another one."""


class CheckedParameter(click.Parameter):
    """A parameter with the one grammar of numbers.

    Args:
        section: The title of its section in the help; empty for a command's own.
        may_be_empty: Whether an empty text is a value. Otherwise it is refused: a script's variable is not set.
    """

    def __init__(self, *args: Any, section: str = "", may_be_empty: bool = False, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.type = strict(self.type)
        self.section = section
        self._may_be_empty = may_be_empty

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Return the value and where it comes from.

        Raises:
            click.UsageError: It is empty.
        """
        value, source = super().consume_value(ctx, opts)
        if source is ParameterSource.COMMANDLINE and not self._may_be_empty:
            refuse_empty(ctx, self._shown_name(), value, required=self.required)
        return value, source

    def _shown_name(self) -> str:
        return next((each for each in self.opts if each.startswith("--")), self.opts[0])


class SectionOption(CheckedParameter, click.Option):
    """An option in a named section of the help."""


class CommandWithExamples(click.Command):
    """A command whose help shows examples."""

    def __init__(self, *args: Any, examples: Examples = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words behind the command; suggest what a wrong option may mean."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise unknown_option(error, ctx) from None

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each as it is typed."""
        if self.examples:
            with formatter.section("Examples"):
                for line in "\n".join(self.examples).split("\n"):
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class SectionedCommand(CommandWithExamples):
    """A command whose help shows its own options and its examples, and says where the shared options are described."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words behind the command, with the options before it."""
        words = [*self._leading(ctx, args), *args]
        if ctx.resilient_parsing:
            ctx.meta[WORDS] = tuple(words)
        return super().parse_args(ctx, self._with_number_last(ctx, words))

    def _with_number_last(self, ctx: click.Context, words: list[str]) -> list[str]:
        """Return the words with an argument that is a negative number at the end, behind ``--``.

        It is then no option. Only a command whose last argument may be a number has such a word.
        """
        own = words[: words.index("--")] if "--" in words else words
        if not any(isinstance(each, click.Argument) and each.name == VALUE for each in self.params):
            return words
        valued = {name for each in self.get_params(ctx) if not getattr(each, "is_flag", True) for name in each.opts}
        found = [i for i, word in enumerate(own) if _NEGATIVE.match(word) and (not i or own[i - 1] not in valued)]
        if len(found) != 1 or own is not words:
            return words
        return [*words[: found[0]], *words[found[0] + 1 :], "--", words[found[0]]]

    def _leading(self, ctx: click.Context, args: Sequence[str]) -> list[str]:
        """Return the words of the options before the command that are not given behind it as well."""
        leading: Mapping[str, Sequence[str]] = ctx.meta.get(LEADING, {})
        if not leading:
            return []
        given = {_same(each.name) for each in self._given(ctx, args)}
        return [word for name, words in leading.items() if _same(name) not in given for word in words]

    def _given(self, ctx: click.Context, args: Sequence[str]) -> Sequence[click.Parameter]:
        try:
            return self.make_parser(ctx).parse_args(list(args))[2]
        except click.UsageError:
            return ()  # reported where the words are parsed

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options."""
        with formatter.section("Options"):
            formatter.write_dl(help_records(ctx, self.own_parameters(ctx)))

    def own_parameters(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own arguments and options, without the shared ones."""
        return [each for each in self.get_params(ctx) if section_of(each) not in _FOLDED]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and where the shared options are described."""
        super().format_epilog(ctx, formatter)
        sections = {section_of(each) for each in self.get_params(ctx)}
        found = {title: text for title, text in _FOLDED.items() if title in sections}
        if found:
            with formatter.section("Shared options"):
                formatter.write_dl([(title, ": ".join(texts)) for title, texts in found.items()])


def help_records(ctx: click.Context, parameters: Iterable[click.Parameter]) -> list[tuple[str, str]]:
    """Return the rows of parameters in the help, without the hidden ones."""
    return [record for each in parameters if (record := each.get_help_record(ctx)) is not None]


def refuse_empty(ctx: click.Context, name: str, value: Any, *, required: bool) -> None:
    """Refuse a value that is an empty text or has one, unless the command line is being completed.

    Raises:
        click.UsageError: So it is; the message says `name`, and whether it can be left out.
    """
    texts = value if isinstance(value, list | tuple) else [value]
    if not ctx.resilient_parsing and any(isinstance(text, str) and not text.strip() for text in texts):
        raise click.UsageError(f"{name} is empty: give it a value{'' if required else ' or omit it'}.", ctx)


def section_of(parameter: click.Parameter) -> str:
    """Return the title of a parameter's section; empty for a command's own."""
    return getattr(parameter, "section", "")


def option(*names: str, cls: type[SectionOption] = SectionOption, section: str = "", **attributes: Any) -> Decorator:
    """Return an option decorator like click's, with a section for the help."""
    return click.option(*names, cls=cls, section=section, **attributes)


def changes_params(change: Callable[[dict[str, Any]], None]) -> Decorator:
    """Return a decorator of a command's callback that changes its parameters first, outside any event loop."""

    def decorate(callback: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(callback)
        def wrapper(*arguments: Any, **params: Any) -> Any:
            change(params)
            return callback(*arguments, **params)

        return wrapper

    return decorate


def apply_options(function: _Command, decorators: tuple[Decorator, ...]) -> _Command:
    """Add options to a command's function, in the order of the help."""
    for decorate in reversed(decorators):
        function = decorate(function)  # type: ignore[assignment]  # click's decorators return their argument
    return function


def _same(name: str | None) -> str:
    return _SAME.get(name or "", name or "")


_output: Final = functools.partial(option, section=OUTPUT_SECTION)
OUTPUT_OPTIONS: Final[tuple[Decorator, ...]] = (
    _output("--json", "as_json", is_flag=True, help="Write JSON; short for -o json."),
    _output("-o", "--output", type=click.Choice(FORMATS), help="Format of the result.  [default: table]"),
    _output("--color", "colour", type=click.Choice(("auto", "always", "never")), default="auto",
            help="Colours; auto: on a terminal, unless NO_COLOR is set."),
    _output("--local/--utc", "local", default=None, help="Zone of the times in tables.  [default: local on a terminal]"),
    _output("-q", "--quiet", is_flag=True, help="Write errors only to stderr: no warnings, hints, progress."),
    _output("-v", "--verbose", is_flag=True, help="Log the client's activity to stderr."),
)  # fmt: skip
