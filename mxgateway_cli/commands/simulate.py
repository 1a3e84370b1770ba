"""The `simulate` command."""

from __future__ import annotations

import ipaddress
import math
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from mxgateway_cli.connecting.connection import key_from_environment, load_contract
from mxgateway_cli.declaring.local_command import local_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.running import runner
from mxgateway_cli.running.app import App
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode
from mxgateway_cli.terminal.text import json_text

if TYPE_CHECKING:
    from mxgateway import ApiKey
    from mxgateway.simulator import Plant, PlayedStep, Replay, Scenario, SimulatedGateway

    _SpeedBase = click.ParamType[float]
else:  # generic only since click 8.4
    _SpeedBase = click.ParamType

_FILE: Final = click.Path(exists=True, dir_okay=False)

DEMO_KEY: Final = "mxgw_simulator_demo"
"""The default API key of a simulated gateway; public, because there is no real plant behind it."""


class Speed(_SpeedBase):
    """How many times quicker than life: a positive number, or ``max``."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; infinity for ``max``.

        Raises:
            click.BadParameter: It is neither a positive number nor ``max``.
        """
        try:
            speed = math.inf if value == "max" else float(value)
        except (TypeError, ValueError):
            speed = math.nan
        if not speed > 0 or (math.isinf(speed) and value not in ("max", math.inf)):
            self.fail(f"{value!r} is neither a positive number nor max.", param, ctx)
        return speed


@local_command(
    "simulate",
    option("--port", type=click.IntRange(0, 65535), metavar="N", default=5000, show_default=True,
           help="Port to listen on; 0 picks any free port."),
    option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True,
           help="Address to listen on; 0.0.0.0 serves other machines too, so use a key of your own."),
    option("--api-key-env", metavar="NAME",
           help=f"Environment variable with the key to accept.  [default: the key {DEMO_KEY}]"),
    option("--certificate", type=_FILE, metavar="FILE", help="PEM file of a certificate; enables TLS."),
    option("--private-key", type=_FILE, metavar="FILE",
           help="PEM file of its private key, unencrypted.  [default: the certificate's file]"),
    option("--contract", type=_FILE, metavar="FILE", envvar="MXGATEWAY_CONTRACT", show_envvar=True,
           help="Contract to use, a FileDescriptorSet."),
    option("--plant", metavar="FILE|demo",
           help="Plant to serve: a TOML, JSON or CSV file; the output of galaxy-discover, if its name ends with .jsonl; "
                "or demo.  [default: a small plant for tests]"),
    option("--tags", type=click.IntRange(1, 1_000_000), metavar="N",
           help="Serve a generated plant of at least N tags instead, for load."),
    option("--scenario", metavar="FILE",
           help="Play a scenario, a TOML or JSON file, as soon as the gateway is ready; each step is a line on stderr."),
    option("--replay", metavar="FILE", help="Play a recording of mxgw-py record instead; its first reader begins it."),
    option("--speed", type=Speed(), metavar="X|max",
           help="Play it X times quicker than life, below 1 slower; max: as quickly as it is read.  [default: 1]"),
    option("--loop", is_flag=True, help="Begin the recording again at its end."),
    option("--partial", is_flag=True, help="Play a recording that is truncated."),
    examples=(
        "mxgw-py simulate --port 0",
        "mxgw-py simulate --port 0 --plant demo -o jsonl",
        "mxgw-py simulate --port 0 --replay line.jsonl --speed 10",
    ),
)  # fmt: skip
def simulate(
    app: App,
    port: int,
    host: str,
    api_key_env: str | None,
    certificate: str | None,
    private_key: str | None,
    contract: str | None,
    plant: str | None,
    tags: int | None,
    scenario: str | None,
    replay: str | None,
    speed: float | None,
    loop: bool,
    partial: bool,
) -> None:
    """Run the simulated gateway until Ctrl-C.

    It serves a small plant: TestChildObject.TestInt, TestMachine_001.TestChangingInt and more; --plant and --tags serve
    others, --replay plays a recording. TLS requires --certificate.
    """
    if (plant, tags, replay).count(None) < 2:
        raise click.UsageError("--plant, --tags and --replay exclude each other.")
    if replay is None and (speed is not None or loop or partial):
        raise click.UsageError("--speed, --loop and --partial require --replay.")
    if private_key is not None and certificate is None:
        raise click.UsageError("--private-key requires --certificate.")
    key = key_from_environment(api_key_env, "--api-key-env") if api_key_env is not None else None
    if key is not None:
        app.keep_secret(key)
    served, played = _plant(plant, tags), _scenario(scenario)
    replayed = None if replay is None else _replay(replay, speed or 1.0, loop=loop, partial=partial)
    runner.run(
        lambda: _serve(
            app,
            key,
            host=host,
            port=port,
            certificate=certificate,
            private_key=private_key,
            contract=load_contract(contract),
            plant=served,
            scenario=played,
            replay=replayed,
        )
    )


