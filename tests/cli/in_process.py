"""Runs a command line in this process: for what ends before anything is sent, where a process each would take most of the time."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Mapping
from unittest import mock

from mxgateway_cli.main import run
from tests.cli.process import Outcome, environment

NOWHERE = ("--plaintext", "--endpoint", "127.0.0.1:1")
"""Where nobody listens: a command that sends anything fails with another code."""


def refused(*arguments: str) -> Outcome:
    """Return how a command line ends; not from within an event loop, as the command runs one of its own."""
    return run_here(*arguments, *NOWHERE)


def run_here(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Outcome:
    """Return how a command line ends that says by itself where it connects, if anywhere."""
    logger = logging.getLogger("mxgateway")
    before = logger.handlers[:], logger.level, logger.propagate
    out, err = io.StringIO(), io.StringIO()
    try:
        with (
            mock.patch.dict(os.environ, environment(env), clear=True),
            mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()))),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = run(arguments)
    finally:
        logger.handlers[:], logger.level, logger.propagate = before
    return Outcome(code, out.getvalue(), err.getvalue())
