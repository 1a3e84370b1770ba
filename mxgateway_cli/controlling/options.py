"""The options of every command that talks to a control; the help loads them, and nothing that only a connection needs."""

from __future__ import annotations

from typing import Any, Final

import click

from mxgateway_cli.connecting.shared_options import KeyText, Seconds
from mxgateway_cli.help.sections import CONTROL_SECTION, Decorator, apply_options, option

CONTROL_VARIABLE: Final = "MXGATEWAY_CONTROL"
KEY_VARIABLE: Final = "MXGATEWAY_CONTROL_KEY"
READY_FILE_VARIABLE: Final = "MXGATEWAY_READY_FILE"


def _control(*names: str, **attributes: Any) -> Decorator:
    return option(*names, section=CONTROL_SECTION, **attributes)


CONTROL_OPTIONS: Final[tuple[Decorator, ...]] = (
    _control("--control", metavar="HOST:PORT", envvar=CONTROL_VARIABLE, show_envvar=True,
             help="The control of the simulated gateway, as its ready line says."),
    _control("--ready-file", metavar="FILE", type=click.Path(dir_okay=False), envvar=READY_FILE_VARIABLE, show_envvar=True,
             help="File of simulate --ready-file, instead of address and key."),
    _control("--control-key-env", metavar="NAME",
             help=f"Environment variable with the control's key.  [default: {KEY_VARIABLE}]"),
    _control("--control-key-file", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
             help="File that holds the control's key."),
    _control("--control-key", metavar="KEY", type=KeyText(),
             help="The control's key itself; it is visible in the process list."),
    _control("--wait-for-gateway", type=Seconds(), metavar="SECONDS",
             help="Wait this long for a gateway, or its ready file, that is not up yet.  [default: one attempt]"),
    _control("--timeout", type=Seconds(), metavar="SECONDS",
             help="Timeout of connecting and of each call.  [default: 10 and 30; an action may take as long as it does]"),
)  # fmt: skip


def control_parameters() -> list[click.Parameter]:
    """Return the options of the control."""
    return click.command("control")(apply_options(lambda **_: None, CONTROL_OPTIONS)).params
