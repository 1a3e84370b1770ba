"""The `config` command."""

from __future__ import annotations

from typing import Any

import click

from mxgateway_cli.connecting.shared_options import CALL_TIMEOUT, CONNECTION_OPTIONS
from mxgateway_cli.connecting.sources import Setting, settings_in_force
from mxgateway_cli.declaring.local_command import local_command
from mxgateway_cli.running.app import App
from mxgateway_cli.terminal.stdout import plain


@local_command(
    "config", *CONNECTION_OPTIONS, CALL_TIMEOUT, examples=("mxgw-py config", "mxgw-py config --profile plant --json")
)
def config(app: App, **params: Any) -> None:
    """Show which connection options are in force, and where each is from.

    Takes the connection options of every command, the environment and the profile into account; no gateway is asked.
    The API key and passwords are not shown.
    """
    if params["api_key"] is not None:
        app.keep_secret(params["api_key"])
    if params["proxy"] is not None:
        for secret in params["proxy"].secrets():
            app.keep_secret(secret)
    settings, warnings = settings_in_force(click.get_current_context(), params)
    for text in warnings:
        app.warn(text)
    if app.output.form in ("json", "value"):
        documents = [_document(setting) for setting in settings]
        app.output.document({"operation": "config", "options": documents}, value="options")
        return
    if app.output.form == "table":
        rows = [(*_texts(setting), setting.shown_source) for setting in settings]
        app.output.table(("option", "value", "source"), rows, headed=False)
        return
    for setting in settings:
        app.output.json_line(_document(setting))


def _texts(setting: Setting) -> tuple[str, str]:
    return setting.option, plain(setting.value) or "-"


def _document(setting: Setting) -> dict[str, Any]:
    return {"option": setting.option, "value": setting.value, "source": setting.source, "where": setting.where or None}
