"""The version of the gateway protocol that this client implements."""

from __future__ import annotations

from typing import Final

from mxgateway.generated import FINGERPRINT

PROTOCOL_VERSION: Final = 3
"""The gateway protocol that this client implements; another version causes a warning, not a refusal."""

CONTRACT_FINGERPRINT: Final = FINGERPRINT
"""The fingerprint of the contract that this client was generated from (`mxgateway.contract.Contract.fingerprint`)."""
