"""Passwords of MXAccess users: from the environment, a file or a hidden prompt, never from the command line.

They are read while the command line is parsed: inside an event loop Ctrl-C would not interrupt a prompt.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import click

import mxgateway
from mxgateway.system.files import read_secret, refusal_text
from mxgateway_cli.connecting.environment import empty_variable_error
from mxgateway_cli.help.sections import Decorator, option
from mxgateway_cli.running.app import App
from mxgateway_cli.running.settings import decoded
from mxgateway_cli.terminal.text import clean

_FILE_LIMIT: Final = 64 * 1024


def password_options(prefix: str = "") -> tuple[Decorator, ...]:
    """Return the options for the password of ``--user``; they set the command's parameter ``password``.

    A command declares them after ``--user``. The parameter is None when no user is named.

    Args:
        prefix: ``verifier-`` for the password of ``--verifier``, in the parameter ``verifier_password``.
    """
    user = prefix.removesuffix("-") or "user"
    return (
        option(f"--{prefix}password-env", metavar="NAME",
               help=f"Environment variable with the {user}'s password.  [default: prompt on a terminal]"),
        option(f"--{prefix}password-file", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
               help=f"File that holds the {user}'s password; a trailing line end is ignored."),
        option(f"--{prefix}password", hidden=True, may_be_empty=True, callback=_take_password),
    )  # fmt: skip


def _take_password(ctx: click.Context, parameter: click.Parameter, given: str | None) -> mxgateway.Secret | None:
    """Return the password, and remove the options that say where it is from the command's parameters."""
    name = str(parameter.name)
    flag = "--" + name.replace("_", "-")
    if given is not None:
        raise click.UsageError(
            f"{flag} would show the password in the process list; use {flag}-env or {flag}-file.", ctx
        )
    variable, file = ctx.params.pop(f"{name}_env", None), ctx.params.pop(f"{name}_file", None)
    user_parameter = name.removesuffix("_password") if name != "password" else "user"
    user = ctx.params.get(user_parameter)
    if ctx.resilient_parsing:
        return None
    if variable is not None and file is not None:
        raise click.UsageError(f"{flag}-env and {flag}-file contradict each other: give one of them.", ctx)
    if user is None:
        if variable is not None or file is not None:
            raise click.UsageError(f"{flag}-{'env' if file is None else 'file'} requires --{user_parameter}.", ctx)
        return None
    password = _password(ctx, flag, user, variable, file)
    if password.reveal():  # an empty password cannot be redacted
        ctx.ensure_object(App).keep_secret(password)
    return password


def _password(ctx: click.Context, flag: str, user: str, variable: str | None, file: str | None) -> mxgateway.Secret:
    if variable is not None:
        if variable not in os.environ:
            raise click.UsageError(f"The environment variable {variable!r} named by {flag}-env is not set.", ctx)
        if not os.environ[variable]:
            raise empty_variable_error(variable)
        return mxgateway.Secret(os.environ[variable])
    if file is not None:
        return _from_file(ctx, file)
    if not sys.stdin or not sys.stdin.isatty():
        raise click.UsageError(f"No terminal to prompt for a password: use {flag}-env or {flag}-file.", ctx)
    import getpass

    try:
        return mxgateway.Secret(getpass.getpass(f"Password for {clean(user)}: ", stream=sys.stderr))
    except EOFError:
        raise click.UsageError("No password was entered.", ctx) from None


def _from_file(ctx: click.Context, path: str) -> mxgateway.Secret:
    try:
        text = decoded(read_secret(path, _FILE_LIMIT))
    except OSError as error:
        raise click.UsageError(f"The password file {path!r} cannot be read: {refusal_text(error)}.", ctx) from None
    if text is None:
        raise click.UsageError(f"The password file {path!r} is not a text file.", ctx)
    password = mxgateway.Secret(text.reveal().removesuffix("\n").removesuffix("\r"))
    if not password.reveal():
        raise click.UsageError(f"The password file {path!r} is empty.", ctx)
    return password
