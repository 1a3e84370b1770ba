"""Where the value of a connection option comes from, and which of two options counts that exclude each other.

A flag goes before the flags of the batch around the line, those before the environment, the environment before the
profile, the profile before the default. Of two options that exclude each other the one that goes before counts; if neither
does, they are refused.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

import click
from click.core import ParameterSource

from mxgateway_cli.app import App
from mxgateway_cli.sections import SectionOption

VERIFYING: Final = ("ca_file", "require_certificate_validation", "pin")
TLS_OPTIONS: Final = ("tls", *VERIFYING, "server_name_override", "known_hosts", "client_cert", "client_key")
SERVER_OPTIONS: Final = ("endpoint", "api_key", "api_key_file", "api_key_env", "proxy")
OPTIONS: Final = (*SERVER_OPTIONS, *TLS_OPTIONS, "plaintext", "simulator", "timeout")

_EXCLUSIVE: Final = (
    ("simulator", (*SERVER_OPTIONS, *TLS_OPTIONS), "the simulated gateway brings its own"),
    ("plaintext", TLS_OPTIONS, "it turns TLS off"),
    ("known_hosts", VERIFYING, "the file is for certificates that nothing else vouches for"),
    ("api_key", ("api_key_env", "api_key_file"), "one key is sent"),
    ("api_key_env", ("api_key_file",), "one key is sent"),
)
"""An option, those that it cannot stand beside, and why."""

_PROFILE: Final = "mxgateway.profile"
_LENT: Final = "mxgateway.lent"


class Rank(enum.IntEnum):
    """Where a value comes from; the higher one counts."""

    DEFAULT = 0
    PROFILE = 1
    ENVIRONMENT = 2
    BATCH = 3
    FLAG = 4


_RANKS: Final = {
    ParameterSource.COMMANDLINE: Rank.FLAG,
    ParameterSource.ENVIRONMENT: Rank.ENVIRONMENT,
    ParameterSource.DEFAULT_MAP: Rank.PROFILE,
}


class LentProfile(Protocol):
    """The connection options under one name."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The values by the names of the commands' parameters."""

    def refusal(self, parameter: str | None, why: str) -> Exception:
        """Return the refusal of a value that a command cannot use."""


class ConnectionOption(SectionOption):
    """An option whose value may also come from the batch that the command is a line of, or from a profile."""

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Take the batch's value where the line has none of its own, the profile's where nothing else has one."""
        value, source = super().consume_value(ctx, opts)
        name, lent, profile = self.name or "", _lent(ctx), _profile(ctx)
        if source is not ParameterSource.COMMANDLINE and name in lent:
            ctx.meta.setdefault(_LENT, set()).add(name)
            return lent[name], ParameterSource.COMMANDLINE
        if source is ParameterSource.DEFAULT and name in profile:
            return profile[name], ParameterSource.DEFAULT_MAP
        return value, source

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the value; one of a profile that cannot be converted is told with its place in the file."""
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            if ctx.get_parameter_source(self.name or "") is not ParameterSource.DEFAULT_MAP:
                raise
            raise ctx.meta[_PROFILE].refusal(self.name, error.message) from None


def lend_profile(ctx: click.Context, profile: LentProfile) -> None:
    """Let a profile supply what neither a flag nor the environment says."""
    ctx.meta[_PROFILE] = profile


def flags(ctx: click.Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the connection options that stood on the command line, by their parameters' names."""
    given = {name: params[name] for name in OPTIONS if name in params and _rank(ctx, name) is Rank.FLAG}
    if _rank(ctx, "profile") is Rank.FLAG:
        given["profile"] = ctx.meta[_PROFILE].name
    return given


def shared_timeout(ctx: click.Context) -> float | None:
    """Return the ``timeout`` of the batch or the profile, in seconds; None when neither has one."""
    return _lent(ctx).get("timeout") or _profile(ctx).get("timeout")


class Choices:
    """The values of the connection options, and where each comes from.

    Args:
        values: By the options' names.
        ranks: By the same names.
    """

    def __init__(self, values: Mapping[str, Any], ranks: Mapping[str, Rank]) -> None:
        self.values = dict(values)
        self.ranks = dict(ranks)

    @classmethod
    def take(cls, ctx: click.Context, params: dict[str, Any]) -> Choices:
        """Take the connection options out of a command's parameters."""
        values = {name: params.pop(name) for name in OPTIONS}
        return cls(values, {name: _rank(ctx, name) for name in values})

    def settle(self) -> None:
        """Drop what an option excludes that goes before it.

        Raises:
            click.UsageError: Options exclude each other and neither goes before.
        """
        for name, others, why in _EXCLUSIVE:
            rivals = {other: self.ranks[other] for other in others if self.values.get(other)}
            if not self.values.get(name) or not rivals:
                continue
            rank = self.ranks[name]
            if max(rivals.values()) > rank:
                self.drop(name)
                continue
            equal = sorted(other for other in rivals if rivals[other] == rank)
            if equal:
                raise contradiction(name, equal, why)
            for other in rivals:
                self.drop(other)

    def drop(self, name: str) -> None:
        """Go on as if the option had not been given."""
        self.values[name] = () if name == "pin" else None
        self.ranks[name] = Rank.DEFAULT


def contradiction(name: str, others: Collection[str], why: str) -> click.UsageError:
    """Return the refusal of options that exclude each other."""
    return click.UsageError(f"{flag(name)} and {', '.join(map(flag, others))} contradict each other: {why}.")


def flag(name: str) -> str:
    """Return an option as it stands on a command line."""
    return "--" + name.replace("_", "-")


def _rank(ctx: click.Context, name: str) -> Rank:
    if name in ctx.meta.get(_LENT, ()):
        return Rank.BATCH
    source = ctx.get_parameter_source(name)
    return _RANKS.get(source, Rank.DEFAULT) if source is not None else Rank.DEFAULT


def _lent(ctx: click.Context) -> Mapping[str, Any]:
    app = ctx.find_object(App)
    return app.host.lent if app is not None and app.host is not None else {}


def _profile(ctx: click.Context) -> Mapping[str, Any]:
    profile = ctx.meta.get(_PROFILE)
    return profile.parameters if profile is not None else {}
