"""What the connection options of a command line are in the end, and where each value comes from. Secrets are never shown."""

from __future__ import annotations

import os
from typing import Any, Final, NamedTuple

import click

import mxgateway
from mxgateway_cli.connecting.connection import DEFAULT_KEY_VARIABLE, is_from_environment, key_options
from mxgateway_cli.connecting.environment import read_variable
from mxgateway_cli.connecting.precedence import (
    OPTIONS,
    VERIFYING,
    Choices,
    Rank,
    applied_profile,
    check_scheme,
    flag,
    rank_of,
)
from mxgateway_cli.connecting.tls import KEY_PASSWORD_VARIABLE, default_file

HIDDEN: Final = "set (hidden)"


class Setting(NamedTuple):
    """One option that is in force."""

    option: str
    """Its name, without dashes before it."""
    value: Any
    """Its value as JSON; None if there is none; `HIDDEN` for a secret."""
    source: str
    """The kind of place its value is from: flag, batch, environment, profile, file or default."""
    where: str = ""
    """The flag, variable, profile or file that it is from."""

    @property
    def shown_source(self) -> str:
        """The source in words."""
        words = {"batch": "the batch's", "environment": "environment variable"}
        return " ".join(filter(None, (words.get(self.source, self.source), self.where)))


def settings_in_force(ctx: click.Context, params: dict[str, Any]) -> tuple[list[Setting], list[str]]:
    """Take the connection options out of a command's parameters; return what is in force, and warnings about it.

    Raises:
        click.UsageError: Options contradict each other, as they would for every command.
    """
    choices = Choices.take(ctx, params)
    warnings = choices.resolve()
    check_scheme(choices.values)
    found = [_profile(ctx)]
    for name in OPTIONS:
        found.append(_api_key(ctx, choices) if name == "api_key" else _setting(ctx, choices, name))
        if name == "client_key" and choices.values["client_cert"] and KEY_PASSWORD_VARIABLE in os.environ:
            found.append(Setting("client-key-password", HIDDEN, "environment", KEY_PASSWORD_VARIABLE))
    return found, warnings


def _profile(ctx: click.Context) -> Setting:
    profile = applied_profile(ctx)
    if profile is None:
        return Setting("profile", None, "default")
    rank = rank_of(ctx, "profile")
    if rank is Rank.DEFAULT:
        return Setting("profile", profile.name, "file", f"{profile.file} (profile use)")
    return Setting("profile", profile.name, _kind(rank), _where(ctx, "profile", rank, "MXGATEWAY_PROFILE"))


def _setting(ctx: click.Context, choices: Choices, name: str) -> Setting:
    value, rank = choices.values[name], choices.ranks[name]
    if value is None or value is False or value == ():
        return Setting(_dashed(name), _default(choices, name), "default")
    (parameter,) = [each for each in ctx.command.params if each.name == name]
    variable = parameter.envvar if isinstance(parameter.envvar, str) else ""
    return Setting(_dashed(name), _shown(name, value), _kind(rank), _where(ctx, name, rank, variable))


def _api_key(ctx: click.Context, choices: Choices) -> Setting:
    """Return where the key is from. It is not read: what is wrong with it, the command that needs it says."""
    if choices.values["simulator"]:
        return Setting("api-key", HIDDEN, "default", "the simulated gateway's own")
    if is_from_environment(choices):
        read_variable(DEFAULT_KEY_VARIABLE)
        return Setting("api-key", HIDDEN, "environment", DEFAULT_KEY_VARIABLE)
    for name in key_options(choices):
        value = choices.values[name]
        if name == "api_key":
            return Setting("api-key", HIDDEN, _kind(choices.ranks[name]), flag(name))
        if name == "api_key_file":
            return Setting("api-key", HIDDEN, "file", str(value))
        if os.environ.get(value, "").strip():
            return Setting("api-key", HIDDEN, "environment", str(value))
        return Setting("api-key", None, "environment", f"{value}, which is not set")
    return Setting("api-key", None, "default")


def _kind(rank: Rank) -> str:
    return rank.name.lower()


def _where(ctx: click.Context, name: str, rank: Rank, variable: str) -> str:
    """Return the flag, variable or profile that a value is from."""
    profile = applied_profile(ctx)
    if rank is Rank.PROFILE and profile is not None:
        return f"{profile.name} in {profile.file}"
    return variable if rank is Rank.ENVIRONMENT else flag(name)


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, mxgateway.HttpProxy):
        return f"{value} (password hidden)" if value.credentials is not None else str(value)
    if name == "endpoint":
        return ",".join(map(str, mxgateway.Endpoint.parse_all(value)))
    return list(value) if isinstance(value, tuple) else value


def _default(choices: Choices, name: str) -> Any:
    """Return what holds for an option that nothing sets; None if nothing does."""
    taken = choices.values
    plaintext = bool(taken["plaintext"] or taken["simulator"])
    if name == "endpoint":
        return None if taken["simulator"] else mxgateway.DEFAULT_ENDPOINT
    if name == "tls":
        return not plaintext
    if name == "known_hosts":
        return None if plaintext or any(taken[each] for each in VERIFYING) else default_file()
    if name in ("plaintext", "simulator", "require_certificate_validation"):
        return False
    return None


def _dashed(name: str) -> str:
    return name.replace("_", "-")
