"""Where the value of a connection option comes from, and which of two options counts that exclude each other.

A flag goes before the flags of the batch around the line, those before the environment, the environment before the
profile, the profile before the default. Of two options that exclude each other the one that goes before counts; if neither
does, they are refused.

Verification of the gateway is never lost on the way: an option that verifies goes before the file of first certificates, wherever the
two come from, and nothing but a `--plaintext` that goes before it drops it, which is told. What is set but empty is refused: a secret
that a pipeline forgot to fill in would fall back to less.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

import click
from click.core import ParameterSource

import mxgateway
from mxgateway_cli.help.sections import SectionOption
from mxgateway_cli.running.app import App

VERIFYING: Final = ("ca_file", "require_certificate_validation", "pin")
TLS_OPTIONS: Final = ("tls", *VERIFYING, "server_name_override", "known_hosts", "client_cert", "client_key")
SERVER_OPTIONS: Final = ("endpoint", "api_key", "api_key_file", "api_key_env", "proxy")
OPTIONS: Final = (*SERVER_OPTIONS, *TLS_OPTIONS, "plaintext", "simulator", "contract", "timeout")

_EXCLUSIVE: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "simulator": ((*SERVER_OPTIONS, *TLS_OPTIONS), "the simulated gateway brings its own"),
    "plaintext": (TLS_OPTIONS, "it turns TLS off"),
    "known_hosts": (VERIFYING, "the file is for certificates that nothing else vouches for"),
    "api_key": (("api_key_env", "api_key_file"), "one key is sent"),
    "api_key_env": (("api_key_file",), "one key is sent"),
}
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
        """Take the batch's value where the line has none of its own, the profile's where nothing else has one.

        Raises:
            click.UsageError: The value is empty.
        """
        value, source = super().consume_value(ctx, opts)
        name, lent, profile = self.name or "", _lent(ctx), _profile(ctx)
        if source is ParameterSource.COMMANDLINE:
            self._check_flag(ctx, value)
            return value, source
        if name in lent:
            ctx.meta.setdefault(_LENT, set()).add(name)
            return lent[name], ParameterSource.COMMANDLINE
        if not (ctx.resilient_parsing or _simulated(lent, opts)):
            self._check_variable()
        if self.is_flag and source is ParameterSource.ENVIRONMENT and not self.type_cast_value(ctx, value):
            source = ParameterSource.DEFAULT  # a variable that says no takes nothing away from a profile that says yes
        if source is ParameterSource.DEFAULT and name in profile:
            return profile[name], ParameterSource.DEFAULT_MAP
        return value, source

    def _check_flag(self, ctx: click.Context, value: Any) -> None:
        texts = value if isinstance(value, list | tuple) else [value]
        if not ctx.resilient_parsing and any(isinstance(text, str) and not text.strip() for text in texts):
            raise click.UsageError(f"{flag(self.name or '')} is empty: give it a value, or leave it out.", ctx)

    def _check_variable(self) -> None:
        if isinstance(self.envvar, str) and is_blank(self.envvar):
            raise blank_variable(self.envvar)

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


def is_blank(variable: str) -> bool:
    """Tell whether an environment variable is set, but to nothing or to blanks alone."""
    return not os.environ.get(variable, "set").strip()


def blank_variable(variable: str) -> click.UsageError:
    """Return the refusal of an environment variable that is set but empty."""
    return click.UsageError(f"The environment variable {variable!r} is set but empty: give it its value, or unset it.")


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

    def settle(self) -> list[str]:
        """Drop what an option excludes that goes before it, and what verification excludes.

        Returns:
            What is to be told of it, one line each.

        Raises:
            click.UsageError: Options exclude each other and neither goes before.
        """
        self._exclude("simulator")
        self._follow_https()
        told = []
        if lost := [flag(name) for name in self._exclude("plaintext") if name in VERIFYING]:
            told.append(
                f"--plaintext drops {', '.join(lost)}: nothing verifies the gateway, and all is sent in clear text"
            )
        if unused := self._verify():
            told.append(unused)
        self._exclude("api_key")
        self._exclude("api_key_env")
        return told

    def _exclude(self, name: str) -> list[str]:
        """Drop an option or its rivals, and return the rivals that were dropped."""
        others, why = _EXCLUSIVE[name]
        rivals = self._given(others)
        if not self.values.get(name) or not rivals:
            return []
        rank = self.ranks[name]
        if max(rivals.values()) > rank:
            self.drop(name)
            return []
        equal = sorted(other for other in rivals if rivals[other] == rank)
        if equal:
            raise contradiction(name, equal, why)
        for other in rivals:
            self.drop(other)
        return list(rivals)

    def _follow_https(self) -> None:
        """Let an endpoint that asks for TLS turn off the plaintext that it goes before.

        It comes before `plaintext` has dropped anything: with TLS what verifies the gateway counts.
        """
        endpoint, plaintext = self.values.get("endpoint"), self.values.get("plaintext")
        if not plaintext or scheme_of(endpoint) != "https":
            return
        if self.ranks["endpoint"] <= self.ranks["plaintext"]:
            raise click.UsageError(f"The endpoint {endpoint!r} asks for TLS, but --plaintext is given.")
        self.drop("plaintext")

    def _verify(self) -> str:
        """Drop the file of first certificates where something verifies the gateway; return what is to be told of it."""
        verifying = self._given(VERIFYING)
        if not verifying or not self.values.get("known_hosts"):
            return ""
        rank = self.ranks["known_hosts"]
        if rank <= max(verifying.values()):
            self._exclude("known_hosts")
            return ""
        self.drop("known_hosts")
        named = rank >= Rank.BATCH  # a variable is for all gateways, and says nothing of this one
        return f"--known-hosts is not used: {', '.join(map(flag, verifying))} verifies the gateway" if named else ""

    def _given(self, names: Collection[str]) -> dict[str, Rank]:
        return {name: self.ranks[name] for name in names if self.values.get(name)}

    def drop(self, name: str) -> None:
        """Go on as if the option had not been given."""
        self.values[name] = () if name == "pin" else None
        self.ranks[name] = Rank.DEFAULT


def contradiction(name: str, others: Collection[str], why: str) -> click.UsageError:
    """Return the refusal of options that exclude each other."""
    return click.UsageError(f"{flag(name)} and {', '.join(map(flag, others))} contradict each other: {why}.")


def scheme_of(endpoint: str | None) -> str:
    """Return ``http`` or ``https`` when the endpoint names one, else an empty text.

    Raises:
        MxGatewayInvalidRequestError: It is no endpoint. Nothing else looks at it then: it may hold a password.
    """
    return mxgateway.Endpoint.parse(endpoint).scheme if endpoint else ""


def flag(name: str) -> str:
    """Return an option as it stands on a command line."""
    return "--" + name.replace("_", "-")


def _rank(ctx: click.Context, name: str) -> Rank:
    if name in ctx.meta.get(_LENT, ()):
        return Rank.BATCH
    source = ctx.get_parameter_source(name)
    return _RANKS.get(source, Rank.DEFAULT) if source is not None else Rank.DEFAULT


def _simulated(lent: Mapping[str, Any], opts: Mapping[str, Any]) -> bool:
    """Tell whether the simulated gateway surely counts, for which no variable does."""
    named = any(opts.get(name) for name in (*SERVER_OPTIONS, *TLS_OPTIONS))
    return bool(opts.get("simulator") or (lent.get("simulator") and not named))


def _lent(ctx: click.Context) -> Mapping[str, Any]:
    app = ctx.find_object(App)
    return app.host.lent if app is not None and app.host is not None else {}


def _profile(ctx: click.Context) -> Mapping[str, Any]:
    profile = ctx.meta.get(_PROFILE)
    return profile.parameters if profile is not None else {}
