"""The library's log on stderr, redacted."""

from __future__ import annotations

import logging

from mxgateway_cli.running.app import App


def start_logging(app: App) -> None:
    """Write the library's warnings to stderr, and with ``--verbose`` its whole log."""
    logger = logging.getLogger("mxgateway")
    for handler in [handler for handler in logger.handlers if isinstance(handler, _StderrHandler)]:
        logger.removeHandler(handler)
    logger.addHandler(_StderrHandler(app))
    logger.setLevel(logging.DEBUG if app.verbose else logging.WARNING)
    logger.propagate = False


class _StderrHandler(logging.Handler):
    """Passes log records to the invocation, which redacts them."""

    def __init__(self, app: App) -> None:
        super().__init__()
        self._app = app

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record` as one line; if it cannot be formatted, write that instead."""
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - logging must not end the command, whatever formatting raises
            text = f"a log record could not be formatted: {type(error).__name__}"
        fault = record.exc_info[1] if record.exc_info else None
        if fault is not None:
            text = f"{text}: {type(fault).__name__}: {fault}"
        if record.levelno >= logging.WARNING and not self._app.verbose:
            self._app.warn(text)
        else:
            self._app.note(f"{record.levelname.lower()}: {record.name}: {text}")
        if fault is not None:
            self._app.trace(fault)
