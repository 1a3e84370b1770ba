"""Which gateway a command talks to, and how: what its connection options have come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import mxgateway

if TYPE_CHECKING:
    from mxgateway import ApiKey, ClientOptions, HttpProxy, Secret, TlsOptions
    from mxgateway.contract import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """Which gateway a command talks to, and how."""

    endpoint: str
    plaintext: bool
    tls: TlsOptions | None
    proxy: HttpProxy | None
    api_key: ApiKey | None
    timeout: float | None
    """Seconds that the command was given; None when it was given none."""
    call_timeout: float | None
    """Seconds that bound connecting and each call; None takes the library's defaults."""
    simulator: bool
    contract: Contract | Literal["auto"] | None = None
    """Whose numbers are spoken."""

    @property
    def secrets(self) -> list[Secret]:
        """What nothing that is written may show."""
        return list(self.client_options().secrets())

    def client_options(self) -> ClientOptions:
        """Return what the library is connected with."""
        options = mxgateway.ClientOptions(
            api_key=self.api_key, plaintext=self.plaintext, tls=self.tls, proxy=self.proxy, contract=self.contract
        )  # fmt: skip
        if self.call_timeout is None:
            return options
        connect_timeout = min(options.connect_timeout, self.call_timeout)
        return replace(options, connect_timeout=connect_timeout, call_timeout=self.call_timeout)


def decoded(data: bytes) -> Secret | None:
    """Return the text of a file that holds a secret; None when it is no text."""
    try:
        return mxgateway.Secret(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None
