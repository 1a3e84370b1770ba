"""The `simulate` command."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import click

from mxgateway_cli.connecting.connection import key_from_environment, load_contract
from mxgateway_cli.connecting.shared_options import ContractText
from mxgateway_cli.controlling.serving import DEMO_KEY, MADE, Serving, refused, serve
from mxgateway_cli.declaring.local_command import local_command
from mxgateway_cli.help.numbers import decimal, whole
from mxgateway_cli.help.parsed import Parsed
from mxgateway_cli.help.sections import option
from mxgateway_cli.running import runner
from mxgateway_cli.running.app import App

if TYPE_CHECKING:
    from mxgateway import ApiKey
    from mxgateway.simulator import Plant, Replay, Scenario

_FILE: Final = click.Path(exists=True, dir_okay=False)


class Speed(Parsed[float]):
    """How many times quicker than life: a positive number, or ``max``, which is infinity."""

    name = "speed"

    def _parse(self, text: str | float) -> float:
        if text == "max":
            return math.inf
        speed = decimal(text) if isinstance(text, str) else float(text)
        if speed is None or not 0 < speed < math.inf:
            raise ValueError(f"{text!r} is neither a positive number nor max.")
        return speed


class CertificateText(ContractText):
    """A certificate file, or the word ``self``."""

    name = "certificate"
    words = (MADE,)


class ControlAddress(Parsed[tuple[str, int]]):
    """A port of this machine, with an address of it before it or not, as host and port."""

    name = "address"

    def _parse(self, text: str) -> tuple[str, int]:
        host, _, number = text.rpartition(":")
        port = whole(number)
        if port is None or not 0 <= port <= 65535:
            raise ValueError(f"{text!r} is no port from 0 to 65535, with an address of this machine before it or not.")
        return host.removeprefix("[").removesuffix("]") or "127.0.0.1", port


@local_command(
    "simulate",
    option("--port", type=click.IntRange(0, 65535), metavar="N", default=5000, show_default=True,
           help="Port to listen on; 0 picks any free port."),
    option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True,
           help="Address to listen on; 0.0.0.0 serves other machines too, so use a key of your own."),
    option("--api-key-env", metavar="NAME",
           help=f"Environment variable with the key to accept.  [default: the key {DEMO_KEY}]"),
    option("--certificate", type=CertificateText(), metavar="FILE|self",
           help="PEM file of a certificate, or self, which makes one for this machine; enables TLS."),
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
    option("--control", type=ControlAddress(), metavar="[HOST:]PORT",
           help="Let mxgw-py sim control it, through this port of this machine; 0 picks any free port."),
    option("--control-key-env", metavar="NAME",
           help="Environment variable with the control's key.  [default: a new key, shown once]"),
    option("--ready-file", type=click.Path(dir_okay=False), metavar="FILE",
           help="Write addresses and keys to this file when it is ready, and remove it at the end."),
    option("--manual-clock", is_flag=True, help="Let its time stand still, and move by mxgw-py sim advance."),
    examples=(
        "mxgw-py simulate --port 0",
        "mxgw-py simulate --port 0 --plant demo -o jsonl",
        "mxgw-py simulate --port 0 --control 0 --ready-file gateway.json",
    ),
)  # fmt: skip
def simulate(
    app: App,
    api_key_env: str | None,
    contract: str | None,
    plant: str | None,
    tags: int | None,
    scenario: str | None,
    replay: str | None,
    speed: float | None,
    loop: bool,
    partial: bool,
    control: tuple[str, int] | None,
    control_key_env: str | None,
    ready_file: str | None,
    **served: Any,
) -> None:
    """Run the simulated gateway until Ctrl-C.

    It serves a small plant: TestChildObject.TestInt, TestMachine_001.TestChangingInt and more; --plant and --tags serve
    others, --replay plays a recording. TLS requires --certificate. With --control it is controlled by mxgw-py sim.
    """
    if (plant, tags, replay).count(None) < 2:
        raise click.UsageError("--plant, --tags and --replay exclude each other.")
    if replay is None and (speed is not None or loop or partial):
        raise click.UsageError("--speed, --loop and --partial require --replay.")
    if served["private_key"] is not None and served["certificate"] in (None, MADE):
        raise click.UsageError("--private-key requires --certificate FILE.")
    if control is None and (control_key_env is not None or served["manual_clock"]):
        raise click.UsageError("--control-key-env and --manual-clock require --control.")
    key = _key(app, api_key_env, "--api-key-env")
    control_key = _key(app, control_key_env, "--control-key-env")
    served["plant"], played = _plant(plant, tags), _scenario(scenario)
    served["replay"] = None if replay is None else _replay(replay, speed or 1.0, loop=loop, partial=partial)
    serving = Serving(key=key, control=control, control_key=control_key, ready_file=ready_file, scenario=played)
    runner.run(lambda: serve(app, serving, contract=load_contract(contract), **served))


def _key(app: App, variable: str | None, option_name: str) -> ApiKey | None:
    if variable is None:
        return None
    key = key_from_environment(variable, option_name)
    app.keep_secret(key)
    return key


def _replay(name: str, speed: float, *, loop: bool, partial: bool) -> Replay:
    """Return the recording to play, checked to its end before anything is started."""
    from mxgateway.simulator import Recording, Replay

    with refused(name):
        return Replay(Recording.load(name, partial=partial), speed, loop)


def _plant(name: str | None, tags: int | None) -> Plant | None:
    """Return the plant to serve, read before anything is started; None for the default one."""
    from mxgateway.simulator import Plant, generated_plant

    if tags is not None:
        # Each object has ten attributes, but one in a hundred, and three more, have none.
        return generated_plant(math.ceil((tags / 10 + 3) / 0.99) + 1, 10)
    if name is None:
        return None
    with refused(name):
        if name == "demo":
            return Plant.demo()
        return Plant.from_galaxy(name) if name.casefold().endswith(".jsonl") else Plant.load(name)


def _scenario(name: str | None) -> Scenario | None:
    from mxgateway.simulator import Scenario

    if name is None:
        return None
    with refused(name):
        return Scenario.load(name)
