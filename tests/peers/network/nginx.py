"""nginx as a TLS-terminating proxy in front of a gateway: a process of the test, never the system's service.

All its files are in one directory of the test, so instances can run in parallel, as root or any other user.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.peers.network.certificates import ServerCertificate

PATIENCE: Final = 20.0
"""Seconds allowed for nginx to start, reload or stop."""
_SYSTEM_DIRECTORIES: Final = ("/usr/sbin", "/usr/local/sbin")
"""Where packages install nginx; on Debian only root has these in PATH."""
_NEEDED: Final = ("http_ssl_module", "http_v2_module")
_LEAVING: Final = "gracefully shutting down"


@cache
def why_not() -> str:
    """Return why nginx cannot be used here; empty if it can."""
    program = _program()
    if sys.platform == "win32" or program is None:
        return "nginx is not installed (Debian: apt-get install nginx)"
    built_with = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stderr
    missing = [module for module in _NEEDED if module not in built_with]
    return f"{program} was built without {' and '.join(missing)}" if missing else ""


def _program() -> str | None:
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_DIRECTORIES]))


@dataclass(frozen=True)
class ProxiedCall:
    """A line of the access log: a completed request."""

    worker: int
    """Process id of the nginx worker that served it."""
    connection: int
    """The client's connection, by nginx's own count."""
    status: int
    """The HTTP status sent to the client."""
    path: str


class NginxProxy:
    """nginx between clients and a plaintext gateway; a context manager that serves TLS on a free port of 127.0.0.1.

    Args:
        upstream_port: The gateway's port on 127.0.0.1.
        certificate: The certificate presented to clients.
        directory: For configuration, logs and temporary files.
        shutdown_timeout: Seconds after a reload until an exiting worker aborts its open calls; None, nginx's default,
            waits for them without limit.
        calls_per_connection: Requests after which a connection is closed by GOAWAY; the default is nginx's.
        largest_request: In nginx's notation; its default of 1m is less than the gateway accepts.
    """

    def __init__(
        self,
        upstream_port: int,
        certificate: ServerCertificate,
        directory: Path,
        *,
        shutdown_timeout: float | None = None,
        calls_per_connection: int = 1000,
        largest_request: str = "17m",
    ) -> None:
        self._upstream_port = upstream_port
        self._certificate = certificate
        self._directory = directory
        self._shutdown_timeout = shutdown_timeout
        self._calls_per_connection = calls_per_connection
        self._largest_request = largest_request
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        """The address, with ``localhost`` so that the name can be verified."""
        return f"localhost:{self.port}"

    @property
    def calls(self) -> list[ProxiedCall]:
        """The completed requests, oldest first."""
        lines = (line.split(" ", 3) for line in self._read("access.log").splitlines())
        return [ProxiedCall(int(worker), int(number), int(status), path) for worker, number, status, path in lines]

    async def reload(self) -> None:
        """Reload the configuration, and return once the old workers have been told to finish and exit."""
        left = self._read("error.log").count(_LEAVING)
        process = await self._spawn("-s", "reload")
        assert await process.wait() == 0, self._read("stderr.log")
        async with asyncio.timeout(PATIENCE):
            while self._read("error.log").count(_LEAVING) == left:
                await asyncio.sleep(0.01)

    async def workers_left(self, count: int) -> None:
        """Wait until `count` workers have exited on their own."""
        async with asyncio.timeout(PATIENCE):
            while self._read("error.log").count("exited with code 0") < count:
                await asyncio.sleep(0.01)

    async def __aenter__(self) -> Self:
        self.port = _free_port()
        for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            (self._directory / name).mkdir()
        pem = self._directory / "server.pem"
        pem.touch(mode=0o600)
        pem.write_bytes(self._certificate.key_pem + self._certificate.certificate_pem)
        (self._directory / "nginx.conf").write_text(self._configuration(), encoding="utf-8")
        self._process = await self._spawn()
        try:
            await self._until_it_listens(self._process)
        except BaseException:
            await self._stop(self._process)
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        await self._stop(self._process)

    async def _spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        program = _program()
        assert program is not None, why_not()
        with (self._directory / "stderr.log").open("ab") as stderr:
            return await asyncio.create_subprocess_exec(
                program, "-p", str(self._directory), "-c", "nginx.conf", *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                env={name: text for name, text in os.environ.items() if name != "NGINX"},  # has sockets to inherit
            )  # fmt: skip

    async def _until_it_listens(self, process: asyncio.subprocess.Process) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                assert process.returncode is None, self._read("stderr.log") + self._read("error.log")
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    await writer.wait_closed()
                    return

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        """Let the master stop its workers immediately, and itself."""
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()

    def _read(self, name: str) -> str:
        file = self._directory / name
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def _configuration(self) -> str:
        timeout = self._shutdown_timeout
        main = [
            f"user {_own_names()};" if _is_root() else "",  # otherwise workers drop root and may not enter here
            f"worker_shutdown_timeout {timeout * 1000:.0f}ms;" if timeout is not None else "",
        ]
        return f"""
daemon off;
pid nginx.pid;
error_log error.log notice;
worker_processes 1;
{chr(10).join(filter(None, main))}
events {{ worker_connections 512; }}
http {{
    log_format calls '$pid $connection $status $request_uri';
    access_log access.log calls;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream gateway {{
        server 127.0.0.1:{self._upstream_port};
        keepalive 32;
    }}
    server {{
        listen 127.0.0.1:{self.port} ssl http2;  # the one way to say it that every version knows
        ssl_certificate server.pem;
        ssl_certificate_key server.pem;
        keepalive_requests {self._calls_per_connection};
        client_max_body_size {self._largest_request};
        location / {{
            grpc_pass grpc://gateway;
            grpc_read_timeout 1h;
        }}
    }}
}}
"""


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _own_names() -> str:
    """Return the names of this process's user and group."""
    import grp
    import pwd

    return f"{pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name}"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
