"""Runs a simulated gateway as a process: its control, its certificate, its ready line and its ready file."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shutil
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import mxgateway
from mxgateway_cli.controlling import ready_file
from mxgateway_cli.controlling.options import CONTROL_VARIABLE, KEY_VARIABLE
from mxgateway_cli.running.app import App
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode
from mxgateway_cli.terminal.text import json_text

if TYPE_CHECKING:
    from mxgateway import ApiKey
    from mxgateway.simulator import ControlServer, PlayedStep, Scenario, SimulatedGateway, SimulatedKey

DEMO_KEY: Final = "mxgw_simulator_demo"
"""The default API key of a simulated gateway; public, because there is no real plant behind it."""
MADE: Final = "self"
"""The word for a certificate that is made at the start."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What runs beside the gateway."""

    key: ApiKey | None
    """The gateway's key; None for the public one."""
    control: tuple[str, int] | None
    """Address and port of the control; None for none."""
    control_key: ApiKey | None
    """The control's key; None makes one."""
    ready_file: str | None
    """The ready file; None for none."""
    scenario: Scenario | None
    """The scenario to play."""


async def serve(
    app: App, serving: Serving, *, certificate: str | None, private_key: str | None, manual_clock: bool, **served: Any
) -> None:
    """Run a gateway until it is stopped, or the task is cancelled.

    Args:
        app: The invocation.
        serving: What runs beside it.
        certificate: PEM file of a certificate, or `MADE`; None without TLS.
        private_key: PEM file of its key; None if it is in the certificate's file.
        manual_clock: Whether its time stands still until the control moves it.
        served: Other arguments of the gateway.

    Raises:
        CommandFailure: Something cannot be started; nothing goes on.
    """
    async with AsyncExitStack() as stack:
        made, files = None, (certificate, private_key)
        if certificate == MADE:
            made = await stack.enter_async_context(_in_thread(_made_files(served["host"])))
            files = made.served, None
        gateway = _gateway(serving.key, files, manual_clock=manual_clock, **served)
        control = _control(gateway, serving)
        if serving.scenario is not None:
            with refused(serving.scenario.name):
                serving.scenario.check(gateway)
        stack.push_async_callback(gateway.stop)
        with _startable("choose another --port or --host"):
            await gateway.start()
        if made is not None:
            await asyncio.to_thread(os.unlink, made.served)  # the gateway has read the private key
        if control is not None:
            stack.push_async_callback(control.stop)
            with _startable("choose another --control port"):
                await control.start()
        _warn_of_public_key(app, serving, served["host"])
        document = _document(gateway, control, serving, made)
        if serving.ready_file is not None:
            await stack.enter_async_context(_in_thread(ready_file.written(serving.ready_file, document)))
        _announce(app, _without_own_keys(document, serving), is_tls=certificate is not None)
        if control is not None:
            app.keep_secret(mxgateway.ApiKey(control.key))  # from now on: it is shown once
        if serving.scenario is not None:
            gateway.play(serving.scenario, report=partial(_report, app))
        await gateway.serve_forever()


@contextmanager
def refused(name: str) -> Iterator[None]:
    """Report a wrong file in one line: its errors name it, those of the system do not."""
    from mxgateway.system.files import refusal_text

    try:
        yield
    except OSError as error:
        raise CommandFailure(f"{name}: {refusal_text(error)}", code=ExitCode.USAGE) from None
    except ValueError as error:
        raise CommandFailure(str(error), code=ExitCode.USAGE) from None


@asynccontextmanager
async def _in_thread(manager: AbstractContextManager[_T]) -> AsyncIterator[_T]:
    """Enter and exit a context manager that blocks; what it has entered is exited, whatever comes in between."""
    entering = asyncio.ensure_future(asyncio.to_thread(manager.__enter__))
    try:
        yield await asyncio.shield(entering)
    finally:
        await asyncio.wait([entering])
        if entering.exception() is None:
            await asyncio.to_thread(manager.__exit__, None, None, None)


# -- a certificate that is made for this run


@dataclass(frozen=True, slots=True)
class _MadeFiles:
    """The files of a certificate."""

    authority: str
    """The authority's certificate, for clients."""
    served: str
    """The gateway's certificate and its private key."""


