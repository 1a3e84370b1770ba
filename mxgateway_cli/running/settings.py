"""The connection settings of a command, resolved from its options."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import mxgateway

if TYPE_CHECKING:
    from mxgateway import ApiKey, ClientOptions, HttpProxy, Secret, TlsOptions
    from mxgateway.contract import Contract
    from mxgateway.options.credentials import KeySource


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """The gateway that a command connects to, and how."""

    endpoint: str
    plaintext: bool
    api_key: ApiKey | None
    tls: TlsOptions | None = None
    proxy: HttpProxy | None = None
    key_source: KeySource | None = None
    """What returns the key again after the gateway has refused it; None if there is only this one."""
    timeout: float | None = None
    """The command's ``--timeout`` in seconds; None if it was not given."""
    call_timeout: float | None = None
    """Timeout of connecting and of each call, in seconds; None uses the library's defaults."""
    simulator: bool = False
    wait: float = 0.0
    """Seconds to wait for a gateway that is not up yet; 0 makes one attempt."""
    authority: str | None = None
    """The ``:authority`` of calls; None derives it from the endpoint."""
    contract: Contract | Literal["auto"] | None = None
    """The contract to use; None is the program's own."""

    @property
    def secrets(self) -> list[Secret]:
        """The secrets to redact in all output."""
        known = [] if self.key_source is None or self.api_key is None else [self.api_key]
        return [*known, *self.client_options().secrets()]

    def client_options(self) -> ClientOptions:
        """Return the library's options."""
        options = mxgateway.ClientOptions(
            api_key=self.key_source or self.api_key, plaintext=self.plaintext, tls=self.tls, proxy=self.proxy,
            contract=self.contract, authority=self.authority, wait=self.wait,
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
