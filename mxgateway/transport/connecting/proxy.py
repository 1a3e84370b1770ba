"""A tunnel through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6), opened on a socket before anything else is sent."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from mxgateway.errors.faults import ProxyFault
from mxgateway.options import Endpoint, HttpProxy
from mxgateway.options.hosts import without_zone

MAX_ANSWER: Final = 16 * 1024
"""The maximum size of a proxy's answers before the tunnel is open, in bytes; a hundred are usual."""

_HTTP_1: Final = b"HTTP/1."
_NOT_HTTP: Final = "answered something that is not HTTP/1"
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_SCHEME: Final = re.compile(rb"(?im)^proxy-authenticate[ \t]*:[ \t]*([a-z0-9-]+)")
_SCHEMES: Final = ("Basic", "Digest", "Negotiate", "NTLM", "Kerberos", "Bearer")
"""The authentication schemes that an error may name; nothing else is repeated: it may contain our own credentials."""


async def open_tunnel(sock: socket.socket, proxy: HttpProxy, target: Endpoint) -> None:
    """Have the proxy on the other end of `sock` open a tunnel to `target`.

    No byte beyond the proxy's answer is read: the next one may be the gateway's.

    Raises:
        ProxyFault: The proxy did not open it.
        OSError: The connection to the proxy failed.
    """
    await _ask(sock, proxy, target)
    left = MAX_ANSWER
    while True:
        answer = await _read_answer(sock, left)
        left -= answer.size
        if answer.defect:
            raise ProxyFault(str(proxy), answer.defect, transient=answer.hung_up)
        if 200 <= answer.status < 300:
            return
        if answer.status >= 200 or answer.status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise _refusal(proxy, answer)


async def _ask(sock: socket.socket, proxy: HttpProxy, target: Endpoint) -> None:
    """Send the request. It contains the password, so no frame of a traceback may hold it."""
    try:
        await asyncio.get_running_loop().sock_sendall(sock, _request(proxy, target))
    except BaseException as fault:  # noqa: BLE001 - it is raised again
        raise fault.with_traceback(None) from None


def _request(proxy: HttpProxy, target: Endpoint) -> bytes:
    place = Endpoint(without_zone(target.host), target.port)  # the dot of an absolute name tells the proxy's resolver
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.credentials is not None:
        token = base64.b64encode(proxy.credentials.reveal().encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {token}")
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True, slots=True)
class _Answer:
    """The parts of an answer that are kept: nothing that may repeat our credentials."""

    size: int = 0
    status: int = 0
    schemes: tuple[str, ...] = ()
    defect: str = ""
    hung_up: bool = False


async def _read_answer(sock: socket.socket, limit: int) -> _Answer:
    """Read the proxy's answer up to the empty line.

    Byte by byte: a server behind it may send first, and bytes cannot be returned to the socket.
    """
    loop, head = asyncio.get_running_loop(), bytearray()
    try:
        while not head.endswith((b"\r\n\r\n", b"\n\n")):
            if len(head) == limit:
                return _Answer(defect=f"answered with more than {MAX_ANSWER} bytes before the tunnel was open")
            byte = await loop.sock_recv(sock, 1)
            if not byte:
                when = "in the middle of its answer" if head else "instead of answering"
                return _Answer(defect=f"closed the connection {when}", hung_up=True)
            head += byte
            if not _HTTP_1.startswith(head[: len(_HTTP_1)]):
                return _Answer(defect=_NOT_HTTP)
        return _parse(head)
    finally:
        head.clear()  # a traceback may show local variables


def _parse(head: bytearray) -> _Answer:
    match = _STATUS_LINE.match(head)
    if match is None:
        return _Answer(defect=_NOT_HTTP)
    offered = {each.decode().lower() for each in _SCHEME.findall(head)}
    schemes = tuple(scheme for scheme in _SCHEMES if scheme.lower() in offered)
    return _Answer(size=len(head), status=int(match[1]), schemes=schemes)


def _refusal(proxy: HttpProxy, answer: _Answer) -> ProxyFault:
    try:
        phrase = f" ({HTTPStatus(answer.status).phrase})"
    except ValueError:
        phrase = ""
    return ProxyFault(
        str(proxy),
        f"refused the tunnel with HTTP status {answer.status}{phrase}",
        status=answer.status,
        schemes=answer.schemes,
        authenticated=proxy.credentials is not None,
    )
