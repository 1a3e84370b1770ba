"""What async iterators of one client have in common."""

from __future__ import annotations

from typing import Self

from mxgateway.transport.home import Home


class ClientReader:
    """An async iterator of one client that is a context manager as well: leaving its block closes it.

    A subclass sets `_home`, and has `__anext__` and `aclose`.
    """

    _home: Home

    async def aclose(self) -> None:
        """Close the iterator. Idempotent."""

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        self._home.check()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
