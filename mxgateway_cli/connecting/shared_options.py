"""The options shared by commands that talk to a gateway."""

from __future__ import annotations

import math
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

import mxgateway
from mxgateway_cli.connecting.precedence import ConnectionOption
from mxgateway_cli.connecting.profile_option import profile_names, use_profile
from mxgateway_cli.help.numbers import decimal
from mxgateway_cli.help.parsed import Parsed
from mxgateway_cli.help.sections import CONNECTION_SECTION, Decorator, option

_INT64_UNSIGNED_MAX: Final = 2**64 - 1
_FILE: Final = click.Path(exists=True, dir_okay=False)


class Seconds(Parsed[float]):
    """A positive, finite number of seconds."""

    name = "seconds"
    _end = "."

    def _parse(self, text: str | float) -> float:
        seconds = decimal(text) if isinstance(text, str) else float(text)
        if seconds is None:
            raise ValueError(f"{text!r} is not a number of seconds")
        if not (math.isfinite(seconds) and seconds > 0):
            raise ValueError(f"{text} is not a positive number of seconds")
        return seconds


class KeyText(Parsed["mxgateway.ApiKey"]):
    """An API key, wrapped in a secret type as soon as it is parsed."""

    name = "key"

    def _parse(self, text: str) -> mxgateway.ApiKey:
        return mxgateway.ApiKey(text)


class ContractText(Parsed[str]):
    """The word ``auto``, or a contract file."""

    name = "contract"
    words = ("auto",)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word, or the file name.

        Raises:
            click.BadParameter: There is no such file.
        """
        return str(value) if value in self.words else str(_FILE.convert(value, param, ctx))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the word, and files."""
        return [*super().shell_complete(ctx, param, incomplete), CompletionItem(incomplete, "file")]


class ProxyText(Parsed["mxgateway.HttpProxy"]):
    """The URL of an HTTP proxy; its password is wrapped in a secret type as soon as it is parsed."""

    name = "proxy"

    def _parse(self, text: str) -> mxgateway.HttpProxy:
        return mxgateway.HttpProxy.parse(text)


class EndpointOption(ConnectionOption):
    """The endpoints, of which several make one text with commas between them."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the text; None without an endpoint."""
        given = (value,) if isinstance(value, str) else value
        return ",".join(super().process_value(ctx, given)) or None


def _connection(*names: str, variable: str | None = None, **attributes: Any) -> Decorator:
    shown = {"envvar": variable, "show_envvar": variable is not None}
    return option(*names, **{"cls": ConnectionOption, "section": CONNECTION_SECTION, **shown, **attributes})


CONNECTION_OPTIONS: Final[tuple[Decorator, ...]] = (
    _connection("--endpoint", cls=EndpointOption, multiple=True, metavar="HOST:PORT", variable="MXGATEWAY_ENDPOINT",
                help="The gateway's address; [ipv6]:port, http:// and https:// are accepted. If repeated, or of several with commas between "
                "them, the first that can be reached.  [default: localhost:5000]"),
    _connection("--plaintext", is_flag=True, help="Connect without TLS; the API key is then sent unencrypted."),
    _connection("--tls", is_flag=True, help="Connect with TLS (the default; the first certificate seen is trusted)."),
    _connection("--ca-file", type=_FILE, metavar="FILE", variable="MXGATEWAY_CA_FILE",
                help="PEM file of the CAs to verify the gateway against."),
    _connection("--require-certificate-validation", is_flag=True, variable="MXGATEWAY_REQUIRE_CERTIFICATE_VALIDATION",
                help="Verify the gateway against the system's CAs."),
    _connection("--server-name-override", metavar="NAME", help="Server name to expect in the certificate, and to name in calls."),
    _connection("--authority", metavar="HOST[:PORT]", help="Name of the gateway in calls (:authority)."),
    _connection("--pin", multiple=True, metavar="SHA256", variable="MXGATEWAY_PIN",
                help="Fingerprint that the certificate must have; if repeated, any one of them."),
    _connection("--known-hosts", type=click.Path(dir_okay=False), metavar="FILE", variable="MXGATEWAY_KNOWN_HOSTS",
                help="File that keeps each gateway's first certificate.  [default: mxgateway/known_gateways in the user's state directory]"),
    _connection("--client-cert", type=_FILE, metavar="FILE", variable="MXGATEWAY_CLIENT_CERT",
                help="PEM file of the client certificate to present to the gateway."),
    _connection("--client-key", type=_FILE, metavar="FILE", variable="MXGATEWAY_CLIENT_KEY",
                help="PEM file of its private key; if encrypted, the password is in MXGATEWAY_CLIENT_KEY_PASSWORD."),
    _connection("--proxy", type=ProxyText(), metavar="URL", variable="MXGATEWAY_PROXY",
                help="HTTP proxy, http://[user:password@]host:port. HTTPS_PROXY and similar variables are ignored."),
    _connection("--api-key-env", metavar="NAME", help="Environment variable with the API key.  [default: MXGATEWAY_API_KEY]"),
    _connection("--api-key-file", type=_FILE, metavar="FILE", help="File that holds the API key."),
    _connection("--api-key", type=KeyText(), metavar="KEY", help="The API key itself; it is visible in the process list."),
    _connection("--profile", metavar="NAME", variable="MXGATEWAY_PROFILE", is_eager=True, expose_value=False,
                callback=use_profile, shell_complete=profile_names,
                help="Profile for the options that neither a flag nor the environment sets; see mxgw-py profile."),
    _connection("--contract", type=ContractText(), metavar="FILE|auto", variable="MXGATEWAY_CONTRACT",
                help="The gateway's own contract, a FileDescriptorSet; auto fetches it from the gateway.  [default: this program's contract]"),
    _connection("--wait-for-gateway", type=Seconds(), metavar="SECONDS", variable="MXGATEWAY_WAIT_FOR_GATEWAY",
                help="Wait this long for a gateway that is not up yet.  [default: one attempt]"),
    _connection("--simulator", is_flag=True, help="Use a simulated gateway that runs only for this command."),
)  # fmt: skip

CALL_TIMEOUT: Final = _connection(
    "--timeout", type=Seconds(), metavar="SECONDS", help="Timeout of connecting and of each call.  [default: 10 and 30]"
)


def whole_timeout(default: float | None = None) -> Decorator:
    """Return a ``--timeout`` that limits the whole command; a profile's or a batch's limits only its calls."""
    return option(
        "--timeout", type=Seconds(), metavar="SECONDS", default=default, show_default=default is not None,
        help="Timeout of the whole command; exit code 20 if something is still missing.",
    )  # fmt: skip


SESSION_ID: Final = option(
    "--session-id", metavar="ID",
    help="Use this open session.  [default: a new session, closed at the end]",
)  # fmt: skip
CLIENT_NAME: Final = option(
    "--client-name", metavar="NAME", default="mxgw-py", show_default=True, help="Name to register with MXAccess."
)
SERVER_HANDLE: Final = option(
    "--server-handle", type=int, metavar="N", help="Handle returned by register; requires --session-id."
)
ITEM_HANDLE: Final = option("--item-handle", type=int, metavar="N", help="Handle returned by add-item.")
USER_ID: Final = option(
    "--user-id", type=int, metavar="N", default=0, show_default=True, help="MXAccess user id for the write."
)
AFTER_WORKER_SEQUENCE: Final = option(
    "--after-worker-sequence", type=click.IntRange(0, _INT64_UNSIGNED_MAX), metavar="N", default=0, show_default=True,
    help="Resume after this event; 0 starts from the beginning.",
)  # fmt: skip