@contextmanager
def _made_files(host: str) -> Iterator[_MadeFiles]:
    """Have a certificate for a gateway at an address, in a folder that only its owner may enter. Blocks."""
    from mxgateway.simulator import make_certificate

    try:
        made = make_certificate(_names(host))
        folder = tempfile.mkdtemp(prefix="mxgw-simulate-")
    except (OSError, ValueError) as error:
        raise CommandFailure(f"no certificate can be made: {error}", hint="use --certificate FILE") from None
    try:
        files = _MadeFiles(os.path.join(folder, "ca.pem"), os.path.join(folder, "gateway.pem"))
        for path, text in ((files.authority, made.authority), (files.served, made.certificate + made.private_key)):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(text)
        yield files
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _names(host: str) -> list[str]:
    """Return the names of the gateway: its address, or this machine's name if it listens on every address."""
    try:
        is_any = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return [host]
    name = socket.gethostname()
    return [host] if not is_any else [name] if name.isascii() and name else []


# -- the gateway and its control


def _gateway(
    key: ApiKey | None, files: tuple[str | None, str | None], *, manual_clock: bool, **served: Any
) -> SimulatedGateway:
    from mxgateway.simulator import ManualClock, SimulatedGateway

    certificate, private_key = files
    return SimulatedGateway(
        api_keys=[_simulated_key(DEMO_KEY if key is None else key.reveal())],
        certificate=certificate,
        private_key=private_key,
        clock=ManualClock() if manual_clock else None,
        **served,
    )


def _simulated_key(text: str) -> SimulatedKey:
    from mxgateway.simulator import SimulatedKey

    with refused("the key"):
        return SimulatedKey.parse(text)


def _control(gateway: SimulatedGateway, serving: Serving) -> ControlServer | None:
    if serving.control is None:
        return None
    from mxgateway.simulator import ControlServer

    host, port = serving.control
    key = None if serving.control_key is None else _simulated_key(serving.control_key.reveal())
    with refused(host):
        return ControlServer(gateway, host=host, port=port, key=key)


@contextmanager
def _startable(hint: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        pem = "use PEM files: the certificate, and its unencrypted private key"
        raise CommandFailure(error.strerror or str(error), hint=pem) from None
    except OSError as error:
        raise CommandFailure(error.strerror or str(error), hint=hint) from None


# -- what it tells


def _document(
    gateway: SimulatedGateway, control: ControlServer | None, serving: Serving, made: _MadeFiles | None
) -> dict[str, Any]:
    """Return what the ready file says."""
    return {
        "operation": "simulate",
        "endpoint": gateway.endpoint,
        "host": gateway.host,
        "port": gateway.port,
        "apiKey": DEMO_KEY if serving.key is None else serving.key.reveal(),
        "caFile": None if made is None else made.authority,
        "control": None if control is None else control.endpoint,
        "controlPort": None if control is None else control.port,
        "controlKey": None if control is None else control.key,
        "pid": os.getpid(),
    }


def _without_own_keys(document: dict[str, Any], serving: Serving) -> dict[str, Any]:
    """Return what the ready line says: a key that was given is known already, and is not shown."""
    hidden = {"apiKey": serving.key, "controlKey": serving.control_key}
    return {name: None if hidden.get(name) is not None else value for name, value in document.items()}


def _announce(app: App, document: dict[str, Any], *, is_tls: bool) -> None:
    """Show how to connect."""
    if app.output.form != "table":
        app.output.document(document, value="endpoint")
        return
    command = "set" if os.name == "nt" else "export"
    lines = [f"The simulated gateway listens on {document['endpoint']} until Ctrl-C. In another terminal:", ""]
    variables = {
        "MXGATEWAY_ENDPOINT": document["endpoint"],
        "MXGATEWAY_API_KEY": document["apiKey"],
        "MXGATEWAY_CA_FILE": document["caFile"],
        CONTROL_VARIABLE: document["control"],
        KEY_VARIABLE: document["controlKey"],
    }
    lines += [f"  {command} {name}={value}" for name, value in variables.items() if value is not None]
    if document["control"] is not None:
        lines.append("  mxgw-py sim status")
    app.announce([*lines, f"  mxgw-py smoke{'' if is_tls else ' --plaintext'}", ""])


def _warn_of_public_key(app: App, serving: Serving, host: str) -> None:
    if serving.key is None and not _is_loopback(host):
        app.warn(
            f"other machines can use this gateway: it listens on {host}, and its key is public; "
            "use --api-key-env for another key"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _report(app: App, step: PlayedStep) -> None:
    """Show a step of a scenario on stderr."""
    if app.output.form != "table":
        app.note(json_text({"step": asdict(step)}))
    elif step.failure:
        app.warn(str(step))
    else:
        app.note(str(step))
