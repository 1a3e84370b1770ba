"""Where the value of a connection option comes from, and which of two mutually exclusive options wins.

Precedence: flag > flag of the surrounding batch > environment > profile > default. Of two options that exclude each
other the one with precedence wins; with equal precedence both are rejected.

Verification of the gateway is never lost: an option that verifies overrides the known hosts file, wherever the two come
from. Only a `--plaintext` with precedence drops it, with a warning. An option or variable that is set but empty is
rejected: a pipeline with a missing secret must not fall back to weaker security.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

import mxgateway
from mxgateway_cli.connecting.environment import read_variable
from mxgateway_cli.help.sections import SectionOption
from mxgateway_cli.running.app import App

VERIFYING: Final = ("ca_file", "require_certificate_validation", "pin")
TLS_OPTIONS: Final = ("tls", *VERIFYING, "server_name_override", "known_hosts", "client_cert", "client_key")
SERVER_OPTIONS: Final = ("endpoint", "api_key", "api_key_file", "api_key_env", "proxy", "authority")
OPTIONS: Final = (*SERVER_OPTIONS, *TLS_OPTIONS, "plaintext", "simulator", "contract", "timeout", "wait_for_gateway")

_EXCLUSIVE: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "simulator": ((*SERVER_OPTIONS, *TLS_OPTIONS), "the simulated gateway has its own"),
    "plaintext": (TLS_OPTIONS, "--plaintext turns TLS off"),
    "known_hosts": (VERIFYING, "the file is for certificates that nothing else verifies"),
    "api_key": (("api_key_env", "api_key_file"), "only one key is sent"),
    "api_key_env": (("api_key_file",), "only one key is sent"),
}
"""An option, the options that it excludes, and why."""

_PROFILE: Final = "mxgateway.profile"
_INHERITED: Final = "mxgateway.inherited"
_SIMULATED: Final = "mxgateway.simulated"


class Rank(enum.IntEnum):
    """Where a value comes from; the highest rank wins."""

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


class AppliedProfile(NamedTuple):
    """The profile that a command uses."""

    name: str
    file: str
    """The file that it is in."""
    parameters: Mapping[str, Any]
    """The values by parameter name."""
    value_error: Callable[[str, str], Exception]
    """Returns the error for a value that a command cannot use, from its parameter and the reason."""


class ConnectionOption(SectionOption):
    """An option whose value may also come from the surrounding batch or from a profile."""

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Return the line's own value, else the batch's; the profile's if nothing else sets one.

        Raises:
            click.UsageError: The value is empty.
        """
        value, source = super().consume_value(ctx, opts)
        name, inherited, profile = self.name or "", _inherited(ctx), _profile(ctx)
        if source is ParameterSource.COMMANDLINE:
            return value, source
        if name in inherited:
            ctx.meta.setdefault(_INHERITED, set()).add(name)
            return inherited[name], ParameterSource.COMMANDLINE
        ctx.meta[_SIMULATED] = _simulated(inherited, opts)
        if isinstance(self.envvar, str) and not (ctx.resilient_parsing or ctx.meta[_SIMULATED]):
            read_variable(self.envvar)  # an empty one is refused
        if self.is_flag and source is ParameterSource.ENVIRONMENT and not self.type_cast_value(ctx, value):
            source = ParameterSource.DEFAULT  # a false variable does not override a profile's true
        if source is ParameterSource.DEFAULT and name in profile:
            return profile[name], ParameterSource.DEFAULT_MAP
        return value, source

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the value; an error in a profile's value names its line in the file."""
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            if ctx.get_parameter_source(self.name or "") is not ParameterSource.DEFAULT_MAP:
                raise
            raise ctx.meta[_PROFILE].value_error(self.name or "", error.message) from None


def apply_profile(ctx: click.Context, profile: AppliedProfile) -> None:
    """Use a profile for the options that neither a flag nor the environment sets."""
    ctx.meta[_PROFILE] = profile


def is_simulated(ctx: click.Context) -> bool:
    """Return whether the simulated gateway is certain to be used; it needs neither the environment nor a profile."""
    return bool(ctx.meta.get(_SIMULATED))


def applied_profile(ctx: click.Context) -> AppliedProfile | None:
    """Return the profile that a command uses; None if there is none."""
    found: AppliedProfile | None = ctx.meta.get(_PROFILE)
    return found


