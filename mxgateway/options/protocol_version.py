"""Which version of the gateway's protocol this client was made for."""

from __future__ import annotations

from typing import Final

from mxgateway.generated import FINGERPRINT

PROTOCOL_VERSION: Final = 3
"""The gateway protocol that this client was made for; another one is warned about and not refused."""

CONTRACT_FINGERPRINT: Final = FINGERPRINT
"""The fingerprint of the contract that this client was generated from (`mxgateway.contract.Contract.fingerprint`)."""
