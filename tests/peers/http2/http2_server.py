"""An HTTP/2 server on real sockets that only follows a script."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping

from tests.peers.http2.http2_peer import Http2Peer
from tests.peers.http2.raw_server import RawServer

Script = Callable[[Http2Peer], Awaitable[None]]


class Http2Server(RawServer):
    """An HTTP/2 server that greets each connection, plays a script on it, and then waits until the client closes it.

    Args:
        script: Gets the peer.
        settings: The settings in the greeting.
        tls: The context of a TLS server.
        credits: Give the client unlimited credit; otherwise only the initial windows.
        answers_pings: Answer the client's PING.
        acknowledges_settings: Acknowledge the client's SETTINGS.
    """

    def __init__(
        self,
        script: Script,
        *,
        settings: Mapping[int, int] | None = None,
        tls: ssl.SSLContext | None = None,
        credits: bool = False,
        answers_pings: bool = True,
        acknowledges_settings: bool = True,
    ) -> None:
        super().__init__(self._play, tls=tls)
        self._http2_script = script
        self._settings = settings
        self._credits, self._answers_pings = credits, answers_pings
        self._acknowledges_settings = acknowledges_settings
        self.peers: list[Http2Peer] = []
        """The connections, in order."""

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Http2Peer(reader, writer, number=len(self.peers))
        peer.credits, peer.answers_pings = self._credits, self._answers_pings
        peer.acknowledges_settings = self._acknowledges_settings
        self.peers.append(peer)
        await peer.greet(self._settings)
        async with peer.reading():
            await self._http2_script(peer)
            await peer.until_gone()
