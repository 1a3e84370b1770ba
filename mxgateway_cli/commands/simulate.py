"""The `simulate` command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

from mxgateway_cli import runner
from mxgateway_cli.app import App
from mxgateway_cli.connection import key_from_environment
from mxgateway_cli.failures import CommandFailure, ExitCode
from mxgateway_cli.local_command import local_command
from mxgateway_cli.sections import option

if TYPE_CHECKING:
    from mxgateway import ApiKey
    from mxgateway.simulator import SimulatedGateway

DEMO_KEY: Final = "mxgw_simulator_demo"
"""What a simulated gateway accepts unless told otherwise: open to everybody, as there is nothing real behind it."""


@local_command(
    "simulate",
    option("--port", type=click.IntRange(0, 65535), metavar="N", default=5000, show_default=True,
           help="Where to listen; 0 takes any free port."),
    option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True,
           help="Which address to listen at; 0.0.0.0 serves other machines too."),
    option("--api-key-env", metavar="NAME",
           help=f"Environment variable with the key to accept.  [default: the key {DEMO_KEY}]"),
)  # fmt: skip
def simulate(app: App, port: int, host: str, api_key_env: str | None) -> None:
    """Run the simulated gateway until Ctrl-C.

    It serves a small plant without TLS: TestChildObject.TestInt, TestMachine_001.TestChangingInt and more.
    """
    key = key_from_environment(api_key_env, "--api-key-env") if api_key_env is not None else None
    if key is not None:
        app.keep_secret(key)
    runner.run(lambda: _serve(app, host, port, key))


async def _serve(app: App, host: str, port: int, key: ApiKey | None) -> None:
    gateway = _gateway(host, port, key)
    try:
        await gateway.start()
    except OSError as error:
        raise CommandFailure(error.strerror or str(error), hint="choose another --port or --host") from None
    try:
        _announce(app, gateway, DEMO_KEY if key is None else None)
        await gateway.serve_forever()
    finally:
        await gateway.stop()


def _gateway(host: str, port: int, key: ApiKey | None) -> SimulatedGateway:
    from mxgateway.simulator import SimulatedGateway, SimulatedKey

    try:
        accepted = SimulatedKey.parse(DEMO_KEY if key is None else key.reveal())
    except ValueError as error:
        raise CommandFailure(str(error), code=ExitCode.USAGE) from None
    return SimulatedGateway(host=host, port=port, api_keys=[accepted])


def _announce(app: App, gateway: SimulatedGateway, open_key: str | None) -> None:
    """Tell how to connect; a key is shown when it is the one that everybody knows."""
    if app.output.form != "table":
        document: dict[str, Any] = {
            "operation": "simulate",
            "endpoint": gateway.endpoint,
            "host": gateway.host,
            "port": gateway.port,
            "apiKey": open_key,
        }
        app.output.document(document, value="endpoint")
        return
    command = "set" if os.name == "nt" else "export"
    lines = [f"The simulated gateway listens at {gateway.endpoint} until Ctrl-C. In another terminal:", ""]
    lines.append(f"  {command} MXGATEWAY_ENDPOINT={gateway.endpoint}")
    if open_key is not None:
        lines.append(f"  {command} MXGATEWAY_API_KEY={open_key}")
    app.announce([*lines, "  mxgw-py smoke --plaintext", ""])