def flags(ctx: click.Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the connection options given on the command line, by parameter name."""
    given = {name: params[name] for name in OPTIONS if name in params and rank_of(ctx, name) is Rank.FLAG}
    if rank_of(ctx, "profile") is Rank.FLAG:
        given["profile"] = ctx.meta[_PROFILE].name
    return given


def shared_timeout(ctx: click.Context) -> float | None:
    """Return the ``timeout`` of the batch or the profile, in seconds; None when neither has one."""
    return _inherited(ctx).get("timeout") or _profile(ctx).get("timeout")


class Choices:
    """The values of the connection options, and where each comes from, by option name."""

    def __init__(self, values: Mapping[str, Any], ranks: Mapping[str, Rank]) -> None:
        self.values = dict(values)
        self.ranks = dict(ranks)

    @classmethod
    def take(cls, ctx: click.Context, params: dict[str, Any]) -> Choices:
        """Take the connection options out of a command's parameters."""
        values = {name: params.pop(name) for name in OPTIONS}
        return cls(values, {name: rank_of(ctx, name) for name in values})

    def resolve(self) -> list[str]:
        """Drop the options that one with precedence excludes, and those that verification excludes; return warnings.

        Raises:
            click.UsageError: Options exclude each other and neither has precedence.
        """
        self._exclude("simulator")
        self._follow_https()
        warnings = []
        if dropped := [flag(name) for name in self._exclude("plaintext") if name in VERIFYING]:
            warnings.append(
                f"--plaintext drops {', '.join(dropped)}: the gateway is not verified, and all data is sent unencrypted"
            )
        if unused := self._drop_known_hosts():
            warnings.append(unused)
        self._exclude("api_key")
        self._exclude("api_key_env")
        return warnings

    def _exclude(self, name: str) -> list[str]:
        """Drop an option or the ones that it excludes; return the excluded ones that were dropped."""
        excluded, why = _EXCLUSIVE[name]
        rivals = self._given(excluded)
        if not self.values.get(name) or not rivals:
            return []
        rank = self.ranks[name]
        if max(rivals.values()) > rank:
            self.drop(name)
            return []
        equal = sorted(other for other in rivals if rivals[other] == rank)
        if equal:
            others = ", ".join(map(flag, equal))
            raise click.UsageError(f"{flag(name)} and {others} contradict each other: {why}.")
        for other in rivals:
            self.drop(other)
        return list(rivals)

    def _follow_https(self) -> None:
        """Drop `plaintext` if an https endpoint has precedence over it.

        Runs before `plaintext` drops anything: with TLS the options that verify the gateway apply.
        """
        endpoint, plaintext = self.values.get("endpoint"), self.values.get("plaintext")
        if not plaintext or scheme_of(endpoint) != "https":
            return
        if self.ranks["endpoint"] <= self.ranks["plaintext"]:
            raise click.UsageError(f"The endpoint {endpoint!r} requires TLS, but --plaintext is given.")
        self.drop("plaintext")

    def _drop_known_hosts(self) -> str:
        """Drop the known hosts file if another option verifies the gateway; return the warning, if any."""
        verifying = self._given(VERIFYING)
        if not verifying or not self.values.get("known_hosts"):
            return ""
        rank = self.ranks["known_hosts"]
        if rank <= max(verifying.values()):
            self._exclude("known_hosts")
            return ""
        self.drop("known_hosts")
        is_explicit = rank >= Rank.BATCH  # a variable applies to all gateways, so it was not meant for this one
        return (
            f"--known-hosts is ignored: {', '.join(map(flag, verifying))} verifies the gateway" if is_explicit else ""
        )

    def _given(self, names: Collection[str]) -> dict[str, Rank]:
        return {name: self.ranks[name] for name in names if self.values.get(name)}

    def drop(self, name: str) -> None:
        """Treat the option as not given."""
        self.values[name] = () if name == "pin" else None
        self.ranks[name] = Rank.DEFAULT


def scheme_of(endpoint: str | None) -> str:
    """Return ``http`` or ``https`` if the endpoint has a scheme, else an empty string.

    Raises:
        MxGatewayInvalidRequestError: It is not an endpoint. The message does not show it: it may hold a password.
    """
    schemes = {each.scheme for each in mxgateway.Endpoint.parse_all(endpoint)} if endpoint else {""}
    return max(schemes) if "http" not in schemes else "http"


def check_scheme(values: Mapping[str, Any]) -> None:
    """Refuse an ``http`` endpoint without ``--plaintext``.

    Raises:
        click.UsageError: The data would be sent unencrypted, and nothing says that it may.
    """
    if scheme_of(values["endpoint"]) == "http" and not (values["plaintext"] or values["simulator"]):
        raise click.UsageError(f"The endpoint {values['endpoint']!r} is without TLS: --plaintext is required as well.")


def flag(name: str) -> str:
    """Return an option as written on a command line."""
    return "--" + name.replace("_", "-")


def rank_of(ctx: click.Context, name: str) -> Rank:
    """Return where the value of an option comes from."""
    if name in ctx.meta.get(_INHERITED, ()):
        return Rank.BATCH
    source = ctx.get_parameter_source(name)
    return _RANKS.get(source, Rank.DEFAULT) if source is not None else Rank.DEFAULT


def _simulated(inherited: Mapping[str, Any], opts: Mapping[str, Any]) -> bool:
    """Return whether the simulated gateway is certain to be used; it ignores the environment."""
    named = any(opts.get(name) for name in (*SERVER_OPTIONS, *TLS_OPTIONS))
    return bool(opts.get("simulator") or (inherited.get("simulator") and not named))


def _inherited(ctx: click.Context) -> Mapping[str, Any]:
    app = ctx.find_object(App)
    return app.host.inherited if app is not None and app.host is not None else {}


def _profile(ctx: click.Context) -> Mapping[str, Any]:
    profile = ctx.meta.get(_PROFILE)
    return profile.parameters if profile is not None else {}
