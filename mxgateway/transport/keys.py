"""The API key that a client sends, and where the next one comes from after the gateway has refused it."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from mxgateway.errors import MxGatewayAuthenticationError
from mxgateway.errors.logs import logger
from mxgateway.errors.redaction import Gate
from mxgateway.options.credentials import ApiKey, KeySource, Unusable
from mxgateway.options.secret_fields import wrapped_key

log = logger("mxgateway.transport.keys")


class Keys:
    """The key of one client. It is asked for at the connect, and once after each refusal.

    Args:
        key: The fixed key, if there is one.
        source: What returns the key, if it is not fixed.
        gate: Hides the keys in texts.
    """

    def __init__(self, key: ApiKey | None, source: KeySource | None, gate: Gate) -> None:
        self.current = key
        """The key that calls send; None for none."""
        self.number = 0
        """Rises with each other key."""
        self.asked = 0
        """How often the source was asked."""
        self._source = source
        self._gate = gate
        self._hidden: list[ApiKey] = []
        """The present key and the one before it: a late reply may repeat that."""
        self._asking: asyncio.Task[str] | None = None

    @property
    def is_fixed(self) -> bool:
        """True if there is no other key to ask for."""
        return self._source is None

    async def ask(self) -> None:
        """Take the key that the source returns now; all who ask meanwhile share the answer.

        Raises:
            MxGatewayAuthenticationError: The source failed, or returned no key.
        """
        if self._source is None:
            return
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(self._source))
        attempt = self._asking
        await asyncio.wait([attempt])
        if attempt.cancelled() or (defect := attempt.result()):
            why = "the client was closed" if attempt.cancelled() else defect
            raise MxGatewayAuthenticationError(f"no API key: {why}", hint="see what api_key= returns", phase="request")

    async def _ask(self, source: KeySource) -> str:
        """Take another key, and return what is wrong with it. No exception leaves this: its frames may show the key."""
        try:
            found = await _returned(source)
            if isinstance(found, Unusable):
                return found.defect
            self._take(found)
            return ""
        except Exception as error:  # noqa: BLE001 - whatever the caller's function raises
            return f"the function given as api_key raised {type(error).__name__}: {self._gate.line(str(error))}"
        finally:
            self.asked += 1
            self._asking = None

    def _take(self, key: ApiKey) -> None:
        if key == self.current:
            return
        self._gate.add(key)
        self._hidden.append(key)
        if len(self._hidden) > 2:
            self._gate.forget(self._hidden.pop(0))
        if self.current is not None:
            log.info("the API key %s is replaced by %s", self.current, key)
        self.current = key
        self.number += 1

    async def replaced(self, number: int, asked: int) -> bool:
        """Return whether there is another key than the refused one.

        Args:
            number: The `number` of the refused key.
            asked: `asked` when it was sent: an answer that has come since is not asked for again.
        """
        if self.number == number and self.asked == asked:
            try:
                await self.ask()
            except MxGatewayAuthenticationError as error:
                log.warning("the gateway refuses the API key, and there is %s", error)
        return self.number != number

    def end(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()


async def _returned(source: KeySource) -> ApiKey | Unusable:
    """Return what a source returns, wrapped at once."""
    given: list[Any] = [source()]
    return wrapped_key(await given.pop() if inspect.isawaitable(given[0]) else given.pop())