def _replay(name: str, speed: float, *, loop: bool, partial: bool) -> Replay:
    """Return the recording to play, checked to its end before anything is started."""
    from mxgateway.simulator import Recording, Replay
    from mxgateway.system.files import refusal_text

    try:
        return Replay(Recording.load(name, partial=partial), speed, loop)
    except OSError as error:
        raise CommandFailure(f"{name}: {refusal_text(error)}", code=ExitCode.USAGE) from None
    except ValueError as error:
        raise CommandFailure(str(error), code=ExitCode.USAGE) from None


def _plant(name: str | None, tags: int | None) -> Plant | None:
    """Return the plant to serve, read before anything is started; None for the default one."""
    from mxgateway.simulator import Plant, generated_plant

    if tags is not None:
        # Each object has ten attributes, but one in a hundred, and three more, have none.
        return generated_plant(math.ceil((tags / 10 + 3) / 0.99) + 1, 10)
    if name is None:
        return None
    with _refused(name):
        if name == "demo":
            return Plant.demo()
        return Plant.from_galaxy(name) if name.casefold().endswith(".jsonl") else Plant.load(name)


def _scenario(name: str | None) -> Scenario | None:
    from mxgateway.simulator import Scenario

    if name is None:
        return None
    with _refused(name):
        return Scenario.load(name)


@contextmanager
def _refused(name: str) -> Iterator[None]:
    """Report a wrong file in one line: its errors name it, those of the system do not."""
    from mxgateway.system.files import refusal_text

    try:
        yield
    except OSError as error:
        raise CommandFailure(f"{name}: {refusal_text(error)}", code=ExitCode.USAGE) from None
    except ValueError as error:
        raise CommandFailure(str(error), code=ExitCode.USAGE) from None


async def _serve(
    app: App, key: ApiKey | None, *, certificate: str | None, scenario: Scenario | None, **where: Any
) -> None:
    gateway = _gateway(key, certificate=certificate, **where)
    if scenario is not None:
        with _refused(scenario.name):
            scenario.check(gateway)
    try:
        await gateway.start()
    except ssl.SSLError as error:
        hint = "use PEM files: the certificate, and its unencrypted private key"
        raise CommandFailure(error.strerror or str(error), hint=hint) from None
    except OSError as error:
        raise CommandFailure(error.strerror or str(error), hint="choose another --port or --host") from None
    if key is None and not _is_loopback(where["host"]):
        app.warn(
            f"other machines can use this gateway: it listens on {where['host']}, and its key is public; "
            "use --api-key-env for another key"
        )
    try:
        _announce(app, gateway, DEMO_KEY if key is None else None, is_tls=certificate is not None)
        if scenario is not None:
            gateway.play(scenario, report=partial(_report, app))
        await gateway.serve_forever()
    finally:
        await gateway.stop()


def _gateway(key: ApiKey | None, **served: Any) -> SimulatedGateway:
    from mxgateway.simulator import SimulatedGateway, SimulatedKey

    try:
        accepted = SimulatedKey.parse(DEMO_KEY if key is None else key.reveal())
    except ValueError as error:
        raise CommandFailure(str(error), code=ExitCode.USAGE) from None
    return SimulatedGateway(api_keys=[accepted], **served)


def _report(app: App, step: PlayedStep) -> None:
    """Show a step of a scenario on stderr."""
    if app.output.form != "table":
        app.note(json_text({"step": asdict(step)}))
    elif step.failure:
        app.warn(str(step))
    else:
        app.note(str(step))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _announce(app: App, gateway: SimulatedGateway, open_key: str | None, *, is_tls: bool) -> None:
    """Show how to connect; the key is shown only if it is the public one."""
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
    lines = [f"The simulated gateway listens on {gateway.endpoint} until Ctrl-C. In another terminal:", ""]
    lines.append(f"  {command} MXGATEWAY_ENDPOINT={gateway.endpoint}")
    if open_key is not None:
        lines.append(f"  {command} MXGATEWAY_API_KEY={open_key}")
    app.announce([*lines, f"  mxgw-py smoke{'' if is_tls else ' --plaintext'}", ""])
