"""Which version of the gateway's protocol this client was made for."""

from __future__ import annotations

from typing import Final

PROTOCOL_VERSION: Final = 3
"""The gateway protocol that this client was made for; another one is warned about and not refused."""
