"""What connection a command line asks for, with its environment, its batch and its profile; nothing is connected."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click
import pytest

from mxgateway_cli.connecting.connection import take_settings
from mxgateway_cli.connecting.shared_options import CALL_TIMEOUT, CONNECTION_OPTIONS
from mxgateway_cli.help.sections import Decorator, SectionedCommand, apply_options
from mxgateway_cli.running.app import App
from mxgateway_cli.running.settings import ConnectionSettings

SOURCES: Final = ("flag", "batch", "environment", "profile")
"""Where an option's value may come from, what goes before first."""


class Case:
    """A command line with its environment and its profile, and the connection that it asks for."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = tmp_path / "config.toml"
        self._environment = monkeypatch
        for variable in [name for name in os.environ if name.startswith("MXGATEWAY_")]:
            monkeypatch.delenv(variable)
        self._taken: list[ConnectionSettings] = []
        self._commands: dict[Decorator, click.Command] = {}
        monkeypatch.setenv("MXGATEWAY_CONFIG", str(self._file))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def settings(
        self,
        *flags: str,
        profile: str = "",
        lent: dict[str, object] | None = None,
        timeout: Decorator = CALL_TIMEOUT,
        **variables: str,
    ) -> ConnectionSettings:
        self._file.write_text(f"[profile.plant]\n{profile}\n")
        app = App()
        if lent is not None:
            app.host = _Host(app, lent)  # type: ignore[assignment]
        with self._environment.context() as environment:
            for variable, text in variables.items():
                environment.setenv(variable, text)
            self._command(timeout).main([*flags, "--profile", "plant"], obj=app, standalone_mode=False)
        return self._taken.pop()

    def _command(self, timeout: Decorator) -> click.Command:
        """Return a command with the options of a connection, made once."""
        if timeout not in self._commands:

            def callback(**params: object) -> None:
                self._taken.append(take_settings(click.get_current_context(), params))

            with_options = apply_options(callback, (*CONNECTION_OPTIONS, timeout))
            self._commands[timeout] = click.command("x", cls=SectionedCommand)(with_options)
        return self._commands[timeout]


class _Host:
    def __init__(self, app: App, lent: dict[str, object]) -> None:
        self.app, self.inherited = app, lent
