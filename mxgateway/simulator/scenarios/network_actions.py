"""Actions on the network, the gateway's process, its clock, its certificate and its keys."""

from __future__ import annotations

import asyncio

from mxgateway.simulator.controls import Controls
from mxgateway.simulator.scenarios.kinds import AT_ONCE, File, Rate, Seconds, Shift
from mxgateway.simulator.scenarios.registry import Arguments, Outlook, action
from mxgateway.simulator.server.keys import Scope, SimulatedKey
from mxgateway.simulator.server.listener import tls_context


def _judge_certificate(outlook: Outlook, arguments: Arguments) -> None:
    if not outlook.is_tls:
        raise ValueError("the gateway does not serve TLS")
    try:
        tls_context(arguments["certificate"], arguments.get("private_key"))
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None


def _judge_revocation(outlook: Outlook, arguments: Arguments) -> None:
    revoked = arguments.get("key_id")
    if revoked is None:
        outlook.keys = set()
    elif revoked not in outlook.keys:
        raise LookupError(f"key_id: the gateway has no key {revoked!r} then")
    else:
        outlook.keys.discard(revoked)


def _judge_key(outlook: Outlook, arguments: Arguments) -> None:
    outlook.keys.add(arguments["key"].key_id)


@action()
def drop_connections(gateway: Controls, politely: bool = False) -> None:
    """Close every connection, by a reset or politely with a GOAWAY; sessions stay open."""
    gateway.drop_connections(politely=politely)


@action()
def go_away(gateway: Controls) -> None:
    """Send GOAWAY on every connection, as at the end of its age: running calls go on, new ones do not."""
    gateway.go_away()


@action()
async def refuse_connections(gateway: Controls) -> None:
    """Refuse new connections; open ones stay."""
    await gateway.refuse_connections()


@action()
async def accept_connections(gateway: Controls) -> None:
    """Accept connections again."""
    await gateway.accept_connections()


@action()
def black_hole(gateway: Controls, on: bool = True) -> None:
    """Receive and send nothing on any connection, old or new, without closing it; or end that."""
    gateway.black_hole(on=on)


@action()
def delay_replies(gateway: Controls, seconds: Seconds) -> None:
    """Answer every call later; 0 ends that."""
    gateway.delay_replies(seconds)


@action()
def slow_streams(
    gateway: Controls, events_per_second: Rate | None = None, bytes_per_second: Rate | None = None
) -> None:
    """Limit how fast events are sent; without parameters there is no limit."""
    gateway.slow_streams(events_per_second=events_per_second, bytes_per_second=bytes_per_second)


@action()
async def restart(gateway: Controls, down: Seconds = AT_ONCE, deployed: bool = False) -> None:
    """Restart the gateway, which loses its sessions; it can be down for a while, or be deployed meanwhile."""
    await gateway.restart(deployed=deployed, down=down)


@action()
def step_clock(gateway: Controls, seconds: Shift) -> None:
    """Set the clock of gateway and workers ahead, or back for a negative number."""
    gateway.clock.step(seconds)


@action(_judge_certificate)
async def serve_certificate(gateway: Controls, certificate: File, private_key: File | None = None) -> None:
    """Present another certificate, a PEM file, to connections that begin from now on."""
    gateway.serve_certificate(await asyncio.to_thread(tls_context, certificate, private_key))


@action(_judge_key)
def add_key(gateway: Controls, key: SimulatedKey, scopes: list[Scope] | None = None) -> None:
    """Accept another key, with every scope or with the given ones."""
    gateway.add_key(key if scopes is None else SimulatedKey.parse(key.reveal(), scopes=scopes))


@action(_judge_revocation)
def revoke_key(gateway: Controls, key_id: str | None = None) -> None:
    """Accept a key no longer, or no key at all; open streams go on."""
    gateway.revoke_key(key_id)
