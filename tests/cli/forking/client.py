"""`mxgw-py` for a shell: has the nursery run the command, passes signals on to it, and ends as it does. It loads next to nothing."""

from __future__ import annotations

import os
import signal
import sys
from _socket import AF_UNIX, MSG_WAITALL, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket  # `socket` itself loads much
from collections.abc import Mapping, Sequence
from types import FrameType

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def request(arguments: Sequence[str], environment: Mapping[str, str], directory: str) -> bytes:
    """Return what the nursery is asked: the number of the arguments, the directory, the arguments, and the variables."""
    variables = (f"{name}={value}" for name, value in environment.items())
    return "\0".join([str(len(arguments)), directory, *arguments, *variables]).encode(errors="surrogateescape")


def ask(channel: socket, data: bytes, streams: Sequence[int]) -> None:
    """Send a request with the descriptors of stdin, stdout and stderr."""
    passed = b"".join(each.to_bytes(4, sys.byteorder) for each in streams)
    channel.sendmsg([len(data).to_bytes(4, "big")], [(SOL_SOCKET, SCM_RIGHTS, passed)])
    channel.sendall(data)


def main(address: str, *arguments: str) -> None:
    """Be the command."""
    channel = socket(AF_UNIX, SOCK_STREAM)
    channel.connect(address)
    ask(channel, request(arguments, os.environ, os.getcwd()), (0, 1, 2))
    pid = int.from_bytes(channel.recv(4, MSG_WAITALL), "big")

    def pass_on(number: int, _frame: FrameType | None) -> None:
        os.kill(pid, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    code = int.from_bytes(channel.recv(4, MSG_WAITALL), "big", signed=True)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
