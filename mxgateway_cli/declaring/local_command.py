"""Declares a command that talks to no gateway, and what all commands share; importing it loads nothing that only a connection needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from mxgateway_cli.help.docstrings import described
from mxgateway_cli.help.sections import OUTPUT_OPTIONS, Decorator, Examples, SectionedCommand, apply_options
from mxgateway_cli.running.app import App

_LocalFunction = TypeVar("_LocalFunction", bound=Callable[..., None])


def local_command(
    name: str, *options: Decorator, examples: Examples = (), logs: bool = True
) -> Callable[[_LocalFunction], click.Command]:
    """Declare a command that talks to no gateway; its function is called with the `App` and its options.

    Its own options are in the order of the help; `logs` says whether it runs code that logs.
    """

    def declare(function: _LocalFunction) -> click.Command:
        @click.pass_context
        def callback(ctx: click.Context, /, **params: Any) -> None:
            app = configured_app(ctx, params)
            if logs:
                from mxgateway_cli.running.log import start_logging

                start_logging(app)
            function(app, **params)

        return make_command(name, function, callback, (*options, *OUTPUT_OPTIONS), examples)

    return declare


def make_command(
    name: str,
    function: Callable[..., Any],
    callback: Callable[..., Any],
    options: tuple[Decorator, ...],
    examples: Examples = (),
) -> click.Command:
    """Return a command that runs `callback` and takes its help from the docstring of `function`."""
    callback.__doc__ = described(function).__doc__
    return click.command(name, cls=SectionedCommand, examples=examples)(apply_options(callback, options))


def start(ctx: click.Context, app: App, work: Callable[[], Awaitable[None]]) -> None:
    """Run a command's coroutine, in a loop of its own or in that of a batch."""

    async def main() -> None:
        try:
            await work()
        finally:
            app.output.finish()

    if app.host is not None:
        app.host.accept(ctx, main)
        return
    from mxgateway_cli.running import runner

    runner.run(main)


def configured_app(ctx: click.Context, params: dict[str, Any]) -> App:
    """Return the invocation, configured by the output options, which are removed from `params`."""
    app = ctx.find_object(App)
    if app is None:
        app = App()
    form = params.pop("output")
    if params.pop("as_json"):
        if form not in (None, "json"):
            raise click.UsageError(f"--json and -o {form} contradict each other.")
        form = "json"
    app.output.form = form or app.form
    colour = params.pop("colour")
    if ctx.get_parameter_source("colour") is ParameterSource.COMMANDLINE:
        app.colour = app.output.colour = colour
    verbose, quiet = params.pop("verbose"), params.pop("quiet")
    if verbose and quiet:
        raise click.UsageError("--verbose and --quiet contradict each other.")
    app.verbose = (app.verbose or verbose) and not quiet
    app.quiet = (app.quiet or quiet) and not verbose
    local = params.pop("local")
    if local is not None:
        app.output.local = local
    return app
